"""How a board was reached and written when the declared way failed: a small file in the user's state folder.

Kept for each adapter and, behind it, each board: a cable or bridge is bad for all boards, a board's flash only for
itself. What is remembered counts for the declared way it replaced: whoever declares another rate gets that one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from flashpipe import files
from flashpipe.board.loader.frames import BLOCK
from flashpipe.errors import RecordError
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

    def against(self, declared: LinkSettings) -> str:
        """What is different from the declared way, in a few words."""
        words = []
        if self.sequence != declared.sequence:
            words.append(f"another reset sequence ({self.sequence or 'the usual one'})")
        if self.baud != declared.baud:
            words.append(f"{self.baud} baud")
        if self.block != declared.block:
            words.append(f"blocks of {self.block} bytes")
        if self.stub != declared.stub:
            words.append("no stub")
        return ", ".join(words) or "the declared way"


def recall(port: str, declared: LinkSettings, mac: str = "") -> tuple[str, LinkSettings] | None:
    """MAC and way that worked last on this adapter, or for this board on it; None where the declared way is right."""
    record = _load().get(_adapter(port), {})
    try:
        mac = mac or str(record["last"])
        entry = record["boards"][mac]
        if entry["declared"] != asdict(declared):
            return None
        return mac, LinkSettings(**entry["way"])
    except (KeyError, TypeError, AttributeError):
        return None


def remember(port: str, mac: str, declared: LinkSettings, way: LinkSettings) -> None:
    """Note what worked; what cannot be noted costs some attempts the next time, and is no failure."""
    ways = _load()
    adapter = ways.setdefault(_adapter(port), {})
    boards = adapter.get("boards") if isinstance(adapter.get("boards"), dict) else {}
    entry = {"declared": asdict(declared), "way": asdict(way)}
    ways[_adapter(port)] = {"last": mac, "boards": {**(boards or {}), mac: entry}}
    _store(ways)


def forget(port: str, mac: str) -> None:
    """What worked for this board on this adapter does not any more."""
    ways = _load()
    with suppress(KeyError, TypeError):
        del ways[_adapter(port)]["boards"][mac]
        _store(ways)


def _adapter(port: str) -> str:
    """What names the adapter wherever it is plugged in; other ports go by their own name."""
    from flashpipe.board.ports import choice as ports  # noqa: PLC0415  ports offers much else

    if ports.is_url(port):
        return port
    name = ports.canonical(port)
    return next((info.key() for info in ports.list_ports() if ports.canonical(info.device) == name), name)


def _path() -> Path:
    return files.state_folder() / "ways.json"


def _load() -> dict[str, Any]:
    try:
        record = json.loads(_path().read_bytes())
        return dict(record["adapters"]) if record["version"] == _VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _store(ways: dict[str, Any]) -> None:
    text = json.dumps({"version": _VERSION, "adapters": ways}, indent=2, sort_keys=True)
    with suppress(RecordError):
        files.write_atomic(_path(), text.encode() + b"\n")
