"""The tasks of a project's own dodo.py under `flashpipe`, and what happens where a name is ours and theirs.

Plain doit runs them as ever. Here the file is read only where nobody else could have written it; one that cannot be
loaded takes nothing down but its own tasks.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from doit import loader

from flashpipe import tasks, terminal
from flashpipe.jobs.variables import forget_project
from flashpipe.ownership import Standing, described, look
from flashpipe.tasks import command_line
from flashpipe.tasks.project import doit_config
from flashpipe.values import dataclass

DODO: Final = "dodo.py"
_TASK: Final = "task_"
_PLAN: Final = "plan"
"""A command of ours that doit would not let a task be called."""
_OUR_SETTINGS: Final = frozenset({"backend", "dep_file", "num_process", "par_type", "reporter"})
"""Of DOIT_CONFIG, what boards need as it is."""


@dataclass(frozen=True, slots=True)
class OwnTasks:
    """What a project adds."""

    members: Mapping[str, object]
    """What stands in its dodo file; empty where there is none that can be used."""
    left_out: str = ""
    """Why it is not used, for people; empty where it is, or there is none."""

    @property
    def names(self) -> set[str]:
        """Names of the tasks that are its own."""
        return {
            name.removeprefix(_TASK)
            for name, creator in self.members.items()
            if name.startswith(_TASK) and callable(creator) and creator is not vars(tasks).get(name)
        }

    def options_of(self, task: str) -> set[str]:
        """The options that a task of the project has itself, as they are typed: its `params`, or `task_params`."""
        creator: Any = self.members.get(f"{_TASK}{task}")
        if task not in self.names:
            return set()
        params = getattr(creator, "_task_creator_params", None)  # where doit's decorator leaves them
        if params is None:
            with suppress(Exception):  # whatever it raises, doit tells
                made = creator()
                params = made.get("params") if isinstance(made, dict) else None
        long = {f"--{one['long']}" for one in params or () if one.get("long")}
        return long | {f"-{one['short']}" for one in params or () if one.get("short")}

    @property
    def takes_ours(self) -> bool:
        """Whether it has our tasks, too: then one of the same name replaces ours, as under doit."""
        return any(name.startswith(_TASK) and self.members.get(name) is known for name, known in vars(tasks).items())


def load_own_tasks(project: Path) -> OwnTasks:
    """Read the project's dodo file, in its folder; what an earlier one has said in this process is forgotten."""
    command_line.may_write.clear()
    forget_project()
    path = project / DODO
    if not path.is_file():
        return OwnTasks({})
    finding = look(path, project)
    if finding.standing is not Standing.OWN:
        return OwnTasks({}, f"{DODO} is not used: {described(path, finding)}; `flashpipe trust {project}` admits it")
    try:
        return OwnTasks(dict(vars(_load(path))))
    except Exception as error:  # noqa: BLE001  whatever somebody's file does: the board can be flashed all the same
        why = f"{path} cannot be loaded: {type(error).__name__}: {error}"
        terminal.note(f"note: {why}; its tasks and defaults are left out")
        return OwnTasks({}, why)


def members(own: OwnTasks, words: Collection[str], *, theirs: bool) -> dict[str, Any]:
    """What doit shall find: our tasks and those of the project.

    Args:
        own: The project's.
        words: Tasks that the command line names.
        theirs: `flashpipe run …`: where a name is both, the project's is meant.
    """
    creators = {**vars(tasks), **own.members}
    ours = {_PLAN} if own.takes_ours else command_line.our_tasks | {_PLAN}
    for name in sorted(own.names & ours if not theirs else ()):
        creators[f"{_TASK}{name}"] = vars(tasks).get(f"{_TASK}{name}")
        if name in words:
            terminal.note(f"note: {name} is a task of flashpipe; the one of {DODO}: `flashpipe run {name}`")
    settings = own.members.get("DOIT_CONFIG")
    wanted = settings if isinstance(settings, dict) else {}
    return {
        **creators,
        "DOIT_CONFIG": {**doit_config(), **{key: wanted[key] for key in wanted if key not in _OUR_SETTINGS}},
    }


@contextmanager
def at_home(project: Path, *, moves: bool) -> Iterator[None]:
    """With `moves` the body runs in the project's folder, as doit runs a dodo file's tasks."""
    caller = Path.cwd()
    if not moves or project.resolve() == caller.resolve():
        yield
        return
    before, loader.initial_workdir = loader.initial_workdir, str(caller)
    os.chdir(project)
    try:
        yield
    finally:
        loader.initial_workdir = before
        os.chdir(caller)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a serial.py of the project must not take the place of the library's
    sys.modules[path.stem] = module
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with at_home(path.parent, moves=True):
            spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
