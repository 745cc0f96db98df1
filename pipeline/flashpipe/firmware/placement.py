"""LFS and SPIFFS images: are they what they should be, and where does this firmware look for them?

What an LFS image's header says (NodeMCU's app/lua/lflash.h and app/lua53/lflash.h at 3.0): a signature FAFAA?5? whose
third nibble tells the Lua version, bit 1 whole numbers (Lua 5.1 only), bit 0 addresses that are already absolute; then
its size; then pointers. Whether its code was made for the modules of this very firmware, no byte tells.
"""

from __future__ import annotations

import struct
from typing import Final

from flashpipe.errors import LfsImageError, LfsPartitionError, SpiffsImageError
from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.identify import Firmware
from flashpipe.firmware.overrides import Overrides
from flashpipe.firmware.partition_table import LFS, SPIFFS, place_partitions
from flashpipe.firmware.spiffs import Place, file_system_at, place_in_partition, places_up_to_2x
from flashpipe.firmware.spiffs_image import SpiffsFiles, block_for
from flashpipe.flash import Region
from flashpipe.units import format_address, format_size

_HEADER: Final = struct.Struct("<9I")
"""Signature, size, and words that are pointers in one Lua version or the other."""
MAPPED: Final = 0x40200000
"""Where flash address 0 is mapped (facts: image-flashmap §4.4)."""
_SIGNATURE, _MASK = 0xFAFAA050, 0xFFFFF0F0
_LUA: Final = {0xF: "5.1", 0x1: "5.1", 0x2: "5.3"}
_POINTERS: Final = {"5.1": (2, 3), "5.3": (6, 8)}
_ABSOLUTE, _INTEGRAL = 0x01, 0x02
_PACKED: Final = (b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda")


def place_lfs(image: Image, firmware: Firmware, flash_size: int, allow: Overrides | None = None) -> int:
    """The flash address of an LFS image for this firmware; what the image itself is may be overridden.

    Raises:
        LfsPartitionError: the firmware has no room for it.
        LfsImageError: it is no such image, or for another firmware or place.
    """
    region = lfs_region(image.name, firmware, flash_size)
    if len(image.data) > region.size:
        raise LfsPartitionError(
            f"{image.name}: {len(image.data):,} bytes do not fit the {format_size(region.size)} of LFS at "
            f"{format_address(region.start)}",
            "build the firmware with a larger LFS, or put less into the image",
        )
    with (allow or Overrides()).over():
        _check_lfs(image, firmware, region)
    return region.start


def lfs_region(name: str, firmware: Firmware, flash_size: int) -> Region:
    """Where this firmware has LFS; `name` is for the message.

    Raises:
        LfsPartitionError: nowhere.
    """
    region = place_partitions(firmware.table, flash_size).get(LFS) if firmware.table else None
    if region is None:
        raise LfsPartitionError(
            f"{name}: {firmware.title()} has no LFS partition",
            "build it with one: the cloud builder asks for an LFS size, in user_config.h it is LUA_FLASH_STORE",
        )
    return region


def lfs_kind(data: bytes) -> str | None:
    """The numbers, `float` or `integer`, that an LFS image for flash was compiled for; None where it is none."""
    if not is_lfs(data):
        return None
    signature = _HEADER.unpack_from(data)[0]
    return "integer" if signature & _INTEGRAL and _LUA.get(signature >> 8 & 0xF) == "5.1" else "float"


def _check_lfs(image: Image, firmware: Firmware, region: Region) -> None:
    base, data = MAPPED + region.start, image.data
    build = f"luac.cross -a {base:#010x} -f -o FILE …, with the luac.cross of this firmware's build"
    if len(data) < _HEADER.size or data.startswith(_PACKED):
        raise LfsImageError(f"{image.name}: is no LFS image as it stands in flash, but packed or cut short", build)
    words = _HEADER.unpack_from(data)
    signature, size = words[:2]
    if signature & _MASK != _SIGNATURE:
        raise LfsImageError(f"{image.name}: is no LFS image: begins with {signature:#010x}, want 0xfafaa.5.", build)
    if not signature & _ABSOLUTE:
        raise LfsImageError(
            f"{image.name}: its addresses are not settled: such an image is for node.LFS.reload, not for flash", build
        )
    if not _HEADER.size <= size <= len(data):
        raise LfsImageError(f"{image.name}: has {len(data):,} bytes, its header says {size:,}", build)
    lua = _LUA.get(signature >> 8 & 0xF, "")
    if lua and firmware.lua and not firmware.lua.startswith(lua):
        raise LfsImageError(f"{image.name}: is for Lua {lua}, the firmware has Lua {firmware.lua}", build)
    whole = "integer" if signature & _INTEGRAL else "float"
    if lua == "5.1" and firmware.number_type in {"integer", "float"} and firmware.number_type != whole:
        raise LfsImageError(f"{image.name}: is for {whole} builds, the firmware is {firmware.number_type}", build)
    for pointer in (words[index] for index in _POINTERS.get(lua, ())):
        if not base <= pointer < base + size:
            raise LfsImageError(
                f"{image.name}: was built for another place: it points to {pointer:#010x}, and LFS is at {base:#010x}",
                build,
            )


def is_lfs(data: bytes) -> bool:
    """Whether these bytes begin as an LFS image does."""
    return len(data) >= _HEADER.size and _HEADER.unpack_from(data)[0] & _MASK == _SIGNATURE


def spiffs_of(files: SpiffsFiles, firmware: Firmware, flash_size: int) -> Image:
    """The file system with these files that this firmware mounts.

    Raises:
        SpiffsImageError: they do not fit, or nobody knows where or by which marks the firmware would look for it.
    """
    place = _known_place(files.name, firmware, flash_size)
    if firmware.marks is None:
        raise SpiffsImageError(
            f"{files.name}: {firmware.title()} may be of 2016 or 2017, when SPIFFS was marked in another way, and its "
            "code does not tell",
            "make the image with the spiffsimg of this build, and name it: spiffs: FILE",
        )
    return files.image(max(0, place.end - place.start), firmware.marks)


def _known_place(name: str, firmware: Firmware, flash_size: int) -> Place:
    place = _spiffs_place(firmware, flash_size)
    if place is None:
        raise SpiffsImageError(
            f"{name}: where {firmware.title()} looks for a file system is not known",
            "put it where you know it belongs: firmware: {split: {0x…: FILE}}",
        )
    return place


def place_spiffs(image: Image, firmware: Firmware, flash_size: int, allow: Overrides | None = None) -> int:
    """The flash address of a SPIFFS image for this firmware; what the image itself is may be overridden.

    Raises:
        SpiffsImageError: it is none, does not fit, or nobody knows where the firmware would look for it.
    """
    place = _known_place(image.name, firmware, flash_size)
    room = max(0, place.end - place.start)
    make = f"spiffsimg -c {room} -f FILE, of {format_size(room)} at most"
    if len(image.data) > room:
        raise SpiffsImageError(
            f"{image.name}: {len(image.data):,} bytes do not fit the {format_size(room)} from "
            f"{format_address(place.start)}",
            make,
        )
    with (allow or Overrides()).over():
        _check_spiffs(image, firmware, room, make)
    return place.start


def _check_spiffs(image: Image, firmware: Firmware, room: int, make: str) -> None:
    data = image.data
    system = file_system_at(lambda part: data[part.start : part.end].ljust(part.size, b"\xff"), 0)
    if system is None:
        raise SpiffsImageError(f"{image.name}: holds no SPIFFS with pages of 256 bytes and blocks of 8 or 4 KB", make)
    if len(data) < system.region.size:
        raise SpiffsImageError(
            f"{image.name}: has {len(data):,} bytes, its file system {system.region.size:,}: it is cut short", make
        )
    # Seen with executed images: either kind is formatted at the first boot, and its files are gone.
    if firmware.table and system.block != block_for(room):
        raise SpiffsImageError(
            f"{image.name}: its blocks are {format_size(system.block)}, and where {firmware.title()} has "
            f"{format_size(room)} for files it looks for {format_size(block_for(room))}: it would format it",
            "spiffsimg makes 8 KB blocks only in images of more than 128 KB; `spiffs: {folder: …}` makes them in any",
        )
    if firmware.marks and system.marks != firmware.marks:
        raise SpiffsImageError(
            f"{image.name}: was made for NodeMCU of other years than {firmware.title()}, which would format it",
            "make it with the spiffsimg of this build, or let flashpipe make it: `spiffs: {folder: …}`",
        )


def spiffs_room(name: str, firmware: Firmware, flash_size: int) -> int:
    """Bytes that this firmware has for a file system; `name` is for the message.

    Raises:
        SpiffsImageError: nobody knows where it would look for one.
    """
    place = _known_place(name, firmware, flash_size)
    return max(0, place.end - place.start)


def _spiffs_place(firmware: Firmware, flash_size: int) -> Place | None:
    if firmware.table:
        region = place_partitions(firmware.table, flash_size).get(SPIFFS)
        return place_in_partition(region) if region else None
    if firmware.layout == "2.x" and firmware.code_end:
        return next(places_up_to_2x(firmware.code_end, flash_size), None)
    return None
