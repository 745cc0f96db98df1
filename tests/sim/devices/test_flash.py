from __future__ import annotations

import pytest
from flashpipe.sim.devices.flash import BASE

from tests.sim.executed import MS, Bench

CMD, ADDR, CTRL, STATUS, USER, USER1, USER2, W0 = (BASE + at for at in (0x00, 0x04, 0x08, 0x10, 0x1C, 0x20, 0x24, 0x40))
READ, WREN, WRDI, RDID, RDSR, WRSR, PP, SE, BE, USR = 31, 30, 29, 28, 27, 26, 25, 24, 23, 18


@pytest.fixture
def bench() -> Bench:
    return Bench(contents=b"\xff" * 0x1000 + b"0123456789abcdef" * 16)


def write(bench: Bench, address: int, value: int) -> None:
    bench.devices.bus.write(address, 4, value)


def read(bench: Bench, address: int) -> int:
    return bench.devices.bus.read(address, 4)


def command(bench: Bench, bit: int) -> None:
    write(bench, CMD, 1 << bit)
    assert read(bench, CMD) == 0


def settle(bench: Bench) -> None:
    bench.devices.flash.wait_idle()


def test_reads_by_its_own_command(bench: Bench) -> None:
    write(bench, ADDR, 0x1004 | 8 << 24)
    command(bench, READ)
    assert read(bench, W0).to_bytes(4, "little") + read(bench, W0 + 4).to_bytes(4, "little") == b"456789ab"


def test_identity_and_status(bench: Bench) -> None:
    command(bench, RDID)
    assert read(bench, W0) == 0x1640EF
    command(bench, WREN)
    command(bench, RDSR)
    assert read(bench, STATUS) == 2
    command(bench, WRDI)
    command(bench, RDSR)
    assert read(bench, STATUS) == 0


def test_programs_only_when_enabled(bench: Bench) -> None:
    write(bench, ADDR, 0x2000 | 4 << 24)
    write(bench, W0, 0x44332211)
    command(bench, PP)
    assert bench.machine.nor.read(0x2000, 4) == b"\xff" * 4
    command(bench, WREN)
    command(bench, PP)
    assert bench.machine.nor.read(0x2000, 4) == b"\x11\x22\x33\x44"


def test_erases_and_is_busy_meanwhile(bench: Bench) -> None:
    write(bench, ADDR, 0x1000)
    command(bench, WREN)
    command(bench, SE)
    command(bench, RDSR)
    assert read(bench, STATUS) & 1
    for _ in range(3):
        command(bench, RDSR)
    assert not read(bench, STATUS) & 1
    assert bench.machine.nor.is_blank(0x1000, 0x1000)


def test_a_program_that_waits_for_the_part_waits_as_long_as_the_part(bench: Bench) -> None:
    before = bench.state.cycles
    write(bench, ADDR, 0x1000)
    command(bench, WREN)
    command(bench, SE)
    turns = 0
    while True:
        command(bench, RDSR)
        turns += 1
        if not read(bench, STATUS) & 1:
            break
    assert turns < 5
    assert bench.state.cycles - before > 30 * MS


def test_a_part_that_is_stuck_stays_busy(bench: Bench) -> None:
    bench.machine.nor.stuck_busy = True
    command(bench, RDSR)
    assert read(bench, STATUS) & 1
    command(bench, RDSR)
    assert read(bench, STATUS) & 1


def test_user_commands(bench: Bench) -> None:
    write(bench, USER, 1 << 31 | 1 << 30 | 1 << 28)
    write(bench, USER1, 23 << 26 | 31 << 8)
    write(bench, USER2, 7 << 28 | 0x03)
    write(bench, ADDR, 0x1002 << 8)
    command(bench, USR)
    assert read(bench, W0).to_bytes(4, "little") == b"2345"


def test_protection_by_the_status_register(bench: Bench) -> None:
    write(bench, STATUS, 0x1C)
    command(bench, WREN)
    command(bench, WRSR)
    settle(bench)
    write(bench, ADDR, 0x3000 | 4 << 24)
    write(bench, W0, 0)
    command(bench, WREN)
    command(bench, PP)
    assert bench.machine.nor.read(0x3000, 4) == b"\xff" * 4


def test_a_block_is_erased(bench: Bench) -> None:
    write(bench, ADDR, 0)
    command(bench, WREN)
    command(bench, BE)
    settle(bench)
    assert bench.machine.nor.is_blank(0, 0x10000)
    assert read(bench, BASE + 0xF8) == 0


def test_nothing_is_connected_to_the_other_controller(bench: Bench) -> None:
    write(bench, 0x6000011C, 1 << 28)
    write(bench, 0x60000100, 1 << 18)
    assert read(bench, 0x60000100) == 0
    assert read(bench, 0x60000140) == 0xFFFFFFFF
