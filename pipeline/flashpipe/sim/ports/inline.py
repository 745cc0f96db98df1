"""A port whose board is in this process. Nothing runs in the background: who reads, writes or looks moves the board on.

Tests look behind such a port; everybody else is better served by a process of the board's own (`board_process`).
"""

from __future__ import annotations

from typing import Any

from serial.serialutil import PortNotOpenError, SerialException

from flashpipe.sim.bench import Bench
from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.ports.registry import Seat
from flashpipe.sim.ports.virtual_port import VirtualPort, gone


class InlinePort(VirtualPort):
    """A port behind which a virtual board sits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._seat = Seat()
        self._link: HostLine | None = None
        super().__init__(*args, **kwargs)

    @classmethod
    def of(cls, link: HostLine) -> InlinePort:
        """An open port of a board that somebody else owns; closing it changes nothing."""
        port = cls()
        port._link, port.is_open = link, True
        port._dtr_state, port._rts_state = link.lines
        return port

    def reach(self, url: str) -> None:
        """Make the board, or take the one that is kept."""
        try:
            self._link = self._seat.open(url)
        except OSError as error:
            raise SerialException(error.errno, error.strerror) from error
        self.learn(self._seat.about)

    def close(self) -> None:
        """Close the port; the board goes on running, its flash file is written out and released."""
        if self.is_open:
            self.is_open = False
            self._seat.close()

    @property
    def link(self) -> HostLine:
        """The board's line, for tests that look behind it.

        Raises:
            PortNotOpenError: closed.
        """
        if not self.is_open or self._link is None:
            raise PortNotOpenError
        return self._link

    @property
    def bench(self) -> Bench:
        """The board from behind: its pins, its time, snapshots of it.

        Raises:
            PortNotOpenError: closed.
        """
        return Bench(self.link)

    def _vanish(self, error: PortGoneError) -> SerialException:
        self._seat.lose(error)
        return gone(str(error))

    # --- settings ----------------------------------------------------------------------------------------------------

    def set_rate(self, baud: float) -> None:
        """The host's rate is `baud` from now on."""
        self.link.set_baud(baud)

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """The host asserts (True) or releases DTR and RTS."""
        self.link.set_lines(dtr=dtr, rts=rts)

    # --- the board's own time ----------------------------------------------------------------------------------------

    def own_time(self) -> float:
        """Seconds of board time."""
        try:
            return self.link.own_time()
        except PortGoneError as error:
            raise self._vanish(error) from None

    def hear(self, limit_s: float) -> bytes:
        """What the board says within `limit_s` of its own time."""
        self._cancelled = False
        link = self.link

        def pause(seconds: float) -> bool:
            with link.changed:
                link.changed.wait(seconds)
            return not self._cancelled and self.is_open

        try:
            return link.hear(limit_s, pause)
        except PortGoneError as error:
            raise self._vanish(error) from None

    # --- bytes -------------------------------------------------------------------------------------------------------

    @property
    def in_waiting(self) -> int:
        """Bytes that have arrived."""
        try:
            return self.link.waiting()
        except PortGoneError as error:
            raise self._vanish(error) from None

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes, waiting as long as the port's time-out says."""
        self._cancelled = False
        try:
            return self.link.read(size, self._timeout, lambda: self._cancelled or not self.is_open)
        except PortGoneError as error:
            raise self._vanish(error) from None

    def write(self, data: Any, /) -> int:
        """Send bytes."""
        sent = bytes(data)
        try:
            self.link.write(sent)
        except PortGoneError as error:
            raise self._vanish(error) from None
        return len(sent)

    def flush(self) -> None:
        """Nothing is buffered on this side."""
        self.link.pump()

    def reset_input_buffer(self) -> None:
        """Forget what has arrived."""
        self.link.clear_received()

    def reset_output_buffer(self) -> None:
        """Nothing is buffered on this side."""
        self.link.pump()

    def cancel_read(self) -> None:
        """Let a read in another thread return."""
        self._cancelled = True
        if self._link is not None:
            with self._link.changed:
                self._link.changed.notify_all()
