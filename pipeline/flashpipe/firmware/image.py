"""Firmware files: format (`bootimage`, `recognise`), what they are (`content`), whether they may be written (`gate`).

The door of these modules: whoever handles images imports from here.
"""

from __future__ import annotations

from flashpipe.firmware.boot_image import (
    BootImage,
    Image,
    LoadSegment,
    is_aggregated,
    with_settings,
)
from flashpipe.firmware.content_type import describe_content
from flashpipe.firmware.gate import check_layout, check_mode
from flashpipe.firmware.parse import parse_boot_image

__all__ = [
    "BootImage",
    "Image",
    "LoadSegment",
    "check_layout",
    "check_mode",
    "describe_content",
    "is_aggregated",
    "parse_boot_image",
    "with_settings",
]
