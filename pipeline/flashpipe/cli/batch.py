"""`flashpipe batch`: what stations did: list, report, label again, close with a proof, verify it."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from flashpipe import terminal
from flashpipe.cli.arguments import Parser
from flashpipe.cli.project import project_here
from flashpipe.errors import BadValueError, BatchClosedError, NoBatchError, RecordError, StationError
from flashpipe.files import make_parents, write_atomic
from flashpipe.jobs.command_variables import BATCH
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.policy import run_policy
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import check
from flashpipe.records.batch import FOLDER, Batch, batch_names
from flashpipe.records.batch_state import CLOSED
from flashpipe.records.manifest import NAME, make_manifest, told, verify_manifest
from flashpipe.records.project_folder import own_records, records_folder
from flashpipe.station.labels import send, values_of, zpl_of
from flashpipe.station.open import label_plan
from flashpipe.station.recovery import recover
from flashpipe.station.report import as_csv, as_json, batch_page, local, unit_page
from flashpipe.station.texts import load_texts
from flashpipe.text.lines import print_result
from flashpipe.units import parse_bool

ACTIONS: Final = {
    "list": "the batches of this project",
    "report": "NAME [to=DIR]: one page for the batch and one for each unit, CSV and JSON",
    "label": "NAME mac=MAC [zpl=TARGET]: print the label of a board again; without a target its ZPL is shown",
    "close": "NAME [virtual=1]: write manifest.json, which names each receipt by its digest; then the report",
    "verify": "FILE: hold a manifest against the receipts",
}


def main(argv: list[str]) -> int:
    """Do one thing with a batch; the exit status.

    Raises:
        PipelineError: there is no such batch, or it is not what was proven.
    """
    action = next((word for word in argv if not word.startswith("-")), "list")
    options, words = _parser().take_variables(argv, f"batch {action}", BATCH.get(action, {}))
    names, given = options.names, words.given
    if len(names) != (action != "list"):
        raise BadValueError(f"batch {action}: {len(names)} names", f"flashpipe batch {action} {ACTIONS[action]}")
    project = project_here()
    folder = own_records(records_folder(project, given.get("records", ""), Path.cwd()))
    if action == "list":
        return _list(folder)
    if action == "verify":
        return _verify(folder, Path(names[0]), named="records" in given)
    return _DO[action](Batch.open(folder, names[0]), folder, given)


def _parser() -> Parser:
    parser = Parser(
        prog="flashpipe batch",
        description="\n".join(f"  {name:<7} {about}" for name, about in ACTIONS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("names", nargs="*", metavar="NAME")
    return parser


def _list(folder: Path) -> int:
    names = batch_names(folder)
    for name in names:
        try:
            batch = Batch.open(folder, name)
        except (NoBatchError, RecordError) as error:
            terminal.note(f"passed over: {error.message}")
            continue
        counts = batch.state.counts()
        state = "closed" if batch.state.closed else "open"
        print_result(
            f"{name:<20} {state:<7} {local(batch.record.made)}  {batch.record.profile}:"
            f" {counts.passed} good, {counts.failed} bad"
        )
    if not names:
        terminal.note("no batches; `flashpipe station profile=NAME` begins one")
    return 0


def _report(batch: Batch, _folder: Path, given: dict[str, str]) -> int:
    to = Path(given["to"]) if "to" in given else batch.folder / "report"
    manifest = batch.folder / NAME
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest() if batch.state.closed and manifest.is_file() else ""
    pages = {f"{batch.name}.html": batch_page(batch, manifest=digest)}
    for one in batch.state.rows():
        if one.mac and not one.aside:
            pages[f"units/{one.mac.replace(':', '')}.html"] = unit_page(batch, one)
    pages |= {f"{batch.name}.csv": as_csv(batch), f"{batch.name}.json": as_json(batch) + "\n"}
    if not to.parent.is_dir():
        raise BadValueError(f"to={to}: there is no folder {to.parent}", "make it first, or correct the name")
    for name, text in pages.items():
        try:
            make_parents(to / name)
        except OSError as error:
            raise BadValueError(f"to={to}: cannot be a folder: {error.strerror}", "name another one") from error
        write_atomic(to / name, text.encode(), mode=0o644)
    print_result(f"{to / f'{batch.name}.html'}: the report; beside it CSV, JSON and {len(pages) - 3} units")
    return 0


def _label(batch: Batch, _folder: Path, given: dict[str, str]) -> int:
    mac = given.get("mac", "").lower().replace("-", ":")
    one = next((row for row in batch.state.rows() if mac in {row.mac, row.row.lower()} and row.mac), None)
    if one is None or not one.passed:
        why = "is not good" if one else "is not in the batch"
        raise NoBatchError(f"batch {batch.name}: board {mac or '(mac=MAC)'} {why}", "only good boards have labels")
    words = {**batch.record.words, **given}
    project = project_here()
    command = CommandLine(project, Path.cwd(), check({"profile": batch.record.profile}, {"flash"}))
    inputs = RunInputs(command, unit=dict(one.unit))
    plan = label_plan(command, words, run_policy(inputs), tuple(one.unit))
    text = zpl_of(plan, values_of(batch, one, plan))
    if not plan.zpl:
        terminal.write(text)
        return 0
    send(plan.zpl, text)
    print_result(f"label of {one.mac} printed on {plan.zpl}")
    return 0


def _close(batch: Batch, folder: Path, given: dict[str, str]) -> int:
    path, receipts = batch.folder / NAME, folder / "receipts"
    if batch.state.closed:
        raise BatchClosedError(f"batch {batch.name} is closed already", f"`flashpipe batch verify {path}`")
    for line in recover(batch, receipts, load_texts()):
        terminal.note(line)
    with batch.alone() as state:
        if state.open_attempts():
            raise StationError(f"batch {batch.name}: a station works on it", "end the shift there: key q")
        made = make_manifest(batch, receipts, virtual=parse_bool(given.get("virtual", "0")))
        data = (json.dumps(made, indent=1, ensure_ascii=True) + "\n").encode()
        write_atomic(path, data, mode=0o644)
        batch.append_locked(CLOSED, sha256=hashlib.sha256(data).hexdigest())
    proven = told(made)
    print_result(f"{path}: {proven.boards} good boards, {proven.receipts} receipts, chain {proven.chain}")
    return _report(batch, folder, {})


def _verify(folder: Path, path: Path, *, named: bool) -> int:
    """Its receipts are those beside it, unless another folder is `named`."""
    batches = path.absolute().parent.parent
    beside = batches.parent / "receipts"
    apart = named or batches.name != FOLDER or not beside.is_dir()
    proven = verify_manifest(path, folder / "receipts" if apart else beside)
    virtual = ", virtual" if proven.virtual else ""
    print_result(
        f"OK  batch {proven.batch}: {proven.boards} good boards{virtual}, {proven.receipts} receipts as they were,"
        f" chain {proven.chain}"
    )
    return 0


_DO: Final[dict[str, Callable[[Batch, Path, dict[str, str]], int]]] = {
    "report": _report,
    "label": _label,
    "close": _close,
}
