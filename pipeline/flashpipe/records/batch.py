"""A batch of boards: what it was begun with, and a log of every try, from which all that is said of it is counted.

`batch.json` is written once. `log.jsonl` only grows, by whole lines, each durable before what it announces is done: a
process that is killed leaves tries without an end, of which the receipts tell (`flashpipe.station.recovery`). Several
stations may work on one batch: whoever adds a line has the lock, and has read what the others have added.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import BadValueError, NoBatchError, RecordError
from flashpipe.files import make_private, read_json, write_atomic
from flashpipe.locks import exclusive
from flashpipe.masking import masked
from flashpipe.records import json_lines
from flashpipe.records.batch_state import BatchState
from flashpipe.records.seal import sealed
from flashpipe.values import dataclass

FORMAT: Final = "flashpipe-batch/1"
FOLDER: Final = "batches"
"""Beside the receipts."""
RECORD: Final = "batch.json"
LOG: Final = "log.jsonl"
LOCK: Final = "log.lock"
WAIT_S: Final = 30.0
"""Longest wait for another station, which has the lock for milliseconds."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What a batch was begun with."""

    name: str
    profile: str
    made: str
    """UTC, ISO 8601."""
    pins: dict[str, Any] = field(default_factory=dict)
    """Digests of all that its boards are given."""
    words: dict[str, str] = field(default_factory=dict)
    """Variables that the station was begun with: it goes on with them."""


def batch_folder(records: Path, name: str) -> Path:
    """Where the files of a batch are.

    Raises:
        BadValueError: the name is none.
    """
    if not _NAME.fullmatch(name):
        raise BadValueError(
            f"batch={name}: want 1 to 64 letters, digits, dots, hyphens and underscores", "such as batch=2026-12-A"
        )
    return records / FOLDER / name


def batch_names(records: Path) -> list[str]:
    """The batches of a project, sorted."""
    return sorted(path.parent.name for path in (records / FOLDER).glob(f"*/{RECORD}"))


def now_text() -> str:
    """The time as records have it: UTC, to the millisecond."""
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"


def new_id() -> str:
    """A name for a try, or for the visit of a board to a port, that nobody else gives."""
    return secrets.token_hex(6)


def _record(stored: dict[str, Any]) -> BatchRecord:
    """The record that was stored.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    if stored["format"] != FORMAT:
        raise ValueError(f"its format is {stored['format']!r}, want {FORMAT}")
    return BatchRecord(
        str(stored["name"]),
        str(stored["profile"]),
        str(stored["made"]),
        dict(stored["pins"]),
        {str(key): str(text) for key, text in stored["words"].items()},
    )


class Batch:
    """A batch that is open for more lines."""

    def __init__(self, folder: Path, record: BatchRecord) -> None:
        self.folder, self.record = folder, record
        self.state = BatchState()
        """What its log says, as far as it was read."""
        self._read = 0
        self._guard = threading.RLock()

    @property
    def name(self) -> str:
        """How it is called."""
        return self.record.name

    @classmethod
    def begin(cls, records: Path, record: BatchRecord) -> Batch:
        """Make a new batch.

        Raises:
            RecordError: it cannot be stored.
        """
        folder = batch_folder(records, record.name)
        make_private(folder.parent, folder)
        plain = {
            "format": FORMAT,
            "name": record.name,
            "profile": record.profile,
            "made": record.made,
            "pins": record.pins,
            "words": masked(record.words),
        }
        with exclusive(folder / LOCK, f"batch {record.name}", WAIT_S):
            if not (folder / RECORD).exists():  # another station may have begun it in this moment
                write_atomic(folder / RECORD, (json.dumps(sealed(plain), indent=1) + "\n").encode())
        return cls.open(records, record.name)

    @classmethod
    def open(cls, records: Path, name: str) -> Batch:
        """A batch that is there.

        Raises:
            NoBatchError: there is none of that name.
            RecordError: it cannot be read.
        """
        folder = batch_folder(records, name)
        path = folder / RECORD
        try:
            stored = read_json(path)
            record = _record(stored)
        except FileNotFoundError:
            known = ", ".join(batch_names(records)) or "none"
            raise NoBatchError(f"batch {name}: there is no such batch here; there is {known}") from None
        except OSError as error:
            raise RecordError(f"{path}: cannot be read: {error.strerror}", "fix its permissions") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"{path}: is no record of a batch: {error}", "put it back from a copy") from error
        batch = cls(folder, record)
        batch.refresh()
        return batch

    # --- the log -----------------------------------------------------------------------------------------------------

    def refresh(self) -> BatchState:
        """Read what was added since; returns the state."""
        with self._guard:
            lines, self._read = json_lines.read(self.folder / LOG, self._read)
            for line in lines:
                if isinstance(line.get("what"), str) and isinstance(line.get("at"), str):
                    self.state.add(line)
        return self.state

    def append(self, what: str, **fields: Any) -> BatchState:
        """Add a line, durably; returns the state with it.

        Raises:
            RecordError: it could not be stored. Then what it announces must not be done.
            FetchBusyError: somebody has had the lock for long.
        """
        with self.alone():
            return self.append_locked(what, **fields)

    @contextmanager
    def alone(self) -> Iterator[BatchState]:
        """Nobody else adds lines while the body runs; gives the state, which is complete."""
        with exclusive(self.folder / LOCK, f"batch {self.name}", WAIT_S):
            yield self.refresh()

    def append_locked(self, what: str, **fields: Any) -> BatchState:
        """As `append`, inside of `alone`."""
        json_lines.append(self.folder / LOG, {"at": now_text(), "what": what, **masked(fields)})
        return self.refresh()
