"""How a command ends that was asked to stop before there was a port."""

from __future__ import annotations

import signal

TYPE_CHECKING = False  # loaded first of all, when there may be too little memory for `typing`
if TYPE_CHECKING:
    from typing import Final

STOPPED: Final = "stopped: nothing was being written"


def stop_status(asked: KeyboardInterrupt) -> int:
    """The exit status: 128 and the number of the signal, which the exception holds where it was not Ctrl-C."""
    return 128 + int(asked.args[0] if asked.args else signal.SIGINT)
