"""What a profile says of the program that tests its boards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from flashpipe.values import dataclass


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
