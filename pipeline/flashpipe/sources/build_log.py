"""What a build command prints: its log, what of that is shown, and the warnings in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flashpipe.lazy import lazy_pattern
from flashpipe.masking import mask

TAIL_LINES: Final = 25
_WARNING: Final = lazy_pattern(r"\bwarning\b", re.IGNORECASE)
_PLACE_LINES: Final = 4
"""A warning and what compilers show of the place: the line, a mark below it, a hint."""
_WARNED_LINES: Final = 100_000
"""Lines of the output, counted from its end, that are looked through."""
_TAIL_BYTES: Final = 16_384
_LOOKED_THROUGH: Final = 4 * 1024 * 1024
"""Bytes of a log that are looked through at once for secrets."""
LONGEST: Final = 32 * 1024 * 1024
"""Bytes of a log: what prints more than that does so without end."""
_BEGINNING, _END = LONGEST // 8, 64 * 1024
"""What stays of it then, beside all that is printed from then on."""
_SECRET: Final = lazy_pattern("TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
_RULE: Final = "-" * 72


def heading(command: str | tuple[str, ...], folder: Path) -> str:
    """What a log begins with: the command, and its environment."""
    environment = {name: "***" if _SECRET.search(name) else value for name, value in sorted(os.environ.items())}
    lines = [
        f"command: {command}",
        f"folder: {folder}",
        *(f"{name}={environment[name]}" for name in environment),
    ]
    return mask("\n".join(lines) + f"\n{_RULE}\n")


def shorten(log: Path) -> None:
    """Take out the middle of a log that has become too long; what a command appends meanwhile may go with it."""
    if log.stat().st_size <= LONGEST or os.name != "posix":  # elsewhere its next byte would not stand at the new end
        return
    with log.open("r+b") as stream:
        stream.seek(-_END, os.SEEK_END)
        end = stream.read(_END)
        stream.truncate(_BEGINNING)
    with log.open("ab") as stream:
        stream.write(b"\n[flashpipe: more than %d MB were printed, what stood here is left out]\n" % (LONGEST >> 20))
        stream.write(end)


def half_masked(log: Path) -> Path:
    """The file in which a log is masked; one that is there is of a run that was killed."""
    return log.with_name(f"{log.name}.part")


def mask_log(log: Path) -> None:
    """What a command prints may hold what it was given; it may be long."""
    safe_log = half_masked(log)
    safe_log.touch(mode=0o600)
    with log.open("rb") as stream, safe_log.open("wb") as safe:
        while data := stream.read(_LOOKED_THROUGH) + stream.readline(_LOOKED_THROUGH):
            safe.write(mask(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))
    safe_log.replace(log)


def tail(log: Path, count: int, most: int = _TAIL_BYTES) -> list[str]:
    """The last lines that the command wrote; nothing of the heading, nothing that a terminal would obey."""
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - most))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = text.rpartition(f"\n{_RULE}\n")[2].splitlines()
    plain = ("".join(char for char in line if char.isprintable() or char == "\t") for line in lines[-count:])
    return [line if len(line) <= 300 else f"{line[:297]}..." for line in plain]  # noqa: PLR2004  a screen's worth


def warnings(log: Path) -> Iterator[str]:
    """The lines with a warning, and those behind each that show the place."""
    lines, left, shown = tail(log, _WARNED_LINES, _LOOKED_THROUGH), 0, 0
    for line in lines:
        left = _PLACE_LINES if _WARNING.search(line) else left - 1 if line[:1] in {" ", "\t"} else 0
        if left > 0:
            shown += 1
            yield line
        if shown == TAIL_LINES:
            yield f"more of it is in {log}"
            return
