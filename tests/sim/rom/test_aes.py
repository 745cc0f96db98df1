from __future__ import annotations

import pytest
from flashpipe.sim.rom import aes

from tests.sim.executed import Bench

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
PLAIN = bytes.fromhex("00112233445566778899aabbccddeeff")
CIPHER = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")
"""FIPS 197, appendix C.1."""


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_block_of_the_standard(bench: Bench) -> None:
    context = bench.call("aes_decrypt_init", bench.put(KEY), 16)
    to = bench.put(bytes(16))
    bench.call("aes_decrypt", context, bench.put(CIPHER), to)
    assert bench.memory.read(to, 16) == PLAIN
    bench.call("aes_decrypt_deinit", context)
    assert bench.memory.read(context, 16) == bytes(16)


def test_only_keys_of_128_bits(bench: Bench) -> None:
    assert bench.call("aes_decrypt_init", bench.put(KEY * 2), 32) == 0


def test_key_schedule_of_the_standard(bench: Bench) -> None:
    """FIPS 197, appendix A.1."""
    schedule = bench.put(bytes(176))
    bench.call("rijndaelKeySetupEnc", schedule, bench.put(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")))
    assert bench.memory.u32(schedule + 4 * 4) == 0xA0FAFE17
    assert bench.memory.u32(schedule + 4 * 43) == 0xB6630CA6


def test_key_unwrapping_of_the_standard(bench: Bench) -> None:
    """RFC 3394, 4.1."""
    wrapped = bytes.fromhex("1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5")
    to = bench.put(bytes(16))
    assert bench.call("aes_unwrap", bench.put(KEY), 2, bench.put(wrapped), to) == 0
    assert bench.memory.read(to, 16) == PLAIN
    assert bench.call("aes_unwrap", bench.put(KEY), 2, bench.put(bytes(24)), to) == 0xFFFFFFFF


def test_the_tables_of_the_rom() -> None:
    tables = aes.tables()
    assert tables[0x3FFFCCF0][:4] == (0xC66363A5).to_bytes(4, "little")
    assert tables[0x3FFFD100][:4] == (0x51F4A750).to_bytes(4, "little")
    assert tables[0x3FFFD500][:4] == bytes.fromhex("52096ad5")
    assert tables[0x3FFFD0F0].hex() == "01020408102040801b36"


def test_rc4_without_its_beginning(bench: Bench) -> None:
    """RFC 6229, 40 bits: keystream at 0 is b2396305f03dc027, at 8 ccc3524a0a1118a8."""
    data = bench.put(bytes(8))
    bench.call("rc4_skip", bench.put(bytes.fromhex("0102030405")), 5, 8, data, 8)
    assert bench.memory.read(data, 8).hex() == "ccc3524a0a1118a8"
    data = bench.put(bytes(8))
    bench.call("rc4_skip", bench.put(bytes.fromhex("0102030405")), 5, 0, data, 8)
    assert bench.memory.read(data, 8).hex() == "b2396305f03dc027"
