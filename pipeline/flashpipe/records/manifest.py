"""The proof of a batch: one file that names every receipt by its digest, in a chain, and what holds it against them.

The chain makes the order and the number of receipts part of the proof: each link is the digest of the one before it and
of the next receipt. Whoever signs, signs this one file, with a tool of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import BatchMismatchError, RecordError
from flashpipe.files import read_json, read_regular
from flashpipe.next_steps import Advice, command
from flashpipe.records import seal
from flashpipe.records.batch import Batch, now_text
from flashpipe.records.batch_state import Attempt
from flashpipe.values import dataclass

FORMAT: Final = "flashpipe-manifest/1"
NAME: Final = "manifest.json"
FEW: Final = 5
"""Differences that a message lists."""


@dataclass(frozen=True, slots=True)
class ManifestCheck:
    """What was held against a manifest."""

    batch: str
    boards: int
    receipts: int
    chain: str
    virtual: bool


def make_manifest(batch: Batch, receipts: Path, *, virtual: bool) -> dict[str, Any]:
    """The manifest of a batch as its log and receipts stand.

    Args:
        batch: Its log is complete: nobody works on it.
        receipts: Where its receipts lie.
        virtual: Receipts of virtual boards are admitted.

    Raises:
        BatchMismatchError: a receipt is missing, was changed, or is of a virtual board.
    """
    problems, runs = list[str](), list[dict[str, Any]]()
    any_virtual = False
    head = {
        "format": FORMAT,
        "batch": batch.name,
        "profile": batch.record.profile,
        "begun": batch.record.made,
        "closed": now_text(),
        "pins": batch.record.pins,
    }
    link = _start(head)
    state = batch.refresh()
    for one in (*state.open_attempts(), *state.ended_attempts()):
        problem, record = _looked_at(receipts, one.receipt, one.sha256) if one.receipt else ("", {})
        problems += [problem] if problem else []
        if record.get("virtual"):
            any_virtual = True
        link = _next(link, one.sha256)
        runs.append({**_run(one), "chain": link})
    refused = f"batch {batch.name} cannot be closed"
    if problems:
        raise _mismatch(refused, problems)
    if any_virtual and not virtual:
        advice = Advice(command(f"batch close {batch.name}", virtual="1"), " admits them, and says so in the manifest")
        raise BatchMismatchError(f"{refused}: receipts of virtual boards are among them", advice)
    boards = [_board(one) for one in state.rows()]
    counts = state.counts()
    numbers = {"passed": counts.passed, "failed": counts.failed, "silent": counts.silent, "aside": counts.aside}
    return {**head, "virtual": any_virtual, "counts": numbers, "boards": boards, "runs": runs, "chain": link}


def verify_manifest(path: Path, receipts: Path) -> ManifestCheck:
    """Hold a manifest against itself, and against the receipts that it names.

    Raises:
        BatchMismatchError: naming what differs.
        RecordError: it cannot be read, or is none.
    """
    manifest = _read(path)
    link, problems = _start({name: manifest.get(name) for name in _HEAD}), list[str]()
    named, said = set[str](), dict[str, tuple[Any, Any]]()
    for run in manifest["runs"]:
        link = _next(link, str(run.get("sha256", "")))
        name = str(run.get("receipt", ""))
        if run.get("chain") != link:
            problems.append(f"the chain breaks at try {run.get('try')}")
            break
        if name:
            named.add(name)
            problem, record = _looked_at(receipts, name, str(run.get("sha256", "")))
            problems += [problem] if problem else _differences(run, record, manifest)
            if not problem:
                said[name] = (record.get("station") or {}).get("unit"), record.get("measured")
    if not problems and manifest["chain"] != link:
        problems.append("the chain does not end as the manifest says")
    problems += _counted(manifest, said)
    extra = sorted(name for name in _of_batch(receipts, str(manifest["batch"])) if name not in named)
    problems += [f"{name} is of the batch and not in the manifest" for name in extra]
    if problems:
        raise _mismatch(str(path), problems)
    boards = [board for board in manifest["boards"] if board.get("passed")]
    return ManifestCheck(str(manifest["batch"]), len(boards), len(named), link, bool(manifest.get("virtual")))


_HEAD: Final = ("format", "batch", "profile", "begun", "closed", "pins")


def _read(path: Path) -> dict[str, Any]:
    try:
        record = read_json(path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}", "name the manifest of a batch") from error
    except ValueError as error:
        raise RecordError(f"{path}: is no JSON: {error}", "name the manifest of a batch") from None
    lists = isinstance(record, dict) and all(
        isinstance(record.get(name), list) and all(isinstance(row, dict) for row in record[name])
        for name in ("runs", "boards")
    )
    if not lists or record.get("format") != FORMAT or not isinstance(record.get("counts"), dict):
        raise RecordError(f"{path}: is no manifest of a batch", "name the manifest.json that `batch close` has written")
    return dict(record)


def _start(head: Mapping[str, Any]) -> str:
    text = json.dumps(head, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _next(link: str, digest: str) -> str:
    return hashlib.sha256(f"{link} {digest}".encode()).hexdigest()


def _run(one: Attempt) -> dict[str, Any]:
    return {
        "try": one.id,
        "mac": one.mac,
        "unit": one.row,
        "ended": one.ended,
        "outcome": one.outcome,
        "passed": one.passed,
        "receipt": one.receipt,
        "sha256": one.sha256,
    }


def _board(one: Attempt) -> dict[str, Any]:
    return {
        "mac": one.mac,
        "unit": one.row,
        "values": one.unit,
        "measured": one.measured,
        "passed": one.passed,
        "outcome": one.outcome,
        "cause": one.cause,
        "ended": one.ended,
        "receipt": one.receipt,
    }


def _looked_at(folder: Path, name: str, digest: str) -> tuple[str, dict[str, Any]]:
    """What is wrong with a receipt, and what it says."""
    if Path(name).name != name:
        return f"{name} is no name of a receipt", {}
    try:
        data = read_regular(folder / name)
    except OSError as error:
        return f"{name}: {error.strerror}", {}
    if hashlib.sha256(data).hexdigest() != digest:
        return f"{name} was changed", {}
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return f"{name} is no receipt", {}
    return ("", record) if isinstance(record, dict) else (f"{name} is no receipt", {})


def _differences(run: Mapping[str, Any], record: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """What a manifest says of a run, and its receipt does not."""
    station = record.get("station")
    says = {
        "outcome": record.get("outcome"),
        "mac": (record.get("device") or {}).get("mac", ""),
        "try": station.get("try") if isinstance(station, dict) else None,
    }
    wrong = [f"{run.get('receipt')} says {name} {value}" for name, value in says.items() if run.get(name) != value]
    if isinstance(station, dict) and station.get("batch") != manifest.get("batch"):
        wrong.append(f"{run.get('receipt')} is of batch {station.get('batch')}")
    return wrong


def _counted(manifest: Mapping[str, Any], said: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    """The boards that a manifest calls good, against its own runs, and what their receipts say of units and values."""
    last = {str(run.get("mac")): run for run in manifest["runs"] if run.get("passed")}
    passed = [board for board in manifest["boards"] if board.get("passed")]
    for board in passed:
        run = last.get(str(board.get("mac")))
        if run is None or run.get("receipt") != board.get("receipt"):
            yield f"board {board.get('mac')} is called good, and no run says so"
        elif said.get(str(board.get("receipt"))) not in (None, (board.get("values"), board.get("measured"))):
            yield f"board {board.get('mac')} has other values in its receipt"
    macs = [board.get("mac") for board in passed]
    if len(set(map(str, macs))) != len(macs):
        yield "a board stands in it twice"
    if manifest["counts"].get("passed") != len(passed):
        yield f"it counts {manifest['counts'].get('passed')} good boards and names {len(passed)}"


def _of_batch(folder: Path, batch: str) -> Iterable[str]:
    for path in sorted(folder.glob("*.json")):
        try:
            record = read_json(path)
        except (OSError, ValueError):
            continue
        station = record.get("station") if isinstance(record, dict) else None
        if isinstance(station, dict) and station.get("batch") == batch and seal.is_own(record, path):
            yield path.name


def _mismatch(what: str, problems: list[str]) -> BatchMismatchError:
    more = f"; and {len(problems) - FEW} more" if len(problems) > FEW else ""
    return BatchMismatchError(f"{what}: {'; '.join(problems[:FEW])}{more}", BatchMismatchError.remedy)
