"""Compiles `core.c` on first use, with whatever C compiler the machine has, into the user's cache.

The library's name holds everything that went into it: the source, the command, the machine and its ABI. Several
processes may do this at once: each compiles in a folder of its own, and the last rename wins. What went wrong is kept
beside it, so that it is tried and told once, not at each start.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flashpipe.errors import RecordError
from flashpipe.files import write_atomic
from flashpipe.sim.cpu.c_core import Library
from flashpipe.sim.cpu.private_folder import code_folder, is_ours_alone

FOLDER: Final = "cores"
SOURCE: Final = Path(__file__).with_name("core.c")
_LONGEST_S: Final = 120
"""Compiling takes about a second; a compiler that hangs must not hang us."""
_APPLE_SHIMS: Final = Path("/usr/bin")
"""Where macOS keeps programs named like compilers that open a dialog if the developer tools are missing."""


class NoLibraryError(Exception):
    """There is no compiled core here; the text says why."""

    def __init__(self, reason: str, *, told: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.told = told
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


def find_compiler() -> Compiler | None:
    """The first C compiler on the path."""
    for name in ("cc", "clang", "gcc"):
        path = shutil.which(name)
        if path is not None and not _opens_a_dialog(Path(path)):
            return Compiler(path)
    cl = shutil.which("cl") if sys.platform == "win32" else None
    return None if cl is None else Compiler(cl, microsoft=True)


def _opens_a_dialog(compiler: Path) -> bool:
    """Whether a compiler of macOS is only a stand-in that offers to install the real one."""
    if sys.platform != "darwin" or compiler.parent != _APPLE_SHIMS:
        return False
    try:
        asked = subprocess.run(
            [_APPLE_SHIMS / "xcode-select", "-p"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=_LONGEST_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return True
    return asked.returncode != 0


def library_name(compiler: Compiler, source: bytes) -> str:
    """The name of the library that this compiler makes of `source`, without suffix."""
    abi = (platform.machine(), sysconfig.get_platform(), sysconfig.get_config_var("SOABI") or "", str(sys.maxsize))
    key = hashlib.sha256(source)
    for part in (*compiler.command(Path("core.c"), Path("core")), *abi):
        key.update(b"\0" + part.encode("utf-8", "surrogateescape"))
    return f"lx106-{key.hexdigest()[:32]}"


def load_library(say: Callable[[str], None], *, again: bool = False) -> Library:
    """The compiled core, compiled if need be, which `say` is told; `again`: try even what failed in an earlier run.

    Raises:
        NoLibraryError: there is no compiler, no folder for the result, or the system refuses to compile or load it.
    """
    compiler = find_compiler()
    if compiler is None:
        raise NoLibraryError("this machine has no C compiler (cc, clang, gcc or cl)", told=True)
    folder = code_folder(FOLDER)
    if folder is None:
        raise NoLibraryError(f"the folder {FOLDER} of the cache is not ours alone, or cannot be made")
    source = SOURCE.read_bytes()
    name = library_name(compiler, source)
    failure = folder / f"{name}.failed"
    if failure.exists() and not again:
        raise NoLibraryError(failure.read_text("utf-8", "replace"), told=True)
    library = folder / f"{name}{'.dll' if sys.platform == 'win32' else '.so'}"
    try:
        if not library.exists():
            say(f"compiling the core with {compiler.path}, once")
            _compile(compiler, source, library)
        if not is_ours_alone(library):
            raise NoLibraryError(f"{library} can be written by others")
        loaded = _load(library)
    except NoLibraryError as error:
        _remember(failure, error.reason)
        raise
    failure.unlink(missing_ok=True)
    return loaded


def _load(library: Path) -> Library:
    try:
        return Library(library)
    except OSError as error:
        library.unlink(missing_ok=True)  # a damaged one is compiled anew next time
        raise NoLibraryError(f"the compiled core cannot be loaded: {error}") from error


def _compile(compiler: Compiler, source: bytes, library: Path) -> None:
    """Compile in a folder of our own, then put the result in its place in one step."""
    try:
        with tempfile.TemporaryDirectory(dir=library.parent, prefix=".compiling-") as folder:
            text, made = Path(folder) / SOURCE.name, Path(folder) / library.name
            text.write_bytes(source)
            done = subprocess.run(
                compiler.command(text, made), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", check=False, timeout=_LONGEST_S,
                env={**os.environ, "LC_ALL": "C"},
            )  # fmt: skip
            if done.returncode != 0 or not made.is_file():
                lines = done.stdout.strip().splitlines() or [f"exit status {done.returncode}"]
                raise NoLibraryError(f"{compiler.path} cannot compile the core: {lines[0]}")
            write_atomic(library, made.read_bytes(), mode=0o700)
    except (OSError, RecordError, subprocess.TimeoutExpired) as error:
        if not library.exists():  # Windows cannot replace one that another process has loaded meanwhile
            raise NoLibraryError(f"the core cannot be compiled: {error}") from error


def _remember(failure: Path, reason: str) -> None:
    try:
        write_atomic(failure, reason.encode())
    except RecordError:
        return  # told again next time
