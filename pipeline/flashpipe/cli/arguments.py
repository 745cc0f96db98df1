"""Command lines of our own commands: variables in every form that tasks take, then argparse for what is left."""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from flashpipe import terminal
from flashpipe.errors import BadValueError, UnknownVariableError, UsageError
from flashpipe.jobs.empty_texts import check_text
from flashpipe.jobs.option_words import END, is_option, read_option
from flashpipe.jobs.variables import VariableKind
from flashpipe.units import parse_bool
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class CommandWords:
    """The words of a command."""

    rest: tuple[str, ...]
    """Names, such as those of files; and options, where the command has some beside its variables."""
    texts: Mapping[str, tuple[str, ...]]
    """Variables, each with the texts that were given for it."""

    @property
    def given(self) -> dict[str, str]:
        """The variables that can be given once."""
        return {name: texts[0] for name, texts in self.texts.items()}

    def with_bare(self, name: str, words: Sequence[str]) -> dict[str, str]:
        """The variables, `name` among them where a word stands there without its name.

        Raises:
            BadValueError: there are two such words, or the variable is given, too.
        """
        if not words:
            return self.given
        if len(words) > 1 or name in self.texts:
            raise BadValueError(f"{words[-1]}: one {name} is enough", f"say {name}=NAME once")
        return {**self.given, name: words[0]}


def take_variables(
    argv: Sequence[str],
    command: str,
    known: Mapping[str, VariableKind],
    *,
    repeated: Collection[str] = (),
    options: Mapping[str, bool] | None = None,
) -> CommandWords:
    """Tell variables, written as `name=value`, `--name value` or with their letters, from other words.

    Args:
        argv: The words behind the command.
        command: Its name, for messages.
        known: Its variables.
        repeated: Those that may be given several times.
        options: Its other options, and whether the next word is the value of one; they stay where they are. None where
            it has none: then every other option is refused.

    Raises:
        UnknownVariableError: naming those that the command takes.
        BadValueError: one is given twice, or says nothing.
        UsageError: an option without its value, or one that nobody knows.
    """
    reader = _Reader(list(argv), command, known, repeated, options)
    reader.read()
    return CommandWords(tuple(reader.rest), {name: tuple(texts) for name, texts in reader.texts.items()})


@dataclass
class _Reader:
    """Goes through the words once."""

    waiting: list[str]
    command: str
    known: Mapping[str, VariableKind]
    repeated: Collection[str]
    options: Mapping[str, bool] | None
    rest: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def read(self) -> None:
        while self.waiting:
            word = self.waiting.pop(0)
            if word == END:
                self.rest += self.waiting if self.options is None else [END, *self.waiting]
                return
            if self.options is not None and word in self.options:
                behind = int(self.options[word])
                self.rest += [word, *self.waiting[:behind]]
                del self.waiting[:behind]
            elif is_option(word):
                self._option(word)
            else:
                self._word(word)

    def _option(self, word: str) -> None:
        option = read_option(word, self.waiting, self.known)
        if option is not None:
            self._enter(option.name, option.value)
        elif self.options is not None:  # argparse knows it, or refuses it
            self.rest.append(word)
        elif word not in terminal.QUIET:  # obeyed already
            takes = ", ".join(f"--{name.replace('_', '-')}" for name in self.known)
            raise UsageError(f"{word}: {self.command} has no such option", f"it takes {takes}")

    def _word(self, word: str) -> None:
        name, equals, text = word.partition("=")
        is_option_name = name not in self.known and f"--{name.replace('_', '-')}" in (self.options or ())
        if not (equals and name.isidentifier()) or is_option_name or (name not in self.known and Path(word).exists()):
            self.rest.append(word)
        elif word not in terminal.QUIET:
            self._enter(name, text)

    def _enter(self, name: str, text: str) -> None:
        if name not in self.known:
            near = difflib.get_close_matches(name, self.known, 1)
            meant = f", did you mean {near[0]!r}?" if near else ""
            takes = f"it takes {', '.join(self.known)}" if self.known else "it takes none"
            raise UnknownVariableError(f"{name}= is no variable of {self.command}{meant}", takes)
        if name not in self.repeated:
            if name in self.texts:
                raise BadValueError(f"{name}= is given twice", "give it once")
            check_text(self.known[name].kind, text, name)
        self.texts.setdefault(name, []).append(text)


def amount_of(what: str, kind: type[int | float] = float) -> Callable[[str], float]:
    """What reads an option of a command as so many of something; argparse's own words would name Python's types.

    >>> amount_of("days")("1.5")
    1.5
    """

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = -1
        if not 0 <= value < math.inf:
            raise argparse.ArgumentTypeError(f"{text}: want a number of {what}, 0 or more")
        return value

    return read


class Parser(argparse.ArgumentParser):
    """argparse's, which would put the user's words on the terminal as they are; `name=value` is `--name value`."""

    def _print_message(self, message: str, file: Any = None) -> None:
        terminal.write(message, file or sys.stderr)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever, with options as variables, too; `-q` was obeyed before."""
        words = sys.argv[1:] if args is None else args
        quiet = terminal.QUIET - set(self._option_string_actions)
        return super().parse_known_args(
            [text for word in words if word not in quiet for text in self._as_option(word)], namespace
        )

    def take_variables(
        self,
        argv: Sequence[str],
        command: str,
        known: Mapping[str, VariableKind],
        *,
        repeated: Collection[str] = (),
    ) -> tuple[argparse.Namespace, CommandWords]:
        """Variables, and what argparse makes of the rest.

        Raises:
            PipelineError: as the function of this name.
            SystemExit: argparse has said what is wrong, or shown its help.
        """
        options = {name: action.nargs != 0 for name, action in self._option_string_actions.items()}
        words = take_variables(argv, command, known, repeated=repeated, options=options)
        return self.parse_intermixed_args(list(words.rest)), words

    def _as_option(self, word: str) -> list[str]:
        name, equals, text = word.partition("=")
        action = self._option_string_actions.get(f"--{name.replace('_', '-')}") if equals else None
        if action is None or not name.isidentifier():
            return [word]
        option = f"--{name.replace('_', '-')}"
        if action.nargs != 0:
            return [f"{option}={text}"]
        try:
            return [option] if parse_bool(text) else []
        except BadValueError as error:
            self.error(f"{word}: {error.message}")
