"""What boards and receipts say, for whoever has to show it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from flashpipe.errors import BadValueError, NoReceiptError
from flashpipe.flasher.audit import AuditFinding, audit, outcome
from flashpipe.flasher.model import Outcome, RunRecord
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.request import CommandLine
from flashpipe.next_steps import Advice, command
from flashpipe.records.batch import Batch
from flashpipe.records.history import StoredReceipt, read_receipts, vouched
from flashpipe.records.summary import Summary, summarise


def audit_board(board: BoardRun, show: Callable[[Sequence[AuditFinding], Sequence[StoredReceipt]], None]) -> Outcome:
    """Compare a board with what its receipts say it holds; `show` takes what was found, and later runs that did
    not finish.

    Raises:
        NoReceiptError: none says anything of this board.
        DriftError: its firmware is not what was written.
        PipelineError: it could not be read.
    """
    board.command.require_own_records()
    folder = board.command.receipts_folder

    def run(_record: RunRecord) -> Outcome:
        session = board.session()
        device = session.connected()
        receipts, rejected = read_receipts(folder)
        for file in rejected:
            session.notify(str(file))
        others = [receipt.name for receipt in receipts if receipt.mac == device.mac and not receipt.own]
        if others:
            newest = f", {max(others)} being the newest" if len(others) > 1 else f", {others[0]}"
            session.notify(
                f"{len(others)} receipt(s) of this board{newest}, were not written by you: they count for nothing"
            )
        rows, doubtful = vouched(receipts, device.mac)
        if not rows:
            raise NoReceiptError(
                f"{device.port}: no receipt in {folder} says what board {device.mac} holds",
                Advice(
                    command("flash"), " or ", command("restore"), " writes one; receipts of format 1 hold no digests"
                ),
            )
        findings = audit(session, rows)
        show(findings, doubtful)
        result = outcome(session, findings)
        session.leave()
        return result

    return board.recorded("audit", run)


def sum_up(command: CommandLine) -> Summary:
    """What the project's receipts, those that `since=` names, say together.

    Raises:
        BadValueError: that is neither a date nor so long ago.
        NoBatchError: no batch of a station has the name that `batch=` gives, and no receipt either.
        RecordError: the folder of receipts cannot be read.
    """
    command.require_own_records()
    receipts, rejected = read_receipts(command.receipts_folder)
    text = command.variables.text
    port = command.variables.given.get("port", "")  # not the one that the environment has for flashing
    batch = text("batch")
    summary = summarise(receipts, _since(text("since")), rejected, port=port, batch=batch)
    if batch and not summary.counts:
        Batch.open(command.folder, batch)  # a name that was mistyped is no batch without boards
    return summary


def _since(text: str) -> str:
    """A date or time here as it was typed, `today`, or so long ago: `7d`, `12h`; as receipts write it, in UTC."""
    if text.strip() == "today":
        text = time.strftime("%Y-%m-%d")
    ago = re.fullmatch(r"(\d{1,5})\s*([dh])", text.strip())
    if ago:
        then = time.time() - int(ago[1]) * (86_400 if ago[2] == "d" else 3_600)
        return _utc(then)
    if text and not re.fullmatch(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\dZ?)?)?)?)?)?", text):
        raise BadValueError(
            f"since={text}: want today, a date such as 2026-11-23, or 7d, or 12h", "leave it out for all receipts"
        )
    if not text or text.endswith("Z"):
        return text
    full = text + "0000-01-01T00:00:00"[len(text) :]
    try:
        return _utc(time.mktime(time.strptime(full, "%Y-%m-%dT%H:%M:%S")))
    except (ValueError, OverflowError) as error:
        raise BadValueError(f"since={text}: there is no such day", "such as since=2026-11-23") from error


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(0.0, seconds)))
