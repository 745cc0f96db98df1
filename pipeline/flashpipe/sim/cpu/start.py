"""Which core a board gets: the compiled one where it can be had, else Python's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from flashpipe.errors import BadValueError, NoCompiledCoreError
from flashpipe.files import cache_folder
from flashpipe.sim.cpu.c_core import CCore, Library
from flashpipe.sim.cpu.compiler import NoLibraryError, load_library
from flashpipe.sim.cpu.contract import CORE_VARIABLE, Core, Devices
from flashpipe.sim.memory import Memory

CHOICES: Final = ("auto", "python", "c")

Say = Callable[[str], None]
"""Shows one line to the user."""


def to_stderr(text: str) -> None:
    """Show a line where it is in nobody's way."""
    sys.stderr.write(f"sim: {text}\n")


class _Listener:
    """Who is told where nobody else is named: a process that works for another one tells that one."""

    say: Say = staticmethod(to_stderr)


@contextmanager
def telling(say: Say) -> Iterator[None]:
    """Tell this one in the meantime."""
    before, _Listener.say = _Listener.say, staticmethod(say)
    try:
        yield
    finally:
        _Listener.say = before


def core_name(say: Say | None = None) -> str:
    """Name of the core that `start_core` would start.

    Raises:
        BadValueError, NoCompiledCoreError: as there.
    """
    return CCore.name if _library(say or _Listener.say) is not None else "python"


def start_core(memory: Memory, devices: Devices, *, say: Say | None = None) -> Core:
    """A core, reset, for this memory and these devices, as FLASHPIPE_CORE asks for; `say` is told of a fallback, once.

    Raises:
        BadValueError: FLASHPIPE_CORE names no core.
        NoCompiledCoreError: it names the compiled one, which cannot be had here.
    """
    library = _library(say or _Listener.say)
    if library is not None:
        return CCore(library, memory, devices)
    from flashpipe.sim.cpu.python_core import PythonCore  # noqa: PLC0415  half of what is loaded, for nothing usually

    return PythonCore(memory, devices)


def _library(say: Say) -> Library | None:
    """The compiled core, as FLASHPIPE_CORE asks for it; None: Python's is to do the work."""
    wanted = os.environ.get(CORE_VARIABLE) or "auto"
    if wanted not in CHOICES:
        raise BadValueError(f"{CORE_VARIABLE}={wanted} names no core", f"set it to one of {', '.join(CHOICES)}")
    if wanted == "python":
        return None
    library = compiled_core(cache_folder(), say, again=wanted == "c")
    if isinstance(library, Library):
        return library
    if wanted == "c":
        raise NoCompiledCoreError(
            f"{CORE_VARIABLE}=c: {library}", f"install a C compiler, or set {CORE_VARIABLE}=auto or python"
        )
    return None


_found: dict[tuple[Path, bool], Library | str] = {}
"""What came of it in this process."""


def compiled_core(cache: Path, say: Say, *, again: bool) -> Library | str:
    """The compiled core, or why there is none; looked for once in a process for each folder of the cache."""
    key = cache, again
    if key not in _found:
        try:
            _found[key] = load_library(say, again=again)
        except NoLibraryError as error:
            _found[key] = error.reason
            if not error.silent and not again:
                say(f"{error.reason}; the core in Python does the work, more slowly")
    return _found[key]
