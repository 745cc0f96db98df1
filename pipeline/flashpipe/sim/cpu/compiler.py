"""Compiles `core.c` on first use, with whatever C compiler the machine has, into the user's cache.

The library's name holds everything that went into it: the source, the command, the machine and its ABI; and a digest of
what came out, for the system would end a process that loads half a library. Several processes may do this at once: each
compiles in a folder of its own, and the last rename wins. What went wrong is kept beside it, so that it is tried and
told once a day, not at each start.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

from flashpipe.errors import RecordError
from flashpipe.files import read_regular, write_atomic
from flashpipe.sim.cpu.c_core import Library
from flashpipe.sim.cpu.private_folder import code_folder, is_ours_alone
from flashpipe.values import dataclass

FOLDER: Final = "cores"
SOURCE: Final = Path(__file__).with_name("core.c")
_SUFFIX: Final = ".dll" if sys.platform == "win32" else ".so"
LONGEST_S: Final = 60.0
"""Compiling takes about a second, on the smallest computers half a minute; one that hangs must not hang us."""
_RETRY_S: Final = 24 * 3600
"""After this long a compiler may have been mended."""
_APPLE_SHIMS: Final = Path("/usr/bin")
"""Where macOS keeps programs named like compilers that open a dialog if the developer tools are missing."""


class NoLibraryError(Exception):
    """There is no compiled core here; the text says why."""

    def __init__(self, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.silent = silent
        """Whether there is nothing to tell, or it was told in an earlier run."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler of this machine."""

    path: str
    microsoft: bool = False
    """Whether it takes cl's options."""

    def command(self, source: Path, library: Path) -> list[str]:
        """What compiles `source` into the shared library `library`."""
        if self.microsoft:
            return [self.path, "/nologo", "/O2", "/LD", str(source), f"/Fe:{library}"]
        position_independent = [] if sys.platform == "win32" else ["-fPIC"]
        return [self.path, "-O2", "-shared", *position_independent, "-o", str(library), str(source)]


def compilers() -> Iterator[Compiler]:
    """The C compilers on the path, the one to take first."""
    for name in ("cc", "clang", "gcc"):
        if (path := shutil.which(name)) is not None:
            yield Compiler(path)
    if sys.platform == "win32" and (path := shutil.which("cl")) is not None:
        yield Compiler(path, microsoft=True)


def find_compiler() -> Compiler | None:
    """The compiler that would be started, if there is one."""
    return next((compiler for compiler in compilers() if not _opens_a_dialog(Path(compiler.path))), None)


def _opens_a_dialog(compiler: Path) -> bool:
    """Whether a compiler of macOS is only a stand-in that offers to install the real one."""
    if sys.platform != "darwin" or compiler.parent != _APPLE_SHIMS:
        return False
    import subprocess  # noqa: PLC0415  as in _compile

    try:
        asked = subprocess.run(
            [_APPLE_SHIMS / "xcode-select", "-p"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=LONGEST_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return True
    return asked.returncode != 0


def library_name(compiler: Compiler, source: bytes) -> str:
    """The name of the library that this compiler makes of `source`, without suffix."""
    machine = os.uname().machine if os.name == "posix" else ""
    key = hashlib.sha256(source)
    for part in (*compiler.command(Path("core.c"), Path("core")), EXTENSION_SUFFIXES[0], machine, str(sys.maxsize)):
        key.update(b"\0" + part.encode("utf-8", "surrogateescape"))
    return f"lx106-{key.hexdigest()[:32]}"


def load_library(say: Callable[[str], None], *, again: bool = False) -> Library:
    """The compiled core, compiled if need be, which `say` is told; `again`: try even what failed in an earlier run.

    Raises:
        NoLibraryError: there is no compiler, no folder for the result, or the system refuses to compile or load it.
    """
    none = NoLibraryError("this machine has no C compiler (cc, clang, gcc or cl)", silent=True)
    candidates = list(compilers())
    if not candidates:
        raise none
    folder = code_folder(FOLDER)
    if folder is None:
        raise NoLibraryError(f"the folder {FOLDER} of the cache is not ours alone, or cannot be made")
    source = SOURCE.read_bytes()
    for compiler in candidates:
        path = _find(folder, library_name(compiler, source))
        if path is not None:
            return _load(path)
    usable = find_compiler()
    if usable is None:
        raise none
    return _make(usable, source, folder, say, again=again)


def _find(folder: Path, name: str) -> Path | None:
    """A library of that name which is as it was written; one that is not, as after a power failure, is removed."""
    for path in sorted(folder.glob(f"{name}-*{_SUFFIX}")):
        if not path.is_file():
            continue
        if path.stem == f"{name}-{_digest(path.read_bytes())}":
            return path
        path.unlink(missing_ok=True)
    return None


def _digest(library: bytes) -> str:
    return hashlib.sha256(library).hexdigest()[:16]


def _make(compiler: Compiler, source: bytes, folder: Path, say: Callable[[str], None], *, again: bool) -> Library:
    """Compile and load, or remember why that does not go."""
    name = library_name(compiler, source)
    failure = folder / f"{name}.failed"
    if not again and (reason := _recall(failure)):
        raise NoLibraryError(reason, silent=True)
    say(f"compiling the core with {compiler.path}, once")
    try:
        loaded = _load(_compile(compiler, source, folder, name))
    except NoLibraryError as error:
        _remember(failure, error.reason)
        raise
    with suppress(OSError):
        failure.unlink()
    return loaded


def _load(library: Path) -> Library:
    if not library.is_file():
        raise NoLibraryError(f"{library} is no file")
    if not is_ours_alone(library):
        raise NoLibraryError(f"{library} can be written by others")
    try:
        return Library(library)
    except OSError as error:
        library.unlink(missing_ok=True)  # a damaged one is compiled anew next time
        raise NoLibraryError(f"the compiled core cannot be loaded: {error}") from error


def _compile(compiler: Compiler, source: bytes, folder: Path, name: str) -> Path:
    """Compile in a folder of our own, then put the result in its place in one step."""
    import tempfile  # noqa: PLC0415  hardly ever needed

    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".compiling-") as work:
            text, made = Path(work) / SOURCE.name, Path(work) / (name + _SUFFIX)
            text.write_bytes(source)
            status, output = _run(compiler.command(text, made), Path(work))
            if status != 0 or not made.is_file():
                lines = output.strip().splitlines() or [f"exit status {status}"]
                raise NoLibraryError(f"{compiler.path} cannot compile the core: {lines[0]}")
            contents = made.read_bytes()
        library = folder / f"{name}-{_digest(contents)}{_SUFFIX}"
        if not library.is_file():  # Windows cannot replace one that another process has loaded meanwhile
            write_atomic(library, contents, mode=0o700)
    except (OSError, RecordError) as error:
        raise NoLibraryError(f"the core cannot be compiled: {error}") from error
    return library


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    """Exit status and output of a compiler, which is ended with all that it has started where it takes too long."""
    import subprocess  # noqa: PLC0415  hardly ever needed, and as slow to load as all the rest here

    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", env={**os.environ, "LC_ALL": "C"}, start_new_session=os.name == "posix",
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        with suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.communicate()
        raise NoLibraryError(f"{command[0]} has not ended within {LONGEST_S:g} s") from None
    return process.returncode, output


def _recall(failure: Path) -> str:
    """Why it failed lately; empty if it did not."""
    try:
        if time.time() - failure.stat().st_mtime < _RETRY_S:
            return read_regular(failure).decode("utf-8", "replace")
    except OSError:
        pass
    return ""


def _remember(failure: Path, reason: str) -> None:
    try:
        write_atomic(failure, reason.encode())
    except RecordError:
        return  # told again next time
