"""A serial device of this machine, opened without resetting the board behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import serial

from flashpipe.board.ports.patience import Patience

if sys.platform == "win32":
    LocalPort = serial.Serial  # its driver gets both lines with the other settings, in one call
else:
    import fcntl
    import struct
    import termios

    _native: Any = serial.Serial

    @contextmanager
    def _gone_is_an_oserror() -> Iterator[None]:
        """Termios.error, which pyserial lets out, is none: a pulled adapter would look like a defect."""
        try:
            yield
        except termios.error as error:
            raise OSError(*error.args) from error

    class LocalPort(Patience, _native):  # type: ignore[misc]
        """Lets both lines go at once when it is opened; a port that went away is an OSError in every call."""

        def _reconfigure_port(self, force_update: bool = False) -> None:  # noqa: FBT001, FBT002  pyserial's signature
            with _gone_is_an_oserror():
                super()._reconfigure_port(force_update)

        def reset_input_buffer(self) -> None:
            """Forget what has arrived."""
            with _gone_is_an_oserror():
                super().reset_input_buffer()

        def _update_dtr_state(self) -> None:
            if not self.is_open and not self._dtr_state and not self._rts_state:
                both = struct.pack("I", termios.TIOCM_DTR | termios.TIOCM_RTS)
                fcntl.ioctl(self.fd, termios.TIOCMBIC, both)
            else:
                super()._update_dtr_state()
