"""What a loader must not do, and figures that have to be exact."""

from __future__ import annotations

import struct
from itertools import product
from typing import Any

import pytest
from flashpipe.sim.chip import parts
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD, checksum

SYNC = slip.encode(HEADER.pack(0, 8, 36, 0) + SYNC_PAYLOAD)


def test_the_checksum_begins_with_its_seed() -> None:
    """Known by hand: 0xEF XOR every byte (facts: esp8266-protocol §3.1)."""
    assert checksum(b"") == 0xEF
    assert checksum(b"\xef") == 0
    assert checksum(bytes(range(16)) + b"\x33") == 0xEF ^ 0x33


def test_a_rate_too_fast_to_be_measured_is_not_answered(bench: Any) -> None:
    host = bench.host("sim://esp12?start=rom")
    host.link.set_baud(1_500_000)
    assert host.raw(SYNC) == b""
    host.link.set_baud(115_200)
    assert len(bench.frames_in(host.raw(SYNC))[0]) == 8


@pytest.mark.parametrize("stub", [1, 2])
@pytest.mark.parametrize("opcodes", [(2, 3), (0x10, 0x11)])
def test_both_kinds_of_data_are_checked(bench: Any, stub: int, opcodes: tuple[int, int]) -> None:
    host = bench.host(f"sim://esp12?start=stub-v{stub}&fill=byte:0")
    body = bytes(range(200))
    assert host.status(opcodes[0], bench.words(200, 1, 0x4000, 0, 0)) == "0000"
    head = bench.words(len(body), 0, 0, 0)
    assert host.status(opcodes[1], head + body, checksum(body) ^ 0x01) == "c100"


def test_a_user_command_has_its_address_in_the_upper_bits(bench: Any) -> None:
    """SFDP: the header at 0 and the first words of the table it points to (facts: esp8266-protocol §3.10)."""
    host = bench.host("sim://esp12?start=stub-v2")

    def sfdp(address: int) -> int:
        registers = {0x1C: 0xD000_0000, 0x20: 31 << 8 | 23 << 26, 0x24: 0x7000_005A, 0x04: address << 8, 0x40: 0}
        for register, value in registers.items():
            assert host.status(9, bench.words(0x6000_0200 + register, value, 0xFFFF_FFFF, 0)) == "0000"
        host.status(9, bench.words(0x6000_0200, 1 << 18, 0xFFFF_FFFF, 0))
        return int(host.value(0x0A, bench.words(0x6000_0240)))

    assert sfdp(0) == int.from_bytes(b"SFDP", "little")
    table = sfdp(12) & 0xFFFFFF
    assert sfdp(table) == 0xFFF120E5
    assert sfdp(table + 4) == 4 * 1024 * 1024 * 8 - 1


@pytest.mark.parametrize("part", [part for part in parts.PARTS if part.has_sfdp], ids=lambda part: part.name)
def test_sfdp_counts_bits_less_one(part: parts.NorPart) -> None:
    table = Nor(bytearray(0x10000), part).sfdp()
    pointer = int.from_bytes(table[12:15], "little")
    assert struct.unpack_from("<I", table, pointer + 4) == (part.size * 8 - 1,)


@pytest.mark.parametrize(("crystal", "divider"), [(26, 452), (40, 695)])
def test_the_divider_is_that_of_a_real_chip(bench: Any, crystal: int, divider: int) -> None:
    """452 was read from a chip at 26 MHz and 115200 (facts: esp8266-protocol §3.7); 40 MHz by the same rule."""
    host = bench.host(f"sim://esp12?start=rom&crystal={crystal}")
    host.command(8, SYNC_PAYLOAD)
    assert host.value(0x0A, bench.words(0x6000_0014)) & 0xFFFFF == divider


def test_escapes_are_undone_in_every_order() -> None:
    for payload in map(bytes, product((0xC0, 0xDB, 0xDC, 0xDD, 0x00), repeat=4)):
        wire = slip.escape(payload)
        assert b"\xc0" not in wire
        assert slip.unescape(wire) == payload
    assert slip.escape(b"\xc0\xdb\xdc") == bytes.fromhex("dbdc dbdd dc")


def test_an_erase_that_reaches_into_the_protected_part_is_refused_whole() -> None:
    """Of 512 KB the smallest protected part is 8 KB, less than a block."""
    nor = Nor(bytearray(0x80000), parts.part_by_name("W25Q40"))
    nor.status = 1 << 2
    assert nor.protected_from() == 0x7E000
    nor.erase_block(0x70000)
    nor.erase_chip()
    assert nor.read(0, 0x80000) == bytes(0x80000)
    nor.erase_sector(0x7D000)
    assert nor.read(0x7D000, 0x1000) == b"\xff" * 0x1000
