"""The door of `flashpipe`: what must hold before anything else is loaded.

A request to stop may come while modules are still being loaded, and then is as calm as later; and a system that gives
too little memory to load them is named. So hardly anything is loaded here that Python has not loaded already.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from flashpipe.cli.stopping import STOPPED, stop_status

if TYPE_CHECKING:
    from types import FrameType

_LEAST: Final = 44_000 * 1024
"""Bytes of address space, as in `limits`, which could not be loaded."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns its exit status. Without `argv` the process is ours."""
    if argv is not None:
        return int(_commands().main(argv))
    _hear_requests()
    try:
        return int(_commands().main())
    except KeyboardInterrupt as asked:
        _write(STOPPED)
        return stop_status(asked)
    except Exception:
        if not _has_little_memory():
            raise
        _write("error: there is not enough memory [code: system-limit]\n  next: raise `ulimit -v` to 100000 at least")
        return 42
    finally:
        _end_at_once_from_here()


def _commands() -> Any:
    from flashpipe.cli import commands  # noqa: PLC0415  what may be interrupted, or not be loaded

    return commands


def _hear_requests() -> None:
    """Whatever asks to stop does so as Ctrl-C does; what whoever started us has set to be ignored stays so."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def _end_at_once_from_here() -> None:
    """All is done and told; Python's own end is not to be interrupted with a traceback."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(ValueError):  # not in the main thread
                signal.signal(number, lambda number, _frame: os._exit(128 + number))


def _has_little_memory() -> bool:
    with suppress(Exception):
        import resource  # noqa: PLC0415  Windows has none

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        return limit != resource.RLIM_INFINITY and limit < _LEAST
    return False


def _write(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"{text}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
