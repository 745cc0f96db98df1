"""The keyboard of a station: single keys, without Enter, and the terminal as it was afterwards."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from flashpipe.jobs import audience

QUIT, CONTINUE, SOUND = "q", "c", "s"
OF_PORTS: Final = "1234567890abdefghijklmnoprtuvwxyz"
"""Keys of ports, in their order: no other meaning, and the first ten are in one row."""
_LOOK_S: Final = 0.1


class Keys:
    """Keys as they are pressed; whoever waits is woken."""

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._queue: queue.Queue[str] = queue.Queue()

    def press(self, key: str) -> None:
        """A key was pressed."""
        self._queue.put(key.lower())
        self._wake.set()

    def pressed(self) -> Iterator[str]:
        """Those since the last call."""
        with suppress(queue.Empty):
            while True:
                yield self._queue.get_nowait()


@contextmanager
def keyboard(keys: Keys) -> Iterator[bool]:
    """Read the keyboard while the body runs; gives whether there is one."""
    if sys.stdin is None or not sys.stdin.isatty():
        yield False
        return
    over = threading.Event()
    restore = _single_keys()
    audience.closers.append(lambda _status: restore())  # also where a signal ends the process
    threading.Thread(target=_read, args=(keys, over), name="keyboard", daemon=True).start()
    try:
        yield True
    finally:
        over.set()
        restore()


if sys.platform == "win32":
    import msvcrt
    from collections.abc import Callable

    def _single_keys() -> Callable[[], None]:
        return lambda: None

    def _read(keys: Keys, over: threading.Event) -> None:
        while not over.wait(_LOOK_S):
            while msvcrt.kbhit():
                keys.press(msvcrt.getwch())

else:
    import os
    import select
    from collections.abc import Callable

    def _single_keys() -> Callable[[], None]:
        import termios  # noqa: PLC0415  only POSIX has them, and a test takes them away
        import tty  # noqa: PLC0415  the same

        handle = sys.stdin.fileno()
        before = termios.tcgetattr(handle)
        tty.setcbreak(handle)

        def restore() -> None:
            with suppress(termios.error):
                termios.tcsetattr(handle, termios.TCSADRAIN, before)

        return restore

    def _read(keys: Keys, over: threading.Event) -> None:
        handle = sys.stdin.fileno()
        while not over.is_set():
            ready, _, _ = select.select([handle], [], [], _LOOK_S)
            if ready:
                data = os.read(handle, 64)
                if not data:
                    return
                for char in data.decode("utf-8", "ignore"):
                    keys.press(char)
