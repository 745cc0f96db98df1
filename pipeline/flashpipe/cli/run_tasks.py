"""`flashpipe TASK …`: doit's tasks for the project around the current folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain

from flashpipe import tasks, terminal
from flashpipe.cli.overview import check_words, overview, task_texts
from flashpipe.jobs import audience, sessions
from flashpipe.profile.search import profile_names
from flashpipe.records.project_folder import find_project
from flashpipe.tasks import command_line
from flashpipe.tasks.doit_events import REFUSED
from flashpipe.tasks.loader import load
from flashpipe.text.lines import print_result

_PLUGINS: Final = {
    "COMMAND": {
        "dumpdb": "flashpipe.tasks.dump_command:DumpDB",
        "help": "flashpipe.tasks.help_command:Help",
        "plan": "flashpipe.tasks.plan_command:Plan",
    },
    "BACKEND": {"safe": "flashpipe.tasks.db:SafeDB"},
    "REPORTER": {"events": "flashpipe.tasks.reporter:Events"},
}


class Main(DoitMain):  # type: ignore[misc]  # doit ships no types
    """doit under our name."""

    BIN_NAME = "flashpipe"


def _note(text: str) -> None:
    terminal.note(f"note: {text}")


def help_page(commands: Iterable[str]) -> str:
    """The page of `flashpipe --help`."""
    return overview(task_texts(vars(tasks)), commands)


def run_tasks(words: list[str], commands: Iterable[str]) -> int:
    """Run one command line of doit's; the highest status of what failed.

    Raises:
        PipelineError: a word that nobody knows; nothing was begun.
    """
    project = find_project(Path.cwd(), _note)
    command_line.use(words, project)
    check_words(words, task_texts(vars(tasks)), commands, profile_names(project))
    config = {**tasks.DOIT_CONFIG, "dep_file": str(command_line.database(project))}
    members: dict[str, Any] = {**vars(tasks), "DOIT_CONFIG": config}
    sessions.install_handlers()
    try:
        # No file of the current folder configures us: doit.cfg could name plugins to load, or a file to overwrite.
        main = Main(ModuleTaskLoader(members), config_filenames=(), extra_config=_PLUGINS)
        status = int(main.run(words) or 0)
    finally:
        sessions.close_all()
        sessions.remove_handlers()
    if status == REFUSED and "format=json" in words:  # by doit itself: no reporter has written a document
        print_result(load("text.documents:render")((), audience.failures))
    return audience.exit_status(status)
