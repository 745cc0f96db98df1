"""The record of one run on one board, whatever its ending: written once, never edited, readable by its owner only."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from flashpipe.files import later_stamp, make_private, stamp_of, write_atomic
from flashpipe.installed import version
from flashpipe.masking import masked
from flashpipe.records.history import stamps_of
from flashpipe.records.seal import sealed
from flashpipe.values import dataclass

FORMAT: Final = "flashpipe-receipt/3"
"""`receipt_schema.json` says what is in it; `history` reads the earlier ones too."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one run did."""

    command: str
    outcome: str
    """`flashed`, `skipped`, `erased`, `verified`, `booted`, `backed-up`, `restored`, `audited`, or an error's code."""
    port: str
    virtual: bool
    """True: the board is a virtual one; `verdict` says whether its firmware was executed."""
    profile: str = ""
    plan: str = ""
    reason: str = ""
    device: dict[str, object] = field(default_factory=dict)
    told_mac: str = ""
    """The MAC that the firmware on the board gave, where no loader was asked."""
    adapter: dict[str, str] = field(default_factory=dict)
    """USB identity, bridge, serial number and socket, where the port is a device of this machine."""
    images: list[dict[str, object]] = field(default_factory=list)
    """The files as they came: address, name, source, sha256, size."""
    lock: dict[str, object] = field(default_factory=dict)
    """`state`: whether images.lock.yaml pins them; `locked`: whether nothing else was admitted."""
    header: dict[str, str] = field(default_factory=dict)
    """Flash size in the image's header, `size`, where it is not that of the flash, and `why`; else empty."""
    segments: list[dict[str, object]] = field(default_factory=list)
    """The bytes as they should stand in flash: address, size, md5, image."""
    written: list[str] = field(default_factory=list)
    """Regions erased and written, `start..end`, half-open."""
    sent_bytes: int = 0
    """Bytes of flash that were written."""
    skipped_bytes: int = 0
    """Bytes of the plan that the board held already."""
    line: dict[str, int] = field(default_factory=dict)
    """What was written with: `baud`, and `flash_mhz`, 0 where that was the loader's own clock; empty if nothing was."""
    steps: list[tuple[str, float]] = field(default_factory=list)
    """Name and seconds of each step, in order."""
    verdict: dict[str, object] = field(default_factory=dict)
    back: dict[str, object] = field(default_factory=dict)
    """The verdict of the boot after a rollback."""
    acceptance: list[dict[str, object]] = field(default_factory=list)
    """What the profile demands of the running firmware and what that is."""
    measured: dict[str, object] = field(default_factory=dict)
    """What a Lua file or a test jig has measured, by its name."""
    files: list[dict[str, object]] = field(default_factory=list)
    """Lua files: name, size, digest, and whether they were sent; never their contents."""
    allowed: list[str] = field(default_factory=list)
    """Codes of refusals that were met and that the user overrode."""
    backup: str = ""
    """Id of the backup that was made, or put back."""
    reference: str = ""
    """Name of the receipt that an audit compared the board with."""
    holds: list[dict[str, object]] = field(default_factory=list)
    """What was verified to stand on the board: start, end, kind, what, md5."""
    whole: bool = False
    """`holds` replaces all that earlier receipts say of the board; else only of its regions."""
    board_state: str = ""
    """What the journal says of the board after the run: `clean`, `writing`, `erased` or `unknown`."""
    error: str = ""
    keeping: dict[str, object] = field(default_factory=dict)
    """What was kept of what the board held, what was lost and why, its backup, and advice."""
    diagnosis: dict[str, object] = field(default_factory=dict)
    """Of a failure: rule, cause, proof and next action."""
    station: dict[str, object] = field(default_factory=dict)
    """Of a run of a station: batch, try, place, and the unit that the board is; else empty."""


def write(receipt: Receipt, folder: Path) -> Path:
    """Store a receipt in `folder` under a name of its own; returns its path.

    Raises:
        RecordError: it could not be stored.
    """
    now = time.time()
    plain = {
        "format": FORMAT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "tools": tool_versions(),
        **masked(asdict(receipt)),
    }
    mac = str(receipt.device.get("mac", "no-mac")).replace(":", "")
    # The name says the order of the runs, also where the clock was set back; `time` says what the clock said.
    stamp = later_stamp(stamps_of(folder, stamp_of(now)), now)
    path = folder / f"{stamp}-{mac}-{receipt.outcome}.json"
    number = 2
    while path.exists():  # two boards with one clock tick
        path = folder / f"{stamp}-{mac}-{receipt.outcome}-{number}.json"
        number += 1
    make_private(folder)
    write_atomic(path, (json.dumps(sealed(plain), indent=1) + "\n").encode())
    return path


@lru_cache(maxsize=1)
def tool_versions() -> dict[str, str]:
    """Versions of everything that had a part in the run; read once, for the events and each receipt."""
    versions = {"python": sys.version.split()[0], "system": _system()}
    versions |= {name: version(name) for name in ("flashpipe", "esptool", "pyserial", "doit")}
    return versions


def _system() -> str:
    if sys.platform != "win32":
        system = os.uname()
        return f"{system.sysname}-{system.release}-{system.machine}"
    import platform  # noqa: PLC0415  6 ms, more than all else about a receipt

    return platform.platform(terse=True)
