"""`labgrid-client` imported once for all commands of this process, where its program is a plain script of its Python.

Three commands take a place, look at it and give it back; started one by one they take 0.4 s of CPU each, nearly all of
it for labgrid's imports. Where the program is something else (a wrapper, Windows), or this goes wrong, there is none of
it, and commands are started one by one.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from flashpipe.processes import kill_session

_FORKER: Final = Path(__file__).with_name("lab_forker.py")
_HEAD: Final = 2048
"""Bytes of the program that are looked at."""
_SHEBANG: Final = re.compile(rb"#!(/\S+/[^/\s]*python[\w.]*)\n")
_SCRIPT: Final = b"\nfrom labgrid.remote.client import main\n"
_READY_S: Final = 30.0
"""Longest that labgrid's imports may take."""
_ANSWER_S: Final = 10.0
"""Longest that a fork may take."""
_LOOK_S: Final = 0.1
_END_S: Final = 2.0
_CHUNK: Final = 65536
Tick = Callable[[], None]
"""Raises where it is time to end."""
_FAILURES: Final = (OSError, ValueError)


class _UnusableError(Exception):
    """Commands have to be started one by one."""


class Preloaded:
    """A process of labgrid's Python that forks for each command; threads share it."""

    def __init__(self, python: str, environment: Mapping[str, str]) -> None:
        """Start it, and do not wait for its imports.

        Raises:
            OSError: it cannot be started.
        """
        self._guard = threading.Lock()
        self._ready = self._unusable = False
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as undo:
            undo.callback(ours.close)
            self._process = subprocess.Popen(
                [python, "-c", _FORKER.read_text(), str(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
            undo.pop_all()
        self._line = ours

    def run(self, words: Sequence[str], settings: Mapping[str, str], tick: Tick) -> tuple[int, bytes, bytes] | None:
        """Run a command: its status and what it has printed; None where it has to be started in another way.

        Raises:
            PipelineError: what `tick` raises; the command is killed then.
        """
        request = json.dumps({"words": list(words), "settings": dict(settings)}).encode() + b"\n"
        with ExitStack() as files:
            pipes = [os.pipe() for _ in range(3)]
            for reading, _ in pipes:
                files.callback(os.close, reading)
            try:
                number = self._begin(request, [writing for _, writing in pipes], tick)
            except _UnusableError:
                return None
            finally:
                for _, writing in pipes:
                    os.close(writing)
            try:
                out, err, status = _read([reading for reading, _ in pipes], tick)
            except BaseException:
                with suppress(OSError):
                    os.kill(number, signal.SIGKILL)
                raise
        return int(status) if status else -signal.SIGKILL, out, err

    def _begin(self, request: bytes, files: Sequence[int], tick: Tick) -> int:
        """Have a command begun; the number of its process."""
        while not self._guard.acquire(timeout=_LOOK_S):
            tick()
        try:
            if self._unusable:
                raise _UnusableError
            self._wait_until_ready(tick)
            self._line.settimeout(_ANSWER_S)
            sent = socket.send_fds(self._line, [request], list(files))
            self._line.sendall(request[sent:])
            answer = b""
            while not answer.endswith(b"\n"):
                answer += _more(self._line)
            return int(answer)
        except _FAILURES as error:
            self._unusable = True
            raise _UnusableError from error
        finally:
            self._guard.release()

    def _wait_until_ready(self, tick: Tick) -> None:
        until = time.monotonic() + _READY_S
        self._line.settimeout(_LOOK_S)
        while not self._ready:
            tick()
            try:
                self._ready = _more(self._line) == b"+"
            except TimeoutError:
                if time.monotonic() > until:
                    raise

    def close(self) -> None:
        """End it. Commands that go on come to their own end."""
        self._line.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S if self._ready else 0)
        if self._process.poll() is None:
            kill_session(self._process)


def _more(line: socket.socket) -> bytes:
    data = line.recv(_CHUNK)
    if not data:
        raise ConnectionResetError
    return data


def _read(files: Sequence[int], tick: Tick) -> list[bytes]:
    """All that comes out of some pipes until the last one is closed."""
    texts = {file: bytearray() for file in files}
    with selectors.DefaultSelector() as selector:
        for file in files:
            selector.register(file, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(_LOOK_S):
                data = os.read(key.fd, _CHUNK)
                texts[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
            tick()
    return [bytes(texts[file]) for file in files]


# --- one for each program --------------------------------------------------------------------------------------------

_preloaded: dict[tuple[int, str], Preloaded | None] = {}
"""By the number of this process, for a fork may not talk into the line of its parent, and the program."""
_starting = threading.Lock()


def preloaded(program: str, environment: Mapping[str, str]) -> Preloaded | None:
    """The one for a program, started now where there was none; None where the program is not of the kind."""
    key = os.getpid(), program
    with _starting:
        if key not in _preloaded:
            python = _python_of(program)
            _preloaded[key] = None
            if python:
                with suppress(OSError):
                    _preloaded[key] = Preloaded(python, environment)
                    atexit.register(forget, program)
        return _preloaded[key]


def forget(program: str) -> None:
    """End the one for a program."""
    loaded = _preloaded.pop((os.getpid(), program), None)
    if loaded is not None:
        loaded.close()


def _python_of(program: str) -> str:
    """The Python whose script the program is; empty where it is something else."""
    if sys.platform == "win32":
        return ""
    try:
        with Path(program).open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return ""
    shebang = _SHEBANG.match(head)
    return os.fsdecode(shebang[1]) if shebang and _SCRIPT in head else ""
