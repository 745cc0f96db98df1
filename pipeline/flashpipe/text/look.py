"""In which form tables are shown, and whether in colours: what `format=` and `color=` ask for, once for a process."""

from __future__ import annotations

from typing import Final

from flashpipe.values import dataclass

COLOURS: Final = ("auto", "always", "never")


@dataclass
class OutputOptions:
    """What the command line asks for."""

    json: bool = False
    """Tables as one document for programs."""
    colour: str = "auto"
    """One of `COLOURS`."""


look: Final = OutputOptions()
