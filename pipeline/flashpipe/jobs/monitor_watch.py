"""What ends a monitor that a program has started: a text that it waits for, one that must not come, time, a crash."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

from flashpipe.board.boot.kinds import error_class
from flashpipe.board.boot.verdict import conclude
from flashpipe.errors import BadValueError, MonitorFailedError, MonitorTimeoutError, PipelineError
from flashpipe.jobs.variables import Variables
from flashpipe.units import parse_duration

CRASHES: Final = frozenset({"exception", "panic", "watchdog"})
"""Verdicts that need no reset at the beginning of the log to be sure."""
_KEPT: Final = 16_384
"""Characters that are looked at: the end of a long log is judged again with each piece that comes."""


class Watch:
    """Decides when enough was seen, and what that means."""

    def __init__(self, variables: Variables, now: Callable[[], float] = time.monotonic) -> None:
        """Read `until=`, `fail=` and `timeout=`.

        Raises:
            BadValueError: one of them cannot be read.
        """
        self._until, self._fail = (_pattern(name, variables.text(name)) for name in ("until", "fail"))
        text = variables.text("timeout")
        self._timeout_s = parse_duration(text) if text else None
        self._now = now
        self._since = now()
        self._log = ""
        self._crash_is_told = False
        self.seen = ""
        """What was waited for, as it came."""
        self.error: PipelineError | None = None

    @property
    def machine(self) -> bool:
        """Whether anything but a person ends the monitor."""
        return bool(self._until or self._fail or self._timeout_s is not None)

    def hear(self, text: str) -> None:
        """The board has said this."""
        if not self.machine or self.seen or self.error:
            return
        self._log = (self._log + text)[-_KEPT:]
        bad, good = (pattern.search(self._log) if pattern else None for pattern in (self._fail, self._until))
        if bad:
            self.error = MonitorFailedError(f'"{bad[0].strip()}" was seen', "read the lines before it")
        elif good:
            self.seen = good[0].strip()
        else:
            self._judge()

    def ended(self) -> bool:
        """Whether it is over."""
        if self.seen or self.error is not None:
            return True
        if self._timeout_s is None or self._now() - self._since < self._timeout_s:
            return False
        if self._until:
            self.error = MonitorTimeoutError(
                f"{self._until.pattern!r} was not seen within {self._timeout_s:g} s",
                "a longer timeout=; is it the right rate (baud=)? `flashpipe boot` resets the board",
            )
        return True

    def _judge(self) -> None:
        verdict = conclude(self._log)
        if verdict is not None and verdict.kind in CRASHES:
            kind = error_class(verdict.kind)
            self.error = kind(verdict.summary, kind.remedy, verdict)


def _pattern(name: str, text: str) -> re.Pattern[str] | None:
    """`/expression/` or `/expression/i`, else the text as it stands."""
    if not text:
        return None
    found = re.fullmatch(r"/(.+)/(i?)", text, re.DOTALL)
    if found is None:
        return re.compile(re.escape(text))
    try:
        return re.compile(found[1], re.MULTILINE | (re.IGNORECASE if found[2] else 0))
    except re.error as error:
        raise BadValueError(
            f"{name}={text}: {error}", "write a regular expression, or plain text without slashes"
        ) from None
