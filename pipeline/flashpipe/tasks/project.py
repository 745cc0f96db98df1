"""What a project's own dodo.py says about our tasks: its defaults, its configuration, and which task may write."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from doit.exceptions import InvalidDodoFile

from flashpipe.jobs import variables
from flashpipe.jobs.variables import DEFAULTS, set_defaults
from flashpipe.lazy import difflib
from flashpipe.tasks import command_line
from flashpipe.tasks.reporter import LastLineReporter

WRITERS: Final = ("erase", "flash", "format", "restore")
"""Tasks that write to a board."""
SETTINGS: Final = frozenset(
    {"action_string_formatting", "always", "auto_delayed_regex", "backend", "check_file_uptodate", "codec_cls"}
    | {"continue", "default_tasks", "dep_file", "failure_verbosity", "minversion", "num_process", "outfile"}
    | {"par_type", "pdb", "reporter", "single", "verbosity"}
)
"""What doit reads in a DOIT_CONFIG (doit 0.37, options of `run` and the four that are no options)."""


def may_write(task: str, *writers: str) -> None:
    """Let a task of the project lead to tasks of ours that write: `may_write("deploy")`, where `deploy` needs `flash`.

    Call it in the dodo file, outside any task. The user must still name the task on the command line.

    Args:
        task: The project's own.
        writers: Of erase, flash, format, restore; `flash` if none is named. Of several each is done before the next, as
            if the command line named them: `may_write("deploy", "erase", "flash")` erases, then flashes.

    Raises:
        InvalidDodoFile: another word; doit then prints one line and ends with status 3.
    """
    for word in writers:
        if word not in WRITERS:
            raise InvalidDodoFile(f"may_write({task!r}, {word!r}): want of {', '.join(WRITERS)}")
    command_line.may_write[task] = writers or ("flash",)


def declare_variables(*names: str, **described: str) -> None:
    """Admit variables of the project's own tasks: `declare_variables("site", batch="number of the batch")`.

    Call it in the dodo file, outside any task. One of ours that is declared is admitted for every task.
    """
    variables.declare_variables(*names, **described)
    command_line.read_again({*names, *described})


def flashpipe_config(**wanted: Any) -> dict[str, object]:
    """The project's own configuration of doit, and its defaults.

    `DOIT_CONFIG = flashpipe_config(default_tasks=["site"], profile="blink")` stands in the dodo file, outside any task.

    Args:
        wanted: `profile`, `port` and `baud` are used where neither command line nor environment say another; whatever
            else doit reads replaces ours.

    Returns:
        Our configuration of doit, with what the project wants in it.

    Raises:
        InvalidDodoFile: a name that nobody knows, or a value with which boards cannot be worked on.
    """
    for name in wanted:
        if name not in SETTINGS and name not in DEFAULTS:
            near = difflib.get_close_matches(name, [*SETTINGS, *DEFAULTS], 1)
            meant = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join([*DEFAULTS, *sorted(SETTINGS)])}"
            raise InvalidDodoFile(f"flashpipe_config: there is no setting {name!r}{meant}")
    for name in DEFAULTS:
        if not isinstance(wanted.get(name, ""), (str, int)):
            raise InvalidDodoFile(f"flashpipe_config: {name}={wanted[name]!r}, want a text")
    if wanted.get("par_type", "thread") != "thread":
        raise InvalidDodoFile(
            f"flashpipe_config: par_type={wanted['par_type']!r}: the tasks of a board share its connection, which"
            " processes cannot; leave it out"
        )
    if isinstance(wanted.get("default_tasks", []), str):
        raise InvalidDodoFile(
            f"flashpipe_config: default_tasks={wanted['default_tasks']!r}: want a list, [{wanted['default_tasks']!r}]"
        )
    set_defaults({name: str(wanted[name]) for name in DEFAULTS if name in wanted})
    settings = {name: value for name, value in wanted.items() if name in SETTINGS}
    return {**doit_config(), **settings}


def doit_config() -> dict[str, object]:
    """How doit has to work on boards: a killed run forgets nothing, and a failure stops no other board."""
    return {
        "backend": "safe",
        "dep_file": str(command_line.database(Path())),
        "default_tasks": ["profiles", "ports"],
        "par_type": "thread",
        "num_process": command_line.workers(),
        "continue": True,
        "verbosity": 2,
        "reporter": LastLineReporter,
    }
