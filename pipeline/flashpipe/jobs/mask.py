"""Texts that may leave this machine: without whose board, network, home and name they are about."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Final

from flashpipe import masking
from flashpipe.values import dataclass

_HEX: Final = "[0-9A-Fa-f]"
_MAC: Final = re.compile(
    rf"(?<![A-Za-z0-9])({_HEX}{{2}}([:_-])"  # the separator that the other four repeat
    rf"(?:{_HEX}{{2}}\2){{4}}{_HEX}{{2}})(?![A-Za-z0-9])"
)
_ADDRESS: Final = re.compile(r"(?<![\d.])(?:10|127|172|192)(?:\.\d{1,3}){3}(?![\d.])")
_TELLING: Final = 5
"""A chip's number with fewer digits is any number."""
_SHORT: Final = 3
"""Names shorter than this would take letters out of every word."""


@dataclass
class Mask:
    """Replaces consistently: the same board keeps the same name everywhere."""

    home: str = ""
    user: str = ""
    machine: str = ""
    boards: dict[str, str] = field(default_factory=dict)
    """MAC, twelve hex digits, to the name that stands for it."""

    @classmethod
    def of_this_machine(cls) -> Mask:
        """For the user and machine that run this."""
        user = ""
        with suppress(OSError, KeyError, ImportError):  # a container may run as a number
            user = getpass.getuser()
        return cls(str(Path.home()), user, socket.gethostname())

    def know(self, mac: str) -> str:
        """The name that stands for a board from here on."""
        digits = re.sub(r"[^0-9a-f]", "", mac.lower())
        return self.boards.setdefault(digits, f"board-{len(self.boards) + 1}")

    def __call__(self, text: str) -> str:
        """The text without what it could give away."""
        for match in _MAC.finditer(text):
            self.know(match[1])
        text = _MAC.sub(lambda match: self.know(match[1]), text)
        for digits, name in self.boards.items():
            text = self._forms(text, digits, name)
        text = masking.mask(text)
        text = _ADDRESS.sub("***", text)
        for word, stands in ((self.home, "~"), (self.user, "user"), (self.machine, "machine")):
            if len(word) > _SHORT - 1 and word not in {"/", "root"}:
                text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", stands, text)
        return text

    @staticmethod
    def _forms(text: str, digits: str, name: str) -> str:
        """A MAC without separators, and its last half as chips call themselves: `NODE-D71C89`, or 14097545."""
        last = digits[6:]
        text = re.sub(digits, name, text, flags=re.IGNORECASE)
        text = re.sub(rf"(?<![0-9a-fA-F]){last}(?![0-9a-fA-F])", name, text, flags=re.IGNORECASE)
        decimal = str(int(last, 16))
        return re.sub(rf"(?<!\d){decimal}(?!\d)", name, text) if len(decimal) > _TELLING else text

    def mapping(self, record: Mapping[str, object]) -> dict[str, object]:
        """A record with each text in it masked, names included."""
        masked = self.value(record)
        assert isinstance(masked, dict)
        return masked

    def value(self, value: object) -> object:
        """Whatever JSON can hold, masked."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value
