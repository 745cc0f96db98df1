"""What a plan writes, as files for other tools: for esptool, for a web page, for whoever has no flashpipe.

The bytes are the plan's, header included: whoever writes them writes what flashpipe would have written. What flashpipe
does for the board at hand, keeping its settings and adding init data, no file can do.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from flashpipe.errors import ExportError
from flashpipe.files import read_regular, write_atomic
from flashpipe.plan.model import FlashPlan
from flashpipe.values import dataclass

SUMS: Final = "SHA256SUMS"
"""Written last: a folder without it is no finished export."""
ARGUMENTS: Final = "flash_args"
MANIFEST: Final = "manifest.json"
READABLE: Final = 0o644
_BLANK: Final = b"\xff"
_OURS: Final = re.compile(r"0x[0-9a-f]{5,6}\.bin|[\w.-]+-merged\.bin|flash_args|manifest\.json")


@dataclass(frozen=True, slots=True)
class Export:
    """An export that was written."""

    folder: Path
    files: Mapping[str, int]
    """Name and size."""
    merged: str


def export_files(plan: FlashPlan, name: str) -> dict[str, bytes]:
    """Every file of the export but the sums: names and contents; `name` is what the firmware is called.

    Raises:
        ExportError: the plan still depends on the board.
    """
    if plan.size_from_board:
        who = f"profile {plan.profile}" if plan.profile else "a plan without a profile"
        raise ExportError(
            f"{who} leaves the flash size to the board (flash.size: auto), and an export is for one size",
            "say profile=NAME of one with a size, such as esp12; a profile of your own can extend that",
        )
    parts = {f"{segment.address:#07x}.bin": segment.data[: segment.size] for segment in plan.segments}
    end = max(segment.address + segment.size for segment in plan.segments)
    merged = bytearray(_BLANK * end)
    for segment in plan.segments:
        merged[segment.address : segment.address + segment.size] = segment.data[: segment.size]
    addresses = [(segment.address, f"{segment.address:#07x}.bin") for segment in plan.segments]
    return {
        **parts,
        f"{_slug(name)}-merged.bin": bytes(merged),
        ARGUMENTS: _arguments(addresses).encode(),
        MANIFEST: _manifest(plan, name, addresses).encode(),
    }


def write_export(plan: FlashPlan, name: str, folder: Path) -> Export:
    """Write the export into a folder; files of an older one that are none any more go, others stay.

    Raises:
        ExportError: the plan still depends on the board, or `folder` is none.
        RecordError: it cannot be written.
    """
    files = export_files(plan, name)
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is no folder", "name another one: to=DIR")
    before = _listed(folder)
    with suppress(OSError):
        (folder / SUMS).unlink()
    for old in before - set(files):
        with suppress(OSError):
            (folder / old).unlink()
    for file, data in files.items():
        write_atomic(folder / file, data, mode=READABLE)
    sums = "".join(f"{hashlib.sha256(files[file]).hexdigest()}  {file}\n" for file in sorted(files))
    write_atomic(folder / SUMS, sums.encode(), mode=READABLE)
    sizes = {file: len(data) for file, data in files.items()}
    return Export(folder, {**sizes, SUMS: len(sums)}, f"{_slug(name)}-merged.bin")


def _listed(folder: Path) -> set[str]:
    """Files of an older export, as its own list says; nothing that could not be ours."""
    try:
        lines = read_regular(folder / SUMS).decode("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    names = (line.partition("  ")[2] for line in lines)
    return {name for name in names if _OURS.fullmatch(name)}


def _arguments(addresses: list[tuple[int, str]]) -> str:
    """For `esptool write-flash @flash_args`: the header is set already, and stays."""
    lines = ["--flash-mode keep --flash-freq keep --flash-size keep"]
    return "\n".join([*lines, *(f"{address:#x} {file}" for address, file in addresses)]) + "\n"


def _manifest(plan: FlashPlan, name: str, addresses: list[tuple[int, str]]) -> str:
    """For ESP Web Tools (its manifest, as its documentation of release 10 has it)."""
    manifest = {
        "name": name,
        "version": plan.firmware.version or "unknown",
        "new_install_prompt_erase": True,
        "builds": [
            {
                "chipFamily": "ESP8266",
                "parts": [{"path": file, "offset": address} for address, file in addresses],
            }
        ],
    }
    return json.dumps(manifest, indent=2) + "\n"


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name) or "firmware"
