"""`sim://NAME?option=value`: a virtual board as a pyserial port in this process.

pyserial finds this module by its name once `serial.protocol_handler_packages` lists `flashpipe.sim`. Nothing runs in
the background: whoever reads, writes or looks moves the board on.
"""

from __future__ import annotations

import errno
import threading
from typing import Any, Final

from serial.serialutil import PortNotOpenError, SerialBase, SerialException

from flashpipe.sim.faults import PortGoneError
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.options import Setup, parse_url
from flashpipe.sim.unwired import Unwired

_NAME_PREFIX: Final = "rfc2217:"
"""esptool sets DTR and RTS one by one, without ioctl, on ports whose name begins so (facts: esptool's loader)."""
_registry_lock = threading.Lock()
_open: set[tuple[str, str, str]] = set()
_gone_ports: dict[str, str] = {}
"""URLs whose port vanished in use, and how: such a port is not there again, or somebody else's."""
_kept: dict[tuple[str, str, str], HostLine] = {}
"""Boards that outlive their port object: those with `board=ID` or a flash file."""


def boards() -> dict[str, HostLine]:
    """The boards with `board=ID` that this process keeps, by ID: tests look at their cells."""
    with _registry_lock:
        return {identity[0]: link for identity, link in _kept.items()}


def forget_boards() -> None:
    """Throw away the kept boards."""
    with _registry_lock:
        for link in _kept.values():
            link.close()
        _kept.clear()
        _gone_ports.clear()


class Serial(Unwired, SerialBase):
    """A port behind which a virtual board sits."""

    # Kept by pyserial's base class, but absent from its type stubs.
    _port: str | None
    _baudrate: int
    _timeout: float | None
    _dtr_state: bool
    _rts_state: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._link: HostLine | None = None
        self._setup: Setup | None = None
        self._cancelled = False
        super().__init__(*args, **kwargs)

    @classmethod
    def of(cls, link: HostLine) -> Serial:
        """An open port of a board that somebody else owns; closing it changes nothing."""
        port = cls()
        port._link, port.is_open = link, True
        port._dtr_state, port._rts_state = link.lines
        return port

    # --- opening and closing -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the port; a board can be open once.

        Raises:
            BadValueError: the URL names an unknown board or option.
            SerialException: it is open already.
        """
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        if self.is_open:
            raise SerialException("Port is already open.")
        setup = self._setup = parse_url(self._port)
        self._refuse(setup)
        with _registry_lock:
            if setup.identity in _open:
                raise SerialException(
                    errno.EBUSY, f"Could not exclusively lock port {self._port}: [Errno 16] Device or resource busy"
                )
            self._link = self._take(setup)
            _open.add(setup.identity)
        self.name = _NAME_PREFIX + self._port
        self.is_open = True
        self._reconfigure_port()
        self._update_lines()
        self.reset_input_buffer()

    @property
    def usb_identity(self) -> str:
        """`VID:PID` of the bridge that the board is said to have."""
        return self._setup.usb if self._setup else ""

    @property
    def forgets(self) -> bool:
        """Whether the board is gone, contents and all, when this process ends."""
        return self._setup is not None and not self._setup.spec.flash

    def _refuse(self, setup: Setup) -> None:
        """The errors of an operating system whose port cannot be opened, in the words of Linux."""
        assert self._port is not None
        faults = {"unplug": "absent", "stolen": "busy"}.get(_gone_ports.get(self._port, ""), "+".join(setup.faults))
        words = {
            "absent": (errno.ENOENT, "No such file or directory"),
            "busy": (errno.EBUSY, "Device or resource busy"),
            "denied": (errno.EACCES, "Permission denied"),
        }
        for name in set(faults.split("+")) & words.keys():
            number, text = words[name]
            raise SerialException(number, f"could not open port {self._port}: [Errno {number}] {text}")

    def _vanish(self, error: PortGoneError) -> SerialException:
        assert self._port is not None
        _gone_ports[self._port] = error.fault
        return _gone(error)

    def _take(self, setup: Setup) -> HostLine:
        keep = bool(setup.shared or setup.spec.flash)
        link = _kept.get(setup.identity) if keep else self._link
        if link is None:
            link = setup.build()
        else:
            link.board.reopen()
        if keep:
            _kept[setup.identity] = link
        return link

    def close(self) -> None:
        """Close the port; the board goes on running, its flash file is written out and released."""
        if self.is_open and self._link is not None and self._setup is not None:
            self.is_open = False
            self._link.close()
            with _registry_lock:
                _open.discard(self._setup.identity)

    @property
    def link(self) -> HostLine:
        """The board's line, for tests that look behind it.

        Raises:
            PortNotOpenError: closed.
        """
        if not self.is_open or self._link is None:
            raise PortNotOpenError
        return self._link

    # --- settings ----------------------------------------------------------------------------------------------------

    def _reconfigure_port(self, **_kwargs: Any) -> None:
        if self._baudrate <= 0:
            raise ValueError(f"Invalid baud rate: {self._baudrate!r}")
        self.link.set_baud(float(self._baudrate))

    def _update_lines(self) -> None:
        self.link.set_lines(dtr=self._dtr_state, rts=self._rts_state)

    def _update_dtr_state(self) -> None:
        self._update_lines()

    def _update_rts_state(self) -> None:
        self._update_lines()

    def _update_break_state(self) -> None:
        """A break means nothing to this chip."""

    def fileno(self) -> int:
        """There is no file descriptor; modem ioctls are answered as by a device without modem lines."""
        raise OSError(errno.ENOTTY, "a virtual port has no file descriptor")

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


def _gone(error: PortGoneError) -> SerialException:
    # The words that pyserial uses on Linux when a USB adapter is pulled or another program reads the port.
    return SerialException(
        f"device reports readiness to read but returned no data (device disconnected or multiple access on port?) "
        f"[{error}]"
    )
