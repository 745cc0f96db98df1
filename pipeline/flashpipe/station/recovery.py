"""What a station that was killed has left: how the tries of the dead have ended."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from flashpipe.files import read_regular
from flashpipe.records.batch import Batch
from flashpipe.records.batch_state import END, PASSED
from flashpipe.records.station_lives import is_alive
from flashpipe.station.texts import Texts


def recover(batch: Batch, receipts: Path, texts: Texts) -> list[str]:
    """Give tries that a kill has left without an end the one that their receipt tells; of others say so.

    Returns:
        A line for each, for people.

    Raises:
        RecordError: the batch cannot be written.
    """
    lines = []
    with batch.alone() as state:
        waiting = {one.id: one for one in state.open_attempts() if not is_alive(batch.folder, one.station)}
        if not waiting:
            return []
        for path in sorted(receipts.glob("*.json"), reverse=True):
            record, digest = _receipt(path)
            name = str((record.get("station") or {}).get("try", ""))
            one = waiting.pop(name, None)
            if one is not None:
                batch.append_locked(END, **{"try": name}, **_end_of(record, path.name, digest))
                lines.append(texts.say("recovered.told", board=one.mac or one.place))
            if not waiting:
                break
        for name, one in waiting.items():
            batch.append_locked(END, **{"try": name}, outcome="stopped", passed=False, cause="the station was killed")
            lines.append(texts.say("recovered.open", board=one.mac or one.place))
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
