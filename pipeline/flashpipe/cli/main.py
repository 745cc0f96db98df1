"""The door of `flashpipe`: what must hold before anything else is loaded.

A request to stop may come while modules are still being loaded, and then is as calm as later; and a system that gives
too little memory to load them is named. So hardly anything is loaded here that Python has not loaded already.
"""

from __future__ import annotations

import os
import signal
import sys

from flashpipe.cli.stopping import STOPPED, stop_status

TYPE_CHECKING = False  # `typing` is one of the larger modules, and nothing here guards its being loaded
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Final, NoReturn

_LOADER: Final = "<frozen importlib._bootstrap>"
"""The file that Python says its loader of modules comes from."""
_LOADING_S: Final = 0.01
"""Between two looks whether modules are still being loaded."""
_patience: Final = [_LOADING_S] * 200
"""Looks that are left: a file of the project's that is loaded may hang."""
_LEAST: Final = 44_000 * 1024
"""Bytes of address space below which Python cannot be trusted to load its own files (seen with 3.11 on x86-64)."""
_NO_MEMORY: Final = (
    b"error: there is not enough memory [code: system-limit]\n"
    b"  next: raise `ulimit -v` to 100000 at least, or end other programs\n"
)
"""Made before: where there is no memory, no text can be made of others."""
_NO_MEMORY_STATUS: Final = 42
"""That of `SystemLimitError`."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns its exit status. Without `argv` the process is ours."""
    if argv is not None:
        return int(_commands().main(argv))
    if _has_little_memory():
        _end_without_memory()
    _hear_requests()
    try:
        return int(_commands().main())
    except KeyboardInterrupt as asked:
        _write(f"{STOPPED}\n".encode())
        return stop_status(asked)
    except MemoryError:
        _end_without_memory()
    finally:
        _end_at_once_from_here()


def _commands() -> Any:
    from flashpipe.cli import commands  # noqa: PLC0415  what may be interrupted, or not be loaded

    return commands


def _hear_requests() -> None:
    """Whatever asks to stop does so as Ctrl-C does; what whoever started us has set to be ignored stays so."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    """Stop as soon as no module is being loaded: an exception in the middle of that is lost now and then."""
    while frame is not None and frame.f_code.co_filename != _LOADER:
        frame = frame.f_back
    if frame is None or not _patience or not hasattr(signal, "setitimer"):
        raise KeyboardInterrupt(number)
    _patience.pop()
    signal.signal(signal.SIGALRM, lambda _number, _frame: signal.raise_signal(number))  # to whoever hears it by then
    signal.setitimer(signal.ITIMER_REAL, _LOADING_S)


def _end_at_once_from_here() -> None:
    """All is done and told; Python's own end is not to be interrupted with a traceback."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            try:
                signal.signal(number, lambda number, _frame: os._exit(128 + number))
            except ValueError:  # not in the main thread
                return


def _has_little_memory() -> bool:
    """Whether it is too little to begin: what is loaded then ends in one of many exceptions, or in none."""
    try:
        import resource  # noqa: PLC0415  Windows has none

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    except (ModuleNotFoundError, AttributeError, OSError, ValueError):
        return False
    except (ImportError, MemoryError):  # its file is there, and finds no place in the address space
        return True
    return limit != resource.RLIM_INFINITY and limit < _LEAST


def _end_without_memory() -> NoReturn:
    """Python's own end needs memory, too."""
    _write(_NO_MEMORY)
    os._exit(_NO_MEMORY_STATUS)


def _write(line: bytes) -> None:
    try:  # noqa: SIM105  contextlib would be loaded for it
        os.write(2, line)
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main())
