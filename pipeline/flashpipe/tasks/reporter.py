"""doit's console reporter, without the echo of each failure in every task above it."""

from __future__ import annotations

from typing import Any

from doit.exceptions import UnmetDependency
from doit.reporter import ConsoleReporter

from flashpipe.text.lines import print_result


class Plain(ConsoleReporter):  # type: ignore[misc]  # doit ships no types
    """A failure is said once, by whoever met it."""

    desc = "console output, each failure once"

    def write(self, text: str) -> None:
        """Text, as long as somebody reads."""
        print_result(text, self.outstream, end="")

    def add_failure(self, task: Any, fail: Any) -> None:
        """Pass on failures, but not that a task could not run because another failed."""
        if not isinstance(fail, UnmetDependency):
            super().add_failure(task, fail)
