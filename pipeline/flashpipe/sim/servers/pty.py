"""A virtual board behind a pseudo-terminal, for programs that know nothing of it. POSIX only.

A pty has no modem lines (facts: esptool's resets get ENOTTY), so the board cannot see a reset. Instead the first SYNC
after the port was opened resets it into download mode: whoever sends SYNC believes to have just done that. A board that
was started in a stub is left there.
"""

from __future__ import annotations

import os
import select
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from flashpipe.sim.board import VirtualBoard
from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.servers.notes import to_stderr

_SYNC_HEAD: Final = b"\xc0\x00\x08\x24\x00"
"""First bytes of a SYNC request: delimiter, direction, opcode, length 36."""
_TCGETS2: Final = 0x802C542A
"""ioctl of Linux that gives the speed as a number: termios shows 4096 for 74880."""
_TERMIOS2: Final = struct.Struct("@IIIIB19sII")
UNSET_SPEED: Final = 75
"""Speed the pty begins with. A host that never sets one, such as `cat`, is understood at any rate."""
_CLOSED_NAP_S: Final = 0.01
_LONGEST_NAP_S: Final = 0.25
"""Somebody at the board's own console may have done something to it."""
_CHUNK: Final = 65536


class PtyPort:
    """Connects a link to a pty and keeps it going in a thread of its own."""

    def __init__(self, link: HostLine, *, reset_on_sync: bool, notify: Callable[[str], None] = to_stderr) -> None:
        self.link = link
        self._notify = notify
        link.follow = self._look
        self._reset_on_sync = reset_on_sync
        self._fresh = True
        self._stop = threading.Event()
        self._master, self.name = _open_pty()
        """`name` is the path of the device to open."""
        self._thread = threading.Thread(target=self._run, name=f"board on {self.name}", daemon=True)

    def start(self) -> None:
        """Begin serving."""
        self._thread.start()

    def stop(self) -> None:
        """End serving; the device goes away."""
        self._stop.set()
        self._thread.join(2)
        os.close(self._master)

    # --- thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        poller = select.poll()
        poller.register(self._master, select.POLLIN)
        try:
            while not self._stop.is_set():
                if any(flags & select.POLLHUP for _, flags in poller.poll(0)):
                    self._look()
                    if not self._hear():  # what a host sent last; or first, if one has opened it a moment ago
                        self._closed()
                else:
                    select.select([self._master], [], [], min(_LONGEST_NAP_S, self.link.nap_s()))
                    self._serve()
        except PortGoneError:
            self._stop.wait()  # nothing more passes until the process ends
        except Exception as error:  # noqa: BLE001  what stops the board is said, and not shown as a thread's defect
            self._notify(f"{self.name}: the board stands: {type(error).__name__}: {error}")
            self._stop.wait()

    def _closed(self) -> None:
        """No host: what the board says is lost, and the next host starts afresh."""
        self._fresh = True
        self.link.clear_received()
        self._stop.wait(_CLOSED_NAP_S)

    def _follow(self) -> float:
        """Take over the rate that the host has set."""
        speed = self._speed()
        self.link.set_baud(self.link.board.uart.baud if speed == UNSET_SPEED else speed)
        return speed

    def _look(self) -> None:
        with suppress(OSError):  # nobody has it open
            self._follow()

    def _serve(self) -> None:
        speed = self._follow()
        self._hear()
        if speed == UNSET_SPEED:
            self.link.set_baud(self.link.board.uart.baud)
        arrived = self.link.take()
        if arrived:
            self._write(arrived)

    def _hear(self) -> bool:
        """Hand on what the host has sent; returns whether there was something."""
        data = self._read()
        if data:
            if self._fresh and _SYNC_HEAD in data:
                self._fresh = False
                if self._reset_on_sync:
                    self.link.pull(_into_download_mode)
                    self.link.clear_received()
            self.link.write(data)
        return bool(data)

    def _read(self) -> bytes:
        try:
            return os.read(self._master, _CHUNK)
        except OSError:  # nothing there (EAGAIN), or the host has just closed (EIO)
            return b""

    def _write(self, data: bytes) -> None:
        while data and not self._stop.is_set():
            # A host that does not read loses bytes after a second: a UART without flow control does not wait for ever.
            if not select.select([], [self._master], [], 1.0)[1]:
                return
            written = self._write_some(data)
            if not written:
                return
            data = data[written:]

    def _write_some(self, data: bytes) -> int:
        try:
            return os.write(self._master, data)
        except OSError:  # the host has just closed
            return 0

    def _speed(self) -> float:
        if not sys.platform.startswith("linux"):
            import termios  # noqa: PLC0415  POSIX only

            return float(_posix_speed(termios.tcgetattr(self._master)[5]))
        import fcntl  # noqa: PLC0415  POSIX only

        raw = fcntl.ioctl(self._master, _TCGETS2, bytes(_TERMIOS2.size))
        return float(_TERMIOS2.unpack(raw)[-1]) or 115_200.0


def _into_download_mode(board: VirtualBoard, now: float) -> None:
    board.reset(now, download=True)


def _posix_speed(code: int) -> int:
    """The number behind a speed constant, which on BSD systems is the number itself."""
    import termios  # noqa: PLC0415  POSIX only

    names = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}
    return names.get(code, code)


def _open_pty() -> tuple[int, str]:
    """Master descriptor and device path; the device is raw and closed, so that a host's opening can be seen."""
    import termios  # noqa: PLC0415  POSIX only
    import tty  # noqa: PLC0415  POSIX only

    master, slave = os.openpty()
    tty.setraw(slave)
    settings = termios.tcgetattr(slave)
    settings[4] = settings[5] = termios.B75
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    name = os.ttyname(slave)
    os.close(slave)
    os.set_blocking(master, False)
    return master, name
