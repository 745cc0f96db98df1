"""What a build that failed, or was killed, has left where its outputs belong: `make` takes it for finished.

Before a build runs it is noted what its outputs are, and it is forgotten once it has succeeded. A build that finds that
note knows: what differs from it is of one that did not come to its end, unless somebody has made it anew since then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from flashpipe.errors import BuildOutputError, RecordError
from flashpipe.files import read_json, write_atomic
from flashpipe.next_steps import Advice, repeat

State = tuple[int, int, int, int]
"""Of a file: when its bytes and itself were changed, in nanoseconds, its size, its inode.

A copy can keep the time of its bytes, and a file that was removed leaves its inode to the next one.
"""


def state_of(path: Path) -> State:
    """The state of a file; zeros where there is none."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


class Remains:
    """What is known of the outputs of builds in one folder, whatever their command: it may have been corrected."""

    def __init__(self, note: Path, before: Mapping[Path, State]) -> None:
        """Note that the build begins.

        Args:
            note: Where that is noted.
            before: Its outputs.

        Raises:
            RecordError: that cannot be noted.
        """
        self._note = note
        good, left = self._read()
        if good is None:
            good = {str(path): state for path, state in before.items()}
        self._doubtful = {
            path: state
            for path, state in before.items()
            if state != good.get(str(path)) and (left is None or state == left.get(str(path)))
        }
        self._good = {**good, **{str(path): state for path, state in before.items() if path not in self._doubtful}}
        self._write(None)

    def refuse(self, outputs: Iterable[Path]) -> None:
        """Go on only if none of the files is what a build has left that did not come to its end.

        Raises:
            BuildOutputError: one is, and this build has not made it anew.
        """
        for path in outputs:
            if path in self._doubtful and state_of(path) == self._doubtful[path]:
                raise BuildOutputError(
                    f"build: {path} is what a build that failed has left, and this one took it for finished",
                    Advice(f"remove {path.name}, and ", repeat("run the same command again")),
                )

    def failed(self, outputs: Iterable[Path]) -> None:
        """The build has not succeeded; these are there now."""
        with suppress(RecordError):  # then all that differs is doubtful, as after a kill
            self._write({str(path): state_of(path) for path in outputs})

    def succeeded(self) -> None:
        """All outputs are of a build that came to its end."""
        with suppress(OSError):  # then the next build is more careful than it need be
            self._note.unlink(missing_ok=True)

    def _read(self) -> tuple[dict[str, State] | None, dict[str, State] | None]:
        try:
            stored = read_json(self._note)
            return _states(stored["good"]), None if stored["left"] is None else _states(stored["left"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None, None

    def _write(self, left: Mapping[str, State] | None) -> None:
        write_atomic(self._note, json.dumps({"good": self._good, "left": left}).encode())


def _states(stored: Mapping[str, list[int]]) -> dict[str, State]:
    return {path: _state(*state) for path, state in stored.items()}


def _state(*numbers: int) -> State:
    of_bytes, of_file, size, inode = map(int, numbers)
    return of_bytes, of_file, size, inode
