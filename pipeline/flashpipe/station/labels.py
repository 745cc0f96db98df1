"""Labels: what is printed for a good board, from a template with fields, and where it goes.

A CSV file and a page for a sheet of labels are made anew from the batch's log whenever a board is good: they are always
complete. ZPL goes to a printer once: what was printed is in the log, and what was not, because the printer was off,
follows. A kill between the printer and the log prints one label twice.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import select
import socket
import stat
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from flashpipe.board.lua.templates import names_in, of_board
from flashpipe.errors import BadValueError, FetchBusyError, LabelError, PrinterError, RecordError, TemplateError
from flashpipe.files import is_replaceable, open_output, read_regular, write_atomic
from flashpipe.locks import exclusive
from flashpipe.records.batch import Batch
from flashpipe.records.batch_state import LABELLED, Attempt, seconds_of
from flashpipe.records.station_lives import is_alive
from flashpipe.station.label_page import label_page, labelled_batches
from flashpipe.station.texts import Texts
from flashpipe.text.csv_text import csv_text
from flashpipe.units import format_number
from flashpipe.values import dataclass

LIMIT: Final = 256 * 1024
"""Bytes of a template."""
LARGEST: Final = 1 << 28
"""Bytes of the largest file of labels: a page has a few kilobytes for each board."""
ANOTHER: Final = "name another file, or move that one away"
PRINTER_S: Final = 5.0
"""How long a printer may take to answer."""
LOCK: Final = "labels.lock"
SOCKET: Final = "socket://"
ZPL: Final = """^XA^CI28
^FO20,20^BQN,2,4^FH^FDQA,@qr@^FS
^FO170,30^A0N,30,30^FH^FD@unit@^FS
^FO170,70^A0N,24,24^FH^FD@mac@^FS
^FO170,105^A0N,24,24^FH^FD@batch@  @date@^FS
^XZ
"""
"""The label where no template is named: 12 dots a millimetre, some 50 mm wide."""
FIELDS: Final = ("mac", "chipid", "batch", "profile", "unit", "date", "time")
"""Fields that every label has; `unit` is the key of the unit, else the MAC."""
_FIELD: Final = re.compile(r"@(\w*)@")
_SPECIAL: Final = frozenset("^~_\\")
"""Characters that a printer would take for its own."""


@dataclass(frozen=True, slots=True)
class LabelPlan:
    """What is printed, and where to."""

    csv: Path | None = None
    zpl: str = ""
    """File, device or `socket://HOST:PORT`; empty: nothing is printed."""
    page: Path | None = None
    template: str = ZPL
    qr: str = "@unit@"
    columns: tuple[str, ...] = ()
    """Of the units."""
    measured: tuple[str, ...] = ()
    """Names of what is measured."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that a label can have."""
        return tuple(dict.fromkeys((*FIELDS, *self.columns, *self.measured)))

    def __bool__(self) -> bool:
        """Whether anything is printed."""
        return bool(self.csv or self.zpl or self.page)


def read_template(path: Path) -> str:
    """A template of labels.

    Raises:
        LabelError: it cannot be read.
    """
    try:
        return read_regular(path, LIMIT).decode("utf-8-sig")
    except OSError as error:
        raise LabelError(f"label={path}: cannot be read: {error.strerror}", "name a file of ZPL") from error
    except UnicodeDecodeError:
        raise LabelError(f"label={path}: is not UTF-8", "save it as UTF-8") from None


def check_labels(plan: LabelPlan, name: str = "label") -> None:
    """Refuse what could not be printed, before the first board.

    Raises:
        LabelError: a template wants a field that no label has.
        BadValueError: a file that cannot be written, or no address of a printer.
    """
    for what, text in (("qr", plan.qr), (name, plan.template)):
        try:
            unknown = [field for field in names_in(text.encode(), what) if field not in {*plan.fields, "qr"}]
        except TemplateError as error:
            raise LabelError(error.message, error.hint) from None
        if unknown or (what == "qr" and "@qr@" in text):
            field = unknown[0] if unknown else "qr"
            raise LabelError(f"{what}: no label has a field @{field}@", f"there are {', '.join(plan.fields)}")
    for path in (plan.csv, plan.page):
        if path is not None and not (path.parent.is_dir() and is_replaceable(path)):
            raise BadValueError(f"{path}: cannot be a file", "name a file in a folder that is there")
    if plan.zpl.startswith(SOCKET):
        _address(plan.zpl)
    elif plan.zpl and (not Path(plan.zpl).parent.is_dir() or Path(plan.zpl).is_dir()):
        what = "is a folder" if Path(plan.zpl).is_dir() else "there is no such folder"
        raise BadValueError(f"zpl={plan.zpl}: {what}", "name a file, a device or socket://HOST:PORT")
    elif plan.zpl and Path(plan.zpl).is_file():
        _check_zpl_file(plan)


def _check_zpl_file(plan: LabelPlan) -> None:
    """Labels are added to a file of labels, and to nothing else."""
    beginning = plan.template.partition("@")[0].encode()
    try:
        with Path(plan.zpl).open("rb") as stream:
            head = stream.read(LIMIT)
    except OSError as error:
        raise BadValueError(f"zpl={plan.zpl}: cannot be read: {error.strerror}", ANOTHER) from error
    if head and not head.lstrip().startswith((b"^", b"~")) and not (beginning and head.startswith(beginning)):
        raise BadValueError(f"zpl={plan.zpl}: is no file of labels, and is left as it is", ANOTHER)


def check_label_files(plan: LabelPlan, batch: str) -> None:
    """Refuse files that hold something else than labels of this batch: they are made anew again and again.

    Raises:
        BadValueError: a list or page of another batch, or no labels at all.
    """
    for name, path in (("labels", plan.csv), ("label_page", plan.page)):
        if path is None or not path.exists():
            continue
        try:
            text = read_regular(path, LARGEST).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise BadValueError(f"{name}={path}: is no list of labels, and is left as it is", ANOTHER) from error
        held = labelled_batches(text) if path is plan.page else _batches(text)
        if held is None:
            raise BadValueError(f"{name}={path}: is no list of labels, and is left as it is", ANOTHER)
        if others := sorted(held - {batch}):
            raise BadValueError(f"{name}={path}: holds the labels of batch {', '.join(others)}", ANOTHER)


def _batches(text: str) -> set[str] | None:
    """The batches of a CSV file of labels; None where it is none."""
    rows = csv.DictReader(io.StringIO(text))
    if not set(FIELDS) <= set(rows.fieldnames or FIELDS):
        return None
    return {row["batch"] or "" for row in rows}


def values_of(batch: Batch, one: Attempt, plan: LabelPlan) -> dict[str, str]:
    """The fields of the label of a board."""
    ended = time.localtime(seconds_of(one.ended))
    unit = one.row or one.mac
    return {
        **dict.fromkeys(plan.fields, ""),
        **{name: _text(value) for name, value in one.measured.items()},
        **one.unit,
        **of_board(one.mac),
        "batch": batch.name,
        "profile": batch.record.profile,
        "unit": unit,
        "date": time.strftime("%Y-%m-%d", ended),
        "time": time.strftime("%H:%M", ended),
    }


def _text(value: object) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda field: values.get(field[1], "") if field[1] else "@", text)


def zpl_of(plan: LabelPlan, values: Mapping[str, str]) -> str:
    """The label as its printer reads it.

    Raises:
        LabelError: a value has characters that mean something to a printer, and the template does not take them.
    """
    values = {**values, "qr": _filled(plan.qr, values)}
    escapes = "^FH" in plan.template
    out = {}
    for name, value in values.items():
        if _SPECIAL & set(value) and not escapes and f"@{name}@" in plan.template:
            raise LabelError(f"label: {name} has characters that a printer takes for its own", "write ^FH before ^FD")
        out[name] = _escaped(value) if escapes else value
    return _filled(plan.template, out)


def _escaped(value: str) -> str:
    return "".join(f"_{ord(char):02X}" if char in _SPECIAL else char for char in value)


# --- printing --------------------------------------------------------------------------------------------------------


class Labels:
    """Prints what is due, and keeps files complete; threads of several boards share it."""

    def __init__(self, plan: LabelPlan, batch: Batch, texts: Texts, station: str = "") -> None:
        self._plan, self._batch, self._texts = plan, batch, texts
        self._station = station
        """Prints the labels of its own boards, and of those whose station does not live any more."""
        self._guard = threading.Lock()
        self._off = False
        """The printer did not answer last time, which was said."""
        self._followed = 0
        """Labels that were printed since."""
        self._refused: set[str] = set()
        """MACs whose label cannot be printed, which was said."""

    def due(self) -> list[Attempt]:
        """Good boards without a label, in the order of their ends; those of other benches are printed there."""
        state = self._batch.refresh()
        good = [one for one in state.rows() if one.passed and one.mac not in state.labelled]
        stations = {one.station for one in good} - {self._station}
        others = {station for station in stations if is_alive(self._batch.folder, station)}
        return sorted((one for one in good if one.station not in others), key=lambda one: one.order)

    def print_due(self) -> str:
        """Print what is due; what a person should know, or nothing.

        Raises:
            RecordError: a file, or what was printed, cannot be written.
        """
        with self._guard:
            if not self._plan:
                return ""
            self._write_files()
            if not self._plan.zpl:
                return ""
            with suppress(FetchBusyError), exclusive(self._batch.folder / LOCK, "labels", PRINTER_S):
                return self._print_labels()
            return ""  # another station prints what one that was killed has left

    def left(self) -> str:
        """What a person should know of labels that were not printed; empty where there are none."""
        count = len(self.due()) if self._plan.zpl else 0
        return self._texts.say("printer.left", count=count) if count else ""

    def _print_labels(self) -> str:
        due, said = self.due(), list[str]()
        for one in due:
            try:
                text = zpl_of(self._plan, values_of(self._batch, one, self._plan))
                send(self._plan.zpl, text)
            except LabelError as error:  # of this board alone
                said += [] if one.mac in self._refused else [f"{one.mac}: {_told(error)}"]
                self._refused.add(one.mac)
                continue
            except PrinterError as error:
                told = f"{error.message} [code: {error.code}]"
                said += [] if self._off else [self._texts.say("printer.off", error=told)]
                self._off = True
                return "; ".join(said)
            self._batch.append(LABELLED, mac=one.mac)
            self._followed += self._off
        if self._followed:
            said.append(self._texts.say("printer.back", count=self._followed))
            self._off, self._followed = False, 0
        return "; ".join(said)

    def _write_files(self) -> None:
        rows = sorted((one for one in self._batch.refresh().rows() if one.passed), key=lambda one: one.order)
        values = [values_of(self._batch, one, self._plan) for one in rows]
        if self._plan.csv is not None:
            write_atomic(self._plan.csv, as_csv(self._plan, values).encode(), mode=0o644)
        if self._plan.page is not None:
            shown = [(_filled(self._plan.qr, fields), fields) for fields in values]
            write_atomic(self._plan.page, label_page(self._batch.name, shown).encode(), mode=0o644)


def _told(error: LabelError) -> str:
    return f"{error.message} [code: {error.code}]; {error.hint or error.remedy}"


def as_csv(plan: LabelPlan, rows: Iterable[Mapping[str, str]]) -> str:
    """A line for each label, below the names of the fields; what a jig tells beside those comes behind them."""
    rows = list(rows)
    names = dict.fromkeys((*plan.fields, *(name for row in rows for name in row)))
    return csv_text([names, *([row.get(name, "") for name in names] for row in rows)])


def _address(target: str) -> tuple[str, int]:
    parts = urlsplit(target)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.path.strip("/"):
        raise BadValueError(f"zpl={target}: want socket://HOST:PORT", "such as socket://printer:9100")
    return host, port


def send(target: str, text: str) -> None:
    """Send a label to its printer, or add it to a file.

    Raises:
        PrinterError: it does not take it.
    """
    data = text.encode()
    try:
        if target.startswith(SOCKET):
            with socket.create_connection(_address(target), PRINTER_S) as line:
                line.sendall(data)
        elif _is_device(Path(target)):
            _send_to_device(target, data)
        else:
            with open_output(Path(target), append=True) as stream:
                stream.write(data)
    except OSError as error:
        why = error.strerror or str(error) or "no answer"
        raise PrinterError(f"the label cannot be printed on {target}: {why}", PrinterError.remedy) from error
    except RecordError as error:
        raise PrinterError(error.message, error.hint) from error


def _is_device(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def _send_to_device(target: str, data: bytes) -> None:
    """Send it as far as the device takes it: one without paper takes nothing, for ever.

    Raises:
        OSError: it cannot be opened, or takes nothing for as long as a printer may take.
    """
    device = os.open(target, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        ready = select.poll()
        ready.register(device, select.POLLOUT)
        while data:
            if not ready.poll(PRINTER_S * 1000):
                raise TimeoutError(errno.ETIMEDOUT, "it takes nothing")
            with suppress(BlockingIOError):
                data = data[os.write(device, data) :]
    finally:
        os.close(device)
