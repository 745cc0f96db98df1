"""AES-128 as WPA needs it: key schedule, decryption, key unwrapping, and RC4's skip.

Signatures: hostap's aes-internal-dec.c, aes-unwrap.c and rc4.c, from which the ROM's were made; that the context lies
at 0x3FFFEA80 is noted in cores/esp8266/aes_unwrap.cpp of the Arduino core. The tables of the ROM's data (Te0, Td0,
Td4s, rcons) are worked out here, since programs read them too.
"""

from __future__ import annotations

import struct
from typing import Final

from flashpipe.sim.rom.guest import Guest
from flashpipe.sim.rom.table import rom

CONTEXT: Final = 0x3FFFEA80
_KEY_WORDS: Final = 44
_ROUNDS: Final = 10
_BLOCK: Final = 16
_BLOCK_CYCLES: Final = 1500
_UNWRAP_START: Final = b"\xa6" * 8


def _doubled(value: int) -> int:
    value <<= 1
    return (value ^ 0x11B) & 0xFF if value & 0x100 else value


def _times(value: int, factor: int) -> int:
    """Product in the field of AES."""
    result = 0
    while factor:
        if factor & 1:
            result ^= value
        value, factor = _doubled(value), factor >> 1
    return result


def _substitution() -> tuple[int, ...]:
    """The S-box: the inverse in the field, then the affine map (FIPS 197, 5.1.1)."""
    box = [0x63] * 256
    p = q = 1
    while True:
        p ^= _doubled(p)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        mixed = q
        for count in range(1, 5):
            mixed ^= (q << count | q >> 8 - count) & 0xFF
        box[p] = mixed ^ 0x63
        if p == 1:
            return tuple(box)


SBOX: Final = _substitution()
INVERSE: Final = tuple(SBOX.index(value) for value in range(256))
RCON: Final = (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1B, 0x36)


def _word(one: int, two: int, three: int, four: int) -> int:
    return one << 24 | two << 16 | three << 8 | four


def tables() -> dict[int, bytes]:
    """The ROM's tables by their addresses (eagle.rom.addr.v6.ld)."""
    forward = [_word(_times(s, 2), s, s, _times(s, 3)) for s in SBOX]
    backward = [_word(_times(s, 14), _times(s, 9), _times(s, 13), _times(s, 11)) for s in INVERSE]
    return {
        0x3FFFCCF0: struct.pack("<256I", *forward),
        0x3FFFD0F0: bytes(RCON),
        0x3FFFD100: struct.pack("<256I", *backward),
        0x3FFFD500: bytes(INVERSE),
    }


def expand(key: bytes) -> list[int]:
    """Key schedule for encryption: 44 words (FIPS 197, 5.2)."""
    words = list(struct.unpack(">4I", key))
    for index in range(4, _KEY_WORDS):
        last = words[-1]
        if index % 4 == 0:
            last = (last << 8 | last >> 24) & 0xFFFFFFFF
            last = _word(*(SBOX[byte] for byte in last.to_bytes(4, "big"))) ^ RCON[index // 4 - 1] << 24
        words.append(words[index - 4] ^ last)
    return words


def _unmixed(word: int) -> int:
    """InvMixColumns of one column."""
    a, b, c, d = word.to_bytes(4, "big")
    return _word(
        _times(a, 14) ^ _times(b, 11) ^ _times(c, 13) ^ _times(d, 9),
        _times(a, 9) ^ _times(b, 14) ^ _times(c, 11) ^ _times(d, 13),
        _times(a, 13) ^ _times(b, 9) ^ _times(c, 14) ^ _times(d, 11),
        _times(a, 11) ^ _times(b, 13) ^ _times(c, 9) ^ _times(d, 14),
    )


def expand_for_decryption(key: bytes) -> list[int]:
    """Key schedule of the equivalent inverse cipher: rounds reversed, InvMixColumns on the inner ones (5.3.5)."""
    words = expand(key)
    turned = [word for index in range(_ROUNDS, -1, -1) for word in words[4 * index : 4 * index + 4]]
    return turned[:4] + [_unmixed(word) for word in turned[4:-4]] + turned[-4:]


def decrypt(schedule: list[int], block: bytes) -> bytes:
    """One block, by the equivalent inverse cipher."""
    state = [word ^ key for word, key in zip(struct.unpack(">4I", block), schedule[:4], strict=True)]
    for turn in range(1, _ROUNDS + 1):
        columns = [
            _word(*(INVERSE[state[(column - row) % 4] >> 24 - 8 * row & 0xFF] for row in range(4)))
            for column in range(4)
        ]
        if turn < _ROUNDS:
            columns = [_unmixed(word) for word in columns]
        state = [word ^ key for word, key in zip(columns, schedule[4 * turn : 4 * turn + 4], strict=True)]
    return struct.pack(">4I", *state)


# --- the ROM's functions ---------------------------------------------------------------------------------------------


@rom("rijndaelKeySetupEnc", 0x40009300, _BLOCK_CYCLES)
def setup_encryption(guest: Guest, schedule: int, key: int) -> None:
    """Key schedule for encryption."""
    guest.write(schedule, struct.pack(f"<{_KEY_WORDS}I", *expand(guest.read(key, _BLOCK))))


@rom("rijndaelKeySetupDec", 0x40008DD0, 3 * _BLOCK_CYCLES)
def setup_decryption(guest: Guest, schedule: int, key: int) -> None:
    """Key schedule for decryption."""
    guest.write(schedule, struct.pack(f"<{_KEY_WORDS}I", *expand_for_decryption(guest.read(key, _BLOCK))))


@rom("aes_decrypt_init", 0x40008EA4, 3 * _BLOCK_CYCLES)
def decrypt_init(guest: Guest, key: int, length: int) -> int:
    """A context for a key of 16 bytes; 0 for any other length."""
    if length != _BLOCK:
        return 0
    setup_decryption(guest, CONTEXT, key)
    return CONTEXT


@rom("aes_decrypt", 0x400092D4, _BLOCK_CYCLES)
def decrypt_block(guest: Guest, context: int, source: int, to: int) -> None:
    """One block."""
    schedule = list(struct.unpack(f"<{_KEY_WORDS}I", guest.read(context, 4 * _KEY_WORDS)))
    guest.write(to, decrypt(schedule, guest.read(source, _BLOCK)))


@rom("aes_decrypt_deinit", 0x400092E4)
def decrypt_end(guest: Guest, context: int) -> None:
    """Forget the key."""
    guest.write(context, bytes(4 * _KEY_WORDS))


@rom("aes_unwrap", 0x40009410, 6 * _BLOCK_CYCLES)
def unwrap(guest: Guest, key: int, count: int, source: int, to: int) -> int:
    """RFC 3394: unwrap `count` times 8 bytes; all ones where the check fails."""
    schedule = expand_for_decryption(guest.read(key, _BLOCK))
    text = guest.read(source, 8 * (count + 1))
    check, parts = text[:8], [text[8 * index : 8 * index + 8] for index in range(1, count + 1)]
    for turn in range(5, -1, -1):
        for index in range(count, 0, -1):
            mixed = int.from_bytes(check, "big") ^ count * turn + index
            block = decrypt(schedule, mixed.to_bytes(8, "big") + parts[index - 1])
            check, parts[index - 1] = block[:8], block[8:]
    guest.write(to, b"".join(parts))
    return 0 if check == _UNWRAP_START else 0xFFFFFFFF


@rom("rc4_skip", 0x4000DD68, 3000)
def rc4_skip(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, key: int, key_length: int, skip: int, data: int, length: int
) -> int:
    """RC4 in place, after throwing away `skip` bytes of the stream."""
    secret = guest.read(key, key_length) or b"\0"
    box = list(range(256))
    j = 0
    for i in range(256):
        j = j + box[i] + secret[i % len(secret)] & 0xFF
        box[i], box[j] = box[j], box[i]
    out, i, j = bytearray(guest.read(data, length)), 0, 0
    for at in range(-skip, length):
        i = i + 1 & 0xFF
        j = j + box[i] & 0xFF
        box[i], box[j] = box[j], box[i]
        if at >= 0:
            out[at] ^= box[box[i] + box[j] & 0xFF]
    guest.write(data, bytes(out))
    guest.spend(30 * (skip + length))
    return 0
