"""Which flash sizes a firmware can live with in the header of its image, and the nearest of them to a flash.

The size in the header is the part's for the ROM and part of the build for some firmwares. A row here says which, and
by what that is known; a firmware without a row takes any size.

- An SDK before 2.1 takes up to 4 MB, where its table of sizes ends: with 8 or 16 MB it looks for RF data at 0 and loops
  with `rf_cal[0] !=0x05,is 0x00`. In published reports 4 MB in the header is what cured it. NodeMCU 0.9 alone does not
  look there (executed: 0.9.5 with each size; 2.0.0, and Arduino sketches of 1.3.0 to 1.5.3, with 4 MB at most).
- NodeMCU of an SDK 1.x has no cure: it measures the flash and writes that size over the header's (executed 1.4.0, 1.5.1
  and 1.5.4.1 on 8 and 16 MB).
- Other NodeMCUs take any: they have a partition table, or adjust the header (facts: image-flashmap §4.3, §5).
- What is built with the Arduino core takes any: its linker script decides where it keeps what.
- What is built with an SDK 3.x that compares the map it was compiled for takes that one: its words are `mismatch map
  %d,spi_size_map %d`, and the map stands in the header of its 0xEA part (AT since 1.7, and others; seen executed).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from flashpipe.errors import HeaderSizeError, ImageError
from flashpipe.firmware.boot_image import IMAGE_HEADER, SEGMENT_HEADER, read_image
from flashpipe.firmware.content_type import OTA_MAGIC
from flashpipe.firmware.identify import Firmware
from flashpipe.flash import SIZE_BYTES, SIZE_CODES, decode_size
from flashpipe.values import dataclass

OWN_LAYOUT: Final = frozenset({"nodemcu", "arduino", "tasmota", "esphome"})
"""Families for which the size in the header does not decide where they keep what."""
_KNOWS_LARGE: Final = (2, 1)
"""First SDK that knows of 8 and 16 MB."""
_COMPARES: Final = b"mismatch map %d,spi_size_map %d"
"""Text of an SDK that compares the header with the map it was compiled for."""
_BEHIND_LOADERS: Final = (0, 0x1000, 0x2000)
"""Where a 0xEA part stands in its file: at its start, or behind Espressif's boot loader or rBoot."""
_OLD_SIZES: Final = tuple(size for size in SIZE_CODES if SIZE_BYTES[size] <= SIZE_BYTES["4MB"])


@dataclass(frozen=True, slots=True)
class HeaderSize:
    """The size for the header of an image."""

    name: str
    """Key of `flash.SIZE_CODES`."""
    why: str = ""
    """Why it is not that of the flash; empty where it is."""

    @property
    def capacity(self) -> int:
        """Bytes that it names: what the firmware goes by."""
        return SIZE_BYTES[self.name]


@dataclass(frozen=True, slots=True)
class AcceptedSizes:
    """Sizes that a firmware can live with."""

    names: tuple[str, ...]
    why: str
    measures: bool = False
    """Whether the firmware writes the size of the flash itself there: on a larger one it cannot run at all."""


def accepted_sizes(firmware: Firmware, parts: Mapping[int, bytes]) -> AcceptedSizes | None:
    """The sizes that a firmware accepts in its header; None where it takes any."""
    sdk = _numbers(firmware.sdk or firmware.sdk_line)
    number = ".".join(map(str, sdk))
    if firmware.family == "nodemcu" and sdk[:1] == (1,):
        why = f"NodeMCU of SDK {number} measures the flash, and finds no RF data on one of more than 4MB"
        return AcceptedSizes(_OLD_SIZES, why, measures=True)
    if (_is_old(sdk) and firmware.family != "nodemcu") or sdk[:2] == (2, 0):
        return AcceptedSizes(_OLD_SIZES, f"SDK {number} knows no larger size than 4MB: it may find no RF data")
    if firmware.family in OWN_LAYOUT:
        return None
    if size := compiled_map(parts.values()):
        who = firmware.title() if firmware.family != "unknown" else "this firmware"
        return AcceptedSizes((size,), f"{who} was compiled for a flash map of {size} and refuses any other")
    return None


def _is_old(sdk: tuple[int, ...]) -> bool:
    """Whether it is an SDK before 2.1, as far as its version is known."""
    return bool(sdk) and sdk < _KNOWS_LARGE[: len(sdk)]


def header_size(firmware: Firmware, parts: Mapping[int, bytes], flash: str, *, is_measured: bool = True) -> HeaderSize:
    """The size for the header of an image that goes on a flash of that size: the flash's own, or the nearest below.

    `is_measured`: whether that is the flash's size, and not the largest that it may have.

    Raises:
        HeaderSizeError: the firmware accepts none that the flash has room for.
    """
    accepted = accepted_sizes(firmware, parts)
    if accepted is None or flash in accepted.names:
        return HeaderSize(flash)
    if accepted.measures and is_measured:
        raise HeaderSizeError(
            f"{accepted.why}; this flash has {flash}", "a build of NodeMCU 2.0 or later, or a board with 4MB"
        )
    fitting = [name for name in accepted.names if SIZE_BYTES[name] <= SIZE_BYTES[flash]]
    if not fitting:
        raise HeaderSizeError(
            f"{accepted.why}; this flash has {flash}", f"a build for {flash}, or a board with {accepted.names[0]}"
        )
    nearest = max(fitting, key=lambda name: (SIZE_BYTES[name], -SIZE_CODES[name]))
    return HeaderSize(nearest, accepted.why)


def right_size(firmware: Firmware, parts: Mapping[int, bytes], flash: str, *, named: str = "") -> str:
    """The size that the header should name, for whoever explains a failure; empty where the firmware takes any.

    Args:
        firmware: what stands in the parts.
        parts: bytes by flash address.
        flash: size of the flash.
        named: what the header names: right, where the firmware accepts it.
    """
    accepted = accepted_sizes(firmware, parts)
    if accepted is None:
        return ""
    if named in accepted.names:
        return named
    try:
        return header_size(firmware, parts, flash).name
    except HeaderSizeError:
        return "" if accepted.measures else accepted.names[0]


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers at the start of a version.

    >>> _numbers("2.0.0(656edbf)"), _numbers("1.5"), _numbers("2.x"), _numbers("")
    ((2, 0, 0), (1, 5), (2,), ())
    """
    match = re.match(r"\d{1,9}(?:\.\d{1,9}){0,9}", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def compiled_map(parts: Iterable[bytes]) -> str:
    """Name of the size in the header behind the code of a 0xEA part (facts: image-flashmap §4.2), of one that compares
    it; empty without one.

    The part may stand behind its boot loader in the same file.
    """
    for data in (data for data in parts if _COMPARES in data):
        for at in _BEHIND_LOADERS:
            size = _size_behind_code(data[at:]) if data[at : at + 2] == bytes((OTA_MAGIC, 4)) else ""
            if size:
                return size
    return ""


def _size_behind_code(data: bytes) -> str:
    if len(data) < IMAGE_HEADER.size + SEGMENT_HEADER.size:
        return ""
    base = IMAGE_HEADER.size + SEGMENT_HEADER.size + SEGMENT_HEADER.unpack_from(data, IMAGE_HEADER.size)[1]
    try:
        return decode_size(read_image(data, name="", base=base).size_code) or ""
    except ImageError:
        return ""
