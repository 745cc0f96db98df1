"""`flashpipe bundle`: one zip with what is known of the last failure, for whoever shall help; shown before it is made.

MACs, Wi-Fi names and passwords, addresses, the home folder and the names of user and machine are replaced; flash
contents and register values were never in it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from flashpipe import files
from flashpipe.cli.mask import Mask
from flashpipe.errors import BadValueError, ConfirmationError, PipelineError
from flashpipe.records import receipt

RECEIPTS: Final = 3
"""Of the newest receipts."""
LINES: Final = 6
"""Shown of each file before it is written; --show shows all."""
_NAME: Final = "flashpipe-bundle-%Y%m%d-%H%M%S.zip"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="flashpipe bundle",
        description="Write one zip for a bug report: versions, system, adapter, transcript, boot log, image facts,"
        " plan, journal and receipts of the last failure in this project. Boards are called board-1, board-2; Wi-Fi"
        " names and passwords, addresses, home folder, user and machine are masked. It is shown first, and asks.",
    )
    parser.add_argument("--port", default="", help="the last failure on this port (default: the newest of any)")
    parser.add_argument("--show", action="store_true", help="show every line, write nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("-o", "--output", metavar="FILE", help=f"name of the zip (default: {_NAME.replace('%', '%%')})")
    return parser


def main(argv: list[str]) -> int:
    """Show the bundle, ask, write it; the exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        _run(arguments)
    except PipelineError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.status
    except BrokenPipeError:  # `| head` has seen enough
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  for Python's own flush at exit
    return 0


def _run(arguments: argparse.Namespace) -> None:
    from flashpipe.records.project_folder import FOLDER, find_project  # noqa: PLC0415  imports the spine

    contents = collect(find_project(Path.cwd()) / FOLDER, arguments.port)
    _show(contents, whole=arguments.show)
    if arguments.show:
        return
    path = Path(arguments.output or time.strftime(_NAME))
    if not arguments.yes and not _agreed(path):
        raise ConfirmationError("nothing was written", "say --yes, or --show to read every line first")
    files.write_atomic(path, _zipped(contents))
    sys.stdout.write(f"\nwritten  {path} ({path.stat().st_size:,} bytes, readable by you alone)\n")


def _agreed(path: Path) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    sys.stdout.write(f"\nWrite this to {path}? Type yes: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _show(contents: dict[str, str], *, whole: bool) -> None:
    sys.stdout.write("This is what the bundle holds:\n")
    for name, text in contents.items():
        lines = text.splitlines()
        sys.stdout.write(f"\n--- {name} ({len(lines)} lines)\n")
        shown = lines if whole else lines[:LINES]
        sys.stdout.write("".join(f"  {line[:160]}\n" for line in shown))
        if len(shown) < len(lines):
            sys.stdout.write(f"  … {len(lines) - len(shown)} more\n")


def _zipped(contents: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return stream.getvalue()


# --- what goes in ----------------------------------------------------------------------------------------------------


def collect(folder: Path, port: str = "", mask: Mask | None = None) -> dict[str, str]:
    """Names and masked texts of everything; `folder` is the project's `.pipeline`.

    Raises:
        BadValueError: no failure was recorded on that port.
    """
    mask = mask or Mask.of_this_machine()
    failure = _failure(folder, port)
    receipts = _receipts(folder)
    for record in (entry for _, entry in receipts):
        mac = str(record.get("device", {}).get("mac", ""))
        if mac:
            mask.know(mac)
    texts = dict(_texts(failure, receipts))
    return {name: mask(text) for name, text in texts.items() if text.strip()}


def _failure(folder: Path, port: str) -> dict[str, Any]:
    from flashpipe.board.ports.choice import port_slug  # noqa: PLC0415  imports the board's room
    from flashpipe.flasher.explain_failure import LAST  # noqa: PLC0415

    if port:
        found = _read(folder / LAST / f"{port_slug(port)}.json")
        if not found:
            raise BadValueError(f"--port {port}: no failure on it is known in this project", "leave --port out")
        return found
    records = [_read(path) for path in (folder / LAST).glob("*.json")]
    return max(records, key=lambda record: str(record.get("time", "")), default={})


def _receipts(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    newest = sorted((folder / "receipts").glob("*.json"), reverse=True)[:RECEIPTS]
    return [(path.name, record) for path in newest if (record := _read(path))]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _texts(failure: dict[str, Any], receipts: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, str]]:
    versions = receipt.tool_versions()
    yield "versions.txt", "".join(f"{name} {version}\n" for name, version in versions.items())
    yield "host.txt", _host_text(failure)
    if failure:
        yield "diagnosis.json", _json({"time": failure.get("time"), **failure.get("diagnosis", {})})
        evidence = dict(failure.get("evidence", {}))
        yield "boot-log.txt", str(evidence.pop("log", ""))
        yield "evidence.json", _json(evidence)
        yield "plan.txt", str(failure.get("plan", ""))
        if failure.get("image"):
            yield "image.json", _json(failure["image"])
        yield "transcript.txt", "\n".join(failure.get("transcript", ()))
    for number, (_, record) in enumerate(receipts, 1):
        yield f"receipt-{number}.json", _json(record)
    if receipts:
        yield "written.txt", _written_text(receipts[0][1])
        yield "journal.json", _journal_text(receipts)


def _json(record: object) -> str:
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _host_text(failure: dict[str, Any]) -> str:
    from flashpipe.board.ports import choice as ports  # noqa: PLC0415  imports the board's room
    from flashpipe.board.ports import doctor  # noqa: PLC0415  imports the board's room
    from flashpipe.board.ports.host import this_host  # noqa: PLC0415
    from flashpipe.jobs.doctor import describe  # noqa: PLC0415

    there = ports.list_ports()
    lines = [f"port {info.device}: {info.adapter()} {info.usb()} {info.description}".rstrip() for info in there]
    evidence = failure.get("evidence", {})
    if evidence:
        lines.append(f"failed on {evidence.get('port')}: {evidence.get('adapter')} {evidence.get('usb')}".rstrip())
    on_usb = [info for info in there if info.vid is not None]
    return "\n".join([*lines, describe(doctor.examine(doctor.Question(this_host(), on_usb)))]) + "\n"


def _written_text(record: dict[str, Any]) -> str:
    rows = [f"profile {record.get('profile')}, plan {record.get('plan')}", f"reason {record.get('reason')}"]
    rows += [
        f"{int(part['address']):#08x} {part['size']:>9,} B  md5 {part['md5']}  {part['image']}"
        for part in record.get("segments", ())
    ]
    rows += [f"written {region}" for region in record.get("written", ())]
    return "\n".join(rows) + "\n"


def _journal_text(receipts: list[tuple[str, dict[str, Any]]]) -> str:
    from dataclasses import asdict  # noqa: PLC0415

    from flashpipe.records import journal  # noqa: PLC0415

    macs = dict.fromkeys(str(record.get("device", {}).get("mac", "")) for _, record in receipts)
    return _json([asdict(journal.read(mac)) for mac in macs if mac])
