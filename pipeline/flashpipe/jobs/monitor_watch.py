"""What ends a monitor that a program has started: a text that it waits for, one that must not come, time, a crash."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

from flashpipe.board.boot.follower import RateFollower
from flashpipe.board.boot.kinds import error_class
from flashpipe.board.boot.patterns import FAULTS
from flashpipe.board.boot.resets import find_starts
from flashpipe.board.boot.verdict import conclude
from flashpipe.errors import BadValueError, MonitorFailedError, MonitorTimeoutError, PipelineError
from flashpipe.expressions import Expression, expression
from flashpipe.jobs.variables import Variables
from flashpipe.next_steps import Advice, command
from flashpipe.units import parse_duration

CRASHES: Final = frozenset({"exception", "panic", "watchdog"})
"""Verdicts that need no reset at the beginning of the log to be sure."""
_NO_TEXT: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands where bytes were no text: such a line was told at another rate, and proves nothing."""
_KEPT: Final = 16_384
"""Characters that are looked at."""
_SIGNS: Final = tuple(fault.pattern for fault in FAULTS if fault.kind in CRASHES)
_LONGEST: Final = 512
"""Characters of the longest sign of a crash, as it comes piece by piece."""


class Watch:
    """Decides when enough was seen, and what that means."""

    def __init__(self, variables: Variables, now: Callable[[], float] = time.monotonic) -> None:
        """Read `until=`, `fail=` and `timeout=`.

        Raises:
            BadValueError: one of them cannot be read.
        """
        self._wanted = {name: _wanted(name, variables.text(name)) for name in ("until", "fail")}
        text = variables.text("timeout")
        self._timeout_s = parse_duration(text) if text else None
        self._now = now
        self._since = now()
        self._log = ""
        self._suspect = False
        """Whether there was a sign of a crash: from then on each piece that comes is a reason to judge all."""
        self.seen = ""
        """What was waited for, as it came."""
        self.error: PipelineError | None = None

    @property
    def machine(self) -> bool:
        """Whether anything but a person ends the monitor."""
        return any(self._wanted.values()) or self._timeout_s is not None

    def hear(self, text: str) -> None:
        """The board has said this."""
        if not self.machine or self.seen or self.error:
            return
        tail = self._log[-_LONGEST:] + text
        self._log = (self._log + text)[-_KEPT:]
        self._suspect = self._suspect or any(sign.search(tail) for sign in _SIGNS)
        try:
            bad, good = (self._find(name) for name in ("fail", "until"))
        except BadValueError as error:
            self.error = error
            return
        if bad:
            self.error = MonitorFailedError(f'"{bad.strip()}" was seen', "read the lines before it")
        elif good:
            self.seen = good.strip()
        elif self._suspect:
            self._judge()

    def _find(self, name: str) -> str:
        pattern = self._wanted[name]
        if isinstance(pattern, Expression):
            return pattern.search(self._log) or ""
        return pattern if pattern and pattern in self._log else ""

    def ended(self) -> bool:
        """Whether it is over."""
        if self.seen or self.error is not None:
            return True
        if self._timeout_s is None or self._now() - self._since < self._timeout_s:
            return False
        until = self._wanted["until"]
        if until:
            text = until.text if isinstance(until, Expression) else until
            self.error = MonitorTimeoutError(
                f"{text!r} was not seen within {self._timeout_s:g} s",
                Advice("a longer timeout=; is it the right rate (baud=)? ", command("boot"), " resets the board"),
            )
        return True

    def conclude(self, rates: RateFollower) -> None:
        """Listening has ended.

        Raises:
            PipelineError: what was seen, or not seen; also where a text was to be heard and nothing could be read.
        """
        if self.error is not None:
            raise self.error
        if any(self._wanted.values()) and not self.seen and rates.any_garbage and not rates.any_text:
            kind = error_class("unreadable")
            raise kind("nothing that came makes text at the firmware's rate or at the ROM's", kind.remedy)

    def summary(self) -> str:
        """What has ended a monitor that ended well."""
        if self.seen:
            return f'"{self.seen}" was seen'
        starts = len(find_starts(self._log))
        return "listened for as long as was asked" + f"; the board started {starts} times" * (starts > 1)

    def _judge(self) -> None:
        lines = self._log.split("\n")
        verdict = conclude("\n".join(line for line in lines if _NO_TEXT not in line))
        if verdict is not None and verdict.kind in CRASHES:
            kind = error_class(verdict.kind)
            self.error = kind(verdict.summary, kind.remedy, verdict)


def _wanted(name: str, text: str) -> str | Expression:
    """`/expression/` or `/expression/i`, else the text as it stands."""
    match = re.fullmatch(r"/(.+)/(i?)", text, re.DOTALL)
    if match is None:
        return text
    try:
        return expression(match[1], ignore_case=bool(match[2]))
    except BadValueError as error:
        raise BadValueError(f"{name}={error.message}", error.hint) from None
