"""`python -m MODULE WORD…` without the start of Python: a process that has loaded what our commands load is forked.

Hundreds of commands would spend a third of their time on imports. What runs is a process all the same, with a folder,
an environment, streams and signals of its own; nothing has run before in the one that it is a copy of, which has one
thread and has imported modules, no more. Tests of what is loaded, or of Python's options, start Python.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
MODULES: Final = {
    "doit": "commands", "flashpipe.cli.main": "commands", "tests.faultchild": "commands", "esptool": "esptool"
}  # fmt: skip
"""What can be run, by a process that has loaded what. `python -m flashpipe` looks after `sys.path`, which is
a matter of Python's start. This esptool knows virtual boards, and shows lines as on a wide terminal without colours.
"""
ROOMS: Final = ("board", "firmware", "flasher", "jobs", "plan", "profile", "records", "sources", "text")
"""What of our package most commands load a part of. Not `tasks`: where it is imported, the events of a run begin."""
FIRST: Final = ("PYTHON", "LC_", "LANG", "TZ")
"""Beginnings of variables that Python reads when it starts."""
WIDE: Final = {"COLUMNS": "200", "NO_COLOR": "1"}
"""esptool looks for these when it is loaded; our commands when they show something."""
_HEAD: Final = struct.Struct("<I")
_RESULT: Final = struct.Struct("<i")


def can_run(module: str, folder: Path) -> bool:
    """Whether a fork would do the same as Python: no module of the folder may stand before one of ours."""
    if module not in MODULES or os.name != "posix":
        return False
    return all(path.name == "dodo.py" for path in folder.glob("*.py")) and not any(folder.glob("*/__init__.py"))


def run(
    module: str, words: Sequence[str], folder: Path, environment: Mapping[str, str], limit_s: float
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with nothing on its standard input.

    Raises:
        subprocess.TimeoutExpired: it has not ended after so many seconds; it is killed.
    """
    job = {"module": module, "words": list(words), "folder": str(folder), "environment": dict(environment)}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        status = _server(MODULES[module], environment).run(
            json.dumps(job).encode(), (out.fileno(), err.fileno()), limit_s
        )
        if status is None:
            raise subprocess.TimeoutExpired([module, *words], limit_s)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8").replace("\r\n", "\n").replace("\r", "\n"))
    return subprocess.CompletedProcess([module, *words], status, *texts)


_servers: Final = dict[tuple[object, ...], "_Server"]()
_starting: Final = threading.Lock()


def _server(kind: str, environment: Mapping[str, str]) -> _Server:
    """That of this process for what Python would read at its start: made when it is first wanted."""
    first = sorted((name, value) for name, value in environment.items() if name.startswith(FIRST))
    with _starting:
        key = os.getpid(), kind, *first
        return _servers.get(key) or _servers.setdefault(key, _Server(kind, environment))


class _Server:
    """The process that is forked, which ends with this one."""

    def __init__(self, kind: str, environment: Mapping[str, str]) -> None:
        self._asked, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from tests.forked import serve; serve({theirs.fileno()}, {kind!r})()"],
                cwd=ROOT, env={**environment, **(WIDE if kind == "esptool" else {})}, pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.close)

    def close(self) -> None:
        """Let it end, once all that it has forked have."""
        self._asked.close()
        self._process.wait()

    def run(self, job: bytes, streams: tuple[int, int], limit_s: float) -> int | None:
        """The status of a job's process, as subprocess has it; None: it took too long."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with self._lock:
                socket.send_fds(self._asked, [_HEAD.pack(len(job))], [theirs.fileno(), *streams])
                self._asked.sendall(job)
            theirs.close()
            (process,) = _RESULT.unpack(_read(ours, _RESULT.size))
            ours.settimeout(limit_s)
            try:
                return int(_RESULT.unpack(_read(ours, _RESULT.size))[0])
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                return None


def _read(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


# --- in the process that is forked -----------------------------------------------------------------------------------


def serve(asked: int, kind: str) -> Callable[[], None]:
    """Fork for each job; returns in each forked process, with what is to be done there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    del sys.path[0]
    {"commands": _load_commands, "esptool": _load_esptool}[kind]()
    assert threading.active_count() == 1
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=asked) as source:
        while True:
            head, fds, _, _ = socket.recv_fds(source, _HEAD.size, 3)
            if not head:
                with contextlib.suppress(ChildProcessError):
                    while True:
                        os.waitpid(-1, 0)
                os._exit(0)
            job = json.loads(_read(source, *_HEAD.unpack(head)))
            if os.fork() == 0:
                break
            for fd in fds:
                os.close(fd)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    answer, out, err = fds
    with socket.socket(fileno=answer) as told:
        if process := os.fork():
            told.sendall(_RESULT.pack(process))
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            with contextlib.suppress(OSError):  # the test has given up
                told.sendall(_RESULT.pack(status))
            os._exit(0)
    for fd, stream in ((out, 1), (err, 2)):
        os.dup2(fd, stream)
        os.close(fd)
    return lambda: _be(job)


def _load_commands() -> None:
    """Import what commands load, but nothing that `-m` runs."""
    for name in ("doit.doit_cmd", "doit.cmd_run", "doit.cmd_list", "ruamel.yaml", "serial", "flashpipe.cli.commands"):
        importlib.import_module(name)
    for room in ROOMS:
        package = importlib.import_module(f"flashpipe.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name not in MODULES:
                with contextlib.suppress(ImportError):  # of an extra, or for another system
                    importlib.import_module(found.name)
    assert "flashpipe.tasks" not in sys.modules


def _load_esptool() -> None:
    import esptool  # noqa: PLC0415  only here
    import serial  # noqa: PLC0415

    assert callable(esptool.main)
    serial.protocol_handler_packages.append("flashpipe.sim")


def _be(job: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.path.insert(0, job["folder"])
    sys.argv[1:] = job["words"]
    try:
        runpy.run_module(job["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int):
            _end(end.code)
        raise


def _end(status: int) -> None:
    """As Python ends, but for the taking apart of all that is loaded."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
