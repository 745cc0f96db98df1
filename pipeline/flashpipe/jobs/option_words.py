"""Variables that are written as options: `--port COM3`, `--port=COM3`, `-p COM3`, `-pCOM3`, `--force`, `--json`.

Tasks (`flashpipe.tasks.parser`) and commands (`flashpipe.cli.arguments`) read them by the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from flashpipe.errors import UsageError
from flashpipe.jobs.variables import VariableKind
from flashpipe.lazy import lazy_pattern
from flashpipe.values import dataclass

END: Final = "--"
"""What follows is no option."""
JSON: Final = "--json"
"""Stands for `format=json`."""
PORT: Final = lazy_pattern(r"(?i)(/dev/\S+|COM\d+|\\\\\.\\COM\d+|[a-z][a-z0-9+]*://\S+)")
"""A name that nothing but a port has."""
TTY: Final = lazy_pattern(r"(tty(USB|ACM|AMA|S)\d+|cu\.\S+)")
"""What a port is called in /dev."""
YES_OR_NO: Final = frozenset({"0", "1", "false", "no", "off", "on", "true", "yes"})
"""What behind a flag is its value, and names nothing: `--force 1`."""


@dataclass(frozen=True, slots=True)
class OptionWord:
    """A variable that was written as an option."""

    name: str
    value: str
    typed: tuple[str, ...]
    """The words as they were typed: the option, and its value where that is a word of its own."""


def read_option(word: str, following: list[str], known: Mapping[str, VariableKind | None]) -> OptionWord | None:
    """The variable that `word` says; None where it is another option.

    Args:
        word: Begins with `-`.
        following: The words behind it; the value is taken out where it is one of them.
        known: Variables by name; None for those of which nothing but the name is known.

    Raises:
        UsageError: its value is missing.
    """
    name, equals, value = _parts(word, known)
    row = known.get(name)
    is_flag = row is not None and row.kind == "flag"
    if word == JSON and "format" in known:
        return OptionWord("format", "json", (word,))
    if name not in known or (equals and is_flag and not word.startswith("--")):  # of `-qx`, x is another option
        return None
    if equals:
        return OptionWord(name, value, (word,))
    if is_flag:
        said = following.pop(0) if following and following[0].lower() in YES_OR_NO else ""
        return OptionWord(name, said or "1", (word, said) if said else (word,))
    if following and (name == "code" or not is_option(following[0])):
        value = following.pop(0)
        return OptionWord(name, value, (word, value))
    raise UsageError(f"{word}: which {name}?", f"say {name}=VALUE or --{name.replace('_', '-')} VALUE")


def options_end(words: Sequence[str]) -> int:
    """Where no option stands any more: at `--`, or behind the last word."""
    return words.index(END) if END in words else len(words)


def is_option(word: str) -> bool:
    """Whether a word is an option, and no name: a single `-` is one."""
    return word.startswith("-") and len(word) > 1


def _parts(word: str, known: Mapping[str, VariableKind | None]) -> tuple[str, str, str]:
    """Name of the variable, whether a value stands in the same word, and that value."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name.replace("-", "_"), equals, value
    name = next((name for name, row in known.items() if row is not None and row.short == word[1:2]), "")
    return name, word[2:], word[2:]
