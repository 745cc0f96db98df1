"""What is to be done next: the words for people and the steps for programs, made of the same parts.

An `Advice` is the text of a hint, a remedy or a rule's action. It is put together from words and steps; whoever offers
buttons, or runs the next command, takes the steps and reads no words. A step is named where it can be done as it
stands: `flashpipe inspect FILE` wants a file first, and stays words.
"""

from __future__ import annotations

from dataclasses import field

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


class Advice(str):
    """A text of what to do next that knows the steps it names. Joined with other texts it is a plain one: use `Advice`.

    It is a `str` so that hints go wherever texts go; it survives copying and pickling.
    """

    __slots__ = ("steps",)
    steps: tuple[NextStep, ...]

    def __new__(cls, *parts: str | NextStep) -> Advice:  # noqa: PYI034  typing has Self from Python 3.11 on
        """Words and steps, in the order in which people read them."""
        made = super().__new__(cls, "".join(map(str, parts)))
        made.steps = tuple(dict.fromkeys(step for part in parts for step in _steps(part)))
        return made


def steps_of(text: str) -> tuple[NextStep, ...]:
    """The steps that a text names; none where it is a plain one."""
    return text.steps if isinstance(text, Advice) else ()


def _steps(part: str | NextStep) -> tuple[NextStep, ...]:
    return (part,) if isinstance(part, NextStep) else steps_of(part)
