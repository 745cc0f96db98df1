"""`doit info TASK` for names that are no task's: doit itself answers them with a traceback."""

from __future__ import annotations

import difflib

from doit.cmd_info import Info as DoitInfo
from doit.exceptions import InvalidCommand


class Info(DoitInfo):  # type: ignore[misc]  # doit ships no types
    """doit's own, after a look at the name."""

    name = "info"

    def _execute(self, pos_args: list[str], hide_status: bool = False) -> int:  # noqa: FBT001, FBT002  doit's own form
        if len(pos_args) == 1:
            self._check_name(pos_args[0])
        return int(super()._execute(pos_args, hide_status))

    def _check_name(self, name: str) -> None:
        """Go on only with the name of a task.

        Raises:
            InvalidCommand: it is none; doit then prints one line and ends with status 3.
        """
        names = [task.name for task in self.task_list]
        if name in names:
            return
        beside = [known for known in names if known.startswith(f"{name.partition(':')[0]}:")]
        near = beside or difflib.get_close_matches(name, names, 1)
        raise InvalidCommand(f"'{name}' is not a task." + f" There is {', '.join(near)}." * bool(near))
