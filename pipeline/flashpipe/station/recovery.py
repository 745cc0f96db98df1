"""What a station that was killed has left: who is alive, and how the tries of the dead have ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flashpipe.files import read_regular
from flashpipe.locks import open_lock, try_lock, unlock
from flashpipe.records.batch import Batch, new_id
from flashpipe.records.batch_state import END
from flashpipe.station.attempt import PASSED


def _life(batch: Batch, station: str) -> Path:
    return batch.folder / f"station-{station}.lock"


@contextmanager
def living(batch: Batch) -> Iterator[str]:
    """While the body runs, others see that this station is alive; gives its name."""
    station = new_id()
    path = _life(batch, station)
    with open_lock(path) as stream:
        try_lock(stream)
        try:
            yield station
        finally:
            unlock(stream)
    path.unlink(missing_ok=True)


def is_alive(batch: Batch, station: str) -> bool:
    """Whether a station works on the batch: the system takes the lock from whoever dies."""
    path = _life(batch, station)
    if not station.isalnum() or not path.exists():
        return False
    with open_lock(path) as stream:
        if not try_lock(stream):
            return True
        unlock(stream)
    path.unlink(missing_ok=True)
    return False


def recover(batch: Batch, receipts: Path) -> list[str]:
    """Give tries that a kill has left without an end the one that their receipt tells; of others say so.

    Returns:
        A line for each, for people.

    Raises:
        RecordError: the batch cannot be written.
    """
    lines = []
    with batch.alone() as state:
        waiting = {one.id: one for one in state.open_tries() if not is_alive(batch, one.station)}
        if not waiting:
            return []
        for path in sorted(receipts.glob("*.json"), reverse=True):
            record, digest = _receipt(path)
            name = str((record.get("station") or {}).get("try", ""))
            one = waiting.pop(name, None)
            if one is not None:
                batch.append_locked(END, **{"try": name}, **_end_of(record, path.name, digest))
                lines.append(f"board {one.mac or one.place}: its end was not noted, its receipt tells it")
            if not waiting:
                break
        for name, one in waiting.items():
            batch.append_locked(END, **{"try": name}, outcome="stopped", passed=False, cause="the station was killed")
            lines.append(f"board {one.mac or one.place}: was being worked on when the station ended; plug it in again")
    return lines


def _receipt(path: Path) -> tuple[dict[str, Any], str]:
    with suppress(OSError, ValueError, RecursionError):
        data = read_regular(path)
        record = json.loads(data)
        if isinstance(record, dict) and isinstance(record.get("station"), dict | None):
            return record, hashlib.sha256(data).hexdigest()
    return {}, ""


def _end_of(record: dict[str, Any], name: str, digest: str) -> dict[str, Any]:
    steps = record.get("steps") or []
    return {
        "outcome": record["outcome"],
        "passed": record["outcome"] in PASSED,
        "mac": (record.get("device") or {}).get("mac", ""),
        "cause": str(record.get("error", "")).partition("\n")[0],
        "receipt": name,
        "sha256": digest,
        "seconds": round(sum(float(took) for _, took in steps), 3),
        "steps": steps,
        "virtual": bool(record.get("virtual")),
        "measured": record.get("measured") or {},
    }
