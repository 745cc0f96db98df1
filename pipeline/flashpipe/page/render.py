"""Templates to HTML. Whatever a board, a file or a person said is escaped: nothing in here says `safe`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flashpipe.firmware.flash_map import WHAT
from flashpipe.jobs.station_screen import SeenStation
from flashpipe.masking import mask_urls
from flashpipe.page.board import BoardOnPage
from flashpipe.page.job_log import HEADINGS
from flashpipe.terminal import visible
from flashpipe.units import format_size

HERE: Final = Path(__file__).parent
PARTS: Final = ("card", "now", "device", "firmware", "plan", "work", "console", "files", "node")
"""Pieces of a board's page that change by themselves, each a template."""


def _text(value: object) -> str:
    """A text for people, as on a terminal: nothing that would steer it, no logins in URLs."""
    return visible(mask_urls(str(value)))


def environment() -> Environment:
    """Jinja's, which escapes everything and refuses names that it does not know."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["text"] = _text
    made.filters["area"] = lambda name: WHAT.get(name, name)
    made.globals["headings"] = HEADINGS
    made.filters["bytes"] = lambda size: format_size(size) if size % 1024 == 0 else f"{size:,} bytes"
    return made


class Renderer:
    """Templates that are compiled when first used; from any thread."""

    def __init__(self) -> None:
        self._templates = environment()

    def page(self, template: str, **values: Any) -> str:
        """A whole page."""
        return self._templates.get_template(f"{template}.html").render(**values)

    def stations(self, stations: Sequence[SeenStation]) -> str:
        """What the stations show, as it is now."""
        return self._templates.get_template("parts/stations.html").render(stations=stations)

    def part(self, name: str, board: BoardOnPage) -> str:
        """A piece of a board's page, as it is now."""
        return self._templates.get_template(f"parts/{name}.html").render(board=board, log=board.log)
