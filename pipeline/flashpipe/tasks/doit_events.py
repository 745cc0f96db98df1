"""The stream of events where plain doit runs our tasks: from their import to the end of the process.

`flashpipe` begins and ends it by itself (`flashpipe.cli.main`). doit tells nobody its exit status; it is known here all
the same: a run hands it in when it finishes, whichever reporter it has, and a command line that comes to no run was
refused, with 3. What then cannot be told to whoever wants to hear of a good run makes a failure of it.
"""

from __future__ import annotations

import atexit
import os
import shlex
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

from doit import get_initial_workdir
from doit.runner import ERROR, Runner

from flashpipe import terminal
from flashpipe.errors import PipelineError, UsageError
from flashpipe.jobs import audience
from flashpipe.limits import prepare_for_little_memory
from flashpipe.tasks.loader import load
from flashpipe.tasks.parser import Parsed, parse, refuse_unknown_options, refuse_unwritable_output

REFUSED: Final = 3
"""doit's status for what it does not begin; 2 is an error in a task, 1 a task that failed."""
INTERRUPTED: Final = 130
"""Where Ctrl-C ends doit itself, before there is a port."""
_WORDS: Final = ("events", "junit", "receipt")
_ENVIRONMENT: Final = frozenset({"FLASHPIPE_EVENTS", "GITHUB_ACTIONS"})
_RUNS: Final = frozenset(
    {"clean", "dumpdb", "forget", "help", "ignore", "info", "list", "plan", "reset-dep", "strace", "tabcompletion"}
)
"""Commands of doit that report by other means: nothing is known of their end but that there was one."""
SHOW: Final = frozenset({"dumpdb", "help", "info", "list", "tabcompletion"})
"""Commands of doit that show something and do nothing."""
_doits_finish: Final = Runner.finish
_status = 0
_completed = False


def begin_with_doit() -> None:
    """Where this process is doit's, begin the events that are wanted; options that lack their value end it."""
    if not _is_doit():
        return
    words = sys.argv[1:]
    atexit.register(_say_what_was_meant, words)
    Runner.finish = _finish
    terminal.quiet = not terminal.QUIET.isdisjoint(words)
    if _ENVIRONMENT & set(os.environ) or any(name in word for word in words for name in _WORDS):
        _begin(words)
    try:
        prepare_for_little_memory()
        parsed = parse(words)
        if parsed.command in SHOW:
            terminal.end_with_reader()
        if "plan" in parsed.tasks and parsed.command == "run" and words[0] != "plan":
            raise UsageError("plan is a command: it stands first, without options of `run`", "doit plan profile=NAME …")
        _refuse_before_tasks(parsed)
        _refuse_behind_sub_tasks(parsed)
        _refuse_behind_plan(parsed, words)
        refuse_unwritable_output(parsed)
        if parsed.has_options:  # else doit's own message is short, and a dodo file may have a `flash` of its own
            refuse_unknown_options(parsed, ("plan",))  # the others' creators know what a dodo file has declared
    except PipelineError as error:
        _refuse(error)


def _refuse_before_tasks(parsed: Parsed) -> None:
    """Go on only without options that doit does not know: it would list the whole table of those that it does.

    Raises:
        UsageError: one stands there, of a command or before the tasks.
    """
    for word in parsed.words:
        if word.kind == "task":
            return
        if word.kind == "unknown" or word.text in {"-h", "--help"}:
            command = parsed.command
            advice = _in_our_words(sys.argv[1:]) or f"`doit help {command}` lists its options"
            raise UsageError(f"{word.typed[0]}: doit {command} has no such option", advice)


def _refuse_behind_plan(parsed: Parsed, words: list[str]) -> None:
    """Go on only without names behind `plan`, which doit would drop.

    Raises:
        UsageError: one stands there.
    """
    if words[:1] == ["plan"] and len(parsed.tasks) > 1:
        advice = _in_our_words(words) or "doit plan profile=NAME"
        raise UsageError(f"{parsed.tasks[1]!r} behind plan: doit takes variables alone", advice)


def _refuse_behind_sub_tasks(parsed: Parsed) -> None:
    """Go on only without options behind a sub-task: doit takes those of a task behind its own name.

    Raises:
        UsageError: one stands behind a sub-task of ours.
    """
    task = ""
    for word in parsed.words:
        task = word.text if word.kind == "task" else task
        if ":" in task and word.kind == "variable" and word.typed[0].startswith("-"):
            raise UsageError(
                f"{word.typed[0]} behind {task}: doit takes it behind whole tasks only", f"{word.text}={word.value}"
            )


def _begin(words: list[str]) -> None:
    atexit.register(_at_exit)
    try:
        events = load("jobs.run_events")
        target = events.wanted(words)
        if target:
            events.begin(words, target)
        load("jobs.run_reports:begin")(words, Path(get_initial_workdir() or Path.cwd()))
    except PipelineError as error:
        _refuse(error)


def _refuse(error: PipelineError) -> NoReturn:
    audience.failed(error)
    load("text.lines:print_result")(load("text.last_line:failure")(error), sys.stderr)
    raise SystemExit(REFUSED)


def _finish(runner: Any) -> Any:
    """End a run as doit does, which takes the exit status of the runner, unless something unforeseen has ended it."""
    unforeseen = sys.exc_info()[0]
    status = int(_doits_finish(runner))
    if unforeseen is not None:
        status = INTERRUPTED if issubclass(unforeseen, KeyboardInterrupt) else REFUSED
    runner.final_result = ended(status)
    return runner.final_result


def ended(status: int) -> int:
    """A run, or a command of ours, has come to its end; its status, once the reports of plain doit are complete."""
    global _completed, _status
    if _is_doit():
        status = audience.close(status, if_lost=ERROR)
    _completed, _status = True, status
    return status


def _at_exit() -> None:
    command = next((word for word in sys.argv[1:] if "=" not in word and not word.startswith("-")), "")
    refused = not _completed and (command not in _RUNS or bool(audience.failures))
    if refused and not audience.failures:
        _say_what_was_meant(sys.argv[1:])
        advice = _in_our_words(sys.argv[1:]) or "read what doit has said"
        audience.failed(UsageError("doit has not begun: why, it has said on standard error", advice))
    audience.close(REFUSED if refused else _status)


def _in_our_words(words: list[str]) -> str:
    """What `flashpipe` understands by words that doit refuses, and what says the same there; empty for nothing."""
    folder = Path(get_initial_workdir() or Path.cwd())
    try:
        meant = load("tasks.words:understand")(words, lambda: load("profile.search:profile_names")(folder), folder)
    except PipelineError as error:
        return str(error.hint)
    known = parse(words)
    # Else doit has another reason, such as a dodo file that cannot be loaded.
    if parse(meant).tasks == known.tasks and not any(word.kind == "unknown" for word in known.words):
        return ""
    again = parse(meant)
    if not again.tasks or any(word.kind == "unknown" for word in again.words):
        return ""
    same = "" if meant[0] in {"inspect", "--version"} else f"; doit {shlex.join(meant)}"
    return f"flashpipe {shlex.join(words)}{same}"


def _say_what_was_meant(words: list[str]) -> None:
    """Doit has refused the command line: `flashpipe` may understand it, or know what says the same."""
    command = next((word for word in words if "=" not in word and not word.startswith("-")), "")
    if _completed or audience.failures or command in _RUNS:
        return
    advice = _in_our_words(words)
    if advice:
        terminal.note(f"  next: {advice}")


def _is_doit() -> bool:
    path = Path(sys.argv[0])
    return "doit" in {path.stem, path.parent.name}
