"""Words that nobody knows are refused, with what was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from flashpipe.cli.overview import DOIT_COMMANDS, TOPICS
from flashpipe.errors import UnknownProfileError, UsageError
from flashpipe.lazy import difflib
from flashpipe.tasks.parser import parse, refuse_unknown_options
from flashpipe.tasks.words import FIRMWARE, ON_PROFILES

WRITES: Final = frozenset({"erase", "flash", "format", "restore", "watch"})
"""Tasks that write to a board: no guess about a mistyped word leads to one."""


def check_words(
    words: Sequence[str], tasks: Iterable[str], commands: Iterable[str], profiles: Callable[[], Iterable[str]]
) -> None:
    """Refuse words that are neither tasks nor commands, with a suggestion.

    profiles: gives their names; they are looked for where a word is unknown only.

    Raises:
        UsageError: a word or an option that nobody knows.
        UnknownProfileError: a profile stands where a task was expected.
    """
    for name in (word.partition("=")[0] for word in words):
        if not name.isprintable():  # doit would put it on the terminal as it is
            raise UsageError(f"no task, command or variable {name!r}", "`flashpipe --help` lists them")
    parsed = parse(words)
    refuse_unknown_options(parsed)
    asks_help = parsed.command == "help"
    if parsed.command not in {"help", "run"}:
        return
    known = {*tasks, *commands, *DOIT_COMMANDS}
    for word in parsed.tasks:
        if asks_help and word == "task":  # `help task` is a page of doit's own
            continue
        name = word.partition(":")[0]
        if name in known or set(name) & set("*?["):
            continue
        if word in set(profiles()):
            raise UnknownProfileError(
                f"{word!r} is a profile, not a task",
                f"`flashpipe plan profile={word}` shows what `flash` would do",
            )
        if word in parsed.tasks[1:] and parsed.tasks[0] in ON_PROFILES:
            raise _nothing(word, parsed.tasks[0], profiles())
        raise _unknown_word(word, known, asks_help=asks_help)


def _nothing(word: str, task: str, profiles: Iterable[str]) -> UsageError:
    """A word behind a task: a profile, a file or a port that is none."""
    files = [path.name for path in Path.cwd().iterdir() if path.name.endswith(FIRMWARE) and path.is_file()]
    near = [name for name in files if name.startswith(word)]
    near = near or difflib.get_close_matches(word, [*profiles, *files], 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return UsageError(
        f"{word!r} behind {task} is no profile, file, port or task{meant}", "`flashpipe profiles` lists the profiles"
    )


def _unknown_word(word: str, known: set[str], *, asks_help: bool) -> UsageError:
    from flashpipe.cli.topics import every_error  # noqa: PLC0415  its tables load half the package

    pages = {*TOPICS, *(kind.code for kind in every_error())} if asks_help else set()
    near = difflib.get_close_matches(word.partition(":")[0], (known | pages) - (set() if asks_help else WRITES), 1)
    suggestion = f"; did you mean {near[0]!r}?" if near else ""
    if asks_help:
        topics = f"topics: {', '.join(TOPICS)}; `flashpipe --help` lists tasks and commands"
        return UsageError(f"no help about {word!r}{suggestion}", topics)
    return UsageError(f"no task or command {word!r}{suggestion}", "`flashpipe --help` lists them")
