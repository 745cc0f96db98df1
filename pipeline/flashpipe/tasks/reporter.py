"""doit's reporters: what of a run is ours to word is worded by us, of tasks of a project's own doit's words stay."""

from __future__ import annotations

import sys
from typing import Any

from doit.exceptions import UnmetDependency
from doit.reporter import ConsoleReporter

from flashpipe.jobs import audience
from flashpipe.tasks import command_line
from flashpipe.tasks.loader import load
from flashpipe.text.lines import print_result
from flashpipe.text.look import look

_OURS = "flashpipe.tasks.step"


class LastLineReporter(ConsoleReporter):  # type: ignore[misc]  # doit ships no types
    """A failure is said once, by whoever met it; the last line says how the run went."""

    desc = "console output, each failure once, the result last"

    def write(self, text: str) -> None:
        """Text, as long as somebody reads."""
        print_result(text, self.outstream, end="")

    def execute_task(self, task: Any) -> None:
        """Our tasks tell of themselves; of those of the project nothing stands in a document for programs."""
        if not (_is_ours(task) or look.json):
            super().execute_task(task)

    def skip_uptodate(self, task: Any) -> None:
        """Our tasks have said why nothing is left to do."""
        if not (_is_ours(task) or look.json):
            super().skip_uptodate(task)

    def add_failure(self, task: Any, fail: Any) -> None:
        """Pass on failures, but not that a task could not run because another failed."""
        if not isinstance(fail, UnmetDependency):
            super().add_failure(task, fail)

    def complete_run(self) -> None:
        """Say how it went."""
        super().complete_run()
        if look.json:
            print_result(load("text.documents:render")(audience.results, audience.failures))
        stream = sys.stderr if look.json else sys.stdout
        text = ""
        if audience.results:
            several = len(command_line.current().known_ports()) > 1
            text = load("text.last_line:last_lines")(
                audience.results, stream, several=several, typed=command_line.without_port()
            )
        if text:
            print_result(text, stream)


class Events(LastLineReporter):
    """The same for people, and JSON lines for programs: `doit -r events …` is `events=-`."""

    desc = "JSON lines about every step, on standard output; what is for people goes to standard error"


def _is_ours(task: Any) -> bool:
    return any(getattr(getattr(one, "py_callable", None), "__module__", "") == _OURS for one in task.actions)
