"""Is an ELF that of an image? Its code is held against what the image has at the same addresses.

The ELF of an older build is easily named by mistake, and its names look as good as the right ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from flashpipe.errors import ImageError
from flashpipe.firmware.arduino import SKETCH_ADDRESS
from flashpipe.firmware.boot_image import read_image
from flashpipe.firmware.content_type import BOOT_MAGIC
from flashpipe.firmware.elf import Elf, read_elf

MAPPED: Final = 0x40200000
"""Where the first MB of the flash is read from (facts: esp8266 §2.5)."""
MAPPED_SIZE: Final = 0x100000
_BLOCK: Final = 64
"""Bytes that are compared at once; what was written into an image after it was linked differs in a few of them."""
_MOST: Final = 0.5
"""Share of blocks that an ELF of the same firmware has in common with an image of another build, at least."""

Stretch = tuple[int, bytes]
"""An address of the chip, and what stands there."""


def elf_of(path: Path, images: Mapping[int, bytes], notify: Callable[[str], None]) -> Elf:
    """The ELF of these images; what names nothing in it because it is of others is told.

    Raises:
        ImageMissingError, NotAnImageError: it cannot be read.
    """
    elf, doubt = held_against(read_elf(path), images)
    if doubt:
        unnamed = "those are" if elf.functions else "places are"
        notify(f"{path} is {doubt}; {unnamed} not named")
    return elf


def held_against(elf: Elf, images: Mapping[int, bytes]) -> tuple[Elf, str]:
    """The ELF without the names that are not of these images, and what is to be said of that: empty if nothing is.

    Args:
        elf: Of the firmware, as somebody says.
        images: By flash address; where they cover nothing of its code, it is believed.
    """
    memory = [*_mapped(images), *_loaded(elf, images)]
    pairs = [pair for mine in elf.code for theirs in memory for pair in _common(mine, theirs)]
    blocks = [mine[at : at + _BLOCK] == theirs[at : at + _BLOCK]
              for _, mine, theirs in pairs for at in range(0, len(mine), _BLOCK)]  # fmt: skip
    if sum(blocks) < len(blocks) * _MOST:
        return replace(elf, functions=()), "not of this image"
    functions = tuple(_checked(elf, pairs))
    wrong = sum(not name for _, _, name in functions)
    if not wrong:
        return elf, ""
    return replace(
        elf, functions=functions
    ), f"it is of another build: {wrong} of its {len(functions)} functions differ"


def _mapped(images: Mapping[int, bytes]) -> Iterator[Stretch]:
    for address, data in images.items():
        if address < MAPPED_SIZE:
            yield MAPPED + address, data[: MAPPED_SIZE - address]


def _loaded(elf: Elf, images: Mapping[int, bytes]) -> Iterator[Stretch]:
    """What the ROM, or the loader before a sketch, copies to RAM; not that of another program that starts this one."""
    for data in images.values():
        for base in (0, SKETCH_ADDRESS):
            with suppress(ImageError):
                if data[base : base + 1] == bytes((BOOT_MAGIC,)):
                    image = read_image(data, name="", base=base, mapped=bool(base), proven=False)
                    if image.entry == elf.entry:
                        yield from ((part.address, data[part.offset :][: part.size]) for part in image.segments)


def _common(mine: Stretch, theirs: Stretch) -> Iterator[tuple[int, bytes, bytes]]:
    """The address where both begin, and what either has from there."""
    start = max(mine[0], theirs[0])
    end = min(mine[0] + len(mine[1]), theirs[0] + len(theirs[1]))
    if start < end:
        yield start, mine[1][start - mine[0] : end - mine[0]], theirs[1][start - theirs[0] : end - theirs[0]]


def _checked(elf: Elf, pairs: Sequence[tuple[int, bytes, bytes]]) -> Iterator[tuple[int, int, str]]:
    """The functions; one whose code is another there has no name."""
    starts = sorted({start for start, _, _ in elf.functions})
    for start, size, name in elf.functions:
        following = bisect_left(starts, start + 1)
        end = start + size if size else starts[following] if following < len(starts) else start + MAPPED_SIZE
        alike = all(
            mine[max(0, start - at) : max(0, end - at)] == theirs[max(0, start - at) : max(0, end - at)]
            for at, mine, theirs in pairs
        )
        yield start, size, name if alike else ""
