"""The receipts of a batch, held against its log: with one that was cut, or lost, a station would begin anew, unsaid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flashpipe.errors import BatchMismatchError
from flashpipe.files import read_regular
from flashpipe.records import seal
from flashpipe.records.batch_state import PASSED, Attempt, BatchState


def receipts_of(folder: Path, batch: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and contents of the user's own receipts of a batch, sorted by name."""
    for path in sorted(folder.glob("*.json")):
        try:
            data = read_regular(path)
            record: Any = json.loads(data) if batch.encode() in data else None
        except (OSError, ValueError, RecursionError):
            continue
        station = record.get("station") if isinstance(record, dict) else None
        if isinstance(station, dict) and station.get("batch") == batch and seal.is_own(record, path):
            yield path.name, record


def check_log(log: Path, batch: str, receipts: Path, read: Callable[[], BatchState]) -> None:
    """Go on only with a log that knows of every receipt of its batch.

    `read` gives what the log says, and is called behind the receipts: another station may add to both.

    Raises:
        BatchMismatchError: it does not; it was cut, or is another.
    """
    found = list(receipts_of(receipts, batch))
    attempts = read().attempts
    unknown = [name for name, record in found if not _is_known(record, attempts.get(str(record["station"].get("try"))))]
    if unknown:
        raise BatchMismatchError(
            f"batch {batch}: {log} does not know of {len(unknown)} receipts of this batch, such as {unknown[-1]}",
            f"put {log.name} back from a copy; without one, begin another batch: batch=NAME",
        )


def _is_known(record: Mapping[str, Any], attempt: Attempt | None) -> bool:
    """Whether the log has the try of a receipt and, where that was given to a board, which one."""
    taken = record.get("outcome") in PASSED or bool(record["station"].get("unit"))
    return attempt is not None and (attempt.admitted or not taken)
