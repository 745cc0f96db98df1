"""What both URL handlers answer for the lines of a serial port that a virtual board does not have."""

from __future__ import annotations


class Unwired:
    """Mixed into a pyserial port."""

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
