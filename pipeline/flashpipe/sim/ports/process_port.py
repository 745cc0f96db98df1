"""A port whose board is in the process that holds the boards of this one: what `sim://` is, unless `inline=1`."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
import weakref
from pathlib import Path
from typing import Any, Final

from serial.serialutil import SerialException

from flashpipe.errors import PipelineError, SystemLimitError
from flashpipe.files import CACHE_VARIABLE, STATE_VARIABLE, cache_folder, state_folder
from flashpipe.sim import messages
from flashpipe.sim.ports import board_process
from flashpipe.sim.ports.attached import AttachedPort

_VARIABLES: Final = "FLASHPIPE_"
_GONE_S: Final = 60.0
"""For which a port is not there after its board's process has ended: whoever lost it must not find a factory-new board
in its place, but a program that lives on may try again."""
_gone: dict[str, tuple[float, str]] = {}
"""URL to the end of that time, by `time.monotonic`, and what had happened."""


class ProcessPort(AttachedPort):
    """A port behind which a virtual board sits; its board lives as long as this object, if nobody keeps it longer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._process: board_process.BoardProcess | None = None
        super().__init__(*args, **kwargs)

    def reach(self, url: str) -> None:
        """Have the board made, or taken again."""
        until, reason = _gone.get(url, (0.0, ""))
        if time.monotonic() < until:
            raise SerialException(errno.ENOENT, f"could not open port {url}: [Errno {errno.ENOENT}] {reason}")
        if not self.connected:
            self.let_go()
            self._process = board_process.the_process()
            connection = self._process.connect(self)
            self.use(connection)
            weakref.finalize(self, connection.close)
        self.send(messages.OPEN, json.dumps({"url": url, **_circumstances()}).encode())
        self.await_opening(url)

    def close(self) -> None:
        """Close the port; the board goes on running, its flash file is written out and released."""
        if self.is_open:
            self.is_open = False
            with contextlib.suppress(OSError, PipelineError):  # it has gone: then there is nothing to close
                self.send(messages.CLOSE)
                self.await_answer()

    def why_it_ended(self) -> str:
        """How the process has ended, and with it this port."""
        if self._process is None or not self._process.has_ended():
            return "the virtual board has let go of the line"
        assert self._port is not None
        reason = self._process.why_it_ended()
        if self._process.used_up:
            self._failure = SystemLimitError(
                "the virtual board has used up the processor time that a process may have", "raise `ulimit -t`"
            )
        _gone[self._port] = (time.monotonic() + _GONE_S, reason)
        return reason


def _circumstances() -> dict[str, str]:
    """What the board's process must know of this one to understand names of files as it does."""
    circumstances = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
    circumstances[STATE_VARIABLE] = str(state_folder().absolute())
    circumstances[CACHE_VARIABLE] = str(cache_folder().absolute())
    with contextlib.suppress(OSError):  # it was removed under us: then no name is meant relative to it
        circumstances["folder"] = str(Path.cwd())
    return circumstances
