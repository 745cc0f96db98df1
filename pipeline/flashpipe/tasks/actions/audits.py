"""The tasks `audit` and `report`: what boards and receipts say, for whoever has to show it."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Final

from flashpipe.errors import BadValueError, NoReceiptError
from flashpipe.jobs.board_job import BoardRun
from flashpipe.tasks.step import board_step, notify, step

if TYPE_CHECKING:
    from flashpipe.flasher.model import Outcome
    from flashpipe.jobs.request import Request
    from flashpipe.records.summary import Summary


@board_step
def audit_board(board: BoardRun) -> None:
    """Compare a board with what its receipts say it holds."""
    from flashpipe.flasher.audit import audit, lines, outcome  # noqa: PLC0415
    from flashpipe.records.history import read_receipts, vouched  # noqa: PLC0415

    folder = board.request.folder / "receipts"

    def run() -> Outcome:
        session = board.session()
        device = session.connected()
        receipts, damaged = read_receipts(folder)
        for path in damaged:
            session.say(f"{path.name}: not a receipt that can be read")
        rows, doubtful = vouched(receipts, device.mac)
        if not rows:
            raise NoReceiptError(
                f"{device.port}: no receipt in {folder} says what board {device.mac} holds",
                "`flashpipe flash` or `flashpipe restore` writes one; receipts of format 1 hold no digests",
            )
        findings = audit(session, rows)
        for line in lines(findings, doubtful):
            notify(line)
        done = outcome(session, findings)
        session.leave()
        return done

    done = board.recorded("audit", run)
    notify(f"board {done.device.mac if done.device else ''}: {done.reason} ({done.reference})")


FORMATS: Final = ("text", "csv", "json")


@step
def report_batch(request: Request) -> None:
    """Say what the project's receipts say, as text, CSV or JSON."""
    from flashpipe.records.history import read_receipts  # noqa: PLC0415
    from flashpipe.records.summary import summarise  # noqa: PLC0415

    form = request.variables.choice("format", FORMATS)
    receipts, damaged = read_receipts(request.folder / "receipts")
    batch = summarise(receipts, _since(request.variables.text("since")), [path.name for path in damaged])
    notify({"text": _as_text, "csv": _as_csv, "json": _as_json}[form](batch))


def _since(text: str) -> str:
    """A date or time as it was typed, or so long ago: `7d`, `12h`; as receipts write it."""
    ago = re.fullmatch(r"(\d{1,5})\s*([dh])", text.strip())
    if ago:
        then = time.time() - int(ago[1]) * (86_400 if ago[2] == "d" else 3_600)
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(0.0, then)))
    if text and not re.fullmatch(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\dZ?)?)?)?)?)?", text):
        raise BadValueError(
            f"since={text}: want a date such as 2026-11-23, or 7d, or 12h", "leave it out for all receipts"
        )
    return text


def _as_text(batch: Summary) -> str:
    if not batch.counts:
        return "no receipts" + (f"; {len(batch.unreadable)} files that are none" if batch.unreadable else "")
    counts = ", ".join(f"{number} {outcome}" for outcome, number in batch.counts.items())
    lines = [f"{batch.first} to {batch.last} (UTC): {counts}"]
    for board in batch.boards:
        bits = [board.outcome, board.verdict, f"audit {board.audit}" if board.audit else "", board.images]
        told = ", ".join(bit for bit in bits if bit)
        virtual = "  (virtual)" if board.virtual else ""
        runs = f"{board.runs} run(s), {board.failures} failed"
        lines.append(f"{board.mac}  {board.time}  {board.profile:<12}  {told}  {runs}{virtual}")
    lines.append(f"{len(batch.boards)} board(s)" + (f"; {batch.boardless} run(s) reached none" * bool(batch.boardless)))
    lines += [f"{name}: not a receipt that can be read" for name in batch.unreadable]
    return "\n".join(lines)


def _as_csv(batch: Summary) -> str:
    from flashpipe.records.summary import FIELDS  # noqa: PLC0415

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows(astuple(board) for board in batch.boards)
    return out.getvalue().rstrip("\n")


def _as_json(batch: Summary) -> str:
    return json.dumps(asdict(batch), indent=1)
