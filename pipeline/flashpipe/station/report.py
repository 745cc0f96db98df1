"""Reports for the customer: one page for the batch and one for each unit, and the same as CSV and JSON.

Each page is one file without scripts, that can be read on paper. Times are local, with their zone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from flashpipe.records.batch import Batch
from flashpipe.records.batch_state import Attempt, seconds_of
from flashpipe.station.plots import bars, share
from flashpipe.terminal import json_text
from flashpipe.text.csv_text import csv_text
from flashpipe.units import format_number

STYLE: Final = """
:root { color-scheme: light }
body { font: 11pt/1.4 sans-serif; color: #111; background: #fff }
body { max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem }
h1 { font-size: 18pt; margin-bottom: 0 } h2 { font-size: 13pt; margin: 1.4rem 0 .4rem }
table { border-collapse: collapse; width: 100%; font-size: 9.5pt }
th, td { text-align: left; vertical-align: top; padding: .2rem .5rem; border-bottom: 1px solid #ccc }
th { border-bottom: 2px solid #555 } thead { display: table-header-group } tbody { break-inside: avoid }
tr:has(+ .below) td { border-bottom: 0 } .below td { padding-top: 0; color: #333 }
td { white-space: nowrap } td.text { white-space: normal; overflow-wrap: anywhere; min-width: 5rem }
.bad { font-weight: bold; color: #a00 } .aside { color: #666 }
dl { display: grid; grid-template-columns: max-content auto; gap: .1rem 1rem; margin: .6rem 0 } dt { color: #555 }
dd { margin: 0; overflow-wrap: anywhere } .plot { width: 100%; max-width: 40rem; font-size: 12px }
.note { border: 2px solid #a00; padding: .3rem .6rem } @page { margin: 14mm } @media print { body { margin: 0 } }
"""
FIELDS: Final = ("result", "mac", "unit", "outcome", "cause", "ended", "seconds", "tries", "port", "receipt", "sha256")
"""Columns of the table before those of the units and of what was measured."""
_TAKEN: Final = frozenset({*FIELDS, "MAC", "batch", "plan", "profile", "tries", "what", "when", "s"})
"""Names that the report has given: a jig that measures a `result` says nothing of the report's own."""
BESIDE: Final = 2
"""Values of a board that stand in columns of their own; where there are more, they stand below: paper is narrow."""
MOST_STEPS: Final = 12
_TEXT: Final = ' class="text"'


def batch_page(batch: Batch, *, manifest: str = "") -> str:
    """The report of a batch; `manifest` is its digest, empty while the batch is open."""
    rows, counts, record = batch.state.rows(), batch.state.counts(), batch.record
    rate = "none yet" if counts.rate is None else f"{counts.rate:.1%}"
    facts = {
        "profile": record.profile,
        "begun": local(record.made),
        "good": f"{counts.passed}, of these {counts.first_time} at the first try",
        "bad": f"{counts.failed}, of these {counts.silent} that never answered",
        "not worked on": str(counts.aside),
        "yield": rate,
        "seconds for a board": f"{counts.seconds:.1f}" if counts.passed else "",
        "manifest (sha256)": manifest or "the batch is open",
        **{name: str(digest) for name, digest in record.pins.items()},
    }
    steps = mean_steps([row for row in rows if row.passed])
    causes = Counter(row.outcome for row in rows if row.failed)
    body = [
        f"<h1>Batch {escape(batch.name)}</h1>",
        _virtual(rows),
        _facts(facts),
        "<h2>Yield</h2>",
        share(counts.passed, counts.failed),
        "<h2>Where the seconds went</h2>",
        bars("mean seconds of good boards", [(name, took, f"{took:.1f} s") for name, took in steps], tone="#47a"),
        "<h2>Failures by cause</h2>",
        bars("failures", [(name, float(count), str(count)) for name, count in causes.most_common()], tone="#c33")
        if causes
        else "<p>None.</p>",
        "<h2>Boards</h2>",
        _table(batch, rows),
    ]
    return page(f"Batch {batch.name}", body)


def unit_page(batch: Batch, one: Attempt) -> str:
    """The report of one board."""
    tries = batch.state.of(one.mac) if one.mac else [one]
    facts = {
        "batch": batch.name,
        "profile": batch.record.profile,
        "result": result(one),
        "cause": one.cause,
        "when": local(one.ended),
        "tries": str(len(tries)),
        **{name: _text(value) for name, value in values_of(one).items()},
        "receipt": one.receipt,
        "receipt (sha256)": one.sha256,
        **{name: str(digest) for name, digest in batch.record.pins.items()},
    }
    rows = [(name, took, f"{took:.1f} s") for name, took in one.steps]
    return page(
        one.row or one.mac or "no answer",
        [
            f"<h1>{escape(one.row or one.mac or 'a board that never answered')}</h1>",
            _virtual([one]),
            _facts({"MAC": one.mac, **facts}),
            "<h2>Where the seconds went</h2>",
            bars("seconds", rows, tone="#47a") if rows else "<p>Nothing was done.</p>",
        ],
    )


def page(title: str, body: Sequence[str]) -> str:
    """A page that needs nothing beside it."""
    text = "\n".join(part for part in body if part)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body>\n{text}\n</body></html>\n"
    )


def _virtual(rows: Iterable[Attempt]) -> str:
    return '<p class="note">These boards are virtual.</p>' if any(row.virtual for row in rows) else ""


def _facts(facts: Mapping[str, str]) -> str:
    shown = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text)
    return f"<dl>{shown}</dl>"


def _table(batch: Batch, rows: Sequence[Attempt]) -> str:
    named = [(row, values_of(row)) for row in rows]
    more = [name for name in columns(rows) if any(values.get(name) != row.row for row, values in named if row.row)]
    head = ["result", "MAC", "unit", "what", "when", "s", "tries", *(more if len(more) <= BESIDE else [])]
    lines = []
    for row, values in named:
        tries = str(len(batch.state.of(row.mac))) if row.mac else "1"
        cells = [
            row.mac or "no answer",
            row.row,
            row.cause or row.outcome,
            local(row.ended),
            f"{row.seconds:.1f}",
            tries,
        ]
        told = {name: _text(values[name]) for name in more if name in values}
        below = ""
        if len(more) <= BESIDE:
            cells += [told.get(name, "") for name in more]
        elif told:
            words = " · ".join(f"{escape(name)} <b>{escape(text)}</b>" for name, text in told.items())
            below = f'<tr class="below"><td></td><td class="text" colspan="{len(head) - 1}">{words}</td></tr>'
        kind = "" if row.passed else "aside" if row.aside else "bad"
        long = {2, *range(6, len(cells))}  # what has happened, and values
        shown = "".join(f"<td{_TEXT * (at in long)}>{escape(cell)}</td>" for at, cell in enumerate(cells))
        lines.append(f'<tbody><tr><td class="{kind}">{result(row)}</td>{shown}</tr>{below}</tbody>')
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return f"<table><thead><tr>{heads}</tr></thead>{''.join(lines)}</table>"


def result(row: Attempt) -> str:
    """One word."""
    return "good" if row.passed else "not worked on" if row.aside else "bad"


def local(text: str) -> str:
    """A time of the log on the clock of this place.

    >>> local("")
    ''
    """
    seconds = seconds_of(text)
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds)) if seconds else ""


def _text(value: object) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def mean_steps(rows: Sequence[Attempt]) -> list[tuple[str, float]]:
    """Mean seconds of each step, in the order in which they come; those that take longest, where there are many."""
    total = dict[str, float]()
    for row in rows:
        for name, took in row.steps:
            total[name] = total.get(name, 0.0) + took
    total["everything else"] = sum(row.seconds for row in rows) - sum(total.values())
    largest = sorted(total, key=lambda name: total[name], reverse=True)[:MOST_STEPS]
    return [(name, total[name] / len(rows)) for name in total if name in largest and total[name] > 0]


def columns(rows: Iterable[Attempt]) -> list[str]:
    """Names of the values of units, and of what was measured, in the order in which they come."""
    names = dict[str, None]()
    for row in rows:
        names |= dict.fromkeys(values_of(row))
    return list(names)


def values_of(row: Attempt) -> dict[str, object]:
    """The values of a board's unit, and what was measured; no name that the report itself has is taken from it.

    The column `mac` of a list of units says which board a line is for, and what that is has its place already.
    """
    values: dict[str, object] = {}
    for name, text in row.unit.items():
        if name != "mac":
            values[f"{name} (unit)" if name in _TAKEN else name] = text
    for name, value in row.measured.items():
        values[f"{name} (measured)" if name in _TAKEN or name in row.unit else name] = value
    return values


def table_rows(batch: Batch) -> list[dict[str, Any]]:
    """The table for programs."""
    rows = batch.state.rows()
    return [
        {
            "result": result(row),
            "mac": row.mac,
            "unit": row.row,
            "outcome": row.outcome,
            "cause": row.cause,
            "ended": row.ended,
            "seconds": round(row.seconds, 3),
            "tries": len(batch.state.of(row.mac)) if row.mac else 1,
            "port": row.place,
            "receipt": row.receipt,
            "sha256": row.sha256,
            "values": dict(row.unit),
            "measured": dict(row.measured),
        }
        for row in rows
    ]


def as_csv(batch: Batch) -> str:
    """The table, failures first; columns of units and of what was measured behind the others."""
    more = columns(batch.state.rows())
    rows: list[list[object]] = [[*FIELDS, *more]]
    for row, one in zip(table_rows(batch), batch.state.rows(), strict=True):
        values = values_of(one)
        rows.append([*(row[name] for name in FIELDS), *(values.get(name, "") for name in more)])
    return csv_text(rows)


def as_json(batch: Batch) -> str:
    """Counts and table."""
    counts = batch.state.counts()
    return json_text(
        {
            "batch": batch.name,
            "profile": batch.record.profile,
            "begun": batch.record.made,
            "pins": batch.record.pins,
            "passed": counts.passed,
            "failed": counts.failed,
            "silent": counts.silent,
            "aside": counts.aside,
            "yield": counts.rate,
            "seconds": round(counts.seconds, 3),
            "boards": table_rows(batch),
        }
    )
