"""What a batch of boards was given, from its receipts: counts, and one line for each board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from flashpipe.records.history import StoredReceipt
from flashpipe.values import dataclass

CHANGING: Final = frozenset({"flash", "restore", "erase", "files"})
"""Commands after which a board is another than before."""


@dataclass(frozen=True, slots=True)
class BoardLine:
    """What the receipts say of one board; texts are empty where they say nothing."""

    mac: str
    chip: str
    flash_id: str
    profile: str
    images: str
    """Names of the images, with the beginning of their sha256."""
    plan: str
    outcome: str
    """Of the last run that changed the board, or found that nothing had to be changed."""
    verdict: str
    """Of the boot after it."""
    virtual: bool
    time: str
    """Of that run, UTC."""
    audit: str
    """Outcome of the last audit since then."""
    runs: int
    failures: int
    receipt: str


FIELDS: Final = tuple(BoardLine.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of some receipts."""

    first: str
    """Time of the first and of the last receipt, UTC; empty where there is none."""
    last: str
    counts: dict[str, int]
    """Outcome to number of runs."""
    boards: tuple[BoardLine, ...]
    boardless: int
    """Runs that reached no board."""
    unreadable: tuple[str, ...]
    """Files that are no receipts."""


def summarise(receipts: Sequence[StoredReceipt], since: str, unreadable: Iterable[str] = ()) -> Summary:
    """The receipts whose time is not before `since` (ISO 8601, UTC, or the beginning of one; all if empty)."""
    chosen = [kept for kept in receipts if kept.text("time") >= since]
    boards: dict[str, list[StoredReceipt]] = {}
    for kept in chosen:
        boards.setdefault(kept.mac, []).append(kept)
    times = sorted(kept.text("time") for kept in chosen)
    return Summary(
        first=times[0] if times else "",
        last=times[-1] if times else "",
        counts=dict(sorted(Counter(kept.text("outcome") for kept in chosen).items())),
        boards=tuple(_line(mac, own) for mac, own in sorted(boards.items()) if mac),
        boardless=len(boards.get("", ())),
        unreadable=tuple(unreadable),
    )


def _line(mac: str, own: Sequence[StoredReceipt]) -> BoardLine:
    changing = [kept for kept in own if kept.text("command") in CHANGING]
    last = changing[-1] if changing else own[-1]
    audits = [kept for kept in own[own.index(last) :] if kept.text("command") == "audit"]
    device = _mapping(last.record.get("device"))
    return BoardLine(
        mac=mac,
        chip=str(device.get("chip", "")),
        flash_id=f"{device['flash_id']:#08x}" if isinstance(device.get("flash_id"), int) else "",
        profile=last.text("profile"),
        images=", ".join(_image(image) for image in last.record.get("images") or () if isinstance(image, dict)),
        plan=last.text("plan"),
        outcome=last.text("outcome"),
        verdict=str(_mapping(last.record.get("verdict")).get("kind", "")),
        virtual=bool(last.record.get("virtual")),
        time=last.text("time"),
        audit=audits[-1].text("outcome") if audits else "",
        runs=len(own),
        failures=sum(not kept.good for kept in own),
        receipt=last.name,
    )


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _image(image: dict[str, object]) -> str:
    return f"{image.get('name', '')} {str(image.get('sha256', ''))[:12]}".strip()
