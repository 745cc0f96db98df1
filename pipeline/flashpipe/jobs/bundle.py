"""What is known of the last failure, for whoever shall help: texts by name, masked.

MACs, Wi-Fi names and passwords, addresses, the home folder and the names of user and machine are replaced; flash
contents and register values were never in it.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from flashpipe.board.boot.gaps import Gap, with_gaps
from flashpipe.board.ports import discovery, doctor
from flashpipe.board.ports.host import this_host
from flashpipe.board.ports.names import port_slug
from flashpipe.errors import BadValueError
from flashpipe.files import read_json
from flashpipe.flasher.explain_failure import LAST
from flashpipe.jobs.doctor import describe
from flashpipe.jobs.mask import Mask
from flashpipe.records import journal, receipt
from flashpipe.records.history import StoredReceipt, has_shape, read_receipts

_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
RECEIPTS: Final = 3
"""Of the newest receipts."""


def collect(folder: Path, port: str = "", mask: Mask | None = None) -> dict[str, str]:
    """Names and masked texts of everything; `folder` is the project's `.pipeline`.

    Raises:
        BadValueError: no failure was recorded on that port.
    """
    mask = mask or Mask.of_this_machine()
    failure = _failure(folder, port)
    receipts = _receipts(folder)
    for mac in filter(_MAC.fullmatch, (entry.mac for entry in receipts)):
        mask.know(mac)
    texts = dict(_texts(failure, receipts))
    return {name: mask(text) for name, text in texts.items() if text.strip()}


def _failure(folder: Path, port: str) -> dict[str, Any]:
    if port:
        failure = _read(folder / LAST / f"{port_slug(port)}.json")
        if not failure:
            raise BadValueError(f"--port {port}: no failure on it is known in this project", "leave --port out")
        return failure
    records = [_read(path) for path in (folder / LAST).glob("*.json")]
    return max(records, key=lambda record: str(record.get("time", "")), default={})


def _receipts(folder: Path) -> list[StoredReceipt]:
    receipts, _ = read_receipts(folder / "receipts")
    return receipts[: -RECEIPTS - 1 : -1]


def _read(path: Path) -> dict[str, Any]:
    try:
        record = read_json(path)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and has_shape(record, _FAILURE) else {}


_FAILURE: Final = {"time": str, "diagnosis": dict, "evidence": dict, "transcript": list}
"""What is relied on of the record of a failure."""


def _texts(failure: dict[str, Any], receipts: list[StoredReceipt]) -> Iterator[tuple[str, str]]:
    versions = receipt.tool_versions()
    yield "versions.txt", "".join(f"{name} {version}\n" for name, version in versions.items())
    yield "host.txt", _host_text(failure)
    if failure:
        yield "diagnosis.json", _json({"time": failure.get("time"), **failure.get("diagnosis", {})})
        evidence = dict(failure.get("evidence", {}))
        yield "boot-log.txt", _boot_log(evidence.pop("log", ""), evidence.pop("gaps", ()))
        yield "evidence.json", _json(evidence)
        if failure.get("plan"):
            yield "plan.json", _json(failure["plan"])
        if failure.get("image"):
            yield "image.json", _json(failure["image"])
        yield "transcript.txt", "\n".join(map(str, failure.get("transcript", ())))
    for number, entry in enumerate(receipts, 1):
        yield f"receipt-{number}.json", _json(entry.record)
    if receipts:
        with suppress(KeyError, TypeError, ValueError):  # it is no receipt of ours, then
            yield "written.txt", _written_text(receipts[0].record)
        yield "journal.json", _journal_text(receipts)


def _boot_log(log: object, gaps: object) -> str:
    """For people; of a failure of earlier days, whose log has lines for its gaps already, there is no list of them."""
    rows = [gap for gap in gaps if isinstance(gap, dict)] if isinstance(gaps, list) else []
    places = [(gap.get("line"), gap.get("size")) for gap in rows]
    return with_gaps(str(log), [Gap(at, size) for at, size in places if isinstance(at, int) and isinstance(size, int)])


def _json(record: object) -> str:
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _host_text(failure: dict[str, Any]) -> str:
    present = discovery.list_ports()
    lines = [f"port {info.device}: {info.adapter()} {info.usb()} {info.description}".rstrip() for info in present]
    evidence = failure.get("evidence", {})
    if evidence:
        lines.append(f"failed on {evidence.get('port')}: {evidence.get('adapter')} {evidence.get('usb')}".rstrip())
    on_usb = [info for info in present if info.vid is not None]
    return "\n".join([*lines, describe(doctor.examine(doctor.Question(this_host(), on_usb)))]) + "\n"


def _written_text(record: Mapping[str, Any]) -> str:
    rows = [f"profile {record.get('profile')}, plan {record.get('plan')}", f"reason {record.get('reason')}"]
    rows += [
        f"{int(part['address']):#08x} {part['size']:>9,} B  md5 {part['md5']}  {part['image']}"
        for part in record.get("segments", ())
    ]
    rows += [f"written {region}" for region in record.get("written", ())]
    return "\n".join(rows) + "\n"


def _journal_text(receipts: list[StoredReceipt]) -> str:
    macs = dict.fromkeys(entry.mac for entry in receipts)
    return _json([asdict(journal.read(mac)) for mac in macs if _MAC.fullmatch(mac)])


def as_zip(contents: dict[str, str]) -> bytes:
    """The contents as one zip; the same contents give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return stream.getvalue()
