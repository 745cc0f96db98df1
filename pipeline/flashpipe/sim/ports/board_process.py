"""Starts the process that holds the boards of this one, and connects to it. One serves all boards of a run."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import IO, Any, Final, Protocol

from flashpipe.errors import PortError
from flashpipe.files import CACHE_VARIABLE, STATE_VARIABLE, cache_folder, state_folder
from flashpipe.sim import messages
from flashpipe.sim.sockets import HOST

_SOURCES: Final = str(Path(__file__).resolve().parents[3])
"""Folder that holds the package: the process is given nothing else to import from."""
_START: Final = "import sys; sys.path.append({!r}); from flashpipe.sim.servers import board_process as b; b.main()"
_START_S: Final = 30.0
"""For the process to say where it listens; a tenth of a second is usual."""
_END_S: Final = 3.0
_DYING_S: Final = 0.5


class Client(Protocol):
    """A port object."""

    @property
    def is_open(self) -> bool:
        """Whether its port is."""


class BoardProcess:
    """The process, from here."""

    def __init__(self) -> None:
        """Start it; this does not wait.

        Raises:
            PortError: the system does not let us.
        """
        self._owner = os.getpid()
        self._secret = secrets.token_hex(16).encode()
        self._errors = _file_for_errors()
        self.clients: weakref.WeakSet[Client] = weakref.WeakSet()
        """The port objects that have a connection."""
        self._port = 0
        self._answered = threading.Event()
        try:
            self._process = subprocess.Popen(
                _command(),
                bufsize=0,  # a thread that waits in a buffered read would hold up the end of this process
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors or subprocess.DEVNULL,
                env={**os.environ, STATE_VARIABLE: str(state_folder()), CACHE_VARIABLE: str(cache_folder())},
                **_apart(),
            )
        except (OSError, ValueError) as error:
            if self._errors is not None:
                self._errors.close()
            if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                raise  # which says it best
            raise _no_process(str(error)) from error
        with contextlib.suppress(OSError):  # it has ended at once; said by whoever connects
            self._pipe.write(self._secret + b"\n")
        threading.Thread(target=self._await_port, daemon=True).start()

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _await_port(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            self._port = int(self._process.stdout.readline() or b"0")
        self._answered.set()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def usable(self) -> bool:
        """Whether it is ours and runs."""
        return self._owner == os.getpid() and self._process.poll() is None

    def has_ended(self) -> bool:
        """Whether it ends about now: its sockets close a moment before it does."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_DYING_S)
        return not self.usable

    def connect(self, client: Client) -> socket.socket:
        """A connection for one port object.

        Raises:
            PortError: the process cannot be reached.
        """
        self._answered.wait(_START_S)
        if not self._port:
            raise _no_process(self.why_it_ended())
        try:
            connection = socket.create_connection((HOST, self._port), _START_S)
            connection.sendall(messages.pack(messages.SECRET, self._secret))
        except OSError as error:
            raise _no_process(f"{error}; {self.why_it_ended()}") from error
        self.clients.add(client)
        return connection

    def why_it_ended(self) -> str:
        """What is known of its end."""
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "the board's process does not answer"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"the board's process was ended by {signal.Signals(-status).name}"
        return f"the board's process has ended with status {status}{self._last_words()}"

    @property
    def used_up(self) -> bool:
        """Whether it has ended because of a limit of processor time (`ulimit -t`), which counts for it alone, too."""
        try:
            import resource  # noqa: PLC0415  Windows has none
        except ImportError:
            return False
        ended = -(self._process.poll() or 0)
        limited = resource.getrlimit(resource.RLIMIT_CPU) != (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        return limited and ended in {signal.SIGXCPU, signal.SIGKILL}

    def _last_words(self) -> str:
        lines: list[str] = []
        if self._errors is not None and not self._errors.closed:
            self._errors.seek(0)
            lines = self._errors.read().decode("utf-8", "replace").splitlines()
        return f": {lines[-1]}" if lines else ""

    def end(self) -> None:
        """Let it write out what it has, and end."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Close what this process has of it, as a forked child must: the boards are not its own."""
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if self._process.returncode is None:
            self._process.returncode = 0  # not ours to wait for


def the_process() -> BoardProcess:
    """The one that runs, or a new one; it may still be on its way.

    Raises:
        PortError: the system does not let us start one.
    """
    with _STATE.lock:
        if _STATE.process is not None and not _STATE.process.usable:
            _STATE.process.forget()
            _STATE.process = None
        if _STATE.process is None:
            _STATE.process = BoardProcess()
        return _STATE.process


class _State:
    """Of this module."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: BoardProcess | None = None


_STATE: Final = _State()


def _end() -> None:
    """At the end of this process; ports that are still open are closed by whoever comes later, and need it."""
    process = _STATE.process
    if process is not None and process.usable and not any(client.is_open for client in process.clients):
        process.end()


def _after_fork() -> None:
    """A forked process starts its own: whoever holds the pipe keeps the boards of its parent alive."""
    process = _STATE.process
    _STATE.lock, _STATE.process = threading.Lock(), None
    if process is not None:
        process.forget()


def _file_for_errors() -> IO[bytes] | None:
    """Where the process writes what nobody foresaw; none on a machine whose disk is full."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return None


def _command() -> list[str]:
    if not sys.executable or getattr(sys, "frozen", False):
        raise ValueError("this program names no Python to run it with")
    flags = ["-I", "-S"]  # neither the current folder nor anybody's start-up files: it begins in 10 ms
    if sys.dont_write_bytecode:
        flags.append("-B")
    if sys.pycache_prefix:
        flags += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return [sys.executable, *flags, "-c", _START.format(_SOURCES)]


def _apart() -> dict[str, Any]:
    """Signals that a terminal sends to all its processes are for the starter only."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _no_process(reason: str) -> PortError:
    return PortError(
        f"there is no process for the virtual board: {reason}", "add inline=1 to its URL: it then needs none"
    )


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
