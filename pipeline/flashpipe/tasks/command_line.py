"""What the running command line asks for, read once for all creators."""

from __future__ import annotations

import fnmatch
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flashpipe.errors import BadValueError
from flashpipe.jobs.request import Request
from flashpipe.jobs.variables import variables

if TYPE_CHECKING:
    from flashpipe.jobs.board_job import BoardRun

BOARD_TASKS: Final = frozenset(
    {
        *(
            "audit",
            "backup",
            "boot",
            "diagnose",
            "erase",
            "files",
            "flash",
            "format",
            "identify",
            "lua",
            "monitor",
            "node",
        ),
        *("restore", "verify"),
    }
)
MOST_WORKERS: Final = 64
_words: list[str] | None = None
"""Words of the command line; set by our own command, else those of the process."""
_project: Path | None = None
_current: tuple[Any, Request, dict[str, BoardRun] | None] | None = None


def use(words: list[str], project: Path | None = None) -> None:
    """Tell which command line is being run, and for which project folder, by a caller that is not plain doit."""
    global _words, _project, _current
    _words, _project, _current = words, project, None


def workers() -> int:
    """How many threads doit shall start: one for each board and one over; it starts them all, at 1.5 ms of CPU each."""
    words = sys.argv[1:] if _words is None else _words
    given = [word.removeprefix("port=") for word in words if word.startswith("port=")]
    ports = (given[0] if given else os.environ.get("FLASHPIPE_PORT", "")).split(",")
    if any(port == "all" or ("://" not in port and set(port) & set("*[")) for port in ports):
        return MOST_WORKERS
    return min(MOST_WORKERS, len(ports) + 1)


def _named_words() -> list[str]:
    words = sys.argv[1:] if _words is None else _words
    return [word.partition(":")[0] for word in words if "=" not in word and not word.startswith("-")]


def named(task: str) -> bool:
    """Whether the user named the task, or a pattern that fits it, on the command line."""
    return any(_fits(word, task) for word in _named_words())


def preceding(task: str) -> str:
    """The board task named last before `task` on the command line: it has to be done first. Empty if there is none.

    doit itself starts tasks in that order, but does not wait.
    """
    task = "flash" if task == "_probe" else task
    before = ""
    for word in _named_words():
        if _fits(word, task):
            return before
        before = word if word in BOARD_TASKS else before
    return ""


def _refuse_doubled() -> None:
    from doit.exceptions import InvalidDodoFile  # noqa: PLC0415

    words = sys.argv[1:] if _words is None else _words
    names = [word.partition("=")[0] for word in words if "=" in word and not word.startswith("-")]
    for name in names:
        if names.count(name) > 1:
            more = "; several ports are port=A,B" if name == "port" else ""
            raise InvalidDodoFile(str(BadValueError(f"{name}= is given twice", f"give it once{more}")))


def _fits(word: str, task: str) -> bool:
    return word == task or bool(set(word) & set("*?[") and fnmatch.fnmatch(task, word))


def request() -> Request:
    """The request of the running command; call it inside task creators and commands only.

    Raises:
        InvalidDodoFile: a mistyped variable.
    """
    global _current  # noqa: PLW0603
    from doit import doit_cmd, get_initial_workdir  # noqa: PLC0415

    source = getattr(doit_cmd, "_CMDLINE_VARS", None)
    if _current is None or _current[0] is not source:
        _refuse_doubled()
        project = _project or Path.cwd()  # plain doit has changed to the dodo file's folder
        caller = Path(get_initial_workdir() or Path.cwd())
        _current = (source, Request(project, caller, variables()), None)
    return _current[1]


def boards() -> dict[str, BoardRun]:
    """The boards that `port=` names, by the names of their sub-tasks.

    Raises:
        NoPortError: a pattern that fits no port.
    """
    global _current  # noqa: PLW0603
    asked = request()
    assert _current is not None
    if _current[2] is None:
        from flashpipe.jobs.board_job import BoardRun  # noqa: PLC0415
        from flashpipe.text.lines import ConsoleLines  # noqa: PLC0415

        wanted = _expand(asked)
        lines = ConsoleLines(prefix=len(wanted) > 1)
        found = {_name(asked, port): BoardRun(asked, port, lines) for port in wanted}
        _current = (_current[0], asked, found)
    made = _current[2]
    assert made is not None
    return made


def _expand(asked: Request) -> list[str]:
    text = asked.variables.text("port")
    if not text or text == "auto":
        return [text]
    from flashpipe.jobs.port_choice import expand  # noqa: PLC0415

    return expand(text)


def _name(asked: Request, port: str) -> str:
    if not port or port == "auto":
        return asked.profile_name.replace("=", "_") or "board"
    from flashpipe.board.ports.choice import port_slug  # noqa: PLC0415

    return port_slug(port)
