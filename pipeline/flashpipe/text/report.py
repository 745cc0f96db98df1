"""What receipts say together: as text for people, as CSV or JSON for programs."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Final

from flashpipe.records.summary import FIELDS, Summary
from flashpipe.terminal import json_text
from flashpipe.text.csv_text import csv_text

_SOME: Final = 3
"""Names of files that a line shows."""


def local_time(text: str) -> str:
    """A time of a receipt, which is UTC, on the clock of this place; another text as it is."""
    try:
        seconds = timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return text
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))


def as_text(batch: Summary) -> str:
    """Counts, and one line for each board."""
    if not batch.counts:
        return "no receipts" + (f"; {len(batch.unreadable)} files that are none" if batch.unreadable else "")
    counts = ", ".join(f"{number} {outcome}" for outcome, number in batch.counts.items())
    lines = [f"{local_time(batch.first)} to {local_time(batch.last)}: {counts}"]
    for board in batch.boards:
        bits = [board.outcome, board.verdict, f"audit {board.audit}" if board.audit else "", board.images]
        line = ", ".join(bit for bit in bits if bit)
        virtual = "  (virtual)" if board.virtual else ""
        runs = f"{board.runs} run(s), {board.failures} failed"
        who = board.mac or f"no answer on {board.port}"
        unit = f"{board.unit}  " if board.unit else ""
        lines.append(f"{who}  {unit}{local_time(board.time)}  {board.profile:<12}  {line}  {runs}{virtual}")
    answered = sum(bool(board.mac) for board in batch.boards)
    lines.append(f"{answered} board(s)" + (f"; {batch.boardless} run(s) reached none" * bool(batch.boardless)))
    lines += [f"{name}: not a receipt that can be read" for name in batch.unreadable]
    lines += [f"{name}: a copy of a receipt, which counts once" for name in batch.copies]
    lines += _foreign(batch.foreign)
    return "\n".join(lines)


def _foreign(names: Sequence[str]) -> list[str]:
    """What is said of receipts by others: anybody can write one, and only one's own are sealed."""
    if not names:
        return []
    some = ", ".join(names[:_SOME]) + (", ..." if len(names) > _SOME else "")
    return [f"{len(names)} of these receipts were not written by you, and are counted as they are: {some}"]


def as_csv(batch: Summary) -> str:
    """One row for each board, below their names."""
    return csv_text([FIELDS, *map(astuple, batch.boards)]).rstrip("\n")


def as_json(batch: Summary) -> str:
    """All of it."""
    return json_text(asdict(batch))


FORMATS: Final[Mapping[str, Callable[[Summary], str]]] = {"text": as_text, "csv": as_csv, "json": as_json}
