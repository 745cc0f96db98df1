from __future__ import annotations

import pytest
from flashpipe.sim.memory import (
    DRAM_SIZE,
    DRAM_START,
    FLASH_SIZE,
    FLASH_START,
    IRAM_SIZE,
    IRAM_START,
    BusError,
    Memory,
)

AREAS = [(DRAM_START, DRAM_SIZE), (IRAM_START, IRAM_SIZE), (FLASH_START, FLASH_SIZE)]


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_ram_begins_empty_and_flash_erased(memory: Memory) -> None:
    assert not any(memory.dram)
    assert not any(memory.iram)
    assert memory.flash.count(0xFF) == FLASH_SIZE


@pytest.mark.parametrize(("start", "size"), AREAS)
def test_what_was_written_is_read_up_to_the_ends(memory: Memory, start: int, size: int) -> None:
    memory.write(start, b"first")
    memory.write(start + size - 4, b"last")
    assert (memory.read(start, 5), memory.read(start + size - 4, 4)) == (b"first", b"last")


@pytest.mark.parametrize(("start", "size"), AREAS)
def test_nothing_lies_before_and_behind(memory: Memory, start: int, size: int) -> None:
    with pytest.raises(BusError) as failure:
        memory.read(start - 1, 1)
    assert failure.value.address == start - 1
    with pytest.raises(BusError) as failure:
        memory.write(start + size - 2, b"four")
    assert failure.value.address == start + size
    assert memory.read(start + size - 2, 2) != b"fo"


def test_words_are_little_endian_and_may_be_unaligned(memory: Memory) -> None:
    memory.set_u32(DRAM_START + 1, 0x12345678)
    assert memory.read(DRAM_START, 6) == b"\0\x78\x56\x34\x12\0"
    assert memory.u32(DRAM_START + 1) == 0x12345678
    memory.set_u32(DRAM_START, -1)
    assert memory.u32(DRAM_START) == 0xFFFFFFFF


def test_strings_end_at_nul_at_the_limit_or_with_the_area(memory: Memory) -> None:
    memory.write(FLASH_START, b"hello\0world")
    assert memory.c_string(FLASH_START) == b"hello"
    assert memory.c_string(FLASH_START, limit=3) == b"hel"
    assert memory.c_string(FLASH_START + FLASH_SIZE - 2) == b"\xff\xff"
    with pytest.raises(BusError):
        memory.c_string(0)


def test_a_snapshot_is_restored_in_place(memory: Memory) -> None:
    memory.write(DRAM_START, b"before")
    snapshot = memory.snapshot()
    dram = memory.dram
    for start, _size in AREAS:
        memory.write(start, b"after!")
    memory.restore(snapshot)
    assert dram is memory.dram
    assert memory.snapshot() == snapshot
    assert memory.read(DRAM_START, 6) == b"before"


def test_an_error_names_its_address() -> None:
    assert str(BusError(0x1C)) == "nothing answers at 0x0000001c"
