"""What the running command line asks for, read once for all creators."""

from __future__ import annotations

import fnmatch
import os
import shlex
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doit import doit_cmd, get_initial_workdir
from doit.exceptions import InvalidDodoFile

from flashpipe import terminal
from flashpipe.errors import BadValueError, PipelineError, UsageError
from flashpipe.jobs import audience
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import (
    ON_BOARDS,
    WITH_IMAGES,
    WITH_TABLES,
    Variables,
    check,
    check_format,
    project_default,
)
from flashpipe.masking import mask_urls
from flashpipe.records.project_folder import records_folder
from flashpipe.tasks.declared_options import admit_declared_options
from flashpipe.tasks.loader import load
from flashpipe.tasks.parser import Parsed, parse, refuse_unknown_options, task_options, unknown_options
from flashpipe.terminal import visible
from flashpipe.text.lines import ConsoleLines, somebody_reads
from flashpipe.text.look import look

if TYPE_CHECKING:
    from flashpipe.jobs.board_job import BoardRun
    from flashpipe.jobs.inputs import RunInputs

MOST_WORKERS: Final = 64
our_tasks: Final = set[str]()
"""Tasks that are ours; whoever makes one enters it (`flashpipe.tasks.creators`)."""
board_tasks: Final = set[str]()
"""Those with one sub-task for each board."""
may_write: Final = dict[str, tuple[str, ...]]()
"""Tasks of the project that may lead to tasks that write, and to which, in their order."""
_OF_THE_TELLING: Final = frozenset({"color", "events", "format", "junit", "quiet", "receipt", "verbose"})
"""Variables that say how a run is told."""
_ABOUT_TASKS: Final = frozenset(
    {"clean", "dumpdb", "forget", "help", "ignore", "info", "list", "reset-dep", "strace", "tabcompletion"}
)
"""Commands of doit that run no task."""
_words: list[str] | None = None
"""Words of the command line; set by our own command, else those of the process."""
_read: tuple[list[str], Parsed] | None = None
"""The words that were taken apart last, and what came of it."""
_project: Path | None = None
_current: Run | None = None


class Run:
    """Everything that the tasks of one command line share; each is loaded when first asked for, by whatever thread."""

    def __init__(self, command: CommandLine, source: Any) -> None:
        self.command = command
        self.source = source
        """doit's own variables: another object for each command."""
        self.targets = dict[str, str]()
        """What the tasks of this run make: absolute path to the path as it is spelled."""
        self._ports: dict[str, str] = {}
        self._face: audience.Audience | None = None
        self._inputs: RunInputs | None = None
        self._boards: dict[str, BoardRun] = {}
        self._guard = threading.RLock()

    def ports(self) -> dict[str, str]:
        """What `port=` names, by the names of sub-tasks; empty text is the profile's port.

        Raises:
            BadValueError: one port is named twice.
            NoPortError: a pattern that fits no port.
        """
        with self._guard:
            if not self._ports:
                text = self.command.variables.text("port")
                if not text or text == "auto":
                    self._ports = {self.command.profile_name.replace("=", "_") or "board": text}
                else:
                    self._ports = load("jobs.port_choice:named_ports")(text)
                    if "://" not in text and (
                        set(text) & set("*[") or "all" in text.split(",")
                    ):  # before one of them is touched
                        terminal.note(f"ports    {', '.join(self._ports.values())}")
            return self._ports

    def known_ports(self) -> dict[str, str]:
        """As `ports`; none where there are none, which each task tells that needs one."""
        with suppress(PipelineError):
            return self.ports()
        return {}

    def _shown_on(self) -> audience.Audience:
        if self._face is None:
            lines = ConsoleLines(prefix=len(self.known_ports()) > 1)
            audience.closers.append(lambda _status: lines.close())
            audience.tables.append(self._stopped_table)
            self._face = audience.Audience(lines)
        return self._face

    def _stopped_table(self) -> str:
        """How far the boards have come; asked for where the run is stopped."""
        return str(load("text.last_line:stopped_table")(audience.results, list(self.known_ports()), sys.stderr))

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
        try:
            _check_doubled()
            variables = _checked({**(source or {}), **dict(_parsed().variables)})
        except UsageError as error:
            audience.failed(error)
            raise _refused(error) from error
        project = _project or Path.cwd()  # plain doit has changed to the dodo file's folder
        caller = Path(get_initial_workdir() or Path.cwd())
        try:
            terminal.quiet = variables.flag("quiet")
            look.colour = variables.choice("color")
            look.json = variables.choice("format") == "json"
        except BadValueError as error:
            audience.failed(error)
            raise _refused(error) from error
        _current = Run(CommandLine(project, caller, _with_profile(variables, project)), source)
        audience.understood(_current.command.profile_name)
    return _current


def check_words() -> None:
    """Go on only with variables that are known, given once, and used by the tasks named.

    Raises:
        UsageError: one is not; under plain doit `current` refuses it, in doit's form.
    """
    _check_doubled()
    _checked(dict(_parsed().variables))


def _checked(given: dict[str, str]) -> Variables:
    variables = check(given, _ours_named())
    about = {_parsed().command} & _ABOUT_TASKS
    check_format(given, about or set(map(_one_of_ours, _task_words())))
    return variables


def _one_of_ours(word: str) -> str:
    """The task that a pattern means; a task of the project's own is what it is."""
    return next((task for task in sorted(WITH_TABLES) if _fits(word, task)), word)


def _with_profile(variables: Variables, project: Path) -> Variables:
    """The variables; on a terminal, where a profile is needed and none was named, with the only one of the project."""
    # Where its board is, the profile says to all tasks.
    needy = WITH_IMAGES - {"boot"} if variables.text("port") else WITH_IMAGES | ON_BOARDS
    if variables.text("profile") or variables.text("image") or not any(map(named, needy)) or not somebody_reads():
        return variables
    own = load("profile.search:own_profiles")(project)
    if len(own) != 1:
        return variables
    terminal.remark(f"profile {own[0]}, the only one of this project")
    return replace(variables, given={**variables.given, "profile": own[0]})


def database(project: Path) -> Path:
    """Where doit keeps what it knows of tasks: beside the other records."""
    return records_folder(project, _parsed().variable("records")) / "doit.db"


def workers() -> int:
    """How many threads doit shall start: one for each board and one over; it starts them all, at 1.5 ms of CPU each."""
    ports = (_parsed().variable("port") or os.environ.get("FLASHPIPE_PORT", "") or project_default("port")).split(",")
    if any(port == "all" or ("://" not in port and set(port) & set("*[")) for port in ports):
        return MOST_WORKERS
    return min(MOST_WORKERS, len(ports) + 1)


def named(task: str) -> bool:
    """Whether the user named the task, or a pattern that fits it, on the command line."""
    return any(_fits(word, task) for word in _with_writers())


def tasks_named() -> list[str]:
    """The words that name tasks, or patterns of them."""
    return _task_words()


def without_port() -> str:
    """The tasks and variables that the command line names, but for the port and how the run is told."""
    parsed = _parsed()
    given = [f"{name}={value}" for name, value in parsed.variables if name not in {"port", *_OF_THE_TELLING}]
    return shlex.join([*parsed.tasks, *given])


def project_tasks_named() -> list[str]:
    """The tasks named that are none of ours."""
    known = our_tasks | {"plan"}
    return [word for word in _task_words() if not any(_fits(word, task) for task in known)]


def preceding(task: str) -> str:
    """The board task named last before `task` on the command line: it has to be done first. Empty if there is none.

    doit itself starts tasks in that order, but does not wait.
    """
    task = "flash" if task == "_probe" else task
    before = ""
    for word in _with_writers():
        if _fits(word, task):
            return before
        before = word if word in board_tasks else before
    return ""


def _refused(error: PipelineError) -> InvalidDodoFile:
    """What doit puts on the terminal by itself."""
    return InvalidDodoFile(visible(mask_urls(error.headline if terminal.quiet else str(error))))


def option_table() -> list[dict[str, object]]:
    """What our tasks take behind them, in the form that doit reads; nothing where no option stands there."""
    unknown = unknown_options(_parsed())
    return [*task_options(), *unknown] if unknown or _parsed().has_options else []


def refuse_options_of(task: str) -> None:
    """Go on only without options behind a task that nobody knows; call it in its creator.

    Raises:
        InvalidDodoFile: there is one; doit then prints one line and ends with status 3.
    """
    try:
        refuse_unknown_options(_parsed(), (task,), before=False)
    except UsageError as error:
        audience.failed(error)
        raise _refused(error) from error


def read_again(declared: Iterable[str]) -> None:
    """Of the words that were unknown, some are variables now; doit shall know what they say, too."""
    global _read  # noqa: PLW0603
    _read = None
    admit_declared_options()
    known = getattr(doit_cmd, "_CMDLINE_VARS", None)
    for name, value in _parsed().variables:
        if name in declared and known is not None:
            known.setdefault(name, value)


def words() -> list[str]:
    """The command line, without the program's name."""
    return sys.argv[1:] if _words is None else _words


def _parsed() -> Parsed:
    """The command line, taken apart; of one that cannot be, nothing is known."""
    global _read  # noqa: PLW0603
    if _read is None or _read[0] != words():
        try:
            _read = (list(words()), parse(words()))
        except UsageError:
            _read = (list(words()), Parsed("run", ()))
    return _read[1]


def _task_words() -> list[str]:
    return [word.partition(":")[0] for word in _parsed().tasks]


def _with_writers() -> list[str]:
    """The words that name tasks, and before each the tasks that the project lets it lead to."""
    expanded = list[str]()
    for word in _task_words():
        for task, writers in may_write.items():
            expanded += writers if _fits(word, task) else ()
        expanded.append(word)
    return expanded


def _ours_named() -> set[str] | None:
    """The tasks named, `plan` included, if all are ours; None where others are among them, or none is named."""
    names = _task_words()
    if not names or _parsed().command in _ABOUT_TASKS:
        return None
    known = our_tasks | {"plan"}
    meant = [{task for task in known if _fits(word, task)} for word in names]
    return set().union(*meant) if all(meant) else None


def _check_doubled() -> None:
    names = [name for name, _ in _parsed().variables]
    for name in names:
        if names.count(name) > 1:
            more = "; several ports are port=A,B" if name == "port" else ""
            raise BadValueError(f"{name}= is given twice", f"give it once{more}")


def _fits(word: str, task: str) -> bool:
    return word == task or bool(set(word) & set("*?[") and fnmatch.fnmatch(task, word))
