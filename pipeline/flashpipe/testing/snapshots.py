"""Booted boards, kept: one snapshot for each image, its files and settings; every test process on this machine uses it.

They lie in the cache, readable by their owner only: a flash may hold Wi-Fi passwords.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from flashpipe import locks
from flashpipe.board.boot.gaps import Gap
from flashpipe.board.boot.kinds import Verdict
from flashpipe.errors import BadValueError
from flashpipe.files import cache_folder, make_private, read_regular, write_atomic
from flashpipe.values import dataclass

WAIT_S: Final = 300.0
"""For another process that boots the same board."""
KEPT: Final = 16
"""Snapshots that stay, those used last; one has some 0.7 MB."""
_SUFFIX: Final = ".snapshot"
_LARGEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Booted:
    """A board at its prompt."""

    chip: bytes
    """As the bench gives and takes it."""
    baud: int
    """Rate of its console."""
    verdict: Verdict
    """Of its boot."""


def key_of(parts: Iterable[str]) -> str:
    """Name of the snapshot of what these texts describe."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def guarded() -> Any:
    """While one process looks for a snapshot, or makes one, others wait.

    Raises:
        FetchBusyError: for too long.
        RecordError: the cache cannot be written.
    """
    folder = _folder()
    make_private(folder)
    return locks.exclusive(folder / "lock", "the boot of a virtual board", WAIT_S)


def find(key: str) -> Booted | None:
    """The snapshot of that name; None where there is none, or it is of no use."""
    path = _folder() / f"{key}{_SUFFIX}"
    try:
        head, _, chip = read_regular(path, _LARGEST).partition(b"\n")
        known = json.loads(head)
        fields = {name: known[name] for name in ("kind", "summary", "firmware", "log", "seconds", "baud")}
        gaps = tuple(Gap(line, size) for line, size in known["gaps"])
        verdict = Verdict(evidence=tuple(known["evidence"]), causes=tuple(known["causes"]), gaps=gaps, **fields)
        path.touch()
        return Booted(chip, int(known["console"]), verdict)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(key: str, booted: Booted) -> None:
    """Write a snapshot, and remove those that were used longest ago.

    Raises:
        RecordError: the cache cannot be written.
    """
    verdict = booted.verdict
    head = {
        "kind": verdict.kind, "summary": verdict.summary, "evidence": verdict.evidence, "firmware": verdict.firmware,
        "log": verdict.log, "seconds": verdict.seconds, "causes": verdict.causes, "baud": verdict.baud,
        "gaps": [[gap.line, gap.size] for gap in verdict.gaps], "console": booted.baud,
    }  # fmt: skip
    write_atomic(_folder() / f"{key}{_SUFFIX}", json.dumps(head).encode() + b"\n" + booted.chip)
    snapshots = sorted(_kept().items(), key=lambda pair: pair[1].st_mtime, reverse=True)
    for path, _ in snapshots[KEPT:]:
        path.unlink(missing_ok=True)


def usable(booted: Booted | None, bench: Any) -> Any:
    """The snapshot as the bench takes it; None where it is damaged or of another version."""
    if booted is None:
        return None
    try:
        return bench.read(booted.chip)
    except BadValueError:
        return None


def sizes() -> list[int]:
    """Bytes of each snapshot that is kept."""
    return [status.st_size for status in _kept().values()]


def clean(unused_s: float = 0.0) -> int:
    """Remove the snapshots that were not used for so long; the bytes that were freed."""
    now, freed = time.time(), 0
    for path, status in _kept().items():
        if now - status.st_mtime >= unused_s:
            with suppress(OSError):
                path.unlink()
                freed += status.st_size
    return freed


def _kept() -> dict[Path, os.stat_result]:
    snapshots = {}
    for path in _folder().glob(f"*{_SUFFIX}"):
        with suppress(OSError):  # another process has removed it
            snapshots[path] = path.stat()
    return snapshots


def _folder() -> Path:
    return cache_folder() / "snapshots"
