"""What the running command line asks for, read once for all creators."""

from __future__ import annotations

import fnmatch
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doit import doit_cmd, get_initial_workdir
from doit.exceptions import InvalidDodoFile

from flashpipe.errors import BadValueError, PipelineError, UsageError
from flashpipe.jobs import audience
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import check
from flashpipe.records.project_folder import records_folder
from flashpipe.tasks.loader import load
from flashpipe.text.lines import ConsoleLines
from flashpipe.text.look import look

if TYPE_CHECKING:
    from flashpipe.jobs.board_job import BoardRun
    from flashpipe.jobs.inputs import RunInputs

MOST_WORKERS: Final = 64
our_tasks: Final = set[str]()
"""Tasks that are ours; whoever makes one enters it (`flashpipe.tasks.creators`)."""
board_tasks: Final = set[str]()
"""Those with one sub-task for each board."""
_ABOUT_TASKS: Final = frozenset(
    {"clean", "dumpdb", "forget", "help", "ignore", "info", "list", "reset-dep", "strace", "tabcompletion"}
)
"""Commands of doit that run no task."""
_TAKE_A_WORD: Final = frozenset(
    {"-F", "-P", "-d", "-f", "-n", "-o", "-r", "-v", "--backend", "--check_file_uptodate", "--codec_cls", "--db-file"}
    | {"--dir", "--failure-verbosity", "--file", "--output-file", "--parallel-type", "--process", "--reporter"}
    | {"--verbosity"}
)
"""Options of doit whose value may be the next word."""
_words: list[str] | None = None
"""Words of the command line; set by our own command, else those of the process."""
_project: Path | None = None
_current: Run | None = None


class Run:
    """Everything that the tasks of one command line share; each is loaded when first asked for, by whatever thread."""

    def __init__(self, command: CommandLine, source: Any) -> None:
        self.command = command
        self.source = source
        """doit's own variables: another object for each command."""
        self._ports: dict[str, str] = {}
        self._face: audience.Audience | None = None
        self._inputs: RunInputs | None = None
        self._boards: dict[str, BoardRun] = {}
        self._guard = threading.RLock()

    def ports(self) -> dict[str, str]:
        """What `port=` names, by the names of sub-tasks; empty text is the profile's port.

        Raises:
            NoPortError: a pattern that fits no port.
        """
        with self._guard:
            if not self._ports:
                text = self.command.variables.text("port")
                if not text or text == "auto":
                    self._ports = {self.command.profile_name.replace("=", "_") or "board": text}
                else:
                    self._ports = load("jobs.port_choice:named_ports")(text)
            return self._ports

    def _shown_on(self) -> audience.Audience:
        if self._face is None:
            ports: dict[str, str] = {}
            with suppress(PipelineError):  # told by each task that needs a port
                ports = self.ports()
            self._face = audience.Audience(ConsoleLines(prefix=len(ports) > 1))
        return self._face

    @property
    def inputs(self) -> RunInputs:
        """Profile, images and plan."""
        with self._guard:
            if self._inputs is None:
                self._inputs = load("jobs.inputs:RunInputs")(self.command, listener=self._shown_on())
            return self._inputs

    def board(self, name: str) -> BoardRun:
        """The board of a sub-task."""
        with self._guard:
            if name not in self._boards:
                self._boards[name] = load("jobs.board_job:BoardRun")(self.inputs, self.ports()[name], self._shown_on())
            return self._boards[name]

    def up_to_date(self, name: str) -> bool:
        """Whether this run has seen a board hold the plan and boot well; of a board not yet looked at, no."""
        return name in self._boards and self._boards[name].up_to_date


def use(words: list[str], project: Path | None = None) -> None:
    """Tell which command line is being run, and for which project folder, by a caller that is not plain doit."""
    global _words, _project, _current
    _words, _project, _current = words, project, None


def current() -> Run:
    """The running command; call it inside task creators, actions and commands only.

    Raises:
        InvalidDodoFile: a variable that is mistyped or given twice; doit then prints one line and ends with status 3.
    """
    global _current  # noqa: PLW0603
    source = getattr(doit_cmd, "_CMDLINE_VARS", None)  # there is no public list of them
    if _current is None or _current.source is not source:
        _refuse_doubled()
        try:
            variables = check(source or {}, _ours_named())
        except UsageError as error:
            audience.failed(error)
            raise InvalidDodoFile(str(error)) from error
        project = _project or Path.cwd()  # plain doit has changed to the dodo file's folder
        caller = Path(get_initial_workdir() or Path.cwd())
        try:
            look.quiet = variables.flag("quiet")
            look.colour = variables.choice("color")
            look.json = variables.choice("format") == "json"
        except BadValueError as error:
            audience.failed(error)
            raise InvalidDodoFile(str(error)) from error
        _current = Run(CommandLine(project, caller, variables), source)
    return _current


def database(project: Path) -> Path:
    """Where doit keeps what it knows of tasks: beside the other records."""
    given = [word.removeprefix("records=") for word in _all_words() if word.startswith("records=")]
    return records_folder(project, given[0] if given else "") / "doit.db"


def workers() -> int:
    """How many threads doit shall start: one for each board and one over; it starts them all, at 1.5 ms of CPU each."""
    given = [word.removeprefix("port=") for word in _all_words() if word.startswith("port=")]
    ports = (given[0] if given else os.environ.get("FLASHPIPE_PORT", "")).split(",")
    if any(port == "all" or ("://" not in port and set(port) & set("*[")) for port in ports):
        return MOST_WORKERS
    return min(MOST_WORKERS, len(ports) + 1)


def named(task: str) -> bool:
    """Whether the user named the task, or a pattern that fits it, on the command line."""
    return any(_fits(word, task) for word in _task_words())


def preceding(task: str) -> str:
    """The board task named last before `task` on the command line: it has to be done first. Empty if there is none.

    doit itself starts tasks in that order, but does not wait.
    """
    task = "flash" if task == "_probe" else task
    before = ""
    for word in _task_words():
        if _fits(word, task):
            return before
        before = word if word in board_tasks else before
    return ""


def _all_words() -> list[str]:
    return sys.argv[1:] if _words is None else _words


def _task_words() -> list[str]:
    words = _all_words()
    values = {at + 1 for at, word in enumerate(words) if word in _TAKE_A_WORD}
    plain = [word for at, word in enumerate(words) if at not in values and "=" not in word and not word.startswith("-")]
    return [word.partition(":")[0] for word in plain]


def _ours_named() -> set[str] | None:
    """The tasks named, `plan` included, if all are ours; None where others are among them, or none is named."""
    words = [word for word in _task_words() if word != "run"]
    if not words or words[0] in _ABOUT_TASKS:
        return None
    known = our_tasks | {"plan"}
    meant = [{task for task in known if _fits(word, task)} for word in words]
    return set().union(*meant) if all(meant) else None


def _refuse_doubled() -> None:
    names = [word.partition("=")[0] for word in _all_words() if "=" in word and not word.startswith("-")]
    for name in names:
        if names.count(name) > 1:
            more = "; several ports are port=A,B" if name == "port" else ""
            error = BadValueError(f"{name}= is given twice", f"give it once{more}")
            audience.failed(error)
            raise InvalidDodoFile(str(error))


def _fits(word: str, task: str) -> bool:
    return word == task or bool(set(word) & set("*?[") and fnmatch.fnmatch(task, word))
