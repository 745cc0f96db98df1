"""The words of `reset:` and `reset=`: how a board gets into its loader and out of it again."""

from __future__ import annotations

from enum import Enum
from typing import Final


class ResetMode(str, Enum):
    """What a person can say; any other text is a reset sequence of their own, as esptool writes them."""

    AUTO = "auto"
    """The adapter's lines, in the usual sequences."""
    MANUAL = "manual"
    """A person presses the buttons."""
    NONE = "none"
    """Nothing and nobody resets the board."""


WORDS: Final = tuple(mode.value for mode in ResetMode)
NO_WIRE: Final = frozenset({ResetMode.MANUAL, ResetMode.NONE})
"""Those that pulse no line."""


def custom_sequence(reset: str) -> str:
    """The sequence that `reset` spells out; empty where it is one of the words.

    >>> custom_sequence("auto"), custom_sequence("D0|R1|W0.1|R0")
    ('', 'D0|R1|W0.1|R0')
    """
    return "" if reset in WORDS else reset
