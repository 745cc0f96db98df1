"""Does it run? Reset, boot log, verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from flashpipe import errors
from flashpipe.board.boot import watch as watching
from flashpipe.board.boot.expectations import WORDS, resolve
from flashpipe.board.boot.watcher import Verdict, accepts
from flashpipe.board.session.session import Session
from flashpipe.errors import BootError, BootUnexpectedError
from flashpipe.flasher.model import BootExpectation
from flashpipe.records import journal

BOOT_ERRORS: Final[dict[str, type[BootError]]] = {
    "boot-loop": errors.BootLoopError,
    "bad-checksum": errors.BootChecksumError,
    "no-image": errors.BootNoImageError,
    "wrong-mode": errors.BootWrongModeError,
    "rf-cal": errors.BootRfCalError,
    "system-params": errors.BootParametersError,
    "exception": errors.BootExceptionError,
    "panic": errors.BootPanicError,
    "watchdog": errors.BootWatchdogError,
    "brown-out": errors.BootBrownOutError,
    "wrong-size": errors.BootSizeError,
    "bad-partitions": errors.BootPartitionsError,
    "formatting": errors.BootFormattingError,
    "strapping": errors.BootStrappingError,
    "unreadable": errors.BootUnreadableError,
    "silence": errors.BootSilentError,
    "download-mode": errors.BootDownloadError,
}
"""Class of verdict to error; what is absent here did start, but is not what was expected."""
UNREADABLE_IMAGE: Final = {"no-image", "bad-checksum"}
"""What the ROM says of an image that it cannot read."""
PREDICTED: Final = " (virtual board: predicted from the image, firmware not executed)"


def judge(
    session: Session,
    wish: BootExpectation,
    entry: journal.JournalEntry | None,
    *,
    is_nodemcu: bool,
    mode: str = "",
    look: bool = False,
) -> Verdict:
    """Reset the board, read its boot log and say whether that is the boot that was wished for.

    Args:
        session: The board.
        wish: What counts as a good boot.
        entry: The board's record, which gets the verdict; None where nothing is known about what its flash holds.
        is_nodemcu: Whether the image is NodeMCU.
        mode: Flash mode in the header of the image that the flash was just seen to hold; empty where it was not.
        look: Judge the board as it runs where no wire resets it and nobody can be asked to.

    Raises:
        BootError: it is not; `error.verdict` holds what was seen.
    """
    with session.step("boot", "reading the boot log") as result:
        text = "" if wish.expect in WORDS else wish.expect
        patient = resolve(wish.expect, image_is_nodemcu=is_nodemcu) == "nodemcu"
        seen = watching.boot(session, timeout_s=wish.timeout_s, wait_for=text, patient=patient, look=look)
        verdict = explain(seen, mode)
        passed = accepts(wish.expect, verdict, image_is_nodemcu=is_nodemcu)
        if text and passed:
            verdict = replace(verdict, summary=f'"{text}" was seen')
        result.append(verdict.summary + (PREDICTED if session.virtual else ""))
    if entry is not None:
        journal.write(replace(entry, verdict=verdict.kind, passed=passed, backup="" if passed else entry.backup))
    if not passed:
        raise boot_error(session.port, verdict, wish)
    return verdict


def explain(verdict: Verdict, mode: str) -> Verdict:
    """The verdict, with what is known of the flash: bytes that were verified are right, so it is the way of reading.

    The ROM reads flash in the header's mode, the loader that compared the bytes in its own (facts: esp8266 §2.4).
    """
    if not mode or verdict.kind not in UNREADABLE_IMAGE:
        return verdict
    if mode == "dout":  # the one mode that every part does
        why = "is it the flash frequency, the supply, or something on GPIO6 to GPIO11?"
        return replace(verdict, summary=f"the flash holds the image, but the ROM cannot read it: {why}")
    summary = f"the flash holds the image, but the ROM cannot read it in flash mode {mode}"
    return replace(verdict, kind="wrong-mode", summary=summary)


def boot_error(port: str, verdict: Verdict, wish: BootExpectation) -> BootError:
    """The error for a verdict that does not pass; carries the verdict as `verdict`."""
    kind = BOOT_ERRORS.get(verdict.kind, BootUnexpectedError)
    wished = {"auto": "NodeMCU", "nodemcu": "NodeMCU", "any": "a sign of life"}.get(wish.expect, f'"{wish.expect}"')
    wanted = "" if kind is not BootUnexpectedError else f"; expected {wished}"
    proof = f'; last line: "{verdict.evidence[-1].strip()}"' if verdict.evidence else ""
    hint = kind.remedy
    if watching.NO_WIRE in verdict.summary:
        hint = "press RESET yourself (reset=manual, on a terminal), or leave the check out: boot=off"
    error = kind(f"{port}: {verdict.summary}{wanted}{proof}", hint)
    error.verdict = verdict
    return error
