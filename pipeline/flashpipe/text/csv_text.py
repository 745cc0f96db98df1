"""Tables as CSV, for programs and for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

_BEGINS: Final = frozenset("=+-@\t\r\n")
"""What a spreadsheet takes for the beginning of a formula, or leaves out before one."""
_NUMBER: Final = re.compile(r"[+-]\d[\d., ]*")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as lines; no cell is a formula, wherever its text has come from.

    >>> csv_text([("name", "=cmd"), (-5, "-5"), ("+49 30 1", "=1+1"), ("@9", "+1+1")]).splitlines()
    ["name,'=cmd", '-5,-5', "+49 30 1,'=1+1", "'@9,'+1+1"]
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _harmless(cell: object) -> object:
    """A text that a spreadsheet takes for itself; a number with a sign is what it looks like."""
    is_formula = isinstance(cell, str) and cell[:1] in _BEGINS and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if cell and is_formula else cell
