"""Synthetic firmware, built from the format's description: every kind of image the tests need."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import cache
from random import Random

RAM_CODE, RAM_DATA = 0x40100000, 0x3FFE8000
RETURN = b"\x0d\xf0"
SDK_2X, SDK_3X = b"2.2.1(cfd48f3)", b"3.0.1-dev(fce080e)"
BANNER_3X = (
    b"\nNodeMCU 3.0.0.0 built by hand\n\tbranch: release\n\tcommit: 0123456789abcdef0123456789abcdef01234567\n"
    b"\trelease: 3.0-release_20201107\n\trelease DTS: 202011071523\n\tSSL: true\n\tbuild type: integer\n"
    b"\tLFS: 0x20000 bytes total capacity\n\tmodules: file,gpio,net,node,tmr,uart,wifi\n"
    b" build 2020-11-29 15:53 powered by Lua 5.1.4 on SDK %s\n"
)
BANNER_2X = (
    b"\nNodeMCU custom build by somebody\n\tbranch: master\n\tcommit: 89abcdef\n\tSSL: false\n"
    b"\tmodules: adc,file,node\n"
    b" build created on 2018-07-11 14:43\n powered by Lua 5.1.4 on SDK "
)


class Builder:
    """Makes images of every kind the tests need. Addresses and sizes in bytes."""

    def boot(
        self,
        segments: Sequence[tuple[int, bytes]] = (),
        *,
        entry: int = RAM_CODE + 4,
        mode: int = 2,
        packed: int = 0x20,
    ) -> bytes:
        """A version-1 image: header, segments, zeros, checksum."""
        segments = segments or [(RAM_CODE, bytes(range(200))), (RAM_DATA, b"data")]
        out = bytearray(struct.pack("<BBBBI", 0xE9, len(segments), mode, packed, entry))
        total = 0xEF
        for address, data in segments:
            out += struct.pack("<II", address, len(data)) + data
            for byte in data:
                total ^= byte
        out += bytes(15 - len(out) % 16) + bytes((total,))
        return bytes(out)

    def start(self, code_size: int = 0x30000, *, pointers: int = 64) -> bytes:
        """A first file of a pair, whose code points at places all over the second."""
        step = code_size // pointers // 4 * 4
        words = [0x40210000 + step * number for number in range(pointers)]
        return self.boot(
            [(RAM_CODE, struct.pack(f"<{pointers}I", *words)), (RAM_DATA, bytes(range(250)) + b"\x00\x00")]
        )

    def record(self, *, layout: str = "new", code_end: int = 0x40000) -> bytes:
        """The partition-table record of a fresh NodeMCU 3.x, FF up to the end of its sector."""
        cal, phy, params = (0xD000, 0xF000, 0) if layout == "new" else (0xB000, 0xC000, 0xD000)
        items = [(101, 0, 0xB000), (4, cal, 0x1000), (5, phy, 0x1000), (102, 0x10000, 0), (103, 0, 0)]
        items += [(106, 0, 0xFFFFFFFF), (0, 0x40200000 + code_end, 0)]
        items.insert(3 if params else 6, (6, params, 0x3000))
        data = b"".join(struct.pack("<III", *item) for item in items)
        return (struct.pack("<BBH", len(data) // 4, 1, 0) + data).ljust(0x1000, b"\xff")

    def code(self, size: int = 0x30000, *, banner: bytes = BANNER_2X, sdk: bytes = SDK_2X, head: bytes = b"") -> bytes:
        """A second file of a pair: returns, a banner, the SDK's version."""
        filler = (RETURN + bytes(60)) * (size // 62 + 1)
        texts = b"\x00" + banner + b"\x00" + sdk + b"\x00"
        return head + filler[: size - len(head) - len(texts)] + texts

    def pair_2x(self, size: int = 0x30000) -> tuple[bytes, bytes]:
        """Both files of a NodeMCU 2.x."""
        return self.start(size), self.code(size, banner=BANNER_2X + b"\x00\nSelf adjust flash size.\n")

    def pair_3x(self, size: int = 0x30000, *, layout: str = "new") -> tuple[bytes, bytes]:
        """Both files of a NodeMCU 3.x."""
        head = self.record(layout=layout, code_end=0x10000 + size)
        return self.start(size), self.code(size, banner=BANNER_3X, sdk=SDK_3X, head=head)

    def combine(self, pair: tuple[bytes, bytes]) -> bytes:
        """The aggregated file of a pair."""
        return pair[0].ljust(0x10000, b"\xff") + pair[1]

    def newer_chip(self, number: int, address: int, *, size: int = 64) -> bytes:
        """An image with the 24-byte header of an ESP32 or one of its successors."""
        head = struct.pack("<BBBBI", 0xE9, 1, 2, 0x20, 0x40080400) + b"\xee\x00\x00\x00"
        return head + struct.pack("<H", number) + bytes(9) + b"\x01" + struct.pack("<II", address, size) + bytes(size)

    def sketch(self, size: int = 0x8000, *, text: bytes = b"") -> bytes:
        """An Arduino file: the core's boot loader, filler, at 0x1000 the sketch."""
        loader = self.boot([(0x4010F000, bytes(range(100)))], entry=0x4010F004)
        mapped = (RETURN * size)[: size - len(text)] + text
        return loader.ljust(0x1000, b"\xaa") + self.boot([(0x40201010, mapped), (RAM_CODE, bytes(64))])

    def linked(self, address: int, size: int = 0x8000) -> bytes:
        """Code that was linked for a flash address: functions of all lengths, and after each an address of another."""
        return _linked(address, size)

    def ota(
        self, address: int = 0, size: int = 0x8000, *, crc: bool = True, code: bytes = b"", packed: int = 0x20
    ) -> bytes:
        """A 0xEA image: code that runs from flash, then a version-1 image, then a CRC-32 as Espressif's tool makes it.

        `address`: the flash address it is linked for; 0: its code says nothing of that.
        """
        head_size = 16
        code = code or (self.linked(address + head_size, size) if address else bytes(range(16)) * 64)
        head = struct.pack("<BBBBIII", 0xEA, 4, 0, 0, 0x40100004, 0, len(code))
        image = head + code + self.boot(packed=packed)
        plain = zlib.crc32(image)
        return image + struct.pack("<I", ~plain & 0xFFFFFFFF if plain >> 31 else plain + 1) * crc

    def rtos(self, address: int = 0x10000) -> tuple[bytes, bytes, bytes]:
        """Boot loader, partition table and application as the RTOS SDK makes them, the latter for `address`."""
        loader = self.boot([(RAM_CODE, b"ESP-IDF v3.4 2nd stage bootloader\0\0\0"), (RAM_DATA, bytes(64))])
        entries = ((1, 2, 0x9000, 0x6000, b"nvs"), (0, 0, address, 0xF0000, b"factory"))
        table = b"".join(struct.pack("<HBBII16sI", 0x50AA, *entry, 0) for entry in entries).ljust(0xC00, b"\xff")
        return loader, table, self.boot([(0x40200010 + address, bytes(range(256)) * 64), (RAM_CODE, bytes(64))])


@cache
def _linked(address: int, size: int) -> bytes:
    chance, code, starts = Random(size), bytearray(), list[int]()
    while len(code) < size - 0x100:
        starts.append(len(code))
        code += b"\x12\xc1\xf0" + chance.randbytes(chance.randrange(9, 90)).replace(b"\x12", b"\x13") + RETURN
        code += bytes(-len(code) % 4 + 4)
    for start in starts[1:]:
        struct.pack_into("<I", code, start - 4, 0x40200000 + address + chance.choice(starts))
    return bytes(code).ljust(size, b"\0")


def with_partitions(
    pair: tuple[bytes, bytes], *, lfs: tuple[int, int] = (0, 0), spiffs: tuple[int, int] = (0, 0xFFFFFFFF)
) -> tuple[bytes, bytes]:
    """A NodeMCU 3.x whose table has these places, address and size."""
    code = bytearray(pair[1])
    for at in range(4, 4 + 12 * 8, 12):
        (kind,) = struct.unpack_from("<I", code, at)
        if kind in {103, 106}:
            struct.pack_into("<II", code, at + 4, *(lfs if kind == 103 else spiffs))
    return pair[0], bytes(code)


def lfs_image(address: int, *, size: int = 0x1800, signature: int = 0xFAFAAF53) -> bytes:
    """An LFS image for that flash address; by default Lua 5.1 with whole numbers, addresses settled."""
    base = 0x40200000 + address
    head = struct.pack("<9I", signature, size, base + 64, base + 128, 5, 8, base + 64, 0, base + 128)
    return (head + b"Lua" * size)[:size]


def spiffs_image(blocks: int, block: int = 0x2000) -> bytes:
    """An empty SPIFFS: blank blocks, each with its mark."""
    out = bytearray(b"\xff" * (blocks * block))
    for index in range(blocks):
        struct.pack_into("<H", out, index * block + 252, 0x0529 ^ 256 ^ (blocks - index))
    return bytes(out)
