"""A command on a terminal of its own: what it shows, what is typed, how it leaves the terminal."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import pytest

pty = pytest.importorskip("pty", reason="no pseudo terminals on this system")
termios = pytest.importorskip("termios", reason="no pseudo terminals on this system")

LIMIT_S = 90.0


class Terminal:
    """Runs `python -m MODULE WORDS` with a pty as its three streams; use it as a context."""

    def __init__(self, folder: Path, environment: dict[str, str], module: str, *words: str) -> None:
        self._master, self._slave = pty.openpty()
        self.settings = termios.tcgetattr(self._slave)
        self.shown = ""
        self._seen = 0
        """Where what was expected last ends: two things may come at once."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=folder,
            env=environment,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509  the tests have one thread
        )

    def __enter__(self) -> Terminal:  # noqa: PYI034  Python 3.10 has no Self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        os.close(self._master)
        os.close(self._slave)

    def expect(self, text: str) -> str:
        """Read until `text` shows; returns all that was shown so far."""
        assert self.shows(text, LIMIT_S), f"{text!r} did not show:\n{self.shown}"
        return self.shown

    def shows(self, text: str, limit_s: float) -> bool:
        """Whether `text` shows within the time, behind what was expected before."""
        until = time.monotonic() + limit_s
        while (at := self.shown.find(text, self._seen)) < 0:
            if not self._read(until):
                return False
        self._seen = at + len(text)
        return True

    def type(self, text: str) -> None:
        """Press keys; `\\x03` is Ctrl-C."""
        os.write(self._master, text.encode())

    def end(self) -> int:
        """Read to the end; returns the exit status."""
        until = time.monotonic() + LIMIT_S
        while self._process.poll() is None:
            self._read(min(until, time.monotonic() + 0.1))
            assert time.monotonic() < until, f"does not end:\n{self.shown}"
        while self._read(time.monotonic() + 0.05):
            pass
        assert "Traceback" not in self.shown, self.shown
        return self._process.returncode

    @property
    def sane(self) -> bool:
        """Whether the terminal is set as it was before."""
        return bool(termios.tcgetattr(self._slave) == self.settings)

    def _read(self, until: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, until - time.monotonic()))
        if ready:
            self.shown += os.read(self._master, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(ready)


def _take_terminal() -> None:
    import fcntl  # noqa: PLC0415  POSIX, as this whole file

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C shall reach the command as it would in a shell
