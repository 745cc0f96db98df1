"""`doit help TASK` with all that the task's text says: doit itself keeps the first line only."""

from __future__ import annotations

import inspect
from contextlib import suppress

from doit.cmd_help import Help as DoitHelp

from flashpipe import tasks
from flashpipe.jobs.variables import taken_by
from flashpipe.text.variables import describe


class Help(DoitHelp):  # type: ignore[misc]  # doit ships no types
    """doit's help, longer for our tasks; others are shown as ever."""

    def _execute(self, pos_args: list[str]) -> bool:
        if not super()._execute(pos_args):
            return False
        text = inspect.getdoc(getattr(tasks, f"task_{pos_args[0]}", None)) or ""
        first, _, rest = text.partition("\n")
        if rest and any(task.name == pos_args[0] and task.doc == first for task in self.task_list):
            variables = describe([(row.name, row.about) for row in taken_by(pos_args[0])])
            with suppress(BrokenPipeError):  # piped into head
                print("\n\n".join(filter(None, (rest.rstrip(), variables))), flush=True)  # noqa: T201  as doit's own
        return True
