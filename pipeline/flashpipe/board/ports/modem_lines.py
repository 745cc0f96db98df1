"""DTR and RTS as a client of another machine moves them, with a timing that the network cannot spoil.

A devkit's two transistors hold EN low while RTS alone is asserted, and GPIO0 while DTR alone is; both at once do
nothing (facts: esp8266 §2.3). A client takes a board into its loader by RTS, 0.1 s, then DTR instead, 0.05 s, then
neither; over RFC 2217 it moves one line after the other, and the network may hold a message up or deliver two at once.
So here, beside the board:

- RTS to DTR happens in one step: in between, EN would rise with GPIO0 high, and the old firmware would start;
- what the client does after asserting RTS alone, or after that step, waits until the board has had its time.

A client that takes longer is followed as it goes.
"""

from __future__ import annotations

import errno
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

if sys.platform != "win32":
    import fcntl
    import termios

LEAST_RESET_S: Final = 0.1
"""EN low for at least so long; esptool's own pause (5.6, `classic_bootloader_reset`)."""
LEAST_BOOT_S: Final = 0.05
"""GPIO0 low for at least so long after EN was let go; esptool's `DEFAULT_RESET_DELAY`."""
COMPANION_S: Final = 0.5
"""How long DTR, asserted while RTS is, waits for RTS to be let go: longer than a slow network takes, and a terminal
program that wants both asserted does not mind."""

_NO_LINES: Final = frozenset({errno.ENOTTY, errno.EINVAL})
"""What a port without such lines answers, a pseudo-terminal."""


class SetLines(Protocol):
    """Sets both lines."""

    def __call__(self, *, dtr: bool, rts: bool) -> None:
        """Assert (True) or let go, both at once where the port can do that."""


def mover(port: Any) -> SetLines:
    """What sets DTR and RTS of an open port in one step, where it can do that, else one after the other.

    A port without such lines, a pseudo-terminal, is left as it is.
    """
    if hasattr(port, "set_lines"):
        return partial(_by_port, port)
    return (
        partial(_by_ioctl, port.fd) if sys.platform != "win32" and hasattr(port, "fd") else partial(_one_by_one, port)
    )


def has_lines(port: Any) -> bool:
    """Whether an open port has DTR and RTS: False where the system says so, as of a pseudo-terminal."""
    if sys.platform != "win32" and hasattr(port, "fd"):
        try:
            _status(port.fd)
        except OSError as error:
            return error.errno not in _NO_LINES
    return True


def _by_port(port: Any, *, dtr: bool, rts: bool) -> None:
    port.set_lines(dtr=dtr, rts=rts)


def _status(handle: int) -> int:
    if sys.platform == "win32":
        raise NotImplementedError
    return int(struct.unpack("I", fcntl.ioctl(handle, termios.TIOCMGET, bytes(4)))[0])


def _by_ioctl(handle: int, *, dtr: bool, rts: bool) -> None:
    if sys.platform == "win32":
        raise NotImplementedError
    own = termios.TIOCM_DTR | termios.TIOCM_RTS
    wanted = dtr * termios.TIOCM_DTR | rts * termios.TIOCM_RTS
    try:
        fcntl.ioctl(handle, termios.TIOCMSET, struct.pack("I", (_status(handle) & ~own) | wanted))
    except OSError as error:
        if error.errno not in _NO_LINES:
            raise


def _one_by_one(port: Any, *, dtr: bool, rts: bool) -> None:
    """RTS is let go last: EN must not rise before GPIO0 is low."""
    if rts:
        port.rts, port.dtr = True, dtr
    else:
        port.dtr, port.rts = dtr, False


class ModemLines:
    """The lines of one port, moved by one client."""

    def __init__(
        self, move: SetLines, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._move, self._sleep, self._clock = move, sleep, clock
        self.dtr = self.rts = False
        """As the client wants them."""
        self._set = (False, False)
        self._since = 0.0
        """When they were moved last, by the clock."""
        self._least = 0.0
        """How long they have to stay so."""
        self._held_until = 0.0
        """0, or when DTR is asserted although RTS was not let go."""

    def set_dtr(self, value: bool) -> None:  # noqa: FBT001  a line has two states
        """The client asserts DTR or lets it go."""
        self.dtr = value
        if value and self._set == (False, True):
            self._held_until = self._clock() + COMPANION_S
        else:
            self._apply()

    def set_rts(self, value: bool) -> None:  # noqa: FBT001  a line has two states
        """The client asserts RTS or lets it go."""
        self.rts = value
        self._apply()

    def settle(self) -> None:
        """Call it when data come, and now and then: what was held back and stands alone happens now."""
        if self._held_until and self._clock() >= self._held_until:
            self._apply()

    def flush(self) -> None:
        """The client sends data: it has moved all the lines that it wants to move."""
        if self._held_until:
            self._apply()

    def release(self) -> None:
        """Let both go: the client is gone, and the board goes on."""
        self.dtr = self.rts = False
        self._apply()

    def _apply(self) -> None:
        self._held_until = 0.0
        wanted = (self.dtr, self.rts)
        if wanted == self._set:
            return
        left = self._since + self._least - self._clock()
        if left > 0:
            self._sleep(left)
        before, self._set = self._set, wanted
        self._move(dtr=self.dtr, rts=self.rts)
        self._since = self._clock()
        in_reset, swapped = wanted == (False, True), before == (False, True) and wanted == (True, False)
        self._least = LEAST_RESET_S if in_reset else LEAST_BOOT_S if swapped else 0.0
