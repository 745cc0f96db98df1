"""What makes a described function a task creator of doit: it keeps its name and text, and yields what doit reads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Final

from doit import task_params

from flashpipe.errors import PipelineError
from flashpipe.tasks import step
from flashpipe.tasks.command_line import (
    board_tasks,
    current,
    named,
    option_table,
    our_tasks,
    preceding,
    refuse_options_of,
)

Description = Callable[[], None]
"""A function whose name and text are the task's; it is never called."""
Tasks = Iterator[dict[str, object]] | dict[str, object]
Creator = Callable[..., Tasks]
_IO: Final = {"capture": False}
"""doit's capture swaps stdout for the whole process, which threads cannot bear."""


def task(action: str, *, needs: tuple[str, ...] = (), **more: Any) -> Callable[[Description], Creator]:
    """A task without a board.

    Args:
        action: Name of its action, `module.function` of `tasks/actions`.
        needs: Tasks to be done before.
        more: Whatever else doit reads of a task.
    """

    def decorate(description: Description) -> Creator:
        _enter(description.__name__)
        name = description.__name__.removeprefix("task_")

        @functools.wraps(description)
        def create(**_options: object) -> Tasks:
            refuse_options_of(name)
            return {
                "actions": [(step.run_step, [action])],
                "task_dep": list(needs),
                "io": _IO,
                "uptodate": [step.armed],
                **more,
            }

        return _with_options(create)

    return decorate


def board_task(
    action: str,
    *,
    needs: tuple[str, ...] = (),
    skip: bool = False,
    only_if_named: bool = False,
    reads_files: bool = False,
) -> Callable[[Description], Creator]:
    """A task with one sub-task for each board.

    Args:
        action: Name of its action, `module.function` of `tasks/actions`.
        needs: Tasks to be done before; `{}` stands for the name of the sub-task.
        skip: It is skipped where this run has seen that nothing is left to do.
        reads_files: It reads files that a task of the project may have to make first.
        only_if_named: It writes to boards: no default, pattern of doit's or other task may start it.
    """

    def decorate(description: Description) -> Creator:
        name = description.__name__.removeprefix("task_")
        if _enter(description.__name__):
            board_tasks.add(name)

        @functools.wraps(description)
        def create(**_options: object) -> Tasks:
            refuse_options_of(name)
            if only_if_named and not named(name):
                return step.refuse(step.not_named(name))
            try:
                boards = list(current().ports())
            except PipelineError as error:
                return step.refuse(error)
            before = preceding(name)
            all_needs = (*needs, f"{before}:{{}}") if before else needs
            made = {"calc_dep": ["_made"]} if reads_files else {}
            return ({**_sub_task(name, action, board, all_needs, skip=skip), **made} for board in boards)

        return _with_options(create)

    return decorate


def _with_options(creator: Creator) -> Creator:
    """Let doit take variables that are written as options behind the task; what they say is read by the parser.

    Where there are none, as in `doit list`, doit is spared their tables.
    """
    options = option_table()
    return task_params(options)(creator) if options else creator


def _enter(creator: str) -> bool:
    """Note a task that can be named on the command line; whether it can."""
    name = creator.removeprefix("task_")
    if not name.startswith("_"):
        our_tasks.add(name)
    return not name.startswith("_")


def _sub_task(task: str, action: str, board: str, needs: tuple[str, ...], *, skip: bool) -> dict[str, object]:
    return {
        "name": board,
        "actions": [(step.run_board_step, [action, board, task.lstrip("_")])],
        "task_dep": [need.format(board) for need in needs],
        "uptodate": [step.UpToDate(board) if skip else step.armed],
        "io": _IO,
    }
