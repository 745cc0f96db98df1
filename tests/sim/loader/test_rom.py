from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD
from flashpipe.sim.loader.main_loop import checksum as xor_checksum
from flashpipe.sim.loader.rom import SYNC_VALUE

from tests.sim.cpu.assembler import asm

SYNC = slip.encode(HEADER.pack(0, 8, 36, 0) + SYNC_PAYLOAD)


@pytest.fixture
def host(bench: Any) -> Any:
    """A chip in download mode whose baud rate has been measured, with flash full of zeros."""
    host = bench.host("sim://esp12?start=rom&fill=byte:0")
    assert len(host.command(8, SYNC_PAYLOAD)) == 8
    return host


def test_sync_is_answered_eight_times_with_the_value_that_means_rom(bench: Any) -> None:
    host = bench.host("sim://esp12?start=rom")
    answers = host.frame(HEADER.pack(0, 8, 36, 0) + SYNC_PAYLOAD)
    assert answers == [bytes.fromhex("01080200070712200000")] * 8
    assert SYNC_VALUE == 0x20120707


def test_every_baud_rate_is_measured(bench: Any) -> None:
    for baud in (9600, 57600, 74880, 115200, 230400, 460800, 921600):
        host = bench.host("sim://esp12?start=rom")
        host.link.set_baud(baud)
        assert len(bench.frames_in(host.raw(SYNC))[0]) == 8, baud
        assert host.link.board.uart.baud == pytest.approx(baud, rel=0.02)


def test_nothing_is_understood_before_the_first_sync(bench: Any) -> None:
    host = bench.host("sim://esp12?start=rom")
    assert host.command(0x0A, bench.words(0x40001000)) == []


def test_the_first_sync_can_be_lost_to_measuring(bench: Any) -> None:
    host = bench.host("sim://esp12?start=rom&param.rom_lost_syncs=1")
    assert bench.frames_in(host.raw(SYNC))[0] == []
    assert len(bench.frames_in(host.raw(SYNC))[0]) == 8


def test_registers(host: Any, bench: Any) -> None:
    assert host.value(0x0A, bench.words(0x40001000)) == 0xFFF0C101
    assert host.value(0x0A, bench.words(0x60000014)) == 452
    assert host.status(9, bench.words(0x3FFE8000, 0x12345678, 0xFFFFFFFF, 0)) == "0000"
    assert host.status(9, bench.words(0x3FFE8000, 0x0000AA00, 0x0000FF00, 0, 0x3FFE8004, 1, 1, 9)) == "0000"
    assert host.value(0x0A, bench.words(0x3FFE8000)) == 0x1234AA78
    assert host.value(0x0A, bench.words(0x3FFE8004)) == 1


@pytest.mark.parametrize(
    ("chip", "bits"), [("esp8266", 0), ("esp8285n08", 0x10), ("esp8285h08", 0x30), ("esp8285n16", 0x10)]
)
def test_efuses_hold_mac_and_kind(bench: Any, chip: str, bits: int) -> None:
    host = bench.host(f"sim://esp12?start=rom&mac=5c:cf:7f:12:34:56&chip={chip}")
    host.command(8, SYNC_PAYLOAD)
    efuse = [host.value(0x0A, bench.words(0x3FF00050 + 4 * word)) for word in range(4)]
    assert efuse[3] & 0xFFFFFF == 0x5CCF7F
    assert efuse[1] & 0xFFFF == 0x1234
    assert efuse[0] >> 24 == 0x56
    assert efuse[0] & 0x30 == bits
    assert bool(efuse[2] & 1 << 16) == (bits != 0)


def test_a_read_of_nothing_is_an_exception_until_the_next_reset(host: Any, bench: Any) -> None:
    assert host.command(0x0A, bench.words(0)) == []
    assert host.command(8, SYNC_PAYLOAD) == []
    host.link.pull(lambda board, now: board.reset(now, download=True))
    host.link.clear_received()
    assert len(host.command(8, SYNC_PAYLOAD)) == 8


def test_opcodes_that_the_rom_lacks(host: Any) -> None:
    for opcode in (0x0B, 0x0D, 0x0F, 0x10, 0x11, 0x12, 0x13, 0x14, 0xD0, 0xD1, 0xD2, 0xD3, 0x77):
        assert host.status(opcode) == "0105", hex(opcode)


def test_opcodes_that_the_rom_lacks_the_slow_way(bench: Any) -> None:
    host = bench.host("sim://esp12?start=rom&security_info=drain")
    host.command(8, SYNC_PAYLOAD)
    answers = host.command(0x14)
    assert len(answers) == 8
    assert {answer[1] for answer in answers} == {0}
    assert {answer[-2:].hex() for answer in answers} == {"0105"}


@pytest.mark.parametrize("opcode", [2, 4, 5, 6, 7, 8, 9, 0x0A, 3])
def test_a_command_of_the_wrong_length_is_refused(host: Any, opcode: int) -> None:
    assert host.status(opcode, b"abc") == "0105"


def test_data_with_a_bad_checksum_is_not_taken(host: Any, bench: Any) -> None:
    host.status(2, bench.words(0x400, 1, 0x400, 0x1000))
    before = host.cells
    head = bench.words(0x400, 0, 0, 0)
    assert host.status(3, head + b"\x55" * 0x400, 0x12) == "0107"
    assert host.cells == before
    assert host.status(5, bench.words(16, 1, 16, 0x3FFE8000)) == "0000"
    assert host.status(7, bench.words(16, 0, 0, 0) + b"a" * 16, 0) == "0107"


def test_data_without_begin_is_refused(host: Any, bench: Any) -> None:
    body = bytes(0x400)
    assert host.status(3, bench.words(0x400, 0, 0, 0) + body, xor_checksum(body)) == "0106"


@pytest.mark.parametrize(
    ("first", "asked", "erased"), [(0, 1, 2), (0, 2, 4), (0, 16, 32), (0, 18, 34), (8, 8, 16), (8, 12, 20), (16, 4, 8)]
)
def test_the_erase_bug_of_the_silicon(host: Any, bench: Any, first: int, asked: int, erased: int) -> None:
    assert host.status(2, bench.words(asked * 0x1000, 1, 0x400, first * 0x1000)) == "0000"
    start, end = first * 0x1000, (first + erased) * 0x1000
    cells = host.cells
    assert cells[start:end] == b"\xff" * (end - start)
    assert cells.count(b"\xff") == end - start


def test_writing(host: Any, bench: Any) -> None:
    data = bytes(range(256)) * 8
    host.status(2, bench.words(0x1000, 2, 0x400, 0x2000))
    for sequence in range(2):
        assert host.block(3, data[sequence * 0x400 : (sequence + 1) * 0x400], sequence) == "0000"
    assert host.cells[0x2000:0x2800] == data


def test_a_write_that_does_not_take_is_noticed(bench: Any) -> None:
    host = bench.host("sim://esp12?start=rom&fault=weak-page:0x2100&fill=ff")
    host.command(8, SYNC_PAYLOAD)
    host.status(2, bench.words(0x1000, 2, 0x400, 0x2000))
    assert host.block(3, b"\x42" * 0x400) == "0108"


def test_flash_is_invisible_until_attached(host: Any, bench: Any) -> None:
    def flash_id() -> int:
        for address, value in (
            (0x6000021C, 0x90000000),
            (0x60000220, 0x1700),
            (0x60000224, 0x7000009F),
            (0x60000240, 0),
        ):
            host.status(9, bench.words(address, value, 0xFFFFFFFF, 0))
        host.status(9, bench.words(0x60000200, 1 << 18, 0xFFFFFFFF, 0))
        return int(host.value(0x0A, bench.words(0x60000240)))

    assert flash_id() == 0xFFFFFF
    host.status(2, bench.words(0, 0, 0x400, 0))
    assert flash_id() == 0x1640EF
    host.link.pull(lambda board, now: board.reset(now, download=True))
    host.link.clear_received()
    host.command(8, SYNC_PAYLOAD)
    assert flash_id() == 0xFFFFFF


@pytest.mark.parametrize(("flag", "mode"), [(0, "rom"), (1, "app")])
def test_flash_end_leaves_the_loader(host: Any, bench: Any, flag: int, mode: str) -> None:
    host.status(2, bench.words(0, 0, 0x400, 0))
    resets = host.link.board.resets
    host.link.write(slip.encode(HEADER.pack(0, 4, 4, 0) + bench.words(flag)))
    assert host.link.board.mode == mode
    assert (host.link.board.resets > resets) == (flag == 0)


def test_where_nothing_is_executed_a_program_in_ram_prints_its_text_over_and_over(host: Any, bench: Any) -> None:
    host.link.board.spec = replace(host.link.board.spec, predicted="execute=off")
    program = b"\x12\xc1\xf0\x09\x01".ljust(16, b"\0") + b"Hello world!\n\0".ljust(16, b"\0")
    host.status(5, bench.words(len(program), 1, 0x1800, 0x40100000))
    assert host.block(7, program) == "0000"
    host.link.write(slip.encode(HEADER.pack(0, 6, 8, 0) + bench.words(0, 0x40100000)))
    assert host.link.board.mode == "ram"
    said = host.link.read(60, 2.0)
    assert said.count(b"Hello world!\n") >= 3


def test_a_program_in_ram_is_executed(host: Any, bench: Any) -> None:
    put = 0x40002BE8  # ets_putc (names.py)
    code = b"".join(
        (put.to_bytes(4, "little"), asm("movi", 12, ord("A")), asm("mov.n", 2, 12), asm("l32r", 0, -9),
         asm("callx0", 0), asm("addi", 12, 12, 1), asm("j", -11))
    )  # fmt: skip
    program = code.ljust(24, b"\0")
    host.status(5, bench.words(len(program), 1, 0x1800, 0x40100000))
    assert host.block(7, program) == "0000"
    host.link.write(slip.encode(HEADER.pack(0, 6, 8, 0) + bench.words(0, 0x40100004)))
    assert host.link.board.mode == "ram"
    assert b"ABCDEFGHIJKLMNOP" in host.link.read(60, 5.0)
    host.link.pull(lambda board, now: board.reset(now))
    assert host.link.board.mode == "app"
