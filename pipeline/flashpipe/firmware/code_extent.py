"""Where code lies on a flash of which only the contents are known: as far as headers, or the names of NodeMCU, tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flashpipe.errors import ImageError
from flashpipe.firmware.arduino import SKETCH_ADDRESS
from flashpipe.firmware.boot_image import Image, read_image
from flashpipe.firmware.chain import inner_parts, loader_of
from flashpipe.firmware.parts import read_part
from flashpipe.firmware.survey import code_end
from flashpipe.flash import Region, merge
from flashpipe.values import dataclass

Read = Callable[[Region], bytes]


@dataclass(frozen=True, slots=True)
class _Contents:
    """A flash whose bytes are at hand."""

    read: Read

    def is_blank(self, region: Region) -> bool:
        """Whether every byte of it is FF."""
        return not self.read(region).strip(b"\xff")


def code_on(read: Read, flash_size: int) -> list[Region]:
    """The sectors that certainly hold code of what starts at 0x00000; what follows them may be anything."""
    found = [*_images(read(Region(0, flash_size))), Region(0, code_end(_Contents(read), flash_size))]
    return merge(region.sectors() for region in found if region.size > 0)


def _images(data: bytes) -> Iterator[Region]:
    """The images that the ROM and a boot loader start, by their own headers."""
    image = Image("", data, "")
    part = read_part(image)
    if part.boot is None:
        return
    yield Region(0, part.boot.end)
    for at, inner in inner_parts(image):
        if inner.boot is not None:
            yield Region(at, at + inner.boot.end)
    if loader_of(part) == "eboot":
        try:
            yield Region(SKETCH_ADDRESS, read_image(data, name="", base=SKETCH_ADDRESS, mapped=True, proven=False).end)
        except ImageError:
            return
