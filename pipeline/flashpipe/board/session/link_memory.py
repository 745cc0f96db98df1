"""How a board was reached and written when the declared settings failed: a small file in the user's state folder.

Kept for each adapter and, behind it, each board: a cable or bridge is bad for all boards, a board's flash only for
itself. What is remembered counts for the declared settings it replaced: whoever declares another rate gets that one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from flashpipe import files
from flashpipe.board.loader.frames import BLOCK
from flashpipe.board.ports import discovery
from flashpipe.board.ports.names import canonical, is_url
from flashpipe.errors import RecordError
from flashpipe.ownership import read_own_json
from flashpipe.values import dataclass

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How to reach and write a board."""

    baud: int
    """Rate of the write phase."""
    sequence: str = ""
    """Custom reset text; empty: the usual sequences."""
    block: int = BLOCK
    """Bytes of one DATA block."""
    stub: bool = True
    """False: the ROM loader does all."""
    stub_version: int = 0
    """1 or 2; 0: esptool's choice, and the other where that one fails."""

    def against(self, declared: LinkSettings) -> str:
        """What is different from the declared settings, in a few words."""
        words = []
        if self.sequence != declared.sequence:
            words.append(f"another reset sequence ({self.sequence or 'the usual one'})")
        if self.baud != declared.baud:
            words.append(f"{self.baud} baud")
        if self.block != declared.block:
            words.append(f"blocks of {self.block} bytes")
        if self.stub != declared.stub:
            words.append("no stub")
        if self.stub_version != declared.stub_version:
            words.append(f"stub version {self.stub_version}")
        return ", ".join(words) or "the declared settings"


def recall(port: str, declared: LinkSettings, mac: str = "") -> tuple[str, LinkSettings] | None:
    """MAC and settings that worked last on this adapter, or for this board on it; None: the declared ones are right."""
    record = _load().get(adapter(port), {})
    try:
        mac = mac or str(record["last"])
        entry = record["boards"][mac]
        if LinkSettings(**entry["declared"]) != declared:
            return None
        return mac, LinkSettings(**entry["way"])
    except (KeyError, TypeError, AttributeError):
        return None


def remember(port: str, mac: str, declared: LinkSettings, settings: LinkSettings) -> None:
    """Note what worked; what cannot be noted costs some attempts the next time, and is no failure."""
    adapters = _load()
    key = adapter(port)
    before = adapters.setdefault(key, {})
    boards = before.get("boards") if isinstance(before.get("boards"), dict) else {}
    entry = {"declared": asdict(declared), "way": asdict(settings)}
    adapters[key] = {"last": mac, "boards": {**(boards or {}), mac: entry}}
    _store(adapters)


def forget(port: str, mac: str) -> None:
    """What worked for this board on this adapter does not any more."""
    adapters = _load()
    with suppress(KeyError, TypeError):
        del adapters[adapter(port)]["boards"][mac]
        _store(adapters)


def adapter(port: str) -> str:
    """What names the adapter wherever it is plugged in; other ports go by their own name."""
    if is_url(port):
        return port
    name = canonical(port)
    info = discovery.find_port(name)
    return info.key() if info is not None else name


def _path() -> Path:
    return files.state_folder() / "ways.json"


def _load() -> dict[str, Any]:
    try:
        record = read_own_json(_path())
        return dict(record["adapters"]) if record["version"] == _VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _store(adapters: dict[str, Any]) -> None:
    text = json.dumps({"version": _VERSION, "adapters": adapters}, indent=2, sort_keys=True)
    with suppress(RecordError):
        files.write_atomic(_path(), text.encode() + b"\n")
