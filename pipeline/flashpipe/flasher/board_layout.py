"""What lies where on a flash of which only the contents are known: a board's, or a backup's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from flashpipe.errors import BadValueError, ImageError
from flashpipe.firmware.flash_map import Area, areas
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.image import Image, parse_boot_image
from flashpipe.firmware.partition_table import TABLE_ADDRESS, parse_partitions
from flashpipe.flash import MODE_CODES, SECTOR_SIZE, Region, merge
from flashpipe.plan.model import KEPT_AREAS
from flashpipe.units import parse_address
from flashpipe.values import dataclass

Read = Callable[[Region], bytes]
"""Contents of a region."""

IMAGE_MAGIC: Final = 0xE9
"""First byte of a boot image (facts: image-flashmap §4.1)."""
BOOT_SECTOR: Final = Region(0, SECTOR_SIZE)
_TABLE: Final = Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE)
PERSONAL: Final = frozenset({"rf_cal", "system_params"})
"""Areas that belong to one board and no other: its RF calibration and its Wi-Fi settings."""
PARAMETERS: Final = frozenset({"rf_cal", "phy_init", "system_params", "partition_table"})
FILES: Final = frozenset({"spiffs", "lfs"})
WHOLE: Final = "all"
BY_ADDRESS: Final = "give its addresses, START-END: only the partition table of NodeMCU 3.x tells them all"


def areas_on(read: Read, flash_size: int) -> tuple[Area, ...]:
    """The areas of the firmware on a flash; empty where nothing that boots is on it.

    A NodeMCU 3.x says it in its partition table; of anything else only the SDK's last five sectors are known.
    """
    if read(BOOT_SECTOR)[0] != IMAGE_MAGIC:
        return ()
    table = parse_partitions(read(_TABLE)) if flash_size >= _TABLE.end else None
    if table is None:
        return areas(Firmware("unknown"), flash_size)
    return areas(Firmware("nodemcu", layout="3.x", table=table, code_end=table.code_end), flash_size)


@dataclass(frozen=True, slots=True)
class Boots:
    """What flash contents, from address 0 on, say of how they start."""

    image: bool
    """Whether a boot image stands there at all."""
    nodemcu: bool
    mode: str
    """Flash mode in its header; empty where that names none, or where the image would be refused in any mode."""

    @classmethod
    def of(cls, head: bytes) -> Boots:
        """Read them; `head` is all that is known from address 0 on, nothing if empty."""
        image = head[:1] == bytes((IMAGE_MAGIC,))
        return cls(image, identify_firmware({0: head}).family == "nodemcu", mode_of(head))


def mode_of(head: bytes) -> str:
    """Flash mode in the header of an image that the ROM would take: a bad checksum can be flashed with `allow=`."""
    try:
        parse_boot_image(Image("", head, ""))
    except ImageError:
        return ""
    return {code: name for name, code in MODE_CODES.items()}.get(head[2], "")


def kind_of(area: Area) -> str:
    """`firmware`, `parameters` or `files`: what changes only by flashing, and what by running."""
    return "parameters" if area.name in PARAMETERS else "files" if area.name in FILES else "firmware"


def words_of(text: str) -> tuple[Region | str, ...]:
    """What `regions=` names: addresses `0x10000-0x20000` (the end is not part of it), words of `keep`, or `all`.

    Raises:
        BadValueError: none of these.
    """
    return tuple(_word(word.strip().lower()) for word in text.split(",") if word.strip())


def _word(word: str) -> Region | str:
    if word == WHOLE or word in KEPT_AREAS:
        return word
    start, dash, end = word.partition("-")
    try:
        region = Region(parse_address(start), parse_address(end)) if dash else None
    except BadValueError:
        region = None
    if region is None or region.size <= 0 or region != region.sectors():
        raise BadValueError(
            f"regions={word}: want START-END in whole sectors of 0x1000, or one of {', '.join(KEPT_AREAS)}, {WHOLE}",
            "such as regions=0x100000-0x3fb000 or regions=spiffs,wifi",
        )
    return region


def resolve(
    words: Sequence[Region | str], known: Iterable[Area], flash_size: int, *, advice: str = BY_ADDRESS
) -> list[Region]:
    """The regions that `words` name on a flash whose areas are known; else `advice` says what to do.

    Raises:
        BadValueError: a word whose area is not known, or an address past the end.
    """
    known = list(known)
    regions: list[Region] = []
    for word in words:
        if isinstance(word, Region):
            regions.append(word)
        elif word == WHOLE:
            regions.append(Region(0, flash_size))
        else:
            named = [area.region for area in known if area.name in KEPT_AREAS[word]]
            there = [name for name, names in KEPT_AREAS.items() if any(area.name in names for area in known)]
            if not named and any(area.name == "partition_table" for area in known):
                raise BadValueError(
                    f"regions={word}: the partition table of this NodeMCU has none", f"it has {', '.join(there)}"
                )
            if not named:
                raise BadValueError(
                    f"regions={word}: where that lies is not known for what this flash holds",
                    advice,
                )
            regions += named
    outside = next((region for region in regions if region.end > flash_size), None)
    if outside is not None:
        raise BadValueError(
            f"regions={outside.start:#x}-{outside.end:#x}: the flash ends at {flash_size:#x}",
            "name what lies before that",
        )
    return merge(regions)
