"""A board behind a pseudo-terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import serial
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER
from flashpipe.sim.options import parse_url

from tests.sim.lines import ROM_REPLIES, STUB_REPLIES, SYNC, until

posix = pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals here")


@pytest.fixture
def pty() -> Iterator[Callable[..., Any]]:
    from flashpipe.sim.servers.pty import PtyPort  # noqa: PLC0415  POSIX only

    ports: list[Any] = []

    def make(url: str, *, reset_on_sync: bool = True) -> Any:
        ports.append(PtyPort(parse_url(url).build(), reset_on_sync=reset_on_sync))
        ports[-1].start()
        return ports[-1]

    yield make
    for port in ports:
        port.stop()


@posix
def test_first_sync_after_an_opening_finds_the_rom(pty: Any) -> None:
    board = pty("sim://esp12?start=stub-v2")
    for _ in range(2):
        with serial.Serial(board.name, 115200, timeout=2) as port:
            port.write(SYNC)
            assert port.read(len(ROM_REPLIES)) == ROM_REPLIES
            resets = board.link.board.resets
            port.write(SYNC)
            assert port.read(len(ROM_REPLIES)) == ROM_REPLIES
            assert board.link.board.resets == resets
        assert until(lambda: board._fresh)


@posix
def test_a_stub_can_be_left_alone(pty: Any) -> None:
    board = pty("sim://esp12?start=stub-v2", reset_on_sync=False)
    with serial.Serial(board.name, 115200, timeout=2) as port:
        port.write(SYNC)
        assert port.read(len(STUB_REPLIES)) == STUB_REPLIES


@posix
@pytest.mark.parametrize("baud", [9600, 74880, 115200, 250000, 921600, 3000000])
def test_any_rate_of_the_pty_is_read_exactly(pty: Any, baud: int) -> None:
    board = pty("sim://esp12?start=rom")
    with serial.Serial(board.name, baud, timeout=2) as port:
        port.write(b"x")
        assert until(lambda: board.link.baud == baud)


@posix
def test_a_host_that_sets_no_rate_is_understood(pty: Any) -> None:
    board = pty("sim://esp12?start=stub-v1", reset_on_sync=False)
    board.link.board.uart.divider = 56
    port = os.open(board.name, os.O_RDWR | os.O_NOCTTY)
    os.write(port, SYNC)
    assert until(lambda: board.link.waiting() == 0)
    got = b""
    while len(got) < len(STUB_REPLIES):
        got += os.read(port, 4096)
    os.close(port)
    assert got == STUB_REPLIES


@posix
def test_what_was_said_while_nobody_listened_is_lost(pty: Any) -> None:
    board = pty("sim://esp12?start=stub-v2", reset_on_sync=False)
    board.link.write(SYNC)
    time.sleep(0.05)
    with serial.Serial(board.name, 115200, timeout=0.2) as port:
        assert port.read(1) == b""


@posix
def test_what_a_host_sends_right_before_it_closes_arrives(pty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    board = pty("sim://esp12?start=rom")
    heard = bytearray()
    monkeypatch.setattr(board.link, "write", heard.extend)
    for number in range(10):
        port = os.open(board.name, os.O_RDWR | os.O_NOCTTY)
        os.write(port, bytes((number,)))
        os.close(port)
        assert until(lambda: len(heard) == number + 1)  # noqa: B023  it is asked at once
    assert heard == bytes(range(10))


def test_a_program_in_ram_is_heard_by_the_next_host(pty: Any, bench: Any) -> None:
    board = pty("sim://esp12?start=stub-v1&execute=off", reset_on_sync=False)
    program = b"\x12\xc1\xf0\x09\x01".ljust(16, b"\0") + b"Hello world!\n\0\0\0"
    with serial.Serial(board.name, 115200, timeout=2) as port:
        head = bench.words(len(program), 0, 0, 0)
        for opcode, data in ((5, bench.words(32, 1, 0x1800, 0x40100000)), (7, head + program),
                             (6, bench.words(0, 0x40100000))):  # fmt: skip
            port.write(slip.encode(HEADER.pack(0, opcode, len(data), 0) + data))
            assert port.read(12)[-3:-1] == b"\0\0"
    with serial.Serial(board.name, 115200, timeout=2) as port:
        assert port.read(100).count(b"Hello world!\n") >= 5


@posix
def test_unplugged_pty_says_nothing_more(pty: Any) -> None:
    board = pty("sim://esp12?start=rom&fault=unplug:60")
    with serial.Serial(board.name, 115200, timeout=0.2) as port:
        port.write(SYNC + SYNC)
        time.sleep(0.05)
        port.reset_input_buffer()
        port.write(SYNC)
        assert port.read(1) == b""
