"""MD5, SHA-1 and what is made of them: HMAC, PBKDF2, the PRF of WPA.

Signatures and context structures are those of hostap's md5-internal.c and sha1-internal.c, from which the ROM's were
made (names in eagle.rom.addr.v6.ld; pvvx, include/bios/cha1.h). The compression functions are written out, because a
context in the program's memory can hold any state.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from math import floor, sin
from typing import Final

from flashpipe.sim.rom.guest import MASK, Guest
from flashpipe.sim.rom.table import rom

_BLOCK: Final = 64
_MD5_START: Final = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_SHA1_START: Final = (*_MD5_START, 0xC3D2E1F0)
_MD5_SHIFTS: Final = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
_MD5_SINES: Final = tuple(floor(abs(sin(index + 1)) * 2**32) for index in range(64))
_SHA1_CONSTANTS: Final = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)
_MD5_CYCLES: Final = 820
"""For each block (facts: stub-executed §6)."""
_SHA1_CYCLES: Final = 1600
"""For each block: twice MD5's, since it has 80 rounds of more work; not measured."""
_SHA1_BYTES: Final = 20


def _rotated(value: int, count: int) -> int:
    value &= MASK
    return (value << count | value >> 32 - count) & MASK


def md5_block(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    """RFC 1321, one block."""
    words = struct.unpack("<16I", block)
    a, b, c, d = state
    for step in range(64):
        turn = step // 16
        if turn == 0:
            mixed, word = b & c | ~b & d, step
        elif turn == 1:
            mixed, word = d & b | ~d & c, (5 * step + 1) % 16
        elif turn == 2:  # noqa: PLR2004  the third of four
            mixed, word = b ^ c ^ d, (3 * step + 5) % 16
        else:
            mixed, word = c ^ (b | ~d & MASK), 7 * step % 16
        total = a + mixed + words[word] + _MD5_SINES[step]
        a, d, c, b = d, c, b, b + _rotated(total, _MD5_SHIFTS[turn][step % 4]) & MASK
    return tuple(old + new & MASK for old, new in zip(state, (a, b, c, d), strict=True))


def sha1_block(state: tuple[int, ...], block: bytes) -> tuple[int, ...]:
    """FIPS 180, one block."""
    words = list(struct.unpack(">16I", block))
    for step in range(16, 80):
        words.append(_rotated(words[step - 3] ^ words[step - 8] ^ words[step - 14] ^ words[step - 16], 1))
    a, b, c, d, e = state
    for step, word in enumerate(words):
        turn = step // 20
        mixed = (b & c | ~b & d, b ^ c ^ d, b & c | b & d | c & d, b ^ c ^ d)[turn]
        a, b, c, d, e = _rotated(a, 5) + mixed + e + word + _SHA1_CONSTANTS[turn] & MASK, a, _rotated(b, 30), c, d
    return tuple(old + new & MASK for old, new in zip(state, (a, b, c, d, e), strict=True))


class _Context:
    """A context in memory: state words, a count of bits in two words, and the block that is being filled."""

    def __init__(self, guest: Guest, place: int, words: int) -> None:
        self.guest, self.place, self.words = guest, place, words

    def load(self) -> tuple[tuple[int, ...], int, bytes]:
        values = struct.unpack(f"<{self.words + 2}I", self.guest.memory.read(self.place, 4 * self.words + 8))
        low, high = values[self.words :]
        bits = low | high << 32
        return values[: self.words], bits, self.guest.memory.read(self.place + 4 * self.words + 8, _BLOCK)

    def store(self, state: tuple[int, ...], bits: int, buffer: bytes) -> None:
        counts = (bits & MASK, bits >> 32 & MASK)
        head = struct.pack(f"<{self.words + 2}I", *state, *counts)
        self.guest.memory.write(self.place, head + buffer[:_BLOCK].ljust(_BLOCK, b"\0"))


def _update(context: _Context, data: bytes, compress: Callable[[tuple[int, ...], bytes], tuple[int, ...]]) -> int:
    """Add data to a context; returns how many blocks were compressed."""
    state, bits, buffer = context.load()
    filled = bits // 8 % _BLOCK
    stream = buffer[:filled] + data
    blocks = len(stream) // _BLOCK
    for at in range(0, blocks * _BLOCK, _BLOCK):
        state = compress(state, stream[at : at + _BLOCK])
    context.store(state, bits + 8 * len(data) & (1 << 64) - 1, stream[blocks * _BLOCK :])
    return blocks


def _padding(bits: int, *, big: bool) -> bytes:
    return b"\x80" + bytes(-(bits // 8 + 9) % _BLOCK) + bits.to_bytes(8, "big" if big else "little")


def _md5_context(guest: Guest, place: int) -> _Context:
    return _Context(guest, place, 4)


def _sha1_context(guest: Guest, place: int) -> _Context:
    return _Context(guest, place, 5)


@rom("MD5Init", 0x40009818)
def md5_init(guest: Guest, context: int) -> None:
    """Begin."""
    _md5_context(guest, context).store(_MD5_START, 0, b"")


@rom("MD5Update", 0x40009834)
def md5_update(guest: Guest, context: int, data: int, length: int) -> None:
    """Add bytes."""
    guest.spend(_MD5_CYCLES * _update(_md5_context(guest, context), guest.read(data, length), md5_block))


@rom("MD5Final", 0x40009900)
def md5_final(guest: Guest, digest: int, context: int) -> None:
    """End: 16 bytes."""
    place = _md5_context(guest, context)
    _state, bits, _buffer = place.load()
    guest.spend(_MD5_CYCLES * _update(place, _padding(bits, big=False), md5_block))
    guest.write(digest, struct.pack("<4I", *place.load()[0]))


@rom("SHA1Init", 0x4000B584)
def sha1_init(guest: Guest, context: int) -> None:
    """Begin."""
    _sha1_context(guest, context).store(_SHA1_START, 0, b"")


@rom("SHA1Update", 0x4000B5A8)
def sha1_update(guest: Guest, context: int, data: int, length: int) -> None:
    """Add bytes."""
    guest.spend(_SHA1_CYCLES * _update(_sha1_context(guest, context), guest.read(data, length), sha1_block))


@rom("SHA1Final", 0x4000B648)
def sha1_final(guest: Guest, digest: int, context: int) -> None:
    """End: 20 bytes."""
    place = _sha1_context(guest, context)
    _state, bits, _buffer = place.load()
    guest.spend(_SHA1_CYCLES * _update(place, _padding(bits, big=True), sha1_block))
    guest.write(digest, struct.pack(">5I", *place.load()[0]))


@rom("SHA1Transform", 0x4000A364, _SHA1_CYCLES)
def sha1_transform(guest: Guest, state: int, block: int) -> None:
    """Compress one block into five state words."""
    before = struct.unpack("<5I", guest.memory.read(state, 20))
    guest.write(state, struct.pack("<5I", *sha1_block(before, guest.read(block, _BLOCK))))


def _vector(guest: Guest, count: int, addresses: int, lengths: int) -> bytes:
    """The pieces of a scattered text, joined."""
    memory = guest.memory
    return b"".join(
        guest.read(memory.u32(addresses + 4 * index), memory.u32(lengths + 4 * index)) for index in range(count)
    )


@rom("md5_vector", 0x400097AC, _MD5_CYCLES)
def md5_vector(guest: Guest, count: int, addresses: int, lengths: int, digest: int) -> int:
    """MD5 of scattered pieces."""
    guest.write(digest, hashlib.md5(_vector(guest, count, addresses, lengths), usedforsecurity=False).digest())
    return 0


@rom("sha1_vector", 0x4000A2EC, _SHA1_CYCLES)
def sha1_vector(guest: Guest, count: int, addresses: int, lengths: int, digest: int) -> int:
    """SHA-1 of scattered pieces."""
    guest.write(digest, hashlib.sha1(_vector(guest, count, addresses, lengths), usedforsecurity=False).digest())
    return 0


def _hmac(guest: Guest, key: int, key_length: int, data: bytes, algorithm: str) -> bytes:
    return hmac.new(guest.read(key, key_length), data, algorithm).digest()


@rom("hmac_md5", 0x4000A2CC, 4 * _MD5_CYCLES)
def hmac_md5(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, key: int, key_length: int, data: int, length: int, digest: int
) -> int:
    """HMAC with MD5."""
    guest.write(digest, _hmac(guest, key, key_length, guest.read(data, length), "md5"))
    return 0


@rom("hmac_md5_vector", 0x4000A160, 4 * _MD5_CYCLES)
def hmac_md5_vector(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, key: int, key_length: int, count: int, addresses: int, lengths: int, digest: int
) -> int:
    """HMAC with MD5 of scattered pieces."""
    guest.write(digest, _hmac(guest, key, key_length, _vector(guest, count, addresses, lengths), "md5"))
    return 0


@rom("hmac_sha1", 0x4000BA28, 4 * _SHA1_CYCLES)
def hmac_sha1(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, key: int, key_length: int, data: int, length: int, digest: int
) -> int:
    """HMAC with SHA-1."""
    guest.write(digest, _hmac(guest, key, key_length, guest.read(data, length), "sha1"))
    return 0


@rom("hmac_sha1_vector", 0x4000B8B4, 4 * _SHA1_CYCLES)
def hmac_sha1_vector(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, key: int, key_length: int, count: int, addresses: int, lengths: int, digest: int
) -> int:
    """HMAC with SHA-1 of scattered pieces."""
    guest.write(digest, _hmac(guest, key, key_length, _vector(guest, count, addresses, lengths), "sha1"))
    return 0


@rom("sha1_prf", 0x4000BA48)
def sha1_prf(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, key: int, key_length: int, label: int, data: int, length: int, to: int, wanted: int
) -> int:
    """The PRF of IEEE 802.11i: HMACs of label, 0, data and a counter, one after the other."""
    text = guest.memory.c_string(label) + b"\0" + guest.read(data, length)
    rounds = -(-wanted // _SHA1_BYTES)
    whole = b"".join(_hmac(guest, key, key_length, text + bytes((index,)), "sha1") for index in range(rounds))
    guest.spend(4 * rounds * _SHA1_CYCLES)
    guest.write(to, whole[:wanted])
    return 0


@rom("pbkdf2_sha1", 0x4000B840)
def pbkdf2_sha1(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, password: int, salt: int, salt_length: int, iterations: int, to: int, wanted: int
) -> int:
    """The key of WPA from a password and the network's name."""
    secret = guest.memory.c_string(password)
    key = hashlib.pbkdf2_hmac("sha1", secret, guest.read(salt, salt_length), max(1, iterations), wanted)
    guest.spend(4 * iterations * -(-wanted // _SHA1_BYTES) * _SHA1_CYCLES)
    guest.write(to, key)
    return 0
