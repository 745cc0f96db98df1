"""The panel of a station on a terminal, drawn with rich: a table of its ports, and how the batch goes."""

from __future__ import annotations

import sys
from typing import Final, TextIO

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from flashpipe.jobs.station_view import PortView, StationView
from flashpipe.station.panel import BELLS, Say, counts_line, told
from flashpipe.terminal import visible, write

STYLES: Final = {
    "waiting": "dim",
    "working": "bold white on blue",
    "pass": "bold white on green",
    "fail": "bold white on red",
    "ask": "bold black on yellow",
}
REFRESH_HZ: Final = 8


class StationPanel:
    """The panel of a terminal, drawn with rich."""

    def __init__(self, say: Say, stream: TextIO | None = None) -> None:
        self._say = say
        self._stream = stream or sys.stdout
        self._console = Console(file=self._stream, highlight=False, markup=False, emoji=False)
        self._live: Live | None = Live(console=self._console, refresh_per_second=REFRESH_HZ, screen=False)
        self._live.start()

    def __call__(self, view: StationView) -> None:
        """Draw it."""
        if self._live is not None:
            self._live.update(self._drawn(view))

    def close(self) -> None:
        """Leave the last view, and the terminal as it was."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def bell(self, state: str) -> None:
        """The sound of an end."""
        write(BELLS.get(state, ""), self._stream, kept="\a")

    def _drawn(self, view: StationView) -> RenderableType:
        """The fullest drawing that the terminal has lines for; how the batch goes stands above the ports."""
        above, below = self._above(view), self._below(view)
        room = self._console.size.height - 1  # the cursor stands below it
        for whole in (True, False):
            drawn = Group(*above, self._rows(view, whole=whole), *below)
            if self._height(drawn) <= room:
                return drawn
        cells, asked = self._cells(view), self._asked(view)
        left = room - self._height(Group(*above, cells, below[-1]))
        if len(asked) > left:
            asked = [*asked[: max(0, left - 1)], f"… {len(asked) - max(0, left - 1)}"]
        return Group(*above, cells, *map(_line, asked), below[-1])

    def _height(self, drawn: RenderableType) -> int:
        return len(self._console.render_lines(drawn, pad=False))

    def _above(self, view: StationView) -> list[RenderableType]:
        lines = [Text(visible(f"{view.profile}  {view.image}"), "bold")]
        lines.append(Text(visible(counts_line(view, self._say)), "bold"))
        if view.halted:
            lines.append(Text(visible(view.halted), STYLES["ask"]))
        return [*lines]

    def _below(self, view: StationView) -> list[RenderableType]:
        keys = "".join(port.key for port in view.ports)
        words = [*view.notes, self._say("keys", keys=keys or "1…")]
        return [Text(visible(word), "dim") for word in words]

    def _rows(self, view: StationView, *, whole: bool) -> RenderableType:
        """A row for each port: all that is said of it, or as much as one line has room for."""
        table = Table(box=box.SIMPLE_HEAVY if whole else None, expand=True, show_header=False, padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(min_width=9, no_wrap=True)
        table.add_column(ratio=1, no_wrap=not whole, overflow="ellipsis")
        for port in view.ports:
            text = told(port) if whole else told(port).replace("\n", "; ")
            table.add_row(port.key, Text(visible(port.place)), self._state(port), Text(visible(text)))
        return table

    def _cells(self, view: StationView) -> RenderableType:
        """Key, name and state of each port, side by side."""
        width = max((len(port.place) for port in view.ports), default=0)
        names = [f"{port.key or ' '} {visible(port.place):<{width}} " for port in view.ports]
        cells = [Text.assemble(name, self._state(port)) for name, port in zip(names, view.ports, strict=True)]
        return Columns(cells, padding=(0, 2))

    def _asked(self, view: StationView) -> list[str]:
        """A line for each port about which the operator has to do something."""
        return [f"{port.key} {port.place}  {told(port)}" for port in view.ports if port.state in {"fail", "ask"}]

    def _state(self, port: PortView) -> Text:
        return Text(f" {self._say(f'state.{port.state}')} ", STYLES[port.state])


def _line(text: str) -> RenderableType:
    """As much of a text as one line has room for."""
    return Text(visible(text.replace("\n", "; ")), no_wrap=True, overflow="ellipsis")
