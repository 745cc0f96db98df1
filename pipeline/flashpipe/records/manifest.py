"""The proof of a batch: one file that names every receipt by its digest, in a chain, and what holds it against them.

The chain makes each try, with the digest of its receipt, their order and their number part of the proof, and at its end
the boards and the counts. Whoever signs, signs this one file, with a tool of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import BatchMismatchError, RecordError
from flashpipe.files import read_json, read_regular
from flashpipe.next_steps import Advice, command
from flashpipe.records.batch import Batch, now_text
from flashpipe.records.batch_receipts import receipts_of
from flashpipe.records.batch_state import BEGIN, END, FOUND, PASSED, Attempt, BatchState
from flashpipe.values import dataclass

_FORMAT: Final = "flashpipe-manifest/"
FORMAT: Final = f"{_FORMAT}2"
NAME: Final = "manifest.json"
COUNTED: Final = ("passed", "failed", "silent", "aside")
_HEAD: Final = ("format", "batch", "profile", "begun", "closed", "pins")
_OF_RUN: Final = ("mac", "unit", "passed", "outcome", "ended", "receipt")
"""What is said of a board, and of its last run."""
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
    """The manifest of a batch as its log and receipts stand; it would be found right by `verify_manifest`.

    Args:
        batch: Its log is complete: nobody works on it.
        receipts: Where its receipts lie.
        virtual: Receipts of virtual boards are admitted.

    Raises:
        BatchMismatchError: a receipt is missing, was changed, is of none of its tries, or of a virtual board.
    """
    state = batch.refresh()
    counts = state.counts()
    runs = [_run(one) for one in (*state.open_attempts(), *state.ended_attempts())]
    problems, records = _looked_at_all(runs, receipts)
    made = {
        "format": FORMAT,
        "batch": batch.name,
        "profile": batch.record.profile,
        "begun": batch.record.made,
        "closed": now_text(),
        "pins": batch.record.pins,
        "virtual": _any_virtual(records),
        "counts": {name: getattr(counts, name) for name in COUNTED},
        "boards": [_board(one) for one in state.rows()],
        "runs": runs,
    }
    for run, link in zip(runs, _links(made), strict=True):
        run["chain"] = link  # which the next one begins with
    made["chain"] = _end(made, runs[-1]["chain"] if runs else _start(made))
    problems += _faults(made, records, receipts)
    refused = f"batch {batch.name} cannot be closed"
    if problems:
        raise _mismatch(refused, problems)
    if made["virtual"] and not virtual:
        advice = Advice(command(f"batch close {batch.name}", virtual="1"), " admits them, and says so in the manifest")
        raise BatchMismatchError(f"{refused}: receipts of virtual boards are among them", advice)
    return made


def verify_manifest(path: Path, receipts: Path) -> ManifestCheck:
    """Hold a manifest against itself, and against the receipts that it names.

    Raises:
        BatchMismatchError: naming what differs.
        RecordError: it cannot be read, or is none.
    """
    manifest = _read(path)
    problems, records = _looked_at_all(manifest["runs"], receipts)
    problems += [*_broken(manifest), *_faults(manifest, records, receipts)]
    if problems:
        raise _mismatch(f"{path}, by the receipts in {receipts}", problems)
    return told(manifest)


def told(manifest: Mapping[str, Any]) -> ManifestCheck:
    """What a manifest that is right says."""
    return ManifestCheck(
        str(manifest["batch"]),
        sum(bool(board.get("passed")) for board in manifest["boards"]),
        len({run["receipt"] for run in manifest["runs"] if run.get("receipt")}),
        str(manifest["chain"]),
        bool(manifest["virtual"]),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        record = read_json(path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}", "name the manifest of a batch") from error
    except ValueError as error:
        raise RecordError(f"{path}: is no JSON: {error}", "name the manifest of a batch") from None
    told = str(record.get("format")) if isinstance(record, dict) else ""
    if told.startswith(_FORMAT) and told != FORMAT:
        raise RecordError(
            f"{path}: is a manifest of another flashpipe, in format {told}; this one knows {FORMAT}",
            "verify it with the flashpipe that has closed the batch",
        )
    lists = isinstance(record, dict) and all(
        isinstance(record.get(name), list) and all(isinstance(row, dict) for row in record[name])
        for name in ("runs", "boards")
    )
    chained = lists and all("chain" in part for part in (record, *record["runs"]))
    if not chained or record.get("format") != FORMAT or not isinstance(record.get("counts"), dict):
        raise RecordError(f"{path}: is no manifest of a batch", "name the manifest.json that `batch close` has written")
    return dict(record)


# --- the chain -------------------------------------------------------------------------------------------------------


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _start(manifest: Mapping[str, Any]) -> str:
    return _digest({name: manifest.get(name) for name in _HEAD})


def _next(link: str, part: object) -> str:
    return hashlib.sha256(f"{link} {_digest(part)}".encode()).hexdigest()


def _links(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The link that each run should have; behind one that has another, as that one says."""
    link = _start(manifest)
    for run in manifest["runs"]:
        link = _next(link, {name: value for name, value in run.items() if name != "chain"})
        yield link
        link = str(run["chain"])


def _end(manifest: Mapping[str, Any], link: str) -> str:
    """The last link: of all that stands in a manifest beside its head and its runs."""
    return _next(link, {name: value for name, value in manifest.items() if name not in {*_HEAD, "runs", "chain"}})


def _broken(manifest: Mapping[str, Any]) -> Iterator[str]:
    runs = manifest["runs"]
    for run, link in zip(runs, _links(manifest), strict=True):
        if run["chain"] != link:
            yield f"the chain breaks at try {run.get('try')}"
    if manifest["chain"] != _end(manifest, str(runs[-1]["chain"]) if runs else _start(manifest)):
        yield "the chain does not end as the manifest says"


# --- what it says ----------------------------------------------------------------------------------------------------


def _run(one: Attempt) -> dict[str, Any]:
    return {
        "try": one.id,
        "visit": one.visit,
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


def _looked_at_all(runs: Iterable[Mapping[str, Any]], receipts: Path) -> tuple[list[str], dict[str, Mapping[str, Any]]]:
    """What is wrong with the receipts of runs, and what those say that are as they were, by name."""
    problems, records = list[str](), dict[str, Mapping[str, Any]]()
    for run in runs:
        if name := str(run.get("receipt", "")):
            problem, record = _looked_at(receipts, name, str(run.get("sha256", "")))
            if problem:
                problems.append(problem)
            else:
                records[name] = record
    return problems, records


def _any_virtual(records: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(bool(record.get("virtual")) for record in records.values())


def _faults(manifest: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]], receipts: Path) -> Iterator[str]:
    """What a manifest says, and neither its runs nor their receipts do."""
    for run in manifest["runs"]:
        if record := records.get(str(run.get("receipt", ""))):
            yield from _differences(run, record, manifest)
        if run.get("passed") is not (str(run.get("outcome")) in PASSED):
            yield f"try {run.get('try')} is called {_called(run)}, and ended {run.get('outcome')}"
    yield from _counted(manifest)
    for board in manifest["boards"]:
        if record := records.get(str(board.get("receipt", ""))):
            values = _mapping(record.get("station")).get("unit") if board.get("unit") else {}
            if _digest([values, record.get("measured")]) != _digest([board.get("values"), board.get("measured")]):
                yield f"board {board.get('mac')} has other values in its receipt"
    if manifest.get("virtual") is not _any_virtual(records):
        yield f"it says virtual: {json.dumps(manifest.get('virtual'))}, and its receipts do not"
    named = {str(run.get("receipt", "")) for run in manifest["runs"]}
    for name, _ in receipts_of(receipts, str(manifest.get("batch"))):
        if name not in named:
            yield f"{name} is of the batch and not in the manifest"
    units = Counter(str(board.get("unit")) for board in manifest["boards"] if board.get("passed") and board.get("unit"))
    yield from (f"unit {unit} is on {count} good boards" for unit, count in units.items() if count > 1)


def _differences(run: Mapping[str, Any], record: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """What a manifest says of a run, and its receipt does not."""
    station = _mapping(record.get("station"))
    says = {
        "outcome": record.get("outcome"),
        "mac": _mapping(record.get("device")).get("mac", ""),
        "try": station.get("try"),
    }
    for name, value in says.items():
        if run.get(name) != value:
            yield f"{run.get('receipt')} says {name} {value}"
    if station.get("batch") != manifest.get("batch"):
        yield f"{run.get('receipt')} is of batch {station.get('batch')}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _called(row: Mapping[str, Any]) -> str:
    return "good" if row.get("passed") else "bad"


def _counted(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Boards and counts, against those that its own runs make."""
    state = BatchState()
    for number, run in enumerate(manifest["runs"]):
        name = str(number)
        said = {key: str(run.get(key, "")) for key in ("visit", "mac", "unit", "ended", "outcome", "receipt")}
        state.add({"what": BEGIN, "try": name, "visit": said["visit"]})
        if said["mac"]:
            state.add({"what": FOUND, "try": name, "mac": said["mac"], "row": said["unit"]})
        if said["ended"]:
            end = {"at": said["ended"], "outcome": said["outcome"], "receipt": said["receipt"], "mac": said["mac"]}
            state.add({"what": END, "try": name, "passed": said["outcome"] in PASSED, **end})
    made = [{name: _board(one)[name] for name in _OF_RUN} for one in state.rows()]
    named = [{name: board.get(name) for name in _OF_RUN} for board in manifest["boards"]]
    yield from (f"board {row['mac']} is called {_called(row)}, and no run says so" for row in _more(named, made))
    others = {_digest(row["mac"]) for row in named}
    for row in _more(made, named):
        if _digest(row["mac"]) not in others:
            yield f"board {row['mac'] or row['receipt']} is left out"
    for name in COUNTED:
        count, right = manifest["counts"].get(name), getattr(state.counts(), name)
        if count != right:
            yield f"it counts {count} boards as {name}, its runs {right}"


def _more(rows: Iterable[Mapping[str, Any]], than: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The rows that are not among the others, or there more often."""
    left = Counter(map(_digest, than))
    for row in rows:
        left[_digest(row)] -= 1
        if left[_digest(row)] < 0:
            yield row


def _mismatch(what: str, problems: list[str]) -> BatchMismatchError:
    more = f"; and {len(problems) - FEW} more" if len(problems) > FEW else ""
    return BatchMismatchError(f"{what}: {'; '.join(problems[:FEW])}{more}", BatchMismatchError.remedy)
