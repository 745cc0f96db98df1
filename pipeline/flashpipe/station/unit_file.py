"""A list of units as a CSV file, which spreadsheets damage in ways that have names."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from flashpipe.errors import UnitsError
from flashpipe.files import read_regular
from flashpipe.masking import LEAST, is_secret
from flashpipe.station.labels import FIELDS
from flashpipe.station.units import MAC, Unit

LIMIT: Final = 32 * 1024 * 1024
"""Bytes of a file of units."""
SECRET: Final = ":secret"  # noqa: S105  a mark, no password
"""End of the name of a column whose values nobody shall read."""
TEXT: Final = ":text"
"""End of the name of a column whose numbers may differ in length."""
_COLUMN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_SPOILT: Final = re.compile(r"\d+(\.\d+)?E[+-]?\d+|#(REF|VALUE|NAME|N/A|DIV/0)[!?]?", re.IGNORECASE)
"""A number as a spreadsheet shortens it, and its own mistakes."""
_TAKEN: Final = frozenset({*FIELDS, "qr"}) - {MAC}
"""Names that have another value on labels, and some of them in templates."""


class UnitFile:
    """The rows of a file."""

    is_list = True

    def __init__(self, path: Path, columns: tuple[str, ...], secret: frozenset[str], units: list[Unit]) -> None:
        self.path, self.columns = path, columns
        self.secret = secret
        self._units = {unit.key: unit for unit in units}

    @property
    def claims(self) -> Path:
        """Where the claims are kept: beside the file, for all stations that share it."""
        return self.path.with_name(f"{self.path.name}.claims")

    def again(self) -> UnitFile:
        """The rows that are there now.

        Raises:
            UnitsError: it is damaged, or has other columns, of which templates and labels know nothing.
        """
        later = read_unit_file(self.path)
        if (later.columns, later.secret) != (self.columns, self.secret):
            raise UnitsError(f"units={self.path}:1: its columns have changed", "end the shift, and start it again")
        return later

    def example(self) -> Unit:
        """The first row."""
        return next(iter(self._units.values()))

    def of(self, key: str) -> Unit | None:
        """The row of that key; None where it was taken out of the file."""
        return self._units.get(key)

    def meant_for(self, mac: str) -> Unit | None:
        """The row whose column `mac` names the board."""
        return next((unit for unit in self._units.values() if unit.values.get(MAC) == mac), None)

    def candidates(self, taken: Mapping[str, str]) -> Iterator[Unit]:
        """The rows that no board has, in the order of the file."""
        return (unit for unit in self._units.values() if unit.key not in taken)

    def __len__(self) -> int:
        return len(self._units)


def read_unit_file(path: Path) -> UnitFile:
    """The rows of a file; the first column tells them apart.

    Raises:
        UnitsError: it cannot be read, or is not what it must be; one line that names the first mistake.
    """
    lines = list(_rows(path, _text(path)))
    if not lines:
        raise UnitsError(f"units={path}: is empty", "its first line names the columns")
    _, header = lines[0]
    columns, secret, texts = _columns(path, header)
    units = [_unit(path, number, row, columns, secret) for number, row in lines[1:]]
    if not units:
        raise UnitsError(f"units={path}: has columns, but no units", "one line for each board")
    _refuse_doubles(path, lines, columns)
    _refuse_lost_zeros(path, lines, columns, texts)
    return UnitFile(path, columns, secret, units)


def _text(path: Path) -> str:
    try:
        data = read_regular(path, LIMIT)
    except OSError as error:
        raise UnitsError(f"units={path}: cannot be read: {error.strerror}", "name a CSV file") from error
    if data.startswith(b"\xef\xbb\xbf"):
        raise UnitsError(f"units={path}:1: begins with a byte order mark", "save it as UTF-8 without BOM")
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"PK\x03\x04")):
        raise UnitsError(f"units={path}: is a spreadsheet or UTF-16, no CSV", "save it as CSV in UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnitsError(f"units={path}:{line}: is not UTF-8", "save it as CSV in UTF-8") from None


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not empty."""
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        if "new-line" in str(error):
            raise UnitsError(
                f"units={path}:{reader.line_num}: has a line end of an old Mac (CR alone)",
                "save it as CSV with line ends LF or CR LF",
            ) from None
        raise UnitsError(f"units={path}:{reader.line_num}: {error}", "close the quotes of that line") from None


def _columns(path: Path, header: list[str]) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    if len(header) == 1 and set(";\t") & set(header[0]):
        mark = "semicolons" if ";" in header[0] else "tabulators"
        raise UnitsError(f"units={path}:1: has {mark} between its columns", "save it as CSV with commas")
    names = [cell.removesuffix(SECRET).removesuffix(TEXT) for cell in header]
    for name in names:
        if not _COLUMN.fullmatch(name):
            raise UnitsError(f"units={path}:1: {name!r} is no name of a column", "want words such as serial, room, mac")
        if name in _TAKEN:
            raise UnitsError(f"units={path}:1: {name} is a field of every label", "call the column otherwise")
    double = next((name for name, count in Counter(names).items() if count > 1), None)
    if double is not None:
        raise UnitsError(f"units={path}:1: the column {double} is there twice", "rename one of them")
    secret = frozenset(name for name, cell in zip(names, header, strict=True) if cell.endswith(SECRET))
    texts = frozenset(name for name, cell in zip(names, header, strict=True) if cell.endswith(TEXT))
    return tuple(names), secret | {name for name in names if is_secret(name)}, texts


def _unit(path: Path, number: int, row: list[str], columns: tuple[str, ...], secret: frozenset[str]) -> Unit:
    where = f"units={path}:{number}"
    if len(row) != len(columns):
        raise UnitsError(f"{where}: has {len(row)} cells, the first line names {len(columns)}", "complete that line")
    values = dict(zip(columns, row, strict=True))
    empty = next((name for name, text in values.items() if not text and name != MAC), None)
    if empty is not None:
        raise UnitsError(f"{where}: {empty} is empty", "fill it in, or take the line out")
    for name, text in values.items():
        shown = "its value" if name in secret else repr(text)
        if not text.isprintable():
            raise UnitsError(f"{where}: {name}: {shown} has characters that cannot be printed", "take them out")
        if name in secret and 0 < len(text) < LEAST:
            raise UnitsError(
                f"{where}: {name} has less than {LEAST} characters: it could not be hidden", "a longer one"
            )
        if _SPOILT.fullmatch(text):
            raise UnitsError(
                f"{where}: {name} is {shown}: a spreadsheet has changed it", "format that column as text, enter it anew"
            )
    if values.get(MAC):
        values[MAC] = values[MAC].lower().replace("-", ":")
        if not _MAC.fullmatch(values[MAC]):
            raise UnitsError(f"{where}: mac {values[MAC]!r} is none", "write it like 5c:cf:7f:00:00:01")
    return Unit(values[columns[0]] or f"line {number}", values, secret)


def _refuse_doubles(path: Path, lines: list[tuple[int, list[str]]], columns: tuple[str, ...]) -> None:
    for at, name in enumerate(columns):
        if at and name != MAC:
            continue
        seen: dict[str, int] = {}
        for number, row in lines[1:]:
            text = row[at].lower().replace("-", ":") if name == MAC else row[at]
            if text and text in seen:
                raise UnitsError(
                    f"units={path}:{number}: {name} {text} stands in line {seen[text]} already",
                    "each board is another unit",
                )
            seen[text] = number


def _refuse_lost_zeros(
    path: Path, lines: list[tuple[int, list[str]]], columns: tuple[str, ...], texts: frozenset[str]
) -> None:
    """A first column of numbers of different lengths has lost its zeros, 00099 and 00100 have become 99 and 100."""
    name = columns[0]
    if name in texts:
        return
    cells = [(number, row[0]) for number, row in lines[1:]]
    if not all(text.isdigit() for _, text in cells):
        return
    lengths = Counter(len(text) for _, text in cells)
    if len(lengths) > 1:
        longest = max(lengths)
        number, text = next((number, text) for number, text in cells if len(text) < longest)
        raise UnitsError(
            f"units={path}:{number}: {name} {text} has {len(text)} digits, others have {longest}:"
            " a spreadsheet has taken leading zeros away",
            f"format that column as text; or, if they are meant, call it {name}{TEXT}",
        )
