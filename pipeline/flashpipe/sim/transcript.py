"""A record of what passed on the line, as JSON lines that can be compared.

One object a line: `t` board time in seconds, `who` (`host`, `board`) with `hex`, or `what` (`lines`, `baud`, `power`)
with `value`. Bytes that follow each other in the same direction are joined, so that the record does not depend on how
the host's reads happened to fall.
"""

from __future__ import annotations

import json
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from flashpipe.errors import BadValueError
from flashpipe.files import open_output


class Transcript:
    """Collects events; writes them to a file, or keeps them in `events` where there is none."""

    def __init__(self, path: Path | None = None, *, keep: bool = False) -> None:
        self.events: list[dict[str, object]] = []
        self._keep = keep
        self._stream: TextIO | None = None
        self._who = ""
        self._since = 0.0
        self._data = bytearray()
        if path is not None:
            try:
                self._stream = TextIOWrapper(open_output(path), encoding="utf-8")
            except OSError as error:
                raise BadValueError(
                    f"record={path}: cannot be written: {error.strerror or error}", "name a file you may write"
                ) from error

    @property
    def active(self) -> bool:
        """Whether anybody will see the record."""
        return self._keep or self._stream is not None

    def data(self, now: float, who: str, data: bytes) -> None:
        """Bytes from `host` or `board`."""
        if not self.active or not data:
            return
        if who != self._who:
            self.flush()
            self._who, self._since = who, now
        self._data += data

    def note(self, now: float, what: str, value: str) -> None:
        """Anything else that happened."""
        if self.active:
            self.flush()
            self._put({"t": round(now, 6), "what": what, "value": value})

    def flush(self) -> None:
        """End the run of bytes that is being joined."""
        if self._data:
            self._put({"t": round(self._since, 6), "who": self._who, "hex": self._data.hex()})
        self._data.clear()
        self._who = ""

    def close(self) -> None:
        """Write what is left."""
        self.flush()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _put(self, event: dict[str, object]) -> None:
        if self._keep:
            self.events.append(event)
        if self._stream is not None:
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()
