"""What is noted of each place that was acquired, so that a run that is killed leaves nothing that nobody knows of.

The file is written before the place is acquired, and locked while its process lives: what is found unlocked was left by
one that is dead.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from flashpipe import files, locks
from flashpipe.board.ports.places import LabPlace
from flashpipe.errors import PlaceTakenError, RecordError

_ENTRY_LIMIT: Final = 4096


def folder() -> Path:
    """Where the records lie."""
    return files.state_folder() / "leases"


def still_holds(left: dict[str, Any], place: LabPlace) -> bool:
    """Whether a place is in the state in which a dead run has left it: nobody has released and acquired it since."""
    if not left.get("changed"):  # it died while it was acquiring
        return True
    return (left["changed"], left.get("holder")) == (place.changed, place.holder)


class LeaseRecord:
    """The note of one acquisition: locked while its process lives.

    Each coordinator, and each name under which its places are acquired, has notes of its own.
    """

    def __init__(self, place: str, coordinator: str, user: str, path: Path | None = None) -> None:
        readable = re.sub(r"[^A-Za-z0-9]+", "-", place).strip("-")[-40:]
        self.place, self._coordinator, self._user = place, coordinator, user
        digest = sha256(f"{coordinator} {user} {place}".encode()).hexdigest()[:8]
        self.path = path or folder() / f"{readable}-{digest}.lease"
        self._stream: IO[bytes] | None = None

    def hold(self) -> dict[str, Any] | None:
        """Note that the place is about to be ours; what a dead run has noted before.

        Raises:
            PlaceTakenError: another flashpipe of this user has it.
            RecordError: it cannot be noted.
        """
        left = self.try_hold()
        if left is None:
            raise PlaceTakenError(
                f"place {self.place} is already acquired by another flashpipe of yours", PlaceTakenError.remedy
            )
        self._write({})
        return left or None

    def try_hold(self) -> dict[str, Any] | None:
        """Lock it; what it holds, empty where that is nothing; None where another process has it locked.

        Raises:
            RecordError: the file cannot be opened.
        """
        stream = locks.open_lock(self.path)
        if not locks.try_lock(stream, _ENTRY_LIMIT):
            stream.close()
            return None
        self._stream = stream
        try:
            entry = files.read_json(self.path, _ENTRY_LIMIT)
        except (OSError, ValueError):
            return {}
        return entry if isinstance(entry, dict) else {}

    def note(self, place: LabPlace) -> None:
        """Note what the coordinator says of it now that it is ours.

        Raises:
            RecordError: it cannot be noted.
        """
        self._write({"changed": place.changed, "holder": place.holder, "place": place.name})

    def is_ours(self, left: dict[str, Any]) -> bool:
        """Whether it was left at this coordinator, under this name."""
        return (left.get("coordinator"), left.get("user")) == (self._coordinator, self._user)

    def _write(self, more: dict[str, str]) -> None:
        assert self._stream is not None
        entry = {
            "place": self.place,
            "coordinator": self._coordinator,
            "user": self._user,
            "pid": os.getpid(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            **more,
        }
        try:
            self._stream.truncate(0)
            os.write(self._stream.fileno(), json.dumps(entry).encode()[:_ENTRY_LIMIT])
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise RecordError(f"{self.path}: {error.strerror}", files.next_step(self.path)) from error

    def leave(self) -> None:
        """Unlock it, and leave what it says to the next run."""
        if self._stream is not None:
            locks.unlock(self._stream, _ENTRY_LIMIT)
            self._stream.close()
            self._stream = None

    def drop(self) -> None:
        """The place is not ours any more: nothing is left to be said."""
        with suppress(OSError):
            if self._stream is not None:
                self._stream.truncate(0)
            self.path.unlink(missing_ok=True)  # Windows keeps what is open
        self.leave()
