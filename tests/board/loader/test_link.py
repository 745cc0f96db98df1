"""The conversation with a loader, on a virtual board: what reaches the flash, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import product
from random import Random
from typing import Any

import pytest
from flashpipe.board.loader.frames import xor_checksum
from flashpipe.board.loader.link import EsptoolLoader
from flashpipe.board.ports.open import open_port
from flashpipe.errors import WireError, WrongChipError
from flashpipe.flash import Region
from flashpipe.sim.chip import registers
from flashpipe.sim.ports import registry

PACKS = bytes(range(256)) * 0x28
DENSE = Random(1).randbytes(0x2800)


@pytest.fixture
def connect() -> Iterator[Callable[[str], tuple[Any, Any]]]:
    """A virtual board in download mode: our side of the line and the board's."""
    opened: list[Any] = []

    def make(options: str = "") -> tuple[EsptoolLoader, Any]:
        port: Any = open_port(f"sim://esp12?inline=1&start=rom&fill=byte:0{options}", 115200)
        opened.append(port)
        link = EsptoolLoader(port, "sim://esp12")
        assert link.sync()
        return link, port.link

    yield make
    for port in opened:
        port.close()
    registry.forget_boards()


@pytest.fixture
def ready(connect: Any) -> tuple[EsptoolLoader, Any]:
    """The same with the stub running."""
    link, board = connect()
    link.start_stub()
    return link, board


def cells(board: Any) -> bytes:
    return bytes(board.board.cells[0:0x400000])


def quiet(_: int) -> None:
    """Progress nobody looks at."""


def test_checksums_known_by_hand() -> None:
    assert xor_checksum(b"") == 0xEF
    assert xor_checksum(b"\xef") == 0
    assert xor_checksum(bytes(range(16)) + b"\x33") == 0xEF ^ 0x33


@pytest.mark.parametrize(("start", "end"), [(0x1000, 0x3000), (0x8000, 0x28000)])
def test_erasing_leaves_the_neighbours_alone(ready: Any, start: int, end: int) -> None:
    link, board = ready
    link.erase(Region(start, end))
    assert cells(board) == bytes(start) + b"\xff" * (end - start) + bytes(0x400000 - end)


def test_erasing_all_erases_all(ready: Any) -> None:
    link, board = ready
    link.erase_all()
    assert cells(board) == b"\xff" * 0x400000


@pytest.mark.parametrize("data", [PACKS, DENSE, DENSE * 3 + b"\xc0\xdb" * 0x100], ids=["packs", "dense", "long"])
def test_writing_leaves_the_neighbours_alone(ready: Any, data: bytes) -> None:
    link, board = ready
    heard: list[int] = []
    link.write(0x1000, data, heard.append)
    end = 0x1000 + -(-len(data) // 0x1000) * 0x1000
    padded = data.ljust(end - 0x1000, b"\xff")
    assert cells(board) == bytes(0x1000) + padded + bytes(0x400000 - end)
    assert heard[-1] == len(data)
    assert heard == sorted(heard)


@pytest.mark.parametrize(("data", "most"), [(PACKS, 0x800), (DENSE, 0x4000 + 0x800)], ids=["packs", "dense"])
def test_what_can_be_packed_is_sent_packed(ready: Any, data: bytes, most: int) -> None:
    link, board = ready
    before = board.faults.sent
    link.write(0, data, quiet)
    assert board.faults.sent - before < most


def test_what_is_read_is_what_is_there(ready: Any) -> None:
    link, _ = ready
    link.write(0x1000, DENSE, quiet)
    assert link.read(Region(0x0FFF, 0x1801), quiet) == b"\0" + DENSE[:0x801]
    assert link.md5(Region(0x1000, 0x2000)) != link.md5(Region(0x1000, 0x2001))


def test_escapes_arrive_in_both_directions(ready: Any) -> None:
    link, _ = ready
    data = b"".join(bytes(pair) for pair in product((0xC0, 0xDB, 0xDC, 0xDD), repeat=4)) * 4
    link.write(0x1000, data, quiet)
    assert link.read(Region(0x1000, 0x1000 + len(data)), quiet) == data


def test_another_chip_is_refused(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    link, _ = connect()
    link.check_chip()
    monkeypatch.setattr(registers, "MAGIC", 0x00F01D83)
    with pytest.raises(WrongChipError, match="this is ESP32, not"):
        link.check_chip()


def test_a_rate_that_does_not_work_is_noticed_at_once(connect: Any) -> None:
    link, _ = connect("&fault=bad-baud:230400")
    link.start_stub()
    link.change_baud(230400)
    with pytest.raises(WireError, match="921600 baud"):
        link.change_baud(921600)


def test_the_rate_can_be_changed_again_and_again(connect: Any) -> None:
    """The stub reckons every change from 115200 (facts: stub-executed §4)."""
    link, _ = connect()
    link.start_stub()
    for baud in (460800, 921600, 230400, 1500000, 115200):
        link.change_baud(baud)
        assert link.md5(Region(0x1000, 0x2000))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("divider", [112, 113])
def test_a_rate_gets_the_divider_nearest_to_it(connect: Any, version: int, divider: int) -> None:
    """Made of 112, which is 460800 as well, 2000000 would be 25 of 52 MHz: 4 % too fast."""
    link, board = connect()
    link.stub_version = version
    link.start_stub()
    link.change_baud(460800)
    board.board.uart.divider = divider
    link.change_baud(2000000)
    assert board.board.uart.divider == 26


@pytest.mark.parametrize("fault", ["bad-baud:460800", "shaky-baud:460800", "silent-baud:460800"])
def test_a_line_that_does_not_carry_what_the_flash_holds_is_noticed(connect: Any, fault: str) -> None:
    link, board = connect()
    link.start_stub()
    link.write(0x1000, DENSE, quiet)
    link.change_baud(460800)
    link.try_line(Region(0x1000, 0x3400), 0.3)
    assert link.md5(Region(0x1000, 0x2000)), "the conversation goes on"
    link.change_baud(921600)
    board.faults.add(fault)
    with pytest.raises(WireError, match="921600"):
        link.try_line(Region(0x1000, 0x41000), 0.3)  # a shaky line damages one byte in thousands


def test_a_stub_out_of_phase_is_brought_back(ready: Any) -> None:
    """One stray delimiter silences the stub until one more arrives (facts: stub-executed §1)."""
    link, board = ready
    board.write(b"\xc0")
    assert link.sync(attempts=4)
    assert link.stub_runs


class Babble:
    """A port behind which something talks for ever, at a rate at which it looks like frames."""

    def __init__(self) -> None:
        self.baudrate, self.timeout, self.in_waiting, self.name = 115200, 0.1, 6, "babble"
        self.write_timeout: float | None = None
        self.reads = 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        time.sleep(0.01)
        return b"\xc0abcd\xc0"[:size]

    def write(self, data: bytes) -> int:
        return len(data)

    def reset_input_buffer(self) -> None:
        pass


def test_noise_that_looks_like_frames_buys_no_time() -> None:
    port = Babble()
    assert not EsptoolLoader(port, "babble").sync(attempts=2)
    assert port.reads < 60, "two attempts of 0.1 s each, not a hundred frames each"


class Short(Babble):
    """A port that swallows the end of each answer to READ_REG, which is 12 bytes long."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._answer = b"\xc0" + bytes((1, 0x0A, 4, 0, 1, 2, 3, 4, 0, 0, 0, 0))[:length] + b"\xc0"

    def read(self, size: int) -> bytes:
        del size
        return self._answer


@pytest.mark.parametrize("length", range(8, 10))
def test_an_answer_without_its_status_is_a_failure_of_the_line(length: int) -> None:
    with pytest.raises(WireError):
        EsptoolLoader(Short(length), "short").read_register(0x3FF00050)


def test_an_answer_without_anything_is_a_failure_of_the_line(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    link, _ = ready
    monkeypatch.setattr(link._loader, "_answer_to", lambda _op: (0, b""))
    with pytest.raises(WireError, match="cut short"):
        link.md5(Region(0, 0x1000))
