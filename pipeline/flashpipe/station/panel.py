"""What a station shows on a terminal: a table of its ports, and how the batch goes; in a pipe a line for each end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TextIO

from flashpipe.jobs.station_view import PortView, StationView
from flashpipe.terminal import visible, write

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

STYLES: Final = {
    "waiting": "dim",
    "working": "bold white on blue",
    "pass": "bold white on green",
    "fail": "bold white on red",
    "ask": "bold black on yellow",
}
BELLS: Final = {"pass": "\a", "fail": "\a\a\a", "ask": "\a\a"}
"""Sounds of the ends."""
BAR: Final = 12
"""Characters of a bar."""
REFRESH_HZ: Final = 8
Say = Callable[..., str]
"""A text for the operator, by its name (`flashpipe.station.texts`)."""


class StationLines:
    """For a log: one line for each end of a board."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._known: dict[str, PortView] = {}
        self._notes: tuple[str, ...] = ()
        self._halted = ""

    def __call__(self, view: StationView) -> None:
        """Show what has changed."""
        for port in view.ports:
            if port.state in BELLS and port != self._known.get(port.place):
                write(line_of(port) + "\n", self._stream)
            self._known[port.place] = port
        for note in view.notes:
            if note not in self._notes:
                write(f"note     {note}\n", self._stream)
        self._notes = view.notes
        if view.halted and view.halted != self._halted:
            write(f"{view.halted}\n", self._stream)
        self._halted = view.halted

    def close(self) -> None:
        """Nothing is left to do."""

    def bell(self, state: str) -> None:
        """A log has no sound."""
        del state


def line_of(port: PortView) -> str:
    """The end of a board in one line."""
    words = [port.headline if port.state == "pass" else port.cause, port.action]
    line = "; ".join(word for word in words if word)
    return f"{port.state.upper():<4}  {port.place}  {port.mac or 'no answer'}  {port.unit}  {line}".replace(
        "    ", "  "
    )


def counts_line(view: StationView, say: Say) -> str:
    """How it goes, in one line."""
    counts = view.counts
    words = [f"{say('label.batch')} {view.batch}", f"{counts.passed} {say('label.passed')}"]
    words.append(f"{counts.failed} {say('label.failed')}")
    if counts.rate is not None:
        words.append(f"{say('label.yield')} {counts.rate:.0%}")
    if counts.passed:
        words += [f"{counts.seconds:.0f} {say('label.seconds')}", f"{counts.per_hour:.0f} {say('label.hour')}"]
    return " · ".join(words)


class StationPanel:
    """The panel of a terminal, drawn with rich."""

    def __init__(self, say: Say, stream: TextIO | None = None) -> None:
        from rich.console import Console  # noqa: PLC0415  0.1 s, and only for a station
        from rich.live import Live  # noqa: PLC0415  the same

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
        from rich.console import Group  # noqa: PLC0415  is loaded by now

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
        from rich.text import Text  # noqa: PLC0415  is loaded by now

        lines = [Text(_plain(f"{view.profile}  {view.image}"), "bold")]
        lines.append(Text(_plain(counts_line(view, self._say)), "bold"))
        if view.halted:
            lines.append(Text(_plain(view.halted), STYLES["ask"]))
        return [*lines]

    def _below(self, view: StationView) -> list[RenderableType]:
        from rich.text import Text  # noqa: PLC0415  is loaded by now

        keys = "".join(port.key for port in view.ports)
        words = [*view.notes, self._say("keys", keys=keys or "1…")]
        return [Text(_plain(word), "dim") for word in words]

    def _rows(self, view: StationView, *, whole: bool) -> RenderableType:
        """A row for each port: all that is said of it, or as much as one line has room for."""
        from rich import box  # noqa: PLC0415  is loaded by now
        from rich.table import Table  # noqa: PLC0415  is loaded by now
        from rich.text import Text  # noqa: PLC0415  is loaded by now

        table = Table(box=box.SIMPLE_HEAVY if whole else None, expand=True, show_header=False, padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(min_width=9, no_wrap=True)
        table.add_column(ratio=1, no_wrap=not whole, overflow="ellipsis")
        for port in view.ports:
            text = told(port) if whole else told(port).replace("\n", "; ")
            table.add_row(port.key, Text(_plain(port.place)), self._state(port), Text(_plain(text)))
        return table

    def _cells(self, view: StationView) -> RenderableType:
        """Key, name and state of each port, side by side."""
        from rich.columns import Columns  # noqa: PLC0415  0.5 ms, and only where there are many ports
        from rich.text import Text  # noqa: PLC0415  is loaded by now

        width = max((len(port.place) for port in view.ports), default=0)
        names = [f"{port.key or ' '} {_plain(port.place):<{width}} " for port in view.ports]
        cells = [Text.assemble(name, self._state(port)) for name, port in zip(names, view.ports, strict=True)]
        return Columns(cells, padding=(0, 2))

    def _asked(self, view: StationView) -> list[str]:
        """A line for each port about which the operator has to do something."""
        return [f"{port.key} {port.place}  {told(port)}" for port in view.ports if port.state in {"fail", "ask"}]

    def _state(self, port: PortView) -> Text:
        from rich.text import Text  # noqa: PLC0415  is loaded by now

        return Text(f" {self._say(f'state.{port.state}')} ", STYLES[port.state])


def _line(text: str) -> RenderableType:
    """As much of a text as one line has room for."""
    from rich.text import Text  # noqa: PLC0415  is loaded by now

    return Text(_plain(text.replace("\n", "; ")), no_wrap=True, overflow="ellipsis")


def _plain(text: str) -> str:
    return visible(text)


def told(port: PortView) -> str:
    """What stands behind the state of a port."""
    who = " ".join(word for word in (port.mac, port.unit) if word)
    if port.state == "working":
        share = "" if port.share is None else _bar(port.share)
        return "  ".join(word for word in (who, port.step or port.headline, share) if word)
    lines = [port.headline if port.state not in {"fail", "ask"} else port.cause, port.action]
    return "\n".join(["  ".join(word for word in (who, lines[0]) if word), *filter(None, lines[1:])])


def _bar(share: float) -> str:
    filled = int(share * BAR)
    return "█" * filled + "░" * (BAR - filled) + f" {share:4.0%}"
