"""`flashpipe TASK …`: doit's tasks for the project around the current folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, Final

from doit import loader, plugin
from doit.cmd_base import ModuleTaskLoader
from doit.cmdparse import CmdParseError
from doit.doit_cmd import DoitMain

from flashpipe import terminal
from flashpipe.cli.overview import task_texts
from flashpipe.cli.project import project_here
from flashpipe.cli.unknown_words import check_words
from flashpipe.errors import PipelineError, SystemLimitError, UsageError
from flashpipe.installed import may_offer
from flashpipe.jobs import audience, sessions
from flashpipe.jobs.variables import KNOWN
from flashpipe.limits import limits_told
from flashpipe.profile.search import profile_names
from flashpipe.tasks import command_line
from flashpipe.tasks.doit_events import REFUSED
from flashpipe.tasks.loader import load
from flashpipe.tasks.own_tasks import OwnTasks, at_home, load_own_tasks, members
from flashpipe.tasks.parser import OURS, parse, refuse_unwritable_output
from flashpipe.tasks.words import SYNONYMS, with_variables
from flashpipe.text.lines import print_result

_PLUGINS: Final = {
    "COMMAND": {
        "dumpdb": "flashpipe.tasks.dump_command:DumpDB",
        "help": "flashpipe.tasks.help_command:Help",
        "info": "flashpipe.tasks.info_command:Info",
        "plan": "flashpipe.tasks.plan_command:Plan",
    },
    "BACKEND": {"safe": "flashpipe.tasks.db:SafeDB"},
    "REPORTER": {"events": "flashpipe.tasks.reporter:Events"},
}


class Main(DoitMain):  # type: ignore[misc]  # doit ships no types
    """doit under our name."""

    BIN_NAME = "flashpipe"

    def __init__(self, members: dict[str, Any], left_out: frozenset[str]) -> None:
        # No file of the current folder configures us: doit.cfg could name plugins to load, or a file to overwrite.
        super().__init__(ModuleTaskLoader(members), config_filenames=(), extra_config=_PLUGINS)
        self._left_out = left_out

    def run(self, all_args: list[str]) -> Any:
        """Run a command line; its status."""
        with _packages_asked_once(), _lines_asked_quickly():
            return super().run(all_args)

    def get_cmds(self) -> Any:
        """Commands of doit and ours, but those whose names are meant to be a task's.

        What the system refuses them they tell in one line; doit itself has a traceback for that.
        """
        commands = super().get_cmds()
        for name in self._left_out & set(_PLUGINS["COMMAND"]):
            del commands[name]
        plain = commands.get_plugin
        commands.get_plugin = lambda name: _telling(plain(name))
        return commands


@contextmanager
def _packages_asked_once() -> Iterator[None]:
    """Of three times that doit asks which plugins there are, Python reads what all packages say of themselves once.

    And only where another package has any. Ours, which it would find like others', are named above.
    """
    points = _entry_points() if may_offer("doit.", but="flashpipe") else _no_entry_points
    with ExitStack() as after:
        after.callback(setattr, plugin, "entry_points_impl", plugin.entry_points_impl)
        plugin.entry_points_impl = lambda: points
        yield


def _entry_points() -> Callable[..., Any]:
    entry_points = import_module("importlib.metadata").entry_points()
    return lambda group: entry_points.select(group=group)


def _no_entry_points(group: str) -> tuple[()]:
    del group
    return ()


class _QuickLines:
    """The module `inspect`, but that it tells where a function begins without reading its file: 10 ms of 28 tasks."""

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)

    def getsourcelines(self, function: Any) -> tuple[list[str], int]:
        """The line alone, by which doit sorts tasks."""
        code = getattr(inspect.unwrap(function), "__code__", None)
        return ([], code.co_firstlineno) if code is not None else inspect.getsourcelines(function)


@contextmanager
def _lines_asked_quickly() -> Iterator[None]:
    with ExitStack() as after:
        after.callback(setattr, loader, "inspect", loader.inspect)
        loader.inspect = _QuickLines()
        yield


def _with_reason(error: UsageError, own: OwnTasks) -> UsageError:
    """A word that nobody knows may be a task of a dodo file that is not used."""
    return UsageError(f"{error.message}; {own.left_out}", error.hint) if own.left_out else error


def _telling(command: Any) -> Any:
    class Telling(command):  # type: ignore[misc]  # doit ships no types
        name = command.get_name()

        def parse_execute(self, in_args: list[str]) -> Any:
            try:
                with limits_told():
                    return super().parse_execute(in_args)
            except SystemLimitError as error:
                return _refused(error)
            except CmdParseError as error:  # of which doit would list its whole table of options
                mistake = str(error).partition(" (parsing options:")[0]
                return _refused(
                    UsageError(f"{self.name}: {mistake}", f"`flashpipe help {self.name}` lists its options")
                )

    return Telling


def _refuse_without_task(words: Sequence[str], defaults: Collection[str]) -> None:
    """Go on only where a task takes the variables that are there: without one the project's default tasks run.

    Raises:
        UsageError: none of them takes one.
    """
    parsed = parse(words)
    if parsed.command != "run" or parsed.tasks or not OURS.issuperset(defaults):
        return
    for name, value in parsed.variables:
        if name in KNOWN and KNOWN[name].tasks.isdisjoint(defaults):
            said = " ".join(f"{one}={text}" for one, text in parsed.variables)
            raise UsageError(f"{name}={value}: for which task?", f"name it, such as `flashpipe plan {said}`")


def _refused(error: PipelineError) -> Any:
    audience.failed(error)
    terminal.note(f"error: {error}")
    return REFUSED


def run_tasks(words: list[str], commands: Iterable[str]) -> int:
    """Run one command line of doit's; the highest status of what failed.

    Raises:
        PipelineError: a word that nobody knows; nothing was begun.
    """
    project = project_here()
    command_line.use(words, project)
    theirs = words[:1] == ["run"]
    if words[:1] == ["help"]:
        words = ["help", *(SYNONYMS.get(word.replace("_", "-"), word) for word in words[1:])]
    own = load_own_tasks(project)
    words = with_variables(words, own.options_of)
    refuse_unwritable_output(parse(words))
    command_line.use(words, project)
    namespace = members(own, command_line.tasks_named(), theirs=theirs)
    try:
        check_words(words, task_texts(namespace), commands, lambda: profile_names(project))
    except UsageError as error:
        raise _with_reason(error, own) from None
    command_line.check_words()
    _refuse_without_task(words, namespace["DOIT_CONFIG"].get("default_tasks") or ())
    namespace["DOIT_CONFIG"]["dep_file"] = str(command_line.database(project))
    sessions.install_handlers()
    try:
        with at_home(project, moves=bool(own.names)):
            status = int(Main(namespace, frozenset(own.names) if theirs else frozenset()).run(words) or 0)
    finally:
        sessions.close_all()
        sessions.remove_handlers()
    if status == REFUSED and "format=json" in words:  # by doit itself: no reporter has written a document
        print_result(load("text.documents:render")((), audience.failures))
    return audience.exit_status(status)
