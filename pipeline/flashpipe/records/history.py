"""The receipts of a project, read again: for the audit of a board, for the report of a batch, and for pruning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import RecordError
from flashpipe.files import NO_RECORD, read_regular
from flashpipe.flash import Region
from flashpipe.records import seal
from flashpipe.values import dataclass

FORMATS: Final = frozenset({"flashpipe-receipt/1", "flashpipe-receipt/2", "flashpipe-receipt/3"})
"""Formats that can be read; the second came with digests of what a board holds."""
SHAPE: Final[Mapping[str, type]] = {
    **dict.fromkeys(("time", "command", "outcome", "profile", "board_state"), str),
    **dict.fromkeys(("device", "verdict", "lock", "keeping", "diagnosis"), dict),
    **dict.fromkeys(("images", "segments", "written", "holds", "steps"), list),
}
"""What whoever reads a receipt relies on."""
GOOD: Final = frozenset(
    {"flashed", "skipped", "restored", "erased", "backed-up", "audited", "verified", "booted", "files"}
)
"""Outcomes that are no failure; all others are codes of errors."""


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt that lies in a folder."""

    path: Path
    record: Mapping[str, Any]
    own: bool = True
    """Whether this user has written it."""

    @property
    def name(self) -> str:
        """Its file name; sorts by age."""
        return self.path.name

    @property
    def mac(self) -> str:
        """Of the board, empty where none was reached."""
        return str(self._device.get("mac", ""))

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


def read_receipts(folder: Path) -> tuple[list[StoredReceipt], list[Path]]:
    """The receipts of a folder, the oldest first, and the files that are none that can be read.

    Raises:
        RecordError: the folder cannot be read.
    """
    good, bad = list[StoredReceipt](), list[Path]()
    try:
        paths = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
        texts = [(path, _bytes(path)) for path in paths]
    except OSError as error:
        raise RecordError(
            f"{error.filename or folder}: cannot be read: {error.strerror}", "fix the permissions of that folder"
        ) from error
    for path, text in texts:
        record = _parsed(text)
        if record is None:
            bad.append(path)
        else:
            good.append(StoredReceipt(path, record, seal.is_own(record, path)))
    return good, bad


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
    return record if has_shape(record, SHAPE) else None


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
