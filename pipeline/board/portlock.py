"""One process per port: our own lock, and the names of those who hold a port without asking."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from pipeline import files
from pipeline.errors import PortBusyError

_ENTRY_SIZE: Final = 4096
"""Bytes at the head of a lock file; the lock itself is one byte behind them, so that others can read it (Windows)."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a port."""

    pid: int
    program: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.program})" if self.program else f"pid {self.pid}"


def canonical(port: str) -> str:
    """One name for a port, whatever link leads to it; URLs stay as they are."""
    if "://" in port:
        return port
    if re.fullmatch(r"(\\\\\.\\)?com\d+", port, re.IGNORECASE):
        return port.upper().removeprefix("\\\\.\\")
    return os.path.realpath(port)


def lock_path(port: str) -> Path:
    """The lock file of a port."""
    name = canonical(port)
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-40:]
    return files.state_folder() / "locks" / f"{readable}-{sha256(name.encode()).hexdigest()[:8]}.lock"


@contextmanager
def lock_port(port: str) -> Iterator[None]:
    """Keep other flashpipe processes and threads from this port while the body runs.

    Raises:
        PortBusyError: one of them has it; names pid and program.
        RecordError: the lock file cannot be made.
    """
    path = lock_path(port)
    with files.open_lock(path) as stream:
        if not files.try_lock(stream, _ENTRY_SIZE):
            holder = _read_entry(path)
            raise PortBusyError(f"{port}: in use by {holder or 'another flashpipe'}", "wait for it, or stop it")
        _write_entry(stream)
        try:
            yield
        finally:
            # Windows refuses to close a locked file cleanly; elsewhere closing alone would do.
            with contextlib.suppress(OSError):
                stream.truncate(0)
            files.unlock(stream, _ENTRY_SIZE)


def _write_entry(stream: IO[bytes]) -> None:
    program = Path(sys.argv[0] or "python").name
    entry = {"pid": os.getpid(), "program": " ".join([program, *sys.argv[1:3]]), "since": time.strftime("%H:%M:%S")}
    stream.truncate(0)
    stream.write(json.dumps(entry).encode()[:_ENTRY_SIZE])
    stream.flush()


def _read_entry(path: Path) -> Holder | None:
    try:
        entry = json.loads(path.read_bytes()[:_ENTRY_SIZE])
        return Holder(int(entry["pid"]), str(entry["program"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_holders(port: str, proc: Path = Path("/proc")) -> list[Holder]:
    """Other processes that have this device open, as far as Linux shows them (to root all, else the user's own)."""
    device = canonical(port)
    found = []
    for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        if int(process.name) == os.getpid() or not _has_open(process, device):
            continue
        found.append(Holder(int(process.name), _program(process)))
    return found


def _has_open(process: Path, device: str) -> bool:
    try:
        return any(os.readlink(link) == device for link in (process / "fd").iterdir())  # noqa: PTH115  may dangle
    except OSError:
        return False  # another user's, or gone


def _program(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return (_script([os.fsdecode(word) for word in words[1:]]) if name.startswith("python") else "") or name


def _script(words: list[str]) -> str:
    """What a Python interpreter runs, which says more than its own name: a script, or the module after `-m`."""
    skip = False
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "-m":
            return following
        if not skip and not word.startswith("-"):
            return Path(word).name
        skip = word in {"-W", "-X"}
    return ""
