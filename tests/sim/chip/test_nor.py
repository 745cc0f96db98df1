from __future__ import annotations

import struct

import pytest
from flashpipe.sim.chip import parts
from flashpipe.sim.chip.nor import BLOCK, PAGE, SECTOR, WEL, WIP, Nor, Operation
from hypothesis import given
from hypothesis import strategies as st

SIZE = 0x80000
PART = parts.part_by_name("W25Q40")


def blank(size: int = SIZE, part: parts.NorPart = PART) -> Nor:
    return Nor(bytearray(b"\xff" * size), part)


def whole(nor: Nor) -> bytes:
    return nor.read(0, nor.size)


ADDRESSES = st.integers(0, SIZE - 1)
DATA = st.binary(min_size=1, max_size=700)


@given(ADDRESSES, DATA, ADDRESSES, DATA)
def test_programming_only_ever_clears_bits(first: int, one: bytes, second: int, two: bytes) -> None:
    nor, model = blank(), bytearray(b"\xff" * SIZE)
    for address, data in ((first, one), (second, two)):
        nor.program(address, data)
        for offset, byte in enumerate(data):
            model[(address + offset) % SIZE] &= byte
    assert whole(nor) == bytes(model)


@given(ADDRESSES, DATA)
def test_programming_twice_changes_nothing_more(address: int, data: bytes) -> None:
    nor = blank()
    nor.program(address, data)
    once = whole(nor)
    nor.program(address, data)
    assert whole(nor) == once


@given(ADDRESSES, st.integers(0, 255))
def test_erasing_sets_exactly_one_unit(address: int, value: int) -> None:
    for unit, name in ((SECTOR, "erase_sector"), (BLOCK, "erase_block")):
        nor = Nor(bytearray([value]) * SIZE, PART)
        getattr(nor, name)(address)
        start = address // unit * unit
        assert nor.read(start, unit) == b"\xff" * unit
        assert whole(nor).count(bytes([value])) == (SIZE - unit if value != 0xFF else SIZE)


def test_page_program_wraps_inside_its_page() -> None:
    nor = blank()
    nor.program_page(0x1F0, bytes(range(32)))
    assert nor.read(0x1F0, 16) == bytes(range(16))
    assert nor.read(0x100, 16) == bytes(range(16, 32))
    assert nor.read(0x200, 16) == b"\xff" * 16


def test_of_a_page_program_longer_than_a_page_the_last_256_bytes_count() -> None:
    nor = blank()
    nor.program_page(0, b"\xaa" * 10 + b"\x55" * PAGE)
    assert nor.read(0, PAGE) == b"\x55" * PAGE


def test_a_counterfeit_part_wraps() -> None:
    nor = Nor(bytearray(b"\xff" * 0x10000), PART)
    nor.program(0x10010, b"here")
    assert nor.read(0x10, 4) == nor.read(0x70010, 4) == b"here"
    assert nor.read(0xFFFE, 4) == nor.read(0xFFFE, 2) + nor.read(0, 2)


@pytest.mark.parametrize("part", parts.PARTS, ids=lambda part: part.name)
def test_every_part_names_itself_and_its_size(part: parts.NorPart) -> None:
    nor = Nor(bytearray(0x10000), part)
    assert nor.transact(0x9F, 0, b"", 3, 0.0) == part.jedec
    table = nor.transact(0x5A, 0, b"", 4, 0.0)
    if not part.has_sfdp:
        assert table == b"\xff" * 4
        return
    assert table == b"SFDP"
    pointer = int.from_bytes(nor.transact(0x5A, 12, b"", 3, 0.0), "little")
    density = struct.unpack("<I", nor.transact(0x5A, pointer + 4, b"", 4, 0.0))[0]
    assert (density + 1) // 8 == part.size
    assert nor.transact(0x5A, pointer + 28, b"", 4, 0.0) == bytes((12, 0x20, 16, 0xD8))


def test_at_least_twelve_real_parts_are_known() -> None:
    assert len({part.flash_id for part in parts.PARTS}) >= 12


def test_nothing_changes_without_write_enable_and_each_enable_serves_once() -> None:
    nor = blank()
    nor.transact(0x02, 0, b"\0", 0, 0.0)
    assert nor.read(0, 1) == b"\xff"
    nor.transact(0x06, 0, b"", 0, 0.0)
    assert nor.transact(0x05, 0, b"", 1, 0.0)[0] == WEL
    nor.transact(0x02, 0, b"\0", 0, 0.0)
    assert nor.read(0, 2) == b"\0\xff"
    assert nor.transact(0x05, 0, b"", 1, 0.0)[0] == WIP
    nor.transact(0x02, 1, b"\0", 0, 1.0)
    assert nor.read(0, 2) == b"\0\xff"


def test_a_busy_part_only_answers_status() -> None:
    nor = blank()
    nor.transact(0x06, 0, b"", 0, 0.0)
    nor.transact(0x20, 0, b"", 0, 0.0)
    assert nor.transact(0x05, 0, b"", 1, 0.01)[0] & WIP
    assert nor.transact(0x9F, 0, b"", 3, 0.01) == b"\xff\xff\xff"
    assert nor.transact(0x9F, 0, b"", 3, 0.06) == PART.jedec


def test_power_down_and_release() -> None:
    nor = blank()
    nor.transact(0xB9, 0, b"", 0, 0.0)
    assert nor.transact(0x9F, 0, b"", 3, 0.0) == b"\xff\xff\xff"
    nor.transact(0xAB, 0, b"", 0, 0.0)
    assert nor.transact(0x9F, 0, b"", 3, 0.0) == PART.jedec


@pytest.mark.parametrize(("level", "limit"), [(0, SIZE), (1, SIZE - SIZE // 64), (6, SIZE // 2), (7, 0)])
def test_protected_areas_ignore_programs_and_erases(level: int, limit: int) -> None:
    nor = Nor(bytearray(SIZE), PART)
    nor.status = level << 2
    for address in range(0, SIZE, SECTOR):
        nor.erase_sector(address)
    assert whole(nor).count(b"\xff") == limit
    nor.erase_chip()
    assert whole(nor).count(b"\xff") == limit
    nor.program(0, bytes(SIZE))
    assert whole(nor) == bytes(SIZE)


def test_programs_stop_at_the_protected_area() -> None:
    nor = blank()
    nor.status = 6 << 2
    nor.program(SIZE // 2 - 2, bytes(4))
    nor.program(SIZE - 0x1000, bytes(0x100))
    assert whole(nor).count(0) == 2
    assert nor.read(SIZE // 2 - 2, 4) == b"\0\0\xff\xff"


def test_an_erase_unit_that_reaches_into_the_protected_area_is_left_alone() -> None:
    nor = Nor(bytearray(SIZE), PART)
    nor.status = 1 << 2
    nor.erase_block(SIZE - BLOCK)
    assert whole(nor) == bytes(SIZE)


def test_status_bits_can_be_written_but_not_those_of_the_hardware() -> None:
    nor = blank()
    nor.transact(0x06, 0, b"", 0, 0.0)
    nor.transact(0x01, 0, b"\x1f\x42", 0, 0.0)
    assert nor.transact(0x05, 0, b"", 1, 9.0) == b"\x1c"
    assert nor.transact(0x35, 0, b"", 1, 9.0) == b"\x42"


def test_the_hook_can_take_an_operation_over() -> None:
    nor, seen = blank(), []

    def hook(_nor: Nor, operation: Operation) -> bool:
        seen.append(operation.kind)
        return operation.kind == "erase-sector"

    nor.hook = hook
    nor.program(0, b"\0")
    nor.erase_sector(0)
    nor.erase_chip()
    assert seen == ["program", "erase-sector", "erase-chip"]
    assert nor.read(0, 1) == b"\xff"


def test_durations_are_those_of_the_part() -> None:
    nor = blank()
    times = PART.times
    assert nor.program(0, bytes(PAGE)) == pytest.approx(times.page_program_s)
    assert nor.program(0, bytes(2 * PAGE)) == pytest.approx(2 * times.page_program_s)
    assert nor.erase_sector(0) == times.sector_erase_s
    assert nor.erase_block(0) == times.block64_erase_s
    assert nor.erase_chip() == times.chip_erase_s
