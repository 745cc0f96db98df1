from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.executed import Bench

PIECES = st.lists(st.binary(max_size=150), max_size=4)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def fresh(bench: Bench) -> Bench:
    bench._at = 0x3FFE9000
    return bench


@settings(max_examples=25, deadline=None)
@given(pieces=PIECES)
def test_md5_and_sha1_in_any_pieces(bench: Bench, pieces: list[bytes]) -> None:
    fresh(bench)
    context, digest = bench.put(bytes(128)), bench.put(bytes(20))
    for prefix, size, algorithm in (("MD5", 16, "md5"), ("SHA1", 20, "sha1")):
        bench.call(f"{prefix}Init", context)
        for piece in pieces:
            bench.call(f"{prefix}Update", context, bench.put(piece), len(piece))
        bench.call(f"{prefix}Final", digest, context)
        assert bench.memory.read(digest, size) == hashlib.new(algorithm, b"".join(pieces)).digest()


def test_vectors_and_hmacs(bench: Bench) -> None:
    fresh(bench)
    key, parts = b"secret", [b"one", b"three"]
    key_at, places = bench.put(key), [bench.put(part) for part in parts]
    addresses = bench.put(b"".join(place.to_bytes(4, "little") for place in places))
    lengths = bench.put(b"".join(len(part).to_bytes(4, "little") for part in parts))
    digest = bench.put(bytes(20))
    whole = bench.put(b"onethree")
    for name, size in (("md5", 16), ("sha1", 20)):
        bench.call(f"{name}_vector", 2, addresses, lengths, digest)
        assert bench.memory.read(digest, size) == hashlib.new(name, b"onethree").digest()
        expected = hmac.new(key, b"onethree", name).digest()
        bench.call(f"hmac_{name}", key_at, len(key), whole, 8, digest)
        assert bench.memory.read(digest, size) == expected
        bench.call(f"hmac_{name}_vector", key_at, len(key), 2, addresses, lengths, digest)
        assert bench.memory.read(digest, size) == expected


def test_the_key_of_wpa(bench: Bench) -> None:
    """IEEE 802.11i, annex H.4.1: password `password`, network `IEEE`."""
    fresh(bench)
    key = bench.put(bytes(32))
    bench.call("pbkdf2_sha1", bench.text("password"), bench.text("IEEE"), 4, 4096, key, 32)
    assert bench.memory.read(key, 32).hex() == "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"


def test_the_prf_of_wpa(bench: Bench) -> None:
    """IEEE 802.11i, annex H.3: key of 20 bytes 0b, prefix, `Hi There`."""
    fresh(bench)
    to = bench.put(bytes(64))
    key, label, text = bench.put(b"\x0b" * 20), bench.text("prefix"), bench.put(b"Hi There")
    bench.call("sha1_prf", key, 20, label, text, 8, to, 24)
    assert bench.memory.read(to, 24).hex() == "bcd4c650b30b9684951829e0d75f9d54b862175ed9f00606"


def test_one_block_of_sha1(bench: Bench) -> None:
    fresh(bench)
    start = b"".join(
        word.to_bytes(4, "little") for word in (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
    )
    state, block = bench.put(start), bench.put(b"abc\x80" + bytes(59) + b"\x18")
    bench.call("SHA1Transform", state, block)
    words = [bench.memory.u32(state + 4 * index) for index in range(5)]
    assert b"".join(word.to_bytes(4, "big") for word in words) == hashlib.sha1(b"abc").digest()
