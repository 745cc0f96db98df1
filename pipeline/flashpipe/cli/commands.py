"""`flashpipe`: the tasks without a dodo file, from any folder, and the commands that are no tasks.

Its exit status says which class of error ended the run (`flashpipe help codes`); plain `doit` keeps its own 0 to 3.
Each command is a module that is loaded when it is used: this one loads nothing but the errors.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from flashpipe import terminal
from flashpipe.cli.stopping import STOPPED, stop_status
from flashpipe.errors import PipelineError, SystemLimitError, UsageError
from flashpipe.jobs import audience
from flashpipe.limits import limits_told, prepare_for_little_memory

COMMANDS: Final = {
    "batch": "flashpipe.cli.batch",
    "bench": "flashpipe.cli.bench",
    "board": "flashpipe.sim.cli",
    "bundle": "flashpipe.cli.bundle",
    "cache": "flashpipe.cli.cache",
    "completion": "flashpipe.cli.completion",
    "esptool": "flashpipe.cli.esptool",
    "explain": "flashpipe.cli.explain",
    "init": "flashpipe.cli.init",
    "export": "flashpipe.cli.export",
    "host": "flashpipe.cli.host",
    "inspect": "flashpipe.cli.inspect",
    "lab": "flashpipe.cli.lab",
    "new": "flashpipe.cli.new",
    "page": "flashpipe.cli.page",
    "prune": "flashpipe.cli.prune",
    "schema": "flashpipe.cli.schema",
    "simulate": "flashpipe.cli.simulate",
    "station": "flashpipe.cli.station",
    "test": "flashpipe.cli.test",
    "trust": "flashpipe.cli.trust",
}
"""Words dispatched before doit, which would strip their `name=value` words; each a module with `main(argv)`."""
OTHERS: Final = frozenset(
    {"clean", "dumpdb", "forget", "ignore", "info", "list", "reset-dep", "run", "strace", "tabcompletion"}
)
"""Commands of doit, which has words of its own for them."""
SHOW: Final = frozenset({"dumpdb", "help", "info", "list", "tabcompletion"})
"""Those that show something and do nothing."""
HELP: Final = frozenset({"-h", "--help", "help"})
_LOADED: Final = 50_000
"""Objects between two searches for garbage, where Python says 700. What loading makes stays: to look through it again
and again, and once more at the end, took a tenth of the CPU of a flash."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns its exit status. Without `argv` the process is ours, and set up for short work."""
    if argv is None:
        terminal.complete_streams()
        prepare_for_little_memory()
        gc.set_threshold(_LOADED)
        atexit.register(gc.freeze)
    words = sys.argv[1:] if argv is None else argv
    if not words and sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        words = ["init"]  # the first thing a newcomer types
    words = _spelled_out(words)
    if argv is None and words[:1] and words[0] in SHOW:
        terminal.end_with_reader()
    audience.forget()
    terminal.quiet = not terminal.QUIET.isdisjoint(_options(words))
    status = 1  # of a defect, which ends in a traceback
    try:
        with limits_told():
            status = _run(words)
    except SystemLimitError as error:  # before there was anything to report
        terminal.note(f"error: {error}")
        status = error.status
    except KeyboardInterrupt as asked:  # before there is a port, which has handlers of its own
        terminal.note(f"\n{STOPPED}")
        status = stop_status(asked)
    finally:
        status = audience.close(status)
    return status


def _options(words: list[str]) -> list[str]:
    """The words among which options are looked for."""
    return words[: words.index("--")] if "--" in words else words


def _run(words: list[str]) -> int:
    """Begin what programs want to hear, then do what is asked."""
    if "FLASHPIPE_EVENTS" in os.environ or any("events" in word for word in words):
        events = import_module("flashpipe.jobs.run_events")
        target = events.wanted(words)
        if target:
            try:
                events.begin(words, target)
            except PipelineError as error:
                return _refused(error, words)
    try:
        with limits_told():
            if "GITHUB_ACTIONS" in os.environ or any("junit" in word or "receipt" in word for word in words):
                import_module("flashpipe.jobs.run_reports").begin(words, Path.cwd())
            return _dispatch(_understood(words))
    except PipelineError as error:
        return _refused(error, words)


def _say(error: PipelineError) -> None:
    text = import_module("flashpipe.text.last_line").failure(error)
    import_module("flashpipe.text.lines").print_result(text, sys.stderr)


def _refused(error: PipelineError, words: list[str]) -> int:
    audience.failed(error)
    _say(error)
    if words[:1] != ["inspect"]:
        _show_document(error, words)
    return error.status


def _show_document(error: PipelineError, words: list[str]) -> None:
    """Where a program wants to read how it went, say so."""
    pairs = zip(words, words[1:], strict=False)  # noqa: RUF007  itertools would be loaded for it
    if {"--json", "format=json", "--format=json"} & set(_options(words)) or ("--format", "json") in pairs:
        terminal.write(import_module("flashpipe.text.documents").render((), [error]) + "\n")


def _understood(words: list[str]) -> list[str]:
    """What is typed for tasks, in the form that doit knows."""
    if not words or words[0] in {*COMMANDS, *HELP, *OTHERS}:
        return words
    return list(import_module("flashpipe.tasks.words").understand(words, _profiles, Path.cwd()))


def _profiles() -> list[str]:
    project = import_module("flashpipe.records.project_folder").find_project(Path.cwd())
    return list(import_module("flashpipe.profile.search").profile_names(project))


def _spelled_out(words: list[str]) -> list[str]:
    """`TASK --help` and `help COMMAND` in the form that answers them."""
    if len(words) == 2 and words[0] == "help" and words[1] in COMMANDS:  # noqa: PLR2004  help and a name
        return [words[1], "--help"]
    if words in (["help", "version"], ["version", "--help"], ["version", "-h"], ["help", "help"]):
        return ["--help"]
    if len(words) == 2 and words[0] in HELP - {"help"}:  # noqa: PLR2004  of a task, as it is asked of other tools
        return _spelled_out(["help", words[1]])
    if words == ["help", "upload"]:  # a word of other tools: a firmware is flashed, any other file sent
        return ["help", "files"]
    if words and words[0] not in COMMANDS and words[1:] and {"-h", "--help"} & set(_options(words)[1:]):
        return ["help", words[0]]
    return words


def _dispatch(words: list[str]) -> int:
    if words and words[0] in COMMANDS:
        return _command(words)
    asks_about = words[1] if len(words) == 2 and words[0] == "help" else ""  # noqa: PLR2004  help and a name
    if asks_about and not _is_task(asks_about) and _help_topic(asks_about):
        return 0
    if words == ["--version"]:
        versions = import_module("flashpipe.records.receipt").tool_versions()
        terminal.write("".join(f"{name} {version}\n" for name, version in versions.items()))
        return 0
    if len(words) == 1 and words[0] in HELP:
        overview = import_module("flashpipe.cli.overview")
        own = overview.own_tasks(import_module("flashpipe.records.project_folder").find_project(Path.cwd()))
        terminal.write(overview.overview({**overview.shipped_tasks(), **own}, COMMANDS) + "\n")
        return 0
    return int(import_module("flashpipe.cli.run_tasks").run_tasks(words, COMMANDS))


def _is_task(word: str) -> bool:
    """Whether a page about the word is that of a task: `plan` and `image` are codes, too."""
    return word == "plan" or word in import_module("flashpipe.cli.overview").shipped_tasks()


def _help_topic(word: str) -> bool:
    """Show the page of a topic or of a code; False where the word is neither."""
    text = str(import_module("flashpipe.cli.topics").page(word))
    if text:
        terminal.write(text)
    return bool(text)


def _without_events(words: list[str]) -> list[str]:
    """The words of a command, without those that name the stream of events: it has begun."""
    kept, waiting = [], list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--events":
            del waiting[:1]
        elif not word.startswith(("events=", "--events=")):
            kept.append(word)
    return kept


def _command(words: list[str]) -> int:
    if Path("dodo.py").is_file():
        import_module("flashpipe.cli.overview").note_clash(words[0], Path.cwd())
    try:
        return int(import_module(COMMANDS[words[0]]).main(_without_events(words[1:])))
    except SystemExit as ended:  # argparse has said what is wrong, or shown its help
        if not ended.code:
            return 0
        terminal.note(f"  next: `flashpipe help {words[0]}` [code: {UsageError.code}]")
        refused = UsageError("argparse refused the words", f"`flashpipe help {words[0]}`")
        audience.failed(refused)
        _show_document(refused, words)
        return UsageError.status
    except PipelineError as error:
        return _refused(error, words)
