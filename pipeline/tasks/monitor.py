"""A plain serial monitor: what the board says, what you type. The board is not reset."""

from __future__ import annotations

import sys
import threading
from typing import Final

from pipeline.board.session import Session

FIRMWARE_BAUD: Final = 115200
"""What NodeMCU and most firmware talk at (facts: esp8266 §2.6)."""


def monitor(session: Session, *, stop: threading.Event, gentle: threading.Event) -> None:
    """Copy the line to standard output, and typed lines to the board, until Ctrl-C or the port goes away.

    Raises:
        PortError: the port cannot be opened, or went away.
    """
    gentle.set()
    session.say(f"monitor on {session.port}, {FIRMWARE_BAUD} baud; Ctrl-C ends it")
    typing = sys.stdin is not None and sys.stdin.isatty()
    if typing:
        threading.Thread(target=_type, args=(session, stop), daemon=True).start()
    try:
        for data in session.listen(FIRMWARE_BAUD, stop):
            sys.stdout.write(data.decode("utf-8", "replace").replace("\r\n", "\n"))
            sys.stdout.flush()
    finally:
        gentle.clear()
        stop.clear()


def _type(session: Session, stop: threading.Event) -> None:
    while not stop.is_set():
        line = sys.stdin.readline()
        if not line:
            return
        session.send(line.rstrip("\n").encode() + b"\r\n")
