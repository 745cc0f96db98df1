"""A port that changes its timeout without a word to its driver or server."""

from __future__ import annotations


class Patience:
    """Changes its timeout without setting up the line again, which pyserial does twice for each command of esptool's.

    Only for ports whose `read` waits by the clock: POSIX devices and RFC 2217.
    """

    _timeout: float | None

    @property
    def timeout(self) -> float | None:
        """Seconds a read may take."""
        return self._timeout

    @timeout.setter
    def timeout(self, timeout: float | None) -> None:
        if timeout is not None and timeout < 0:
            raise ValueError(f"Not a valid timeout: {timeout!r}")
        self._timeout = timeout
