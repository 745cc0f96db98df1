"""A virtual board that outlives the commands: its flash is a file, its MAC is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SimBoard:
    """A board behind `sim://`; `more` are further options, `&name=value`."""

    flash: Path
    mac: str = "5c:cf:7f:00:00:01"
    name: str = "nodemcu-devkit"
    more: str = ""

    @property
    def url(self) -> str:
        return f"sim://{self.name}?flash={self.flash}&mac={self.mac}{self.more}"

    @property
    def port(self) -> str:
        return f"port={self.url}"

    def but(self, more: str) -> SimBoard:
        """The same board in other circumstances."""
        return SimBoard(self.flash, self.mac, self.name, more)

    def cells(self) -> bytes:
        return self.flash.read_bytes() if self.flash.exists() else b""

    def holds(self, image: Path, header: bytes = b"\x02\x40") -> bool:
        """Whether the flash begins with the image; `header`: mode and size/frequency (dio, 4 MB, 40 MHz)."""
        want = image.read_bytes()
        return self.cells()[: len(want)] == want[:2] + header + want[4:]
