"""What is to be done next: the words for people and the steps for programs, made of the same parts.

An `Advice` is the text of a hint, a remedy or a rule's action. It is put together from words and steps; whoever offers
buttons, or runs the next command, takes the steps and reads no words. A step is named where it can be done as it
stands: `flashpipe inspect FILE` wants a file first, and stays words. Where the page has other words, both are parts.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final

from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something that may help: a command, or the one that has failed with other settings.

    What it does not name, such as profile, port and image, is as it was in the command that has failed.
    """

    command: str = ""
    """What stands before the settings on the command line; empty: the command that has failed, once more."""
    variables: tuple[tuple[str, str], ...] = ()
    """Name and value of each setting."""
    words: str = field(default="", compare=False)
    """How people read it: ``mode=dout``, ```flashpipe erase```."""

    def __str__(self) -> str:
        return self.words

    @property
    def facts(self) -> dict[str, object]:
        """The step, as programs read it."""
        return {"command": self.command or None, "variables": dict(self.variables)}


def setting(**variables: str) -> NextStep:
    """The same command with other settings: ``mode=dout``."""
    given = tuple(variables.items())
    return NextStep("", given, " ".join(f"{name}={value}" for name, value in given))


def command(name: str, shown: str = "", **variables: str) -> NextStep:
    """Another command: ```flashpipe erase```.

    Args:
        name: Its word.
        shown: What people read behind it that is no part of the step: ``…``, ``profile=NAME``.
        variables: Its settings.
    """
    given = tuple(variables.items())
    words = ["flashpipe", name, *([shown] if shown else []), *(f"{key}={value}" for key, value in given)]
    return NextStep(name, given, f"`{' '.join(words)}`")


def repeat(words: str) -> NextStep:
    """The same command as it was: ``run it again``."""
    return NextStep("", (), words)


@dataclass(frozen=True, slots=True)
class Wording:
    """Words that a terminal and a page with buttons do not have in common."""

    terminal: str
    page: str
    of_dropped: bool = False
    """The page says it of files that were dropped there only, and of others what a terminal says."""

    def __str__(self) -> str:
        return self.terminal


AGAIN_WITH: Final = Wording("run it again with ", "do the same again with ")
"""Before the settings of a repetition."""
ON_TERMINAL: Final = Wording(" on a terminal", "")
"""Behind what somebody must be there for: who looks at a page is."""


def name_file(what: str, such_as: str = "") -> Wording:
    """Another file is wanted: ``name the .bin file itself``; `such_as`: what is typed for it, behind a colon."""
    return Wording(f"name {what}{such_as}", f"drop {what}", of_dropped=True)


Part = str | NextStep | Wording
"""What an advice is made of."""


class Advice(str):
    """A text of what to do next that knows the steps it names. Joined with other texts it is a plain one: use `Advice`.

    It is a `str` so that hints go wherever texts go; it survives copying and pickling.
    """

    __slots__ = ("parts",)
    parts: tuple[Part, ...]
    """Plain texts, steps and wordings, in the order in which people read them."""

    def __new__(cls, *parts: Part) -> Advice:  # noqa: PYI034  typing has Self from Python 3.11 on
        """Of texts, among them other advice, and steps."""
        made = super().__new__(cls, "".join(map(str, parts)))
        made.parts = tuple(inner for part in parts for inner in parts_of(part))
        return made

    @property
    def steps(self) -> tuple[NextStep, ...]:
        """The steps that it names, each once."""
        return tuple(dict.fromkeys(part for part in self.parts if isinstance(part, NextStep)))


def parts_of(part: Part) -> tuple[Part, ...]:
    """What an advice is made of; a plain text is its own only part."""
    return part.parts if isinstance(part, Advice) else (part,)


def steps_of(text: str) -> tuple[NextStep, ...]:
    """The steps that a text names; none where it is a plain one."""
    return text.steps if isinstance(text, Advice) else ()
