"""What tests of ports and servers say to a board, and hear from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD

SYNC = slip.encode(HEADER.pack(0, 8, 36, 0) + SYNC_PAYLOAD)
ROM_REPLIES = slip.encode(bytes.fromhex("01080200070712200000")) * 8
STUB_REPLIES = slip.encode(bytes.fromhex("01080200000000000000")) * 8


def until(condition: Callable[[], bool]) -> bool:
    """Whether it comes true; on a busy machine that may take a while."""
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def reset_into_loader(port: Any) -> None:
    """As esptool's tight sequence does: a board that gets time with both lines asserted starts its firmware."""
    for dtr, rts in ((False, True), (True, False), (False, False)):
        port.set_lines(dtr=dtr, rts=rts)


def syncs(port: Any) -> bool:
    """Whether the ROM's loader answers; what the ROM said of the reset may come before that."""
    port.write(SYNC)
    heard = b""
    while ROM_REPLIES not in heard and (data := port.read(max(1, port.in_waiting))):
        heard += data
    return ROM_REPLIES in heard
