"""Programs of others that flashpipe has started: ending them, with what they have started themselves."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Final

from flashpipe.lazy import subprocess

GONE_S: Final = 1.0
"""Seconds that the system takes at most to end what was killed."""


def ending(status: int) -> str:
    """How a program has ended, to stand behind its name: ``ended with status 2``, ``was killed by SIGTERM``."""
    if status < 0:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """End a program, if it is there, and whatever it has left in its session (`start_new_session`); waits a moment.

    On Windows, which has no sessions of this kind, the program alone.
    """
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GONE_S)
