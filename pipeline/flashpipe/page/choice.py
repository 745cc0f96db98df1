"""What is chosen for a board on the page: profile, files, and what stands behind "more"; and the words that say it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flashpipe.errors import BadValueError
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import KNOWN, check
from flashpipe.sources.archive_names import split_member
from flashpipe.sources.resolve import parse_image_argument
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.jobs.firmware_offers import FirmwareOffer

MORE: Final = ("mode", "frequency", "baud", "reset", "boot", "erase", "keep", "check", "force", "allow")
"""Variables that the page has fields for, besides profile and image."""
LONGEST: Final = 400
Folders = tuple[Path, Path]
"""The project's, and the one the page was started in."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Profile, files and settings for one board; texts as a command line has them."""

    profile: str = ""
    image: str = ""
    """As `image=` takes it: names of files in `folder`."""
    folder: Path | None = None
    """Where what was dropped here lies."""
    more: tuple[tuple[str, str], ...] = ()
    offers: tuple[FirmwareOffer, ...] = ()
    """The firmwares in it, where there are several to choose from."""
    left_out: tuple[str, ...] = ()
    """What was dropped with it, and is part of no firmware."""

    @property
    def file_name(self) -> str:
        """What `image=` says, for people: a pair by the names of its files, members of an archive by theirs.

        >>> Choice(image="0x00000:b.zip!0x00000.bin,0x10000:b.zip!0x10000.bin").file_name
        '0x00000.bin + 0x10000.bin'
        >>> Choice(image="nodemcu.bin").file_name
        'nodemcu.bin'
        """
        files = parse_image_argument(self.image).values() if self.image else ()
        return " + ".join(split_member(file)[1] or file for file in files)

    @property
    def undecided(self) -> bool:
        """Whether several firmwares were dropped, and none of them is chosen yet."""
        return bool(self.offers) and not self.image

    def variables(self, task: str, **others: str) -> dict[str, str]:
        """What `task` takes of it, and `others`."""
        given = {"profile": self.profile, "image": self.image, **dict(self.more), **others}
        return {name: text for name, text in given.items() if text and task in KNOWN[name].tasks}

    def command(self, task: str, others: Mapping[str, str]) -> str:
        """What does the same on a terminal."""
        given = self.variables(task, **others)
        return " ".join(["flashpipe", task, *(f"{name}={shlex.quote(text)}" for name, text in given.items())])

    def command_line(self, folders: Folders, task: str, given: Mapping[str, str]) -> CommandLine:
        """The same as a command line.

        Raises:
            UsageError: a variable that `task` does not take, or it needs a firmware and none is chosen.
        """
        if self.undecided and task in KNOWN["image"].tasks:
            raise BadValueError(f"there are {len(self.offers)} firmwares in what was dropped", "choose one of them")
        project, caller = folders
        return CommandLine(project, caller, check(given, {task}), self.folder)


def settings(form: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The fields behind "more" that somebody has filled in.

    Raises:
        BadValueError: one is no text of one line.
    """
    values = {name: form.get(name, "").strip() for name in MORE}
    for name, text in values.items():
        if len(text) > LONGEST or not text.isprintable():
            raise BadValueError(f"{name}: that is no value", "choose one from the list")
    return tuple((name, text) for name, text in values.items() if text)
