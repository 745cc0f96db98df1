"""The receipts of a project, read again: for the audit of a board, for the report of a batch, and for pruning."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import RecordError
from flashpipe.files import NO_RECORD, read_regular
from flashpipe.flash import Region
from flashpipe.lazy import lazy_pattern
from flashpipe.records import seal
from flashpipe.values import dataclass

FORMATS: Final = frozenset({"flashpipe-receipt/1", "flashpipe-receipt/2", "flashpipe-receipt/3"})
"""Formats that can be read; the second came with digests of what a board holds."""
SHAPE: Final[Mapping[str, type]] = {
    **dict.fromkeys(("time", "command", "outcome", "profile", "board_state"), str),
    **dict.fromkeys(("device", "verdict", "lock", "keeping", "diagnosis"), dict),
    **dict.fromkeys(("images", "segments", "written", "holds", "steps", "files"), list),
}
"""What whoever reads a receipt relies on."""
GOOD: Final = frozenset(
    {"flashed", "skipped", "restored", "erased", "backed-up", "audited", "verified", "booted", "files"}
)
"""Outcomes that are no failure; all others are codes of errors."""


_STAMPED: Final = lazy_pattern(r"(\d{8}T\d{9})-")
_TIME: Final = lazy_pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MAC: Final = lazy_pattern("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_OUTCOME: Final = lazy_pattern("[a-z][a-z0-9-]{0,63}")
_DAY: Final = len("20261130")


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt that lies in a folder."""

    path: Path
    record: Mapping[str, Any]
    own: bool = True
    """Whether this user has written it."""

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.name

    @property
    def mac(self) -> str:
        """Of the board, empty where none was reached."""
        return str(self._device.get("mac", ""))

    @property
    def board(self) -> str:
        """The MAC by which people know the board: also one that only its firmware gave; empty where none did."""
        return self.mac or self.text("told_mac")

    @property
    def _device(self) -> Mapping[str, object]:
        device = self.record.get("device")
        return device if isinstance(device, dict) else {}

    def text(self, name: str) -> str:
        """A field of it, empty where it has none."""
        return str(self.record.get(name, ""))

    @property
    def good(self) -> bool:
        """Whether the run ended well."""
        return self.text("outcome") in GOOD

    @property
    def stamp(self) -> str:
        """The time in its name, to the millisecond; empty where it has none. Not before that of the run."""
        match = _STAMPED.match(self.name)
        return match[1] if match and match[1][: len(self.told)] >= self.told else ""

    @property
    def told(self) -> str:
        """What the clock said at the run, in the form of a name, to the second; empty where the receipt has no time."""
        time = self.text("time")
        return re.sub("[-:Z]", "", time) if _TIME.fullmatch(time) else ""

    @property
    def named_by_clock(self) -> bool:
        """Whether name and clock agree: no other record was in the way, the clock was not set back, nobody renamed."""
        return bool(self.told) and self.stamp.startswith(self.told)


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What a receipt vouches for in one region."""

    region: Region
    kind: str
    """`firmware`, or what may change by running: `parameters`, `files`, `data`."""
    what: str
    """For people."""
    md5: str
    """Hex; empty where nobody knew what would stand there."""
    receipt: str
    """Name of the receipt that says so."""


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A file among the receipts that counts for nothing."""

    path: Path
    copy_of: str = ""
    """The receipt that it is a copy of; empty: it is none that can be read."""

    def __str__(self) -> str:
        """In words."""
        what = f"a copy of {self.copy_of}, which counts once" if self.copy_of else "not a receipt that can be read"
        return f"{self.path.name}: {what}"


def read_receipts(folder: Path) -> tuple[list[StoredReceipt], list[RejectedFile]]:
    """The receipts of a folder, the oldest first, each once, and the files that count for nothing.

    Raises:
        RecordError: the folder cannot be read.
    """
    stored, rejected = _stored(folder)
    receipts, copies = _without_copies(_in_order(stored))
    return receipts, sorted([*rejected, *copies], key=lambda one: one.path)


def _stored(
    folder: Path, wanted: Callable[[str], bool] = lambda _name: True
) -> tuple[list[StoredReceipt], list[RejectedFile]]:
    """What the files are whose names are wanted."""
    receipts, rejected = list[StoredReceipt](), list[RejectedFile]()
    try:
        paths = sorted(path for path in folder.glob("*.json") if not path.name.startswith(".") and wanted(path.name))
        texts = [(path, _bytes(path)) for path in paths]
    except OSError as error:
        raise RecordError(
            f"{error.filename or folder}: cannot be read: {error.strerror}", "fix the permissions of that folder"
        ) from error
    for path, text in texts:
        record = _parsed(text)
        if record is None:
            rejected.append(RejectedFile(path))
        else:
            receipts.append(StoredReceipt(path, record, seal.is_own(record, path)))
    return receipts, rejected


def _in_order(receipts: Sequence[StoredReceipt]) -> list[StoredReceipt]:
    """The oldest first.

    Names say the order, also where the clock was set back: from then on each is a little later than the latest of that
    day. A name of a day on which no run was is not ours, or was given by somebody: then the run's own time counts.
    """
    days = {receipt.stamp[:_DAY] for receipt in receipts if receipt.named_by_clock}

    def age(receipt: StoredReceipt) -> tuple[str, str]:
        named = receipt.stamp[:_DAY] in days or not receipt.told
        return receipt.stamp if receipt.stamp and named else receipt.told, receipt.name

    return sorted(receipts, key=age)


def _without_copies(receipts: Sequence[StoredReceipt]) -> tuple[list[StoredReceipt], list[RejectedFile]]:
    """Each receipt once, under the name that it was given; two failures of one second that took no time are two."""
    alike: dict[tuple[str, ...], list[StoredReceipt]] = {}
    for receipt in receipts:
        alike.setdefault((receipt.told, receipt.mac, receipt.text("port"), receipt.text("outcome")), []).append(receipt)
    copies = [copy for group in alike.values() if len(group) > 1 for copy in _copies(group)]
    gone = {copy.path for copy in copies}
    return [receipt for receipt in receipts if receipt.path not in gone], copies


def _copies(receipts: Sequence[StoredReceipt]) -> Iterator[RejectedFile]:
    first: dict[str, StoredReceipt] = {}
    for receipt in sorted(receipts, key=lambda one: (not one.named_by_clock, len(one.name), one.name)):
        key = json.dumps(receipt.record, sort_keys=True)
        if not receipt.record.get("steps"):
            key += receipt.stamp
        original = first.setdefault(key, receipt)
        if original is not receipt:
            yield RejectedFile(receipt.path, original.name)


def stamps_of(folder: Path, after: str) -> list[str]:
    """Names of the receipts that are later than a time (as in a name), by names that count.

    Raises:
        RecordError: the folder cannot be read.
    """
    # None as ever, unless other boards end in this moment, the clock was set back, or somebody has put a file here.
    later = [one for one in _stored(folder, lambda name: name > after)[0] if one.own]
    days = _days_of_clock(later)
    doubtful = {one.stamp[:_DAY] for one in later} - days
    if doubtful:
        days |= _days_of_clock(_stored(folder, lambda name: name[:_DAY] in doubtful)[0])
    return [one.name for one in later if one.stamp[:_DAY] in days]


def _days_of_clock(receipts: Iterable[StoredReceipt]) -> set[str]:
    """Days on which the user's own runs were."""
    return {receipt.stamp[:_DAY] for receipt in receipts if receipt.own and receipt.named_by_clock}


def _bytes(path: Path) -> bytes:
    try:
        return read_regular(path)
    except OSError as error:
        if error.errno in NO_RECORD:
            return b""
        raise


def _parsed(text: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("format"), str) or record["format"] not in FORMATS:
        return None
    return record if has_shape(record, SHAPE) and _is_plausible(record) else None


def _is_plausible(record: Mapping[str, Any]) -> bool:
    """Whether the words that are counted and sorted by are such as a run writes; where they are missing, also."""
    mac = record.get("device", {}).get("mac", "")
    rest = (record.get("time", ""), record.get("outcome", ""))
    return isinstance(mac, str) and all(
        not text or pattern.fullmatch(text) for pattern, text in zip((_MAC, _TIME, _OUTCOME), (mac, *rest), strict=True)
    )


def has_shape(record: Mapping[str, object], shape: Mapping[str, type]) -> bool:
    """Whether those fields that a record has are of their types."""
    return all(isinstance(record[name], kind) for name, kind in shape.items() if name in record)


def vouched(receipts: Iterable[StoredReceipt], mac: str) -> tuple[list[HistoryRow], list[StoredReceipt]]:
    """What the receipts of a board say it holds, and those later ones after which that is not certain any more.

    A flash, an erase and the restore of a whole flash say it anew; a restore of some regions, and an audit, which has
    seen what the firmware changed, replace what was said of those regions. What somebody else has written counts for
    nothing.
    """
    rows, doubtful = list[HistoryRow](), list[StoredReceipt]()
    for receipt in receipts:
        if receipt.mac != mac or not receipt.own:
            continue
        said = _rows(receipt)
        if said:
            anew = bool(receipt.record.get("whole"))
            rows = said if anew else [*(row for row in rows if not _replaced(row, said)), *said]
            doubtful = [] if anew else doubtful
        elif receipt.text("board_state") == "writing":
            doubtful.append(receipt)
    return sorted(rows, key=lambda row: row.region), doubtful


def _replaced(row: HistoryRow, said: Iterable[HistoryRow]) -> bool:
    return any(row.region.overlaps(other.region) for other in said)


def _rows(kept: StoredReceipt) -> list[HistoryRow]:
    try:
        return [
            HistoryRow(
                Region(int(row["start"]), int(row["end"])),
                str(row["kind"]),
                str(row["what"]),
                str(row["md5"]),
                kept.name,
            )
            for row in kept.record.get("holds", ())
        ]
    except (KeyError, TypeError, ValueError):
        return []
