"""`sim://NAME?option=value`: a virtual board as a pyserial port.

pyserial finds this module by its name once `serial.protocol_handler_packages` lists `flashpipe.sim`. The board is in a
process of its own, or, with `inline=1`, in this one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flashpipe.sim.ports.process_port import ProcessPort

if TYPE_CHECKING:
    from flashpipe.sim.ports.virtual_port import VirtualPort

_INLINE: Final = re.compile(r"[?&]inline=1(&|$)")


def serial_class_for_url(url: str) -> tuple[str, type[VirtualPort]]:
    """What pyserial asks a handler module for: the URL to open, and the class that opens it."""
    if not _INLINE.search(url):
        return url, ProcessPort
    from flashpipe.sim.ports.inline import InlinePort  # noqa: PLC0415  the whole board, 90 ms, and only for tests

    return url, InlinePort
