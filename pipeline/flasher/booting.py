"""Does it run? Reset, boot log, verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline import journal
from pipeline.board.bootlog import Verdict, accepts
from pipeline.board.session import NO_WIRE, Session
from pipeline.errors import BootDownloadError, BootError, BootLoopError, BootSilentError, BootUnexpectedError
from pipeline.flasher.records import BootWish

_BOOT_ERRORS: Final[dict[str, type[BootError]]] = {
    "boot-loop": BootLoopError,
    "bad-checksum": BootLoopError,
    "no-image": BootLoopError,
    "rf-cal": BootLoopError,
    "exception": BootLoopError,
    "panic": BootLoopError,
    "silence": BootSilentError,
    "download-mode": BootDownloadError,
}
"""Verdict kind to error; what is absent here did start, but is not what was expected."""


KINDS: Final = frozenset({"auto", "nodemcu", "any"})
"""What `boot.expect` can name beside a text of the log."""
PREDICTED: Final = " (virtual board: predicted from the image, firmware not executed)"


def judge(session: Session, wish: BootWish, entry: journal.Entry | None, *, is_nodemcu: bool) -> Verdict:
    """Reset the board, read its boot log and say whether that is the boot that was wished for.

    Raises:
        BootError: it is not; `error.verdict` holds what was seen.
    """
    with session.step("boot", "resetting the board and reading its log") as result:
        text = "" if wish.expect in KINDS else wish.expect
        patient = wish.expect == "nodemcu" or (wish.expect == "auto" and is_nodemcu)
        verdict = session.boot(timeout_s=wish.timeout_s, wait_for=text, patient=patient)
        passed = accepts(wish.expect, verdict, image_is_nodemcu=is_nodemcu)
        if text and passed:
            verdict = replace(verdict, summary=f'"{text}" was seen')
        result.append(verdict.summary + (PREDICTED if session.virtual else ""))
    if entry is not None:
        journal.write(replace(entry, verdict=verdict.kind, passed=passed))
    if not passed:
        raise boot_error(session.port, verdict, wish)
    return verdict


def boot_error(port: str, verdict: Verdict, wish: BootWish) -> BootError:
    """The error for a verdict that does not pass; carries the verdict as `verdict`."""
    kind = _BOOT_ERRORS.get(verdict.kind, BootUnexpectedError)
    wish_text = {"auto": "NodeMCU", "nodemcu": "NodeMCU", "any": "a sign of life"}.get(wish.expect, f'"{wish.expect}"')
    wanted = "" if kind is not BootUnexpectedError else f"; expected {wish_text}"
    proof = f'; last line: "{verdict.evidence[-1].strip()}"' if verdict.evidence else ""
    hint = kind.remedy
    if NO_WIRE in verdict.summary:
        hint = "press RESET yourself (reset=manual, on a terminal), or leave the check out: boot=off"
    error = kind(f"{port}: {verdict.summary}{wanted}{proof}", hint)
    error.verdict = verdict
    return error
