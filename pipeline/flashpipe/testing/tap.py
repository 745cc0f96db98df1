"""Results of tests as a board prints them: TAP, and the forms of NodeMCU's own NTest.

TAP (testanything.org, version 13): `ok 1 - name`, `not ok 2 - name # reason`, `1..2`, `Bail out!`, with `# SKIP` and
`# TODO`. NTest's NTestTapOut (tests/utils of nodemcu-firmware) puts `TAP: ` before each line, begins with `# STARTUP`
and ends with `POST 1..N`, where N is the number of the next test. NTest by itself (tests/NTest/NTest.lua) prints
`######## started NAME tests`, `  pass TEST: MESSAGE`, ` ==>  fail TEST: MESSAGE`, ` ==>  except TEST: ERROR`, and
`######## finished NAME tests`. It goes on by tasks after its file has ended.
"""

from __future__ import annotations

import re
from typing import Final

from flashpipe.values import dataclass

PASSED: Final = "passed"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
_PREFIX: Final = re.compile(r"^(?:> )*(?:TAP: )?")
"""Prompts that stand before what a task prints, and NTestTapOut's mark."""
_RESULT: Final = re.compile(r"(not )?ok(?= |$)(?: +\d+)?(?: +-(?= ))? *([^#]*?) *(?:# *(.*?) *)?")
_PLAN: Final = re.compile(r"1\.\.(\d+)(?: *# *(.*))?")
_POST: Final = re.compile(r"POST 1\.\.\d+")
_BAIL: Final = re.compile(r"Bail out! *(.*)")
_DIRECTIVE: Final = re.compile(r"(SKIP|TODO)\w*\b:? *(.*)", re.IGNORECASE)
_STARTUP: Final = re.compile(r"# STARTUP\b.*")
_STARTED: Final = re.compile(r"#{8} started .* tests")
_FINISHED: Final = re.compile(r"#{8} finished .* tests")
_NTEST: Final = re.compile(r"(?:  (pass)| ==>  (?:fail|except)) (.*)")


@dataclass(frozen=True, slots=True)
class TapResult:
    """One test, or one assertion of NTest."""

    name: str
    outcome: str
    """`passed`, `failed` or `skipped`."""
    message: str = ""
    """Why it failed or was skipped."""


class Tap:
    """Reads what a test program has printed so far; a growing text is read anew each time."""

    def __init__(self, output: str) -> None:
        self.results: list[TapResult] = []
        self.plan: int | None = None
        """How many results there shall be; None where nothing says so."""
        self.planned_first = False
        """Whether that was said before the first result."""
        self.bailed: str | None = None
        """Why the program gave up; None where it did not."""
        self.running = 0
        """Runs of NTest that have begun and not ended."""
        for line in output.splitlines():
            self._take(_PREFIX.sub("", line))

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come once the program has ended."""
        if self.bailed is not None:
            return True
        waits = self.planned_first and self.plan is not None and len(self.results) < self.plan
        return not self.running and not waits

    @property
    def missing(self) -> str:
        """What is wrong with the number of results; empty where nothing is."""
        if self.running:
            return "NTest did not come to its end"
        if self.plan is None or len(self.results) == self.plan or self.bailed is not None:
            return ""
        return f"{len(self.results)} of {self.plan} results came"

    def _take(self, line: str) -> None:
        if _STARTUP.fullmatch(line) or _STARTED.fullmatch(line):
            self.running += 1
        elif _POST.fullmatch(line) or _FINISHED.fullmatch(line):
            self.running = max(0, self.running - 1)
        elif (match := _BAIL.fullmatch(line)) is not None:
            self.bailed = match[1]
        elif (match := _PLAN.fullmatch(line)) is not None:
            self.plan, self.planned_first = int(match[1]), not self.results
            if self.plan == 0:
                self.results.append(TapResult("all", SKIPPED, match[2] or ""))
                self.plan = None
        elif (match := _RESULT.fullmatch(line)) is not None:
            self.results.append(_result(failed=bool(match[1]), name=match[2], comment=match[3] or ""))
        elif self.running and (match := _NTEST.fullmatch(line)) is not None:
            name, _, message = match[2].partition(": ")
            self.results.append(TapResult(match[2], PASSED) if match[1] else TapResult(name, FAILED, message))


def _result(*, failed: bool, name: str, comment: str) -> TapResult:
    directive = _DIRECTIVE.fullmatch(comment)
    if directive is not None and (failed or directive[1].upper() == "SKIP"):
        return TapResult(name, SKIPPED, directive[2] or directive[1].upper())
    if failed:
        return TapResult(name, FAILED, comment.removesuffix(":"))  # NTestTapOut's, where there is no more to say
    return TapResult(f"{name} # {comment}" if comment else name, PASSED)
