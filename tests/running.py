"""A command on a terminal that is told to stop, and what is left of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from tests.harness import Project
from tests.terminal import Terminal


class Running(Terminal):
    """A command of a project; `text` is all that it has shown."""

    def __init__(self, project: Project, module: str, *words: str) -> None:
        self._told = project.told()
        super().__init__(project.folder, {**project.environment(), **self._told.__enter__()}, module, *words)

    def __enter__(self) -> Running:  # noqa: PYI034  Python 3.10 has no Self
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is None:
            self._told.__exit__(None, None, None)

    def until(self, text: str) -> str:
        """Read until `text` has been shown, now or before."""
        return self.shown if text in self.shown else self.expect(text)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def orphans(self) -> list[int]:
        """Processes of the command's session that are still there."""
        return [pid for pid, (_, session) in _processes() if session == self._process.pid != pid]

    def children(self) -> list[int]:
        """Processes that the command has started, such as that of its virtual boards."""
        return [pid for pid, (parent, _) in _processes() if parent == self._process.pid]


def _processes() -> Iterator[tuple[int, tuple[int, int]]]:
    """Process, its parent and its session, of all that are there."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            yield int(stat.parent.name), (int(fields[1]), int(fields[3]))


def is_gone(pid: int) -> bool:
    """Whether a process has ended, or does within two seconds."""
    deadline = time.monotonic() + 2
    while any(pid == other for other, _ in _processes()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def no_longer_than(limit_s: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < limit_s
