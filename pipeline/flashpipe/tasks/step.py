"""What makes a function a doit action: it is named, loaded when it runs, and a foreseen failure is one printed message.

All others stay tracebacks, for they are defects.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doit.dependency import UptodateCalculator
from doit.exceptions import TaskFailed
from doit.globals import Globals

from flashpipe import terminal
from flashpipe.errors import BadValueError, NotNamedError, PipelineError, SystemLimitError
from flashpipe.jobs import audience, sessions
from flashpipe.limits import limits_told
from flashpipe.tasks import command_line
from flashpipe.tasks.command_line import current
from flashpipe.tasks.loader import action, load
from flashpipe.text.lines import print_result

if TYPE_CHECKING:
    from flashpipe.jobs.board_job import BoardRun

_VALUES: Final = "_values_:"
"""Where doit's database keeps what a task has returned."""


def report(error: PipelineError) -> TaskFailed:
    """Print a foreseen failure once, whole, and tell doit that the task failed; of a stop, `sessions` tells."""
    audience.failed(error)
    if sessions.ending():
        return TaskFailed(str(error), report=False)
    try:
        if error.diagnosis is None and not isinstance(error, SystemLimitError):
            load("flasher.explain_failure:explain")(error)
        several = len(current().known_ports()) > 1
        text = load("text.last_line:failure")(error, audience.results, several=several)
        if text:
            print_result(text, sys.stderr)
    except MemoryError:
        terminal.note(f"error: {error}")
    return TaskFailed(str(error), report=False)


def attempt(name: str, *arguments: Any) -> Any:
    """Run the action `name`, and report a foreseen failure; what the action gives, or the failure."""
    try:
        with limits_told():
            return action(name)(*arguments)
    except PipelineError as error:
        return report(error)


def run_step(name: str) -> Any:
    """Run an action that needs no board."""
    try:
        with limits_told():
            inputs = current().inputs
    except SystemLimitError as error:
        return report(error)
    return attempt(name, inputs)


def _is_child() -> bool:
    """Whether another process of doit's has started this one: then `multiprocessing` is loaded."""
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing is not None and multiprocessing.parent_process() is not None


def run_board_step(name: str, board_name: str, task: str) -> TaskFailed | dict[str, str]:
    """Run an action, that of `task`, on a board, in its turn; what doit's `getargs` may ask of it."""
    if _is_child():
        return report(_processes())
    try:
        with limits_told():
            board = current().board(board_name)
            return _in_turn(board, name, task)
    except SystemLimitError as error:  # it has no room to say more
        return report(error)


def _in_turn(board: BoardRun, name: str, task: str) -> TaskFailed | dict[str, str]:
    with board.turn():
        ending = attempt_on(board, name, task)
    return ending if isinstance(ending, TaskFailed) else dict(board.facts())


def attempt_on(board: BoardRun, name: str, task: str, *arguments: Any) -> Any:
    """As `attempt`, on a board, which a failure is one of."""
    try:
        with limits_told():
            return action(name)(board, *arguments)
    except PipelineError as error:
        board.failed(error, task)
        return report(error)


def _processes() -> BadValueError:
    """The refusal of doit's processes, by the name of what asks for them."""
    cannot = "the tasks of a board share its connection, which processes cannot"
    if any(word.startswith(("-P", "--parallel-type")) for word in command_line.words()):
        return BadValueError(f"-P process: {cannot}", "leave out -P")
    return BadValueError(
        f"the DOIT_CONFIG of this project names no `par_type`, or `process`, which is doit's own: {cannot}",
        "in dodo.py: `DOIT_CONFIG = flashpipe_config(…)` with your settings in the brackets; or -P thread",
    )


def armed() -> bool:
    """`uptodate` that is never true: doit calls it in the main thread, the only one that may install stop handlers."""
    sessions.install_handlers()
    return False


class UpToDate:
    """`uptodate` of flash: this run's probe has seen the board hold the plan, and boot.

    Nothing that was stored earlier counts: `doit run -s flash:*` runs without a probe, and must then look for itself.
    """

    def __init__(self, board_name: str) -> None:
        self._board_name = board_name

    def __call__(self, task: Any) -> bool:
        """Whether nothing is left to do; then what `getargs` may ask is what this run has seen, nothing older."""
        run = current()
        if not run.up_to_date(self._board_name):
            return armed()
        # doit reads them there for a task that it skips, and has no public way to put them in.
        Globals.dep_manager._set(task.name, _VALUES, dict(run.board(self._board_name).facts()))  # noqa: SLF001
        return True

    def __repr__(self) -> str:
        return "skipped when the board on the port holds the image and boots"


class Targets(UptodateCalculator):  # type: ignore[misc]  # doit ships no types
    """`uptodate` that is never true, of the task that looks for what other tasks make: doit shows it all tasks."""

    def __call__(self) -> bool:
        """False; the targets of all tasks are known from now on."""
        here = Path.cwd()
        current().targets = {
            os.path.normpath(here / target): target for task in self.tasks_dict.values() for target in task.targets
        }
        return armed()


class Built:
    """`uptodate` of the build: the last one counts, and doit's `file_dep` says whether an input has changed."""

    def __call__(self) -> bool:
        """Whether nothing but a changed input makes it run."""
        return bool(action("build.counts")(current().inputs)) or armed()

    def __repr__(self) -> str:
        return "built, and neither its inputs nor its outputs have changed since"


class PartsMade:
    """`uptodate` of the parts: what was made of the same sources counts; `file_dep` says whether one has changed."""

    def __call__(self) -> bool:
        """Whether nothing but a changed file makes it run."""
        return bool(action("build.parts_count")(current().inputs)) or armed()

    def __repr__(self) -> str:
        return "made, and no file that they are made of has changed since"


def refuse(error: PipelineError) -> dict[str, object]:
    """A task that fails with a message: raising while doit loads would take every other task down."""
    return {"actions": [(report, [error])], "io": {"capture": False}}


def not_named(task: str) -> NotNamedError:
    """The refusal of a task that writes to boards and was reached by default, or through a task of the project."""
    advice = f"say `flashpipe {task} …`"
    theirs = command_line.project_tasks_named()
    if theirs:
        more = "" if task == "flash" else f', "{task}"'
        advice += f'; or, in dodo.py, that `{theirs[0]}` may lead to it: `may_write("{theirs[0]}"{more})`'
    elif not command_line.tasks_named():
        advice += "; what bare `doit` runs, dodo.py says: `DOIT_CONFIG = flashpipe_config(default_tasks=[…])`"
    return NotNamedError(f"{task} writes to a board and was not named on the command line", advice)
