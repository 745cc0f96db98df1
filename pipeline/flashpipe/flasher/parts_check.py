"""Has the firmware taken the LFS and SPIFFS images that were written for it? Its boot log and its console tell.

The texts are those of NodeMCU 3.x (nodemcu-firmware 3.0-master_20190907 to 3.0.0-release_20240225, app/lua/lflash.c and
app/spiffs/spiffs.c); `node.LFS` came with 3.0.0, `node.flashindex` is older and gives nil where nothing is loaded.
"""

from __future__ import annotations

import re
from typing import Final

from flashpipe.board.lua.console import find_console
from flashpipe.board.session.session import Session
from flashpipe.errors import ConsoleError, LfsNotLoadedError, SpiffsFormattedError
from flashpipe.flasher.model import RunRecord
from flashpipe.plan.model import FlashPlan

_SIGNATURE: Final = re.compile(r"Flash sig not correct: (0x[0-9a-fA-F]{8}) vs (0x[0-9a-fA-F]{8})")
_NO_IMAGE: Final = re.compile(r"No LFS image loaded|Flash size check failed[^\r\n]*")
_FORMATTED: Final = re.compile(r"Formatting file system")
_LOADED: Final = 'tostring((node.LFS and{node.LFS.time}or node.flashindex and{node.flashindex()}or{"unknown"})[1])'
"""When the image was compiled, in seconds since 1970; `nil` where none is loaded."""
_WAIT_S: Final = 4.0
_BITS: Final = ((0x700, "the Lua version"), (0x02, "integer or float numbers"), (0x04, "packed or unpacked values"))
"""What the signature of an image tells of its compiler (lflash.h)."""


def check_parts(session: Session, plan: FlashPlan, record: RunRecord) -> None:
    """Look whether the firmware that has just booted uses what was written for it.

    Raises:
        LfsNotLoadedError: it has refused the LFS image.
        SpiffsFormattedError: it has formatted the file system that was written in this run.
    """
    log = record.outcome.verdict.log
    written = {segment.area for segment in plan.segments if segment.area}
    if "spiffs" in written and record.outcome.outcome == "flashed" and _FORMATTED.search(log):
        raise SpiffsFormattedError(
            f"{session.port}: the firmware did not take the SPIFFS image for its own and formatted it",
            SpiffsFormattedError.remedy,
        )
    if "lfs" in plan.parts:
        _check_lfs(session, log, prompt=record.outcome.verdict.kind == "prompt")


def _check_lfs(session: Session, log: str, *, prompt: bool) -> None:
    match = _SIGNATURE.search(log)
    if match:
        differs = int(match[1], 16) ^ int(match[2], 16)
        what = ", ".join(text for bits, text in _BITS if differs & bits) or "other options of the build"
        raise LfsNotLoadedError(
            f"{session.port}: the LFS image is not for this firmware, they differ in {what}"
            f" (signatures {match[1]} and {match[2]})",
            LfsNotLoadedError.remedy,
        )
    refused = _NO_IMAGE.search(log)
    if refused:
        raise LfsNotLoadedError(f"{session.port}: the firmware says: {refused[0]}", LfsNotLoadedError.remedy)
    if prompt:
        _ask(session)


def _ask(session: Session) -> None:
    with session.step("lfs", "asking whether the LFS image is loaded") as result:
        try:
            console = find_console(session, session.rate, limit_s=_WAIT_S, waiting=session.progress("lfs"))
            answer = console.ask(_LOADED)
        except ConsoleError as error:  # a program may hold the console: its boot was good, and nothing is proven
            result.append(f"not asked: {error.code}")
            return
        if answer == "nil":
            raise LfsNotLoadedError(f"{session.port}: the firmware has loaded no LFS image", LfsNotLoadedError.remedy)
        result.append("the firmware does not say" if answer == "unknown" else "loaded")
