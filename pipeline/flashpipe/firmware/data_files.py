"""Files that belong to a firmware and are none: what they are, and where they go."""

from __future__ import annotations

from typing import Final

from flashpipe.firmware.boot_image import Image
from flashpipe.firmware.content_type import describe_content
from flashpipe.firmware.parts import read_part
from flashpipe.firmware.placement import is_lfs
from flashpipe.firmware.spiffs import file_system_at

BLANK: Final = "blank"
PURPOSES: Final = {
    BLANK: "a blank file erases what stands where it is put; `flashpipe erase` does that without a file",
    "SDK init data": "radio settings, 128 bytes near the end of flash; name them in the profile: `init_data: {}`",
    "RTOS SDK partition table": "says the RTOS SDK's boot loader (at 0x00000) what to start; it belongs to 0x08000: "
    "image=0x00000:BOOTLOADER.bin,0x08000:{},0x10000:APPLICATION.bin",
    "SPIFFS image": "a file system; name it in the profile: `firmware: {{spiffs: {}}}`",
    "LFS image": "Lua code for NodeMCU's flash store; name it in the profile: `firmware: {{lfs: {}}}`",
}
"""What data that are no firmware are for; `{}` stands for the file."""
FAMILIES: Final = {
    BLANK: "blank",
    "SDK init data": "init-data",
    "RTOS SDK partition table": "partition-table",
    "SPIFFS image": "spiffs",
    "LFS image": "lfs",
}


def describe_data(data: bytes) -> str:
    """As `describe_content`, and what data belong to a firmware."""
    what = describe_content(data)
    if what != "unknown data":
        return what
    if read_part(Image("", data, "")).kind == "table":
        return "RTOS SDK partition table"
    if is_lfs(data):
        return "LFS image"
    if file_system_at(lambda part: data[part.start : part.end].ljust(part.size, b"\xff"), 0):
        return "SPIFFS image"
    return what


def purpose_of(what: str, image: Image) -> str:
    """What a file of that kind is for, and what to do with it; empty for anything else."""
    if image.name.lower().endswith((".lua", ".lc")):
        return f"`flashpipe files put {image.name}` sends a Lua file to a board; `flashpipe lua {image.name}` runs it"
    return PURPOSES[what].format(image.origin or image.name) if what in PURPOSES else ""
