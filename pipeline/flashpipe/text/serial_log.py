"""What a monitor shows, kept in a file and stamped with the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.files import PRIVATE, open_output

_NAME: Final = "name a file that can be written"


class Stamps:
    """Puts the local time in front of each line, however the text comes in pieces."""

    def __init__(self) -> None:
        self._at_start = True

    def put(self, text: str) -> str:
        """The text with a stamp wherever a line begins."""
        stamped = []
        for line in text.splitlines(keepends=True):
            stamped.append(f"[{_now()}] {line}" if self._at_start else line)
            self._at_start = line.endswith("\n")
        return "".join(stamped)


def _now() -> str:
    now = time.time()
    return f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d}"


@contextmanager
def opened_log(folder: Path, name: str) -> Iterator[Callable[[str], None]]:
    """What takes each piece of text for the file `name`, which is added to; nothing where the name is empty.

    Raises:
        BadValueError: the file cannot be written.
    """
    if not name:
        yield lambda _text: None
        return
    try:
        stream = open_output(folder / name, append=True, mode=PRIVATE)  # a board may say a password
    except (OSError, ValueError) as error:
        raise BadValueError(f"log={name}: {getattr(error, 'strerror', '') or error}", _NAME) from error
    try:

        def write(text: str) -> None:
            try:
                stream.write(text.encode("utf-8", "replace"))
                stream.flush()
            except OSError as error:
                raise BadValueError(
                    f"log={name}: {error.strerror or error}", "free disk space, or name another file"
                ) from error

        yield write
    finally:
        with suppress(OSError):  # said when it was written
            stream.close()
