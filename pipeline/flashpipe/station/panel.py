"""What a station shows: in a pipe a line for each end of a board; and the words of its panel (`live_panel`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TextIO

from flashpipe.jobs.station_view import PortView, StationView
from flashpipe.terminal import write

BELLS: Final = {"pass": "\a", "fail": "\a\a\a", "ask": "\a\a"}
"""Sounds of the ends."""
BAR: Final = 12
"""Characters of a bar."""
Say = Callable[..., str]
"""A text for the operator, by its name (`flashpipe.station.texts`)."""


class StationLines:
    """For a log: one line for each end of a board."""

    def __init__(self, say: Say, stream: TextIO | None = None) -> None:
        self._say, self._stream = say, stream
        self._known: dict[str, PortView] = {}
        self._notes: tuple[str, ...] = ()
        self._halted = ""

    def __call__(self, view: StationView) -> None:
        """Show what has changed."""
        for port in view.ports:
            if port.state in BELLS and port != self._known.get(port.place):
                write(line_of(port, self._say) + "\n", self._stream)
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


def line_of(port: PortView, say: Say) -> str:
    """The end of a board in one line."""
    words = [port.headline if port.state == "pass" else port.cause, port.action]
    line = "; ".join(word for word in words if word)
    words = [f"{say(f'state.{port.state}'):<4}", port.place, port.mac or say("no-answer"), port.unit, line]
    return "  ".join(word for word in words if word)


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
