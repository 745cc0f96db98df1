"""What a batch of boards was given, from its receipts: counts, and one line for each board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import PurePath
from typing import Final

from flashpipe.records.history import GOOD, RejectedFile, StoredReceipt
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
    port: str = ""
    """Of the last run."""
    unit: str = ""
    """What a station has made of it: the values of its unit, the first of them."""
    batch: str = ""

    @property
    def good(self) -> bool:
        """Whether the last run ended well."""
        return self.outcome in GOOD


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
    """Runs that reached no board; for each port on which there were some, a line of `boards` without MAC."""
    unreadable: tuple[str, ...]
    """Files that are no receipts."""
    copies: tuple[str, ...]
    """Files that are receipts once more: they count for nothing."""
    foreign: tuple[str, ...] = ()
    """Receipts that this user has not written here, a colleague's for instance. They are counted."""


def summarise(
    receipts: Sequence[StoredReceipt],
    since: str,
    rejected: Sequence[RejectedFile] = (),
    *,
    port: str = "",
    batch: str = "",
) -> Summary:
    """What some receipts say together; boards whose last run failed stand first, those that never answered before them.

    Args:
        receipts: The oldest first.
        since: Only those whose time is not before it (ISO 8601, UTC, or the beginning of one); empty: all.
        rejected: Files beside them that count for nothing.
        port: Only those of this port, or of the ports that fit this pattern.
        batch: Only those of this batch.
    """
    chosen = [receipt for receipt in receipts if receipt.text("time") >= since and _fits(receipt, port, batch)]
    boards: dict[tuple[str, str], list[StoredReceipt]] = {}
    for receipt in chosen:
        if not receipt.mac and receipt.good:
            continue  # it ran, and nobody asked who it is: a boot check
        boards.setdefault((receipt.mac, "" if receipt.mac else receipt.text("port")), []).append(receipt)
    times = sorted(receipt.text("time") for receipt in chosen)
    return Summary(
        first=times[0] if times else "",
        last=times[-1] if times else "",
        counts=dict(sorted(Counter(receipt.text("outcome") for receipt in chosen).items())),
        boards=tuple(sorted(_each_unit_once([_line(mac, own) for (mac, _), own in boards.items()]), key=_order)),
        boardless=sum(not receipt.mac for receipt in chosen),
        unreadable=tuple(file.path.name for file in rejected if not file.copy_of),
        copies=tuple(file.path.name for file in rejected if file.copy_of),
        foreign=tuple(receipt.name for receipt in chosen if not receipt.own),
    )


def _fits(kept: StoredReceipt, port: str, batch: str) -> bool:
    own = kept.text("port")
    here = not port or own == port or PurePath(own).name == port or fnmatch(own, port)
    return here and batch in {"", str(_mapping(kept.record.get("station")).get("batch", ""))}


def _each_unit_once(lines: Iterable[BoardLine]) -> Iterator[BoardLine]:
    """A unit that a failed board has given back is that of the board which got it later."""
    given = set[tuple[str, str]]()
    for line in sorted(lines, key=lambda line: line.time, reverse=True):
        unit = line.batch, line.unit
        yield replace(line, unit="") if unit in given and line.unit else line
        given.add(unit)


def _order(line: BoardLine) -> tuple[bool, bool, str, str]:
    return line.good, bool(line.mac), line.mac, line.port


def _line(mac: str, own: Sequence[StoredReceipt]) -> BoardLine:
    changing = [receipt for receipt in own if receipt.text("command") in CHANGING]
    last = changing[-1] if changing else own[-1]
    audits = [receipt for receipt in own[own.index(last) :] if receipt.text("command") == "audit"]
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
        failures=sum(not receipt.good for receipt in own),
        receipt=last.name,
        port=last.text("port"),
        unit=next(iter(map(str, _mapping(_mapping(last.record.get("station")).get("unit")).values())), ""),
        batch=str(_mapping(last.record.get("station")).get("batch", "")),
    )


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _image(image: dict[str, object]) -> str:
    return f"{image.get('name', '')} {str(image.get('sha256', ''))[:12]}".strip()
