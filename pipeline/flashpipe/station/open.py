"""From the words of a command line to a station that can run: its batch is begun, or gone on with."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from flashpipe.board.lua.acceptance import is_expression
from flashpipe.errors import BadValueError, BatchClosedError, TemplateError
from flashpipe.events import Listener, ignore
from flashpipe.files import check_writable
from flashpipe.flasher.model import Policy
from flashpipe.jobs.build import make_parts
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.policy import run_policy
from flashpipe.jobs.request import CommandLine
from flashpipe.records.batch import LOG, RECORD, Batch, BatchRecord, batch_folder, now_text
from flashpipe.records.batch_receipts import check_log
from flashpipe.records.batch_state import BatchState
from flashpipe.records.project_folder import make_folder
from flashpipe.station.admission import Rules
from flashpipe.station.claims_check import check_claims
from flashpipe.station.label_page import qr_code
from flashpipe.station.labels import SOCKET, ZPL, LabelPlan, check_label_files, check_labels, read_template
from flashpipe.station.pins import check_pins, pins_of
from flashpipe.station.serial_rule import SerialRule
from flashpipe.station.sockets import Sockets, sockets_of
from flashpipe.station.texts import Texts, load_texts
from flashpipe.station.unit_file import read_unit_file
from flashpipe.station.units import Units
from flashpipe.station.words import STATION_WORDS
from flashpipe.units import parse_bool
from flashpipe.values import dataclass

REMEMBERED: Final = frozenset(STATION_WORDS) - {"batch", "sound"} | {
    "profile",
    "image",
    "mode",
    "frequency",
    "boot",
    "allow",
}
"""Variables that a batch goes on with, where the command line does not say them again."""
_UNITS: Final = frozenset({"units", "serial"})
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Opened:
    """All that a station works with."""

    inputs: RunInputs
    batch: Batch
    sockets: Sockets
    texts: Texts
    rules: Rules
    units: Units | None
    labels: LabelPlan
    by_key: bool
    sound: bool
    image: str
    """Which firmware, for people."""
    is_new: bool
    is_tested: bool
    """Whether boards get the files of the profile, and pass its tests, or there are none."""


def remembered(command: CommandLine, words: Mapping[str, str]) -> dict[str, str]:
    """The words that the batch began with, and those given now in their place."""
    name = words.get("batch", "")
    if not name or not (batch_folder(command.folder, name) / RECORD).is_file():
        return dict(words)
    before = Batch.open(command.folder, name).record.words
    if _UNITS & set(words):  # one in place of the other
        before = {key: text for key, text in before.items() if key not in _UNITS}
    return {**before, **words}


def open_station(command: CommandLine, words: Mapping[str, str], listener: Listener = ignore) -> Opened:
    """Begin a batch, or go on with it; everything that can be wrong is said before the first board.

    Args:
        command: Profile, ports and what else `flash` takes.
        words: The station's own variables.
        listener: Hears what is said of the profile, and of downloads.

    Raises:
        PipelineError: a bad word, profile or image; a list of units that cannot be used; other bytes than the batch
            began with.
    """
    texts = load_texts(command.caller / words["texts"] if words.get("texts") else None)
    rules = Rules(_count(words, "tries", 3, least=1), _count(words, "stop_after", 5))
    by_key = _choice(words, "next", ("plug", "key")) == "key"
    sound, keeps = _flag(words, "sound", "1"), _flag(words, "keep_unit", "0")
    inputs = RunInputs(command, listener=listener)
    sockets = _sockets(inputs)
    name = words.get("batch") or f"{time.strftime('%Y-%m-%d')}-{inputs.profile().name}"
    units = _units(command, words, name, keeps=keeps)
    example = replace(inputs, unit=units.source.example().values) if units else inputs
    try:
        make_parts(example, inputs.listener)
        policy = run_policy(example)
    except TemplateError as error:
        own = (
            f"a column of {words['units']}"
            if words.get("units")
            else "units=FILE.csv" + ", or serial=RULE" * (not units)
        )
        error.add_hint(f"where each board has its own: {own}")
        raise
    pins = pins_of(example, policy, units)
    labels = label_plan(command, words, policy, units.source.columns if units else ())
    check_label_files(labels, name)
    make_folder(command.folder)
    check_writable(command.receipts_folder)
    folder = batch_folder(command.folder, name)
    kept = {key: text for key, text in words.items() if key in REMEMBERED}
    is_new = not (folder / RECORD).exists()
    if is_new:
        check_log(folder / LOG, name, command.receipts_folder, BatchState)
        batch = Batch.begin(command.folder, BatchRecord(name, command.profile_name, now_text(), pins, kept))
    else:
        batch = Batch.open(command.folder, name)
    if batch.state.closed:
        raise BatchClosedError(f"batch {name} is closed", BatchClosedError.remedy)
    check_log(folder / LOG, name, command.receipts_folder, batch.refresh)
    if units is not None:
        check_claims(batch, units.source)
    check_pins(name, batch.record.pins, pins)
    image = example.plan().firmware.title()
    inputs = replace(inputs, listener=ignore)  # from here on the panel has the terminal
    is_tested = policy.boot.check or not (policy.lua or policy.jig)
    return Opened(inputs, batch, sockets, texts, rules, units, labels, by_key, sound, image, is_new, is_tested)


def _sockets(inputs: RunInputs) -> Sockets:
    """Those of the command line, else the profile's port, else the USB ports that fit it."""
    text, port = inputs.command.variables.text("port"), inputs.serial().port
    if text:
        return sockets_of(text)
    return sockets_of(port) if isinstance(port, str) else sockets_of("", port)


def _units(command: CommandLine, words: Mapping[str, str], batch: str, *, keeps: bool) -> Units | None:
    path, rule = words.get("units", ""), words.get("serial", "")
    if path and rule:
        raise BadValueError("units= and serial= are both given", "give one of them")
    if path:
        units = read_unit_file(command.caller / path)
        return Units(units, batch=batch, called=_called(units.path, command.project), keeps=keeps)
    if rule:
        numbers = SerialRule(rule, command.folder / "serial-numbers.claims")
        return Units(numbers, batch=batch, called=rule, keeps=keeps)
    return None


def _called(path: Path, project: Path) -> str:
    """A name of a list that is the same for each station: outside the project that they share, paths may differ."""
    real, folder = path.resolve(), project.resolve()
    return real.relative_to(folder).as_posix() if real.is_relative_to(folder) else real.name


def label_plan(command: CommandLine, words: Mapping[str, str], policy: Policy, columns: Sequence[str]) -> LabelPlan:
    """What is printed for good boards.

    Raises:
        LabelError: a template that cannot be filled in.
        BadValueError: a place where nothing can be printed.
    """

    def path(name: str) -> Path | None:
        return command.caller / words[name] if words.get(name) else None

    zpl = words.get("zpl", "")
    template = path("label")
    prints = policy.lua.acceptance.prints
    groups = re.findall(r"\(\?P<([A-Za-z_]\w*)>", prints) if is_expression(prints) else []
    limits = policy.jig.limits if policy.jig else {}
    plan = LabelPlan(
        path("labels"),
        zpl if not zpl or zpl.startswith(SOCKET) else str(command.caller / zpl),
        path("label_page"),
        read_template(template) if template else ZPL,
        words.get("qr", "@unit@"),
        tuple(columns),
        tuple(dict.fromkeys((*groups, *limits))),
    )
    check_labels(plan, template.name if template else "label")
    if plan.page:
        qr_code("x")  # whether it can be drawn
    return plan


def _count(words: Mapping[str, str], name: str, default: int, *, least: int = 0) -> int:
    text = words.get(name, str(default))
    if not text.isdecimal() or not least <= int(text) <= _MOST:
        raise BadValueError(f"{name}={text}: want a number from {least} to {_MOST}", f"leave it out for {default}")
    return int(text)


def _choice(words: Mapping[str, str], name: str, accepted: tuple[str, ...]) -> str:
    text = words.get(name, accepted[0])
    if text not in accepted:
        raise BadValueError(f"{name}={text}: want one of {', '.join(accepted)}", f"leave it out for {accepted[0]}")
    return text


def _flag(words: Mapping[str, str], name: str, default: str) -> bool:
    try:
        return parse_bool(words.get(name, default))
    except BadValueError as error:
        raise BadValueError(f"{name}={words[name]}: {error.message}", error.hint) from None
