"""What is chosen for a board on the page: profile, files, and what stands behind "more"; and the words that say it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import KNOWN, check
from flashpipe.values import dataclass

MORE: Final = ("mode", "frequency", "baud", "reset", "boot", "erase", "keep", "check", "force", "allow")
"""Variables that the page has fields for, besides profile and image."""
MEMORY: Final = ("baud", "reset", "port_wait")
"""Those of them that every work on a board takes."""
LONGEST: Final = 400


@dataclass(frozen=True, slots=True)
class Choice:
    """Profile, files and settings for one board; texts as a command line has them."""

    profile: str = ""
    image: str = ""
    """As `image=` takes it: paths of what was dropped here."""
    shown_image: str = ""
    """The same by the names that the files had."""
    more: tuple[tuple[str, str], ...] = ()

    def variables(self, task: str, **others: str) -> dict[str, str]:
        """What `task` takes of it, and `others`."""
        given = {"profile": self.profile, "image": self.image, **dict(self.more), **others}
        return {name: text for name, text in given.items() if text and task in KNOWN[name].tasks}

    def command(self, task: str, others: Mapping[str, str]) -> str:
        """What does the same on a terminal."""
        given = self.variables(task, **others)
        if "image" in given:
            given["image"] = self.shown_image
        return " ".join(["flashpipe", task, *(f"{name}={shlex.quote(text)}" for name, text in given.items())])


def settings(form: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The fields behind "more" that somebody has filled in.

    Raises:
        BadValueError: one is no text of one line.
    """
    found = {name: form.get(name, "").strip() for name in MORE}
    for name, text in found.items():
        if len(text) > LONGEST or not text.isprintable():
            raise BadValueError(f"{name}: that is no value", "choose one from the list")
    return tuple((name, text) for name, text in found.items() if text)


def command_line(folder: tuple[Path, Path], task: str, given: Mapping[str, str]) -> CommandLine:
    """A command line for `task`; `folder`: that of the project, and the one the page was started in.

    Raises:
        UsageError: a variable that it does not take.
    """
    project, caller = folder
    return CommandLine(project, caller, check(given, {task}))
