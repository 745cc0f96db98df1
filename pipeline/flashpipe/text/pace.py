"""How fast a step goes, and how long it will take: what stands behind a bar."""

from __future__ import annotations

import time
from typing import Final

from flashpipe.events import IN_SECONDS, Progress

SURE_S: Final = 1.0
"""After that long a rate is one."""
_KB: Final = 1024


class Pace:
    """When each step of each board began."""

    def __init__(self) -> None:
        self._began: dict[tuple[str, str], tuple[float, int]] = {}

    def begin(self, port: str, step: str) -> None:
        """A step begins; its bytes are counted from its first progress on."""
        self._began.pop((port, step), None)

    def told(self, event: Progress, now: float | None = None) -> str:
        """How far it has come, its rate and the time left, as far as they are known; `now` by `time.monotonic`."""
        now = time.monotonic() if now is None else now
        if event.step in IN_SECONDS:
            return f"{event.done} s, {event.total} s at most"
        began, first = self._began.setdefault((event.port, event.step), (now, event.done))
        small = event.total < _KB
        text = f"{event.done} of {event.total} B" if small else f"{_kb(event.done)} of {_kb(event.total)} KB"
        seconds, done = now - began, event.done - first
        if seconds < SURE_S or done <= 0:
            return text
        rate = done / seconds
        left = (event.total - event.done) / rate
        return f"{text}  {_kb(rate)} KB/s" + (f"  {_time(left)} left" if left >= 1 else "")


def _kb(size: float) -> str:
    return f"{size / _KB:,.0f}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"  # noqa: PLR2004  1.5 minutes
