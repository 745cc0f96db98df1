"""Does a board still hold what its receipts say? Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from flashpipe.board.session.session import Session
from flashpipe.digests import md5
from flashpipe.errors import DriftError
from flashpipe.firmware.flash_map import HEADER_SIZE_BYTE, adjusted_header
from flashpipe.flash import Region, merge
from flashpipe.flasher.model import Outcome, VerifiedRegion
from flashpipe.flasher.verified_regions import BLANK, DATA, FIRMWARE
from flashpipe.next_steps import Advice, command
from flashpipe.records.history import HistoryRow, StoredReceipt
from flashpipe.values import dataclass

SAME, CHANGED, NOTED = "as recorded", "changed", "not on record before: noted now"


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """What was found where a receipt says something."""

    row: HistoryRow
    md5: str
    """Of what stands there now, hex."""

    @property
    def state(self) -> str:
        """SAME, CHANGED or NOTED."""
        if not self.row.md5:
            return NOTED
        return SAME if self.row.md5 == self.md5 else CHANGED


def audit(session: Session, rows: Sequence[HistoryRow]) -> list[AuditFinding]:
    """Ask the board for the digest of every region that its receipts speak of.

    Raises:
        WireError, PortLostError: it does not answer.
    """
    return session.retry(lambda: _ask(session, rows))


def _ask(session: Session, rows: Sequence[HistoryRow]) -> list[AuditFinding]:
    total, done, findings = sum(row.region.size for row in rows), 0, list[AuditFinding]()
    size = session.connected().flash_size
    with session.step("audit", "digests of all that its receipts speak of") as result:
        progress = session.progress("audit")
        for row in rows:
            findings.append(AuditFinding(row, _without_adjustment(row, session.link.md5(row.region).hex(), size)))
            done += row.region.size
            progress(done, total)
        changed = sum(finding.row.region.size for finding in findings if finding.state == CHANGED)
        result.append(f"{total:,} bytes, {changed:,} of them in regions that changed")
    return findings


def _without_adjustment(row: HistoryRow, found: str, flash_size: int | None) -> str:
    """The digest of what was recorded, where the firmware has made of that what is there; else what was found."""
    if row.region != HEADER_SIZE_BYTE:
        return found
    codes = (code for code in range(256) if _md5_of(code) == row.md5)
    adjusted = {_md5_of(other) for code in codes for other in adjusted_header(code, flash_size)}
    return row.md5 if found in adjusted else found


def _md5_of(code: int) -> str:
    return md5(bytes([code])).hex()


def outcome(session: Session, findings: Sequence[AuditFinding]) -> Outcome:
    """What the audit leaves on record: what the firmware keeps, as it is now.

    Raises:
        DriftError: the firmware itself is not what was written.
    """
    device = session.connected()
    drift = [finding for finding in findings if finding.row.kind == FIRMWARE and finding.state == CHANGED]
    receipts = ", ".join(dict.fromkeys(f.row.receipt for f in (drift or findings) if f.row.kind == FIRMWARE))
    if drift:
        places = ", ".join(str(region) for region in merge(finding.row.region for finding in drift))
        raise DriftError(
            f"{device.port}: the firmware of board {device.mac} differs at {places} from receipt {receipts}",
            Advice(
                command("flash"),
                " or ",
                command("restore"),
                " writes what differs; ",
                command("backup"),
                " first keeps what is there now",
            ),
        )
    noted = tuple(
        VerifiedRegion(finding.row.region, finding.row.kind, finding.row.what, finding.md5)
        for finding in findings
        if finding.row.kind != FIRMWARE
    )
    unknown = merge(finding.row.region for finding in findings if finding.row.kind == DATA and finding.state == CHANGED)
    blank = merge(finding.row.region for finding in findings if finding.row.what == BLANK)
    erased = blank == [Region(0, device.flash_size or 0)]
    reason = f"{'its flash is blank, as' if erased else 'the firmware is what'} its receipt says"
    if unknown:
        places = ", ".join(map(str, unknown))
        reason = f"what is known to be code is what its receipt says; {places} changed, and may be code or data"
    return Outcome("audited", device, reason=reason, verified=noted, reference=receipts)


def lines(findings: Iterable[AuditFinding], doubtful: Sequence[StoredReceipt]) -> list[str]:
    """The result for people: one line for each stretch of one kind and one finding."""
    rows = list[tuple[str, str, str, str]]()
    for (kind, what, state, receipt), group in groupby(findings, key=_what):
        regions = [finding.row.region for finding in group]
        stretch = Region(regions[0].start, regions[-1].end)
        rows.append((kind, str(stretch), what, state if state == NOTED else f"{state} ({receipt})"))
    widths = [max(map(len, column), default=0) + 2 for column in list(zip(*rows, strict=True))[:-1]]
    texts = [
        "".join([*(f"{text:<{width}}" for text, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    texts += [f"after that, a run did not finish: {kept.name}" for kept in doubtful]
    return texts


def _what(finding: AuditFinding) -> tuple[str, str, str, str]:
    return finding.row.kind, finding.row.what, finding.state, finding.row.receipt
