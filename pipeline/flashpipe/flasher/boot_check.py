"""Does it run? Reset, boot log, verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from flashpipe.board.boot.expectations import WORDS, accepts, resolve
from flashpipe.board.boot.kinds import NOT_CHECKED, Verdict, error_class
from flashpipe.board.boot.verdict import classify, of_verified_flash
from flashpipe.board.boot.watch import boot_check
from flashpipe.board.session.session import Session
from flashpipe.errors import BootError, BootUnexpectedError
from flashpipe.flasher.model import BootExpectation, verdict_of
from flashpipe.masking import mask_cut
from flashpipe.next_steps import Advice, Wording, setting
from flashpipe.records import journal
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class BootCheck:
    """One question to a board, which can be asked again: does it boot as it should?"""

    session: Session
    expected: BootExpectation
    """What counts as a good boot."""
    is_nodemcu: bool
    """Whether the image is NodeMCU."""
    entry: journal.JournalEntry | None = None
    """The board's record, which gets the verdict; None where nothing is known about what its flash holds."""
    mode: str = ""
    """Flash mode in the header of the image that the flash was just verified to hold; empty where it was not."""
    ran_lua: bool = False
    """Whether its NodeMCU has just answered: its banner may be lost while the rate changes, and a program that prints
    without end hides its prompt."""

    def run(self, *, passive: bool = False) -> Verdict:
        """Reset the board, read its boot log and say whether that is the boot that is expected.

        Args:
            passive: Judge the board as it runs where no wire resets it and nobody can be asked to.

        Raises:
            BootError: it is not; `error.verdict` holds what the log proved.
        """
        session, expected = self.session, self.expected
        with session.step("boot", "reading the boot log") as result:
            text = "" if expected.expect in WORDS else expected.expect
            patient = resolve(expected.expect, image_is_nodemcu=self.is_nodemcu) == "nodemcu"
            read = boot_check(session, timeout_s=expected.timeout_s, wait_for=text, patient=patient, passive=passive)
            verdict = of_verified_flash(read, self.mode)
            known = self.ran_lua and not text and verdict.kind != "formatting"
            passed = accepts("any" if known else expected.expect, verdict, image_is_nodemcu=self.is_nodemcu)
            if text and passed:
                verdict = replace(verdict, summary=f'"{text}" was seen')
            result.append(verdict.summary + session.execution.note)
        if self.entry is not None:
            backup = "" if passed else self.entry.backup
            journal.write(replace(self.entry, verdict=verdict.kind, passed=passed, backup=backup))
        if not passed:
            raise boot_error(session.port, verdict, expected)
        return verdict


_SHOWN: Final = 160
"""Characters of a line of the board's that a message shows; garbage may never end one."""


def boot_error(port: str, verdict: Verdict, expected: BootExpectation) -> BootError:
    """The error for a verdict that does not pass; carries the verdict."""
    kind = error_class(verdict.kind)
    wanted = {"auto": "NodeMCU", "nodemcu": "NodeMCU", "any": "a sign of life"}.get(
        expected.expect, f'"{expected.expect}"'
    )
    unmet = "" if kind is not BootUnexpectedError else f"; expected {wanted}"
    proof = f'; last line: "{mask_cut(verdict.evidence[-1].strip(), _SHOWN)}"' if verdict.evidence else ""
    hint = kind.remedy
    if verdict.still_in_loader:
        hint = Advice(
            "press RESET yourself (",
            setting(reset="manual"),
            Wording(", on a terminal", ""),
            "), or leave the check out: ",
            setting(boot="off"),
        )
    return kind(f"{port}: {verdict.summary}{unmet}{proof}", hint, verdict)


def withdraw(error: BootError, port: str) -> Verdict:
    """What the flash was verified to hold is not there any more: of the boot stands what its log says, and no more.

    The error itself is changed, for whoever has it raises it, or writes the receipt; gives the verdict that it has now.
    """
    verdict = verdict_of(error) or NOT_CHECKED
    read = classify(verdict.log)
    verdict = replace(verdict, kind=read.kind, summary=read.summary)
    told = boot_error(port, verdict, BootExpectation())
    hint = told.hint if error.hint == error.remedy else error.hint
    error.__class__, error.args = type(told), (told.message, hint)
    error.message, error.hint, error.verdict = told.message, hint, verdict
    return verdict
