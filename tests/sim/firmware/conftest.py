"""Images in the shape of the NodeMCU versions."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from tests.sim.chips import SECTOR, make_image

BANNER_2X = (
    "\nNodeMCU custom build by nobody\n\tbranch: master\n\tcommit: 0123\n\tSSL: false\n"
    "\tmodules: file,node,tmr\n build created on 2018-01-02 03:04\n powered by Lua 5.1.4 on SDK "
)
BANNER_3X = (
    "\nNodeMCU 3.0.0.0 \n\tbranch: release\n\tcommit: 4567\n\trelease: 3.0.0-release_x\n\trelease DTS: 202402250804\n"
    "\tSSL: false\n\tbuild type: {kind}\n\tLFS: 0x0 bytes total capacity\n\tmodules: file,node,wifi\n"
    " build 2024-03-01 12:00 powered by Lua 5.1.4 on SDK %s\n"
)
SDK_TEXTS = (
    "rf_cal[0] !=0x05,is 0x%02X\n\0freq trace enable %d\n\0\nSDK ver: %s compiled @ Apr 16 2019 15:02:05\n\0"
    "phy ver: %d_%d, pp ver: %d.%d\n\n\0"
)
INIT_DATA = (
    bytes.fromhex("0500040205050502000504050504050504fefdff") + bytes(92) + bytes.fromhex("00000100") + bytes(12)
)


def _ram(*, init_data: bool) -> list[tuple[int, bytes]]:
    data = bytes(64) + (INIT_DATA if init_data else b"")
    return [(0x40100000, bytes(range(256)) * 4), (0x3FFE8000, data)]


@pytest.fixture
def nodemcu_2x() -> Callable[..., bytes]:
    """A whole image in the shape of NodeMCU 2.x, with the texts that such a build contains."""

    def make(*, size_frequency: int = 0x40, init_data: bool = True, adjusts: bool = True, code: int = 0x8000) -> bytes:
        first = make_image(_ram(init_data=init_data), size_frequency=size_frequency)
        adjust = "Self adjust flash size. 0x%x (ROM) -> 0x%x (Detected)\n\0" if adjusts else "\0"
        texts = f"{SDK_TEXTS}{adjust}Formatting file system. Please wait...\n\0{BANNER_2X}\0\0" + "2.2.1(cfd48f3)\0"
        return first.ljust(0x10000, b"\xff") + (b"\0" * 64 + texts.encode()).ljust(code, b"\x11")

    return make


@pytest.fixture
def nodemcu_3x() -> Callable[..., bytes]:
    """A whole image in the shape of NodeMCU 3.x: record page, texts; the old layout keeps parameters at 0xD000."""

    def make(
        *, size_frequency: int = 0x40, old: bool = False, code: int = 0x8000, kind: str = "float", lfs: int = 0,
        spiffs: int = 0xFFFFFFFF,
    ) -> bytes:  # fmt: skip
        first = make_image(_ram(init_data=False), size_frequency=size_frequency)
        end = (0, 0x40210000 + code, 0)
        common = [(101, 0, 0xB000), (4, 0xB000 if old else 0xD000, SECTOR), (5, 0xC000 if old else 0xF000, SECTOR)]
        code_and_files = [(102, 0x10000, 0), (103, 0, lfs), (106, 0, spiffs)]
        old_or_new = (
            [*common, (6, 0xD000, 0x3000), *code_and_files] if old else [*common, *code_and_files, (6, 0, 0x3000)]
        )
        table = b"".join(struct.pack("<III", *item) for item in [*old_or_new, end])
        page = (bytes((len(table) // 4, 1, 0, 0)) + table).ljust(SECTOR, b"\xff")
        error = "Lua error: %s\n" if old else "Lua error: "
        texts = (
            f"{SDK_TEXTS}system SPI FI size:%u, Flash size: %u\n\0{error}\0cannot %s %s: %s\0"
            f"Formatting file system. Please wait...\n\0{BANNER_3X.format(kind=kind)}\0\0" + "3.0.1-dev(fce080e)\0"
        )
        body = page + bytes(64) + texts.encode() + bytes(3) + INIT_DATA
        return first.ljust(0x10000, b"\xff") + body.ljust(code, b"\x11")

    return make
