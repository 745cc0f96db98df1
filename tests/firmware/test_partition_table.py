from __future__ import annotations

import struct
from typing import Any

import pytest
from flashpipe.firmware.partition_table import (
    IROM,
    LFS,
    PHY_DATA,
    RF_CAL,
    SPIFFS,
    SYSTEM_PARAMETERS,
    Partition,
    PartitionTable,
    parse_partitions,
    place_partitions,
)
from flashpipe.flash import Region
from hypothesis import given
from hypothesis import strategies as st

# The first bytes at 0x10000 of a fresh build (facts: image-flashmap §5.3).
FACTS_RECORD = bytes.fromhex(
    "18010000 65000000 00000000 00B00000 04000000 00D00000 00100000 05000000 00F00000 00100000 66000000 00000100"
    "00000000 67000000 00000000 00000000 6A000000 00000000 FFFFFFFF 06000000 00000000 00300000 00000000 00002740"
    "00000000 FFFFFFFF"
)


def test_record_of_the_facts_is_read() -> None:
    table = parse_partitions(FACTS_RECORD)
    assert table is not None
    assert table.code_end == 0x70000
    assert table.find(RF_CAL) == Partition(RF_CAL, 0xD000, 0x1000)
    assert table.find(PHY_DATA) == Partition(PHY_DATA, 0xF000, 0x1000)
    assert table.find(SYSTEM_PARAMETERS) == Partition(SYSTEM_PARAMETERS, 0, 0x3000)
    assert table.find(SPIFFS) == Partition(SPIFFS, 0, 0xFFFFFFFF)
    assert table.find(1) is None


def test_table_written_after_a_deleted_record_is_found() -> None:
    deleted = b"\x18\x00" + FACTS_RECORD[2:100]
    assert parse_partitions(deleted + FACTS_RECORD) == parse_partitions(FACTS_RECORD)


@pytest.mark.parametrize(
    "sector",
    [
        b"",
        b"\xff" * 4096,
        bytes(4096),
        FACTS_RECORD[:90],
        b"\x03\x01\x00\x00" + bytes(12),
        b"\x02\x01\x00\x00" + bytes(8),
    ],
)
def test_other_sectors_have_no_table(sector: bytes) -> None:
    assert parse_partitions(sector) is None


def test_builder_writes_what_the_facts_say(build: Any) -> None:
    assert build.record(layout="new", code_end=0x70000)[:100] == FACTS_RECORD[:100]


def test_a_table_fits_until_it_is_cut_off_at_any_byte() -> None:
    fresh = parse_partitions(FACTS_RECORD)
    assert fresh is not None
    assert fresh.fits(0x400000)
    own = place_partitions(fresh, 0x400000)
    items = [(kind, region.start, region.size) for kind, region in own.items()]
    spiffs_last = sorted(items, key=lambda item: item[0] == SPIFFS)
    for order in (items, spiffs_last):
        record = struct.pack("<BBH", 3 * len(order), 1, 0) + b"".join(struct.pack("<III", *item) for item in order)
        whole = parse_partitions(record.ljust(0x1000, b"\xff"))
        assert whole is not None
        assert whole.fits(0x400000)
        assert not whole.fits(0x200000)
        for size in range(4, len(record)):
            table = parse_partitions(record[:size].ljust(0x1000, b"\xff"))
            assert table is None or not table.fits(0x400000), size


def test_default_file_system_is_all_the_rest() -> None:
    table = parse_partitions(FACTS_RECORD)
    assert table is not None
    found = place_partitions(table, 0x400000)
    assert found[IROM] == Region(0x10000, 0x70000)
    assert found[SPIFFS] == Region(0x70000, 0x3FD000)
    assert found[SYSTEM_PARAMETERS] == Region(0x3FD000, 0x400000)
    assert LFS not in found


def test_lua_store_moves_the_file_system() -> None:
    items = (Partition(IROM, 0x10000, 0), Partition(LFS, 0, 0x20000), Partition(SPIFFS, 0, 0xFFFFFFFF))
    found = place_partitions(PartitionTable(items, 0x6F123), 0x400000)
    assert found[LFS] == Region(0x70000, 0x90000)
    assert found[SPIFFS] == Region(0x90000, 0x3FD000)


@pytest.mark.parametrize(("flash_size", "start"), [(0x400000, 0x100000), (0x100000, 0x70000)])
def test_file_system_of_a_given_size_stands_at_1_mib_where_it_fits(flash_size: int, start: int) -> None:
    items = (Partition(IROM, 0x10000, 0), Partition(SPIFFS, 0, 0x40000))
    assert place_partitions(PartitionTable(items, 0x70000), flash_size)[SPIFFS] == Region(start, start + 0x40000)


def test_addresses_that_a_person_set_stay() -> None:
    items = (Partition(IROM, 0x10000, 0x60000), Partition(LFS, 0x80000, 0x10000), Partition(SPIFFS, 0x200000, 0x10000))
    found = place_partitions(PartitionTable(items, 0), 0x400000)
    assert (found[LFS], found[SPIFFS]) == (Region(0x80000, 0x90000), Region(0x200000, 0x210000))


@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_not(data: bytes) -> None:
    for sector in (data, b"\x18\x01\x00\x00" + data):
        table = parse_partitions(sector)
        if table:
            place_partitions(table, 0x400000)
