"""How much is said to people, and whether in colours: what `quiet=` and `color=` ask for, once for a process."""

from __future__ import annotations

from typing import Final

from flashpipe.values import dataclass

COLOURS: Final = ("auto", "always", "never")


@dataclass
class Look:
    """What the command line asks for."""

    quiet: bool = False
    """Only how the run went, and what failed."""
    json: bool = False
    """Tables as one document for programs."""
    colour: str = "auto"
    """One of `COLOURS`."""


look: Final = Look()
