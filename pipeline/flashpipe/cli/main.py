"""`flashpipe`: the tasks without a dodo file, from any folder, and the commands that are no tasks.

Its exit status says which class of error ended the run (README: table of errors); plain `doit` keeps its own 0 to 3.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

COMMANDS: Final = {
    "board": "flashpipe.sim.cli",
    "bundle": "flashpipe.cli.bundle",
    "cache": "flashpipe.cli.cache",
    "init": "flashpipe.cli.init",
    "inspect": "flashpipe.cli.inspect",
    "prune": "flashpipe.cli.prune",
}
"""Words dispatched before doit, which would strip their `name=value` words; each a module with `main(argv)`."""
_PLUGINS: Final = {
    "COMMAND": {"plan": "flashpipe.tasks.plan_command:Plan", "help": "flashpipe.tasks.help_command:Help"},
    "BACKEND": {"safe": "flashpipe.tasks.db:SafeDB"},
}


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns its exit status."""
    words = sys.argv[1:] if argv is None else argv
    if not words and sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        words = ["init"]  # the first thing a newcomer types
    try:
        return _dispatch(_spelled_out(words))
    except KeyboardInterrupt:  # before there is a port, which has handlers of its own
        sys.stderr.write("\nstopped: nothing was being written\n")
        return 130


def _spelled_out(words: list[str]) -> list[str]:
    """`TASK --help` and `help COMMAND` in the form that answers them."""
    if len(words) == 2 and words[0] == "help" and words[1] in COMMANDS:  # noqa: PLR2004  help and a name
        return [words[1], "--help"]
    if words and words[0] not in COMMANDS and words[1:] and {"-h", "--help"} & set(words[1:]):
        return ["help", words[0]]
    return words


def _dispatch(words: list[str]) -> int:
    if words and words[0] in COMMANDS:
        return _command(words)
    if words == ["--version"]:
        from flashpipe.records.receipt import tool_versions  # noqa: PLC0415

        sys.stdout.write("".join(f"{name} {version}\n" for name, version in tool_versions().items()))
        return 0
    if words and words[0] in {"-h", "--help", "help"} and len(words) == 1:
        from flashpipe import tasks  # noqa: PLC0415
        from flashpipe.cli.overview import overview, task_texts  # noqa: PLC0415

        sys.stdout.write(overview(task_texts(vars(tasks)), COMMANDS) + "\n")
        return 0
    return run_tasks(words)


def _command(words: list[str]) -> int:
    from flashpipe.errors import PipelineError, UsageError  # noqa: PLC0415

    try:
        return int(import_module(COMMANDS[words[0]]).main(words[1:]))
    except SystemExit as ended:  # argparse has said what is wrong, or shown its help
        if not ended.code:
            return 0
        sys.stderr.write(f"  next: `flashpipe help {words[0]}` [code: {UsageError.code}]\n")
        return UsageError.status
    except PipelineError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.status


def run_tasks(words: list[str]) -> int:
    """Run doit's tasks for the project around the current folder."""
    from doit.cmd_base import ModuleTaskLoader  # noqa: PLC0415
    from doit.doit_cmd import DoitMain  # noqa: PLC0415

    from flashpipe import tasks  # noqa: PLC0415
    from flashpipe.cli.overview import check_words, task_texts  # noqa: PLC0415
    from flashpipe.errors import PipelineError  # noqa: PLC0415
    from flashpipe.jobs import sessions  # noqa: PLC0415
    from flashpipe.profile.search import profile_names  # noqa: PLC0415
    from flashpipe.records.project_folder import find_project  # noqa: PLC0415
    from flashpipe.tasks import command_line  # noqa: PLC0415
    from flashpipe.tasks import step as steps  # noqa: PLC0415

    class Main(DoitMain):  # type: ignore[misc]  # doit ships no types
        BIN_NAME = "flashpipe"

    project = find_project(Path.cwd())
    command_line.use(words, project)
    try:
        check_words(words, task_texts(vars(tasks)), COMMANDS, profile_names(project))
    except PipelineError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.status
    steps.failures.clear()
    config = {**tasks.DOIT_CONFIG, "dep_file": str(project / str(tasks.DOIT_CONFIG["dep_file"]))}
    members: dict[str, Any] = {**vars(tasks), "DOIT_CONFIG": config}
    sessions.install_handlers()
    try:
        status = int(Main(ModuleTaskLoader(members), extra_config=_PLUGINS).run(words) or 0)
    finally:
        sessions.close_all()
        sessions.remove_handlers()
    return max((error.status for error in steps.failures), default=status) if status else 0


if __name__ == "__main__":
    sys.exit(main())
