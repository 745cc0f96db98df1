"""What the pyserial ports of virtual boards share: everything but the way to the board."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Final

from serial.serialutil import SerialBase, SerialException

_NAME_PREFIX: Final = "rfc2217:"
"""esptool sets DTR and RTS one by one, without ioctl, on ports whose name begins so (facts: esptool's loader)."""


class VirtualPort(SerialBase):
    """A port with DTR and RTS, and no other line; what it does not know it leaves to the way to its board."""

    # Kept by pyserial's base class, but absent from its type stubs.
    _port: str | None
    _baudrate: int
    _timeout: float | None
    _dtr_state: bool
    _rts_state: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._cancelled = False
        self._rate = 0.0
        """As last set."""
        self.usb_identity = ""
        """`VID:PID` of the bridge that the board is said to have, once it was open."""
        self.forgets = False
        """Whether the board is gone, contents and all, when this process ends."""
        self.executed: dict[str, str] | None = None
        """Who executes the firmware: `core`, `c` or `python`, and `from`, `boot`; empty where it is predicted, None
        where that is not known."""
        super().__init__(*args, **kwargs)

    def learn(self, about: Mapping[str, str]) -> None:
        """What the board's side tells of it, once it is open (`registry.Seat.about`)."""
        self.usb_identity, self.forgets = about.get("usb", ""), bool(about.get("forgets", ""))
        if "core" in about:
            self.executed = {"core": about["core"], "from": "boot"} if about["core"] else {}

    # --- the way to the board ----------------------------------------------------------------------------------------

    def reach(self, url: str) -> None:
        """Get to the board.

        Raises:
            BadValueError: the URL names an unknown board or option.
            SerialException: it cannot be opened.
        """
        raise NotImplementedError

    def set_rate(self, baud: float) -> None:
        """The host's rate is `baud` from now on."""
        raise NotImplementedError

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """The host asserts (True) or releases DTR and RTS, both at once."""
        raise NotImplementedError

    def reset_input_buffer(self) -> None:
        """Forget what has arrived, and what is still on its way."""
        raise NotImplementedError

    # --- the board's own time ----------------------------------------------------------------------------------------

    def own_time(self) -> float:
        """Seconds of board time: what the limits of `hear` count in.

        Raises:
            SerialException: the port is gone.
        """
        raise NotImplementedError

    def hear(self, limit_s: float) -> bytes:
        """What the board says: at once where something is there, else what comes first within `limit_s` of its time.

        Raises:
            SerialException: the port is gone.
        """
        raise NotImplementedError

    # --- pyserial's side ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the port; a board can be open once.

        Raises:
            BadValueError: the URL names an unknown board or option.
            SerialException: it is open already, not there, or somebody else's.
        """
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        if self.is_open:
            raise SerialException("Port is already open.")
        self.reach(self._port)
        self.name = _NAME_PREFIX + self._port
        self.is_open = True
        self._rate = 0.0
        try:
            self._reconfigure_port()
            self._update_lines()
            self.reset_input_buffer()
        except BaseException:
            self.close()
            raise

    def _reconfigure_port(self, **_kwargs: Any) -> None:
        if self._baudrate <= 0:
            raise ValueError(f"Invalid baud rate: {self._baudrate!r}")
        if self._baudrate != self._rate:  # pyserial also comes by for each change of a time-out
            self._rate = float(self._baudrate)
            self.set_rate(self._rate)

    def _update_lines(self) -> None:
        self.set_lines(dtr=self._dtr_state, rts=self._rts_state)

    def _update_dtr_state(self) -> None:
        self._update_lines()

    def _update_rts_state(self) -> None:
        self._update_lines()

    def _update_break_state(self) -> None:
        """A break means nothing to this chip."""

    def fileno(self) -> int:
        """There is no file descriptor; modem ioctls are answered as by a device without modem lines."""
        raise OSError(errno.ENOTTY, "a virtual port has no file descriptor")

    @property
    def out_waiting(self) -> int:
        """Nothing is buffered on this side."""
        return 0

    @property
    def cts(self) -> bool:
        """Not wired; reads as asserted, so that flow control never blocks."""
        return True

    @property
    def dsr(self) -> bool:
        """Not wired."""
        return True

    @property
    def ri(self) -> bool:
        """Not wired."""
        return False

    @property
    def cd(self) -> bool:
        """Not wired."""
        return True


def gone(reason: str) -> SerialException:
    """A port that vanished, in pyserial's words on Linux for a pulled adapter or a second program that reads."""
    return SerialException(
        f"device reports readiness to read but returned no data (device disconnected or multiple access on port?) "
        f"[{reason}]"
    )
