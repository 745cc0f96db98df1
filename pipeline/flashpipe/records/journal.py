"""What we know of each board, keyed by its MAC: the plan it was given and whether that was finished.

Written before the first erase and after the verification, each time whole and durably, so that a run killed at any
instant leaves either the old truth or `writing`. doit's own database cannot say that: it keeps the last success of a
task that was interrupted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from flashpipe.digests import RegionDigests, digest_index
from flashpipe.errors import RecordError
from flashpipe.files import NO_RECORD, read_json, state_folder, write_atomic
from flashpipe.flash import Region
from flashpipe.lazy import lazy_pattern
from flashpipe.masking import mask_urls
from flashpipe.next_steps import Advice, command, repeat
from flashpipe.records import seal
from flashpipe.records.begun import BEGUN
from flashpipe.values import dataclass

FORMAT: Final = 1
State = Literal["unknown", "writing", "clean", "erased"]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """The journal's knowledge of one board."""

    mac: str
    state: State = "unknown"
    plan: str = ""
    """Fingerprint of the plan written, or being written."""
    profile: str = ""
    project: str = ""
    verdict: str = "not-checked"
    """Kind of the last boot verdict for this plan."""
    passed: bool = False
    """Whether that verdict satisfied the profile."""
    port: str = ""
    backup: str = ""
    """Id of the backup that a run is putting back, or would put back if the board does not boot."""
    changed: str = ""
    """UTC time of the last change, ISO 8601; for people, never compared: clocks jump."""
    kept: tuple[tuple[int, int], ...] = ()
    """Start and end of sectors inside the images that were left as they were, because the board's data is there."""
    before: dict[str, Any] = field(default_factory=dict)
    """While `writing`: what the board held before (`Resident.to_json`); the run is continued as it was begun."""
    saved: str = ""
    """While `writing`: id of the backup of what is being lost."""
    firmware: dict[str, str] = field(default_factory=dict)
    """What was written, by which a later run can tell what it meets."""

    held: tuple[RegionDigests, ...] = ()
    """Digests of what it was given, as planned; kept in the same file as the state, so that the two are never torn."""

    placed: dict[str, str] = field(default_factory=dict)
    """LFS and SPIFFS images that the board was given: area to address and MD5. They are the firmware's since."""

    @property
    def half_done(self) -> str:
        """What a board holds whose state is `writing`; completes "board MAC …"."""
        if self.plan:
            return "holds an incomplete image"
        return f"holds backup {self.backup} in part" if self.backup else "is partly erased"

    def finished(self, plan: str) -> bool:
        """Whether `plan` was written and verified whole on this board, as far as we know."""
        return self.state == "clean" and self.plan == plan

    def digests(self) -> Mapping[Region, bytes]:
        """Digests of blocks and sectors as they were last verified; none while the board is being written.

        They only say what to expect: firmware and other tools write to flash as well.
        """
        return digest_index(self.held) if self.state == "clean" else {}


_OLD_BEGINNINGS: Final = ("18:fe:34:", "ac:d0:74:")
_BEGINNING: Final = 6
"""Hexadecimal digits of it."""
_NAME: Final = lazy_pattern(r"[0-9a-f]{12}")


def _path(mac: str) -> Path:
    return state_folder() / "boards" / f"{mac.replace(':', '')}.json"


def read(mac: str) -> JournalEntry:
    """The entry of a board; `unknown` where there is none.

    An unreadable entry is moved aside and counts as unknown: the board is then compared in full, which is always safe.

    Raises:
        RecordError: the folder cannot be read.
    """
    path = _path(mac)
    try:
        record = read_json(path)
        entry = from_json(record)
        if entry.mac == mac:
            # What somebody else has written says nothing: the board is asked.
            return entry if seal.is_own(record, path) else JournalEntry(mac)
    except (FileNotFoundError, NotADirectoryError):
        return JournalEntry(mac)
    except OSError as error:
        if error.errno not in NO_RECORD:
            raise RecordError(f"{path}: cannot be read: {error.strerror}", "fix its permissions") from error
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return _aside(path, mac)


def chip_mac(told: str) -> str:
    """The MAC that a chip has, for the one that its firmware tells.

    An SDK of 2015 knows two beginnings of MACs only, and gives the chips of all others the first of them (facts:
    esp8266 §1.1). The board that has the same end is it, where one such board is known here.
    """
    if not told.startswith(_OLD_BEGINNINGS):
        return told
    end = told.replace(":", "")[_BEGINNING:]
    try:
        names = [path.stem for path in (state_folder() / "boards").glob(f"*{end}.json") if _NAME.fullmatch(path.stem)]
    except OSError:
        return told
    macs = [":".join(name[at : at + 2] for at in range(0, len(name), 2)) for name in names]
    known = [mac for mac in macs if read(mac).state != "unknown"]
    return known[0] if len(known) == 1 else told


def from_json(stored: Mapping[str, Any]) -> JournalEntry:
    """The entry that `to_json` gave.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: it is none, or of another format.
    """
    fields = {name: value for name, value in stored.items() if name != seal.FIELD}
    if fields.pop("format") != FORMAT:
        raise ValueError("another format")
    kept = tuple((int(start), int(end)) for start, end in fields.get("kept", ()))
    entry = JournalEntry(
        **{**fields, "kept": kept, "held": tuple(RegionDigests(**part) for part in fields.get("held", ()))}
    )
    entry.digests()  # damaged ones are found here
    return entry


def unfinished(entry: JournalEntry, code: str = "") -> Advice:
    """That a board whose state is `writing` is half done, and what continues: the same run again, or an earlier one.

    `code`: of the error that has ended the run.
    """
    told = f"board {entry.mac} {entry.half_done}"
    if entry.mac in BEGUN and entry.backup and not entry.plan:  # a bench that is run again puts nothing back
        return Advice(f"{told}{f' ({code})' * bool(code)}; ", command("restore", backup=entry.backup), " continues")
    if entry.mac in BEGUN:
        return Advice(f"{told}{f' ({code})' * bool(code)}; ", repeat("run the same command again"), ", it continues")
    if entry.plan:
        again = command("flash", profile=entry.profile) if entry.profile else command("flash", "…")
    else:
        again = command("restore", backup=entry.backup) if entry.backup else command("erase")
    return Advice(f"{told} since an earlier run, which ", again, " continues")


def to_json(entry: JournalEntry) -> dict[str, object]:
    """All that is known, for a file."""
    return {"format": FORMAT, **asdict(entry)}


def _aside(path: Path, mac: str) -> JournalEntry:
    """Out of the way, under a name that nothing else has in its place: a folder replaces no file."""
    for name in (".damaged", f".damaged-{time.time_ns()}"):
        try:
            path.replace(path.with_suffix(name))
        except OSError:
            continue
        break
    return JournalEntry(mac)


def write(entry: JournalEntry) -> JournalEntry:
    """Store an entry, durably; returns it with its time.

    Raises:
        RecordError: it could not be stored. Then nothing may be written to the board.
    """
    entry = replace(entry, port=mask_urls(entry.port), changed=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    text = json.dumps(seal.sealed(to_json(entry)), indent=1)
    write_atomic(_path(entry.mac), text.encode())
    (BEGUN.add if entry.state == "writing" else BEGUN.discard)(entry.mac)
    return entry
