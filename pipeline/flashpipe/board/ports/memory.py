"""Which board was last seen on which port, and which port a profile used: a small file in the user's state folder."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from flashpipe import files
from flashpipe.errors import RecordError
from flashpipe.ownership import read_own_json
from flashpipe.values import dataclass

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What was last found behind one adapter."""

    mac: str
    """Lower case, colon separated."""
    profile: str
    time: str
    """Local time, `2026-11-23 01:13`."""

    def __str__(self) -> str:
        profile = f", profile {self.profile}" if self.profile else ""
        return f"last seen: {self.mac}{profile}, {self.time}"


@dataclass(slots=True)
class PortMemory:
    """Ports by their stable key (`PortInfo.key`). Only a help for people: a board's identity is its MAC."""

    path: Path = field(default_factory=lambda: files.state_folder() / "ports.json")
    damaged: Path | None = None
    """Where an unreadable file was moved to, None if it was fine."""
    _ports: dict[str, LastSeen] = field(default_factory=dict)
    _profiles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._load()

    def seen(self, key: str) -> LastSeen | None:
        """What was last found behind this adapter."""
        return self._ports.get(key)

    def describe(self, key: str) -> str:
        """One phrase for lists, empty where nothing is known."""
        known = self._ports.get(key)
        return str(known) if known else ""

    def key_for(self, profile: str) -> str | None:
        """The port this profile was last used on."""
        return self._profiles.get(profile) if profile else None

    def remember(self, key: str, mac: str, profile: str = "") -> None:
        """Note what is behind an adapter, on disk.

        Raises:
            RecordError: the state folder cannot be written.
        """
        self._load()  # another process may have written since
        self._ports[key] = LastSeen(mac, profile, time.strftime("%Y-%m-%d %H:%M"))
        if profile:
            self._profiles[profile] = key
        ports = {
            key: {"mac": seen.mac, "profile": seen.profile, "time": seen.time} for key, seen in self._ports.items()
        }
        record = {"version": _VERSION, "ports": ports, "profiles": self._profiles}
        files.write_atomic(self.path, json.dumps(record, indent=2, sort_keys=True).encode() + b"\n")

    def _load(self) -> None:
        try:
            record = read_own_json(self.path)
            ports = {str(key): _seen(entry) for key, entry in record["ports"].items()}
            profiles = {str(name): str(key) for name, key in record["profiles"].items()}
        except OSError:
            return
        except (ValueError, KeyError, TypeError, AttributeError):
            self._put_aside()
            return
        self._ports, self._profiles = ports, profiles

    def _put_aside(self) -> None:
        aside = self.path.with_suffix(".damaged.json")
        try:
            self.path.replace(aside)
        except OSError:
            return
        self.damaged = aside


def _seen(entry: Any) -> LastSeen:
    return LastSeen(str(entry["mac"]), str(entry["profile"]), str(entry["time"]))


def _slow_mark(port: str) -> Path:
    name = "".join(letter if letter.isalnum() else "_" for letter in port)
    return files.state_folder() / "slow-start" / name


def starts_slowly(port: str) -> bool:
    """Whether a first synchronisation above 115200 baud failed on this port, and 115200 worked."""
    return files.is_there(_slow_mark(port))


def note_slow_start(port: str) -> None:
    """Remember that; what cannot be remembered costs a second the next time, and is no failure."""
    with suppress(RecordError):
        files.write_atomic(_slow_mark(port), b"")
