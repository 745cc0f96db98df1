"""One process per port: our own lock, and the names of those who hold a port without asking.

A monitor holds its port only until somebody needs it. All of that is files, which every system has: beside the lock
file a request of whoever asks (`.wanted`), and what it tells while it has the port (`.said`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from flashpipe import files, locks
from flashpipe.board.ports.names import canonical
from flashpipe.errors import PortBusyError, RecordError
from flashpipe.masking import mask, mask_urls
from flashpipe.values import dataclass

_ENTRY_SIZE: Final = 4096
"""Bytes at the head of a lock file; the lock itself is one byte behind them, so that others can read it (Windows)."""


GIVE_UP_S: Final = 5.0
"""How long somebody who offers a port is given to let go of it."""
LOOK_S: Final = 0.25
ENTRY_S: Final = 0.5
"""How long whoever has just taken a port is given to write who it is."""
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A process that has a port."""

    pid: int
    program: str

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.program})" if self.program else f"pid {self.pid}"


def lock_path(port: str) -> Path:
    """The lock file of a port."""
    name = canonical(port)
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-40:]
    return files.state_folder() / "locks" / f"{readable}-{sha256(name.encode()).hexdigest()[:8]}.lock"


class PortLock:
    """A port that is ours. Who only listens may offer it: whoever asks for it then gets it, and tells what it does."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path, self._stream = path, stream
        self._told: Path | None = None
        self._looked_s = 0.0

    def offer(self) -> None:
        """From now on others may ask for the port; look for that with `asked`."""
        _write_entry(self._stream, yields=True)

    def asked(self) -> PortOwner | None:
        """Who asks for the port; looks every quarter of a second at most."""
        now = time.monotonic()
        if now - self._looked_s < LOOK_S:
            return None
        self._looked_s = now
        return next((asker for path in _requests(self._path) if (asker := _read_entry(path)) is not None), None)

    def granted(self) -> None:
        """The port was given up for us: what we do is told from now on."""
        self._told = self._path.with_suffix(".said")
        with contextlib.suppress(OSError):
            files.write_atomic(self._told, b"")

    def tell(self, line: str) -> None:
        """One line for whoever gave up the port; nothing where nobody did."""
        if self._told is not None:
            with contextlib.suppress(OSError), self._told.open("a", encoding="utf-8") as stream:
                stream.write(f"{mask_urls(line)}\n")


@contextmanager
def lock_port(port: str, *, ask: bool = True) -> Iterator[PortLock]:
    """Keep other flashpipe processes and threads from this port while the body runs.

    Args:
        port: Name or URL.
        ask: Whether to ask for it where somebody has it who offers it.

    Raises:
        PortBusyError: one of them has it; names pid and program.
        RecordError: the lock file cannot be made or written.
    """
    path = lock_path(port)
    with _open(path) as stream:
        free = locks.try_lock(stream, _ENTRY_SIZE)
        holder = None if free else _holder(path)
        free = free or (holder is None and locks.try_lock(stream, _ENTRY_SIZE))  # who had it was just ending
        if not free and not (ask and _offered(path) and _ask(path, stream)):
            raise PortBusyError(f"{port}: in use by {holder or 'another flashpipe'}", "wait for it, or stop it")
        try:
            _write_entry(stream)
            lock = PortLock(path, stream)
            if not free:
                lock.granted()
            yield lock
        finally:
            # Windows refuses to close a locked file cleanly; elsewhere closing alone would do.
            with contextlib.suppress(OSError):
                stream.truncate(0)
            locks.unlock(stream, _ENTRY_SIZE)


def _open(path: Path) -> IO[bytes]:
    """The lock file; where none can be made, one that nobody else sees: to look at a board needs no folder of ours.

    What writes to a board needs one all the same, for its journal, and a device of this machine is opened by one
    process at a time.
    """
    try:
        return locks.open_lock(path)
    except RecordError:
        if os.path.lexists(path):  # somebody else's, perhaps
            raise
        return os.fdopen(os.memfd_create(path.name), "r+b") if hasattr(os, "memfd_create") else TemporaryFile()


def _holder(path: Path) -> PortOwner | None:
    """Who has the port: its entry comes a moment after its lock."""
    until = time.monotonic() + ENTRY_S
    while (owner := _read_entry(path)) is None and time.monotonic() < until:
        time.sleep(_POLL_S)
    return owner


def _ask(path: Path, stream: IO[bytes]) -> bool:
    """Ask the holder for the port; whether we have it now."""
    request = path.with_name(f"{path.stem}.{os.getpid()}-{threading.get_ident()}.wanted")
    with contextlib.suppress(RecordError):
        files.write_atomic(request, json.dumps(_entry()).encode())
    try:
        until = time.monotonic() + GIVE_UP_S
        while time.monotonic() < until:
            if locks.try_lock(stream, _ENTRY_SIZE):
                return True
            time.sleep(_POLL_S)
        return False
    finally:
        with contextlib.suppress(OSError):
            request.unlink(missing_ok=True)


def wait_until_free(port: str, stop: Callable[[], bool], show: Callable[[str], None]) -> bool:
    """After a port was given up: wait until nobody asks for it or has it, and show what is told meanwhile.

    Returns whether it is free; False if `stop` said so before.
    """
    path = lock_path(port)
    messages_path, shown, since = path.with_suffix(".said"), 0, time.monotonic()
    while not stop():
        time.sleep(LOOK_S)
        shown = _show_told(messages_path, shown, show)
        for request in _requests(path):  # of a process that died while it asked
            if time.monotonic() - since > 2 * GIVE_UP_S:
                request.unlink(missing_ok=True)
        if _requests(path):
            continue
        if not owner_of(port):
            _show_told(messages_path, shown, show)
            with contextlib.suppress(OSError):
                messages_path.unlink(missing_ok=True)
            return True
    return False


def owner_of(port: str) -> bool:
    """Whether another flashpipe has the port."""
    with _open(lock_path(port)) as stream:
        free = locks.try_lock(stream, _ENTRY_SIZE)
        if free:
            locks.unlock(stream, _ENTRY_SIZE)
    return not free


def _show_told(messages_path: Path, shown: int, show: Callable[[str], None]) -> int:
    """Show the whole lines after the first `shown` bytes; how many bytes are shown now."""
    try:
        text = files.read_regular(messages_path)
    except OSError:
        return shown
    start = shown if shown <= len(text) else 0  # the next one who was given the port begins a new file
    whole = text[start : text.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        show(line)
    return start + len(whole)


def _requests(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.stem}.*.wanted"))


def _entry() -> dict[str, object]:
    path = Path(sys.argv[0] or "python")
    program = path.parent.name if path.stem == "__main__" else path.name
    words = mask(" ".join([program, *sys.argv[1:3]]))
    return {"pid": os.getpid(), "program": words, "since": time.strftime("%H:%M:%S")}


def _write_entry(stream: IO[bytes], *, yields: bool = False) -> None:
    entry = json.dumps({**_entry(), "yields": yields}).encode()[:_ENTRY_SIZE]
    try:
        stream.truncate(0)
        os.write(stream.fileno(), entry)  # at once: what lies in a buffer fails again when the file is closed
    except OSError as error:
        raise RecordError(f"{stream.name}: {error.strerror}", RecordError.remedy) from error


def _offered(path: Path) -> bool:
    try:
        return bool(files.read_json(path, _ENTRY_SIZE)["yields"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _read_entry(path: Path) -> PortOwner | None:
    try:
        entry = files.read_json(path, _ENTRY_SIZE)
        return PortOwner(int(entry["pid"]), str(entry["program"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_owners(port: str, proc: Path = Path("/proc")) -> list[PortOwner]:
    """Other processes that have this device open, as far as Linux shows them (to root all, else the user's own)."""
    device = canonical(port)
    owners = []
    for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        if int(process.name) == os.getpid() or not _has_open(process, device):
            continue
        owners.append(PortOwner(int(process.name), _program(process)))
    return owners


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
