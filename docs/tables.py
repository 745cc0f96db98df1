"""What the pages include and nobody writes: tables of the program, and the picture of its rooms.

Run by `conf.py`; by hand, `python docs/tables.py` writes the same files to `docs/_generated`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from flashpipe.cli.topics import TOPICS, Table
from flashpipe.profile.load import load_profile
from flashpipe.profile.search import shipped_folder

DOCS: Final = Path(__file__).resolve().parent
if str(DOCS.parent) not in sys.path:
    sys.path.insert(0, str(DOCS.parent))

from tests.rooms import ARROWS, LEAVES, PACKAGE, SOURCES  # noqa: E402  the path had to be set first

MARKER: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z" fill="#607080"/></marker></defs>'
)
"""The tip of an arrow."""
BOX: Final = (96, 34)
"""Width and height of a room in the picture, in pixels."""
GAP: Final = (28, 44)
"""Pixels between two rooms beside each other, and between two rows of them."""


def files() -> dict[str, str]:
    """Name of each generated file to its text."""
    topics = {f"{name}.md": topic.markdown() for name, topic in TOPICS.items()}
    return {
        **topics,
        "profiles.md": profiles().markdown() + "\n",
        "rooms.md": rooms(ARROWS).markdown() + "\n",
        "rooms.svg": picture(ARROWS),
    }


def write(folder: Path) -> None:
    """Write the files that changed."""
    folder.mkdir(exist_ok=True)
    for name, text in files().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def profiles() -> Table:
    """The shipped profiles."""
    rows = []
    for path in sorted(shipped_folder().glob("*.yaml")):
        profile = load_profile(path.stem, path.parent)
        mode = f"{profile.flash_mode}, {profile.flash_frequency}"
        rows.append((f"`{profile.name}`", profile.chip, profile.flash_size, mode, profile.about))
    return Table(("profile", "chip", "flash", "mode", "board"), tuple(rows))


def rooms(arrows: Mapping[str, frozenset[str]]) -> Table:
    """Each room, what it is for by its own first line, and the rooms directly below it."""
    rows = []
    for room, others in arrows.items():
        init = SOURCES.joinpath(PACKAGE, *room.split("."), "__init__.py")
        text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) if init.is_file() else None
        purpose = text.partition("\n")[0] if text else f"What everything may know: {', '.join(sorted(LEAVES))}."
        rows.append((f"`{room}`", purpose, ", ".join(f"`{other}`" for other in sorted(others)) or "nothing"))
    return Table(("room", "what it is for", "imports"), tuple(rows))


def layers(arrows: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Rooms by height: nothing in a layer imports another room of it; the last layer imports nothing."""

    def height(room: str, above: tuple[str, ...] = ()) -> int:
        if room in above:
            raise LookupError(f"the arrows run in a circle: {' > '.join((*above, room))}")
        return 1 + max((height(other, (*above, room)) for other in arrows[room]), default=-1)

    heights = {room: height(room) for room in arrows}
    return [[room for room in arrows if heights[room] == level] for level in range(max(heights.values()), -1, -1)]


def picture(arrows: Mapping[str, frozenset[str]]) -> str:
    """The rooms as SVG, importers above what they import."""
    levels = layers(arrows)
    width = max(len(level) for level in levels) * (BOX[0] + GAP[0]) + GAP[0]
    height = len(levels) * (BOX[1] + GAP[1]) + GAP[1]
    places = {room: place for row, level in enumerate(levels) for room, place in _places(level, row, width)}
    lines = [_arrow(places[room], places[other]) for room, others in arrows.items() for other in sorted(others)]
    boxes = [_box(room, *place) for room, place in places.items()]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
            MARKER,
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def _places(level: Iterable[str], row: int, width: int) -> list[tuple[str, tuple[int, int]]]:
    names = list(level)
    start = (width - len(names) * BOX[0] - (len(names) - 1) * GAP[0]) // 2
    y = GAP[1] // 2 + row * (BOX[1] + GAP[1])
    return [(name, (start + column * (BOX[0] + GAP[0]), y)) for column, name in enumerate(names)]


def _box(name: str, x: int, y: int) -> str:
    middle = (x + BOX[0] // 2, y + BOX[1] // 2 + 4)
    return (
        f'<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="5" fill="#eef3f8" stroke="#607080"/>'
        f'<text x="{middle[0]}" y="{middle[1]}" text-anchor="middle" font-family="sans-serif" font-size="12"'
        f' fill="#203040">{escape(name)}</text>'
    )


def _arrow(upper: tuple[int, int], lower: tuple[int, int]) -> str:
    start, end = (upper[0] + BOX[0] // 2, upper[1] + BOX[1]), (lower[0] + BOX[0] // 2, lower[1] - 1)
    return (
        f'<line x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}" stroke="#607080" stroke-width="1.2"'
        ' marker-end="url(#tip)"/>'
    )


if __name__ == "__main__":
    write(DOCS / "_generated")
