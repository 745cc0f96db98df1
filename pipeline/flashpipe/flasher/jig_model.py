"""What a profile says of the program that tests its boards."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Final

from flashpipe.files import no_file
from flashpipe.values import dataclass

NOT_STARTED: Final = "check its path, and chmod +x"
"""What to do where the program cannot be started."""


@dataclass(frozen=True, slots=True)
class Jig:
    """A program that tests boards, and the limits of what is measured."""

    command: tuple[str, ...] = ()
    """Its words; empty: there is no program, only limits."""
    folder: Path = Path()
    """Where it runs."""
    timeout_s: float = 10.0
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Least and most of a value, by its name."""
    unit: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of the board: column to value."""

    @property
    def name(self) -> str:
        """How the program is called: behind an interpreter the file that it is given."""
        files = (word for word in self.command if (self.folder / word).is_file())
        return Path(next(files, self.command[0])).name

    @property
    def program(self) -> str:
        """A path of the profile's folder, or a name of PATH; `python` is the one that runs this."""
        word = self.command[0]
        if word in {"python", "python3"}:
            return sys.executable
        path = self.folder / word
        return str(path.absolute()) if Path(word).name != word or path.is_file() else word

    def problem(self) -> str:
        """Why the program cannot be started, as far as that shows before; empty where it can, or there is none."""
        if not self.command or shutil.which(self.program) is not None:
            return ""
        path = Path(self.program)
        why = "it is no program of PATH" if not path.is_absolute() else no_file(path)
        return f"{self.command[0]} cannot be started: {'it may not be executed' if path.is_file() else why}"
