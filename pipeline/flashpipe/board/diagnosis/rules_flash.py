"""The loader answered, and then it did not, or the flash does not hold what was sent."""

from __future__ import annotations

from typing import Final

from flashpipe.board.diagnosis.evidence import UNTOUCHED, Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.diagnosis.rules_line import UART_DOWNLOAD, echoed, ended_as, feed, looked_at, starved
from flashpipe.errors import FlashProtectedError, WireDamage
from flashpipe.next_steps import AGAIN_WITH, Advice, repeat, setting
from flashpipe.units import format_size

BROKE_OFF: Final = frozenset({"wire", "write-failed"})
PROTECT_BITS: Final = 0x1C
"""BP0 to BP2 of the status register (facts: flash-timing §6)."""
BUSY: Final = 0x01
OFTEN: Final = 2
"""Damaged exchanges in one run from which on none was an accident."""


def _broke_off(evidence: Evidence) -> bool:
    """A chip that was known broke off in the middle."""
    known = evidence.code in BROKE_OFF and bool(evidence.chip) and not evidence.verdict
    return known and evidence.findings.loader_answers is not None and not starved(evidence) and not echoed(evidence)


def _damaged(evidence: Evidence) -> bool:
    """Whether the failure itself shows that bytes were lost or changed on the line."""
    halved = evidence.damage is WireDamage.FRAME and not evidence.chip  # else the chip may have reset itself
    return evidence.damage is WireDamage.BYTES or halved


def _often_damaged(evidence: Evidence) -> bool:
    """Whether attempt after attempt ended because bytes came wrong, and the chip is there, whatever is told last."""
    findings = evidence.findings
    there = _unlike(evidence) or (_broke_off(evidence) and bool(findings.loader_answers or findings.rom_answers))
    return there and evidence.damaged >= OFTEN


def _gone(evidence: Evidence) -> bool:
    lost = _broke_off(evidence) and not evidence.findings.loader_answers
    return lost and not _noisy(evidence) and not _often_damaged(evidence)


def _noisy(evidence: Evidence) -> bool:
    asked = evidence.findings.asked
    return asked > 0 and (evidence.findings.answered < asked or (_damaged(evidence) and evidence.code in BROKE_OFF))


def _answers(evidence: Evidence) -> str:
    return f"of {evidence.findings.asked} short questions afterwards {evidence.findings.answered} were answered right"


def _noise(evidence: Evidence) -> Proof:
    if _often_damaged(evidence):
        return [f"{evidence.damaged} attempts of this run ended because bytes came wrong", _answers(evidence)]
    answers = evidence.findings.loader_answers if evidence.chip else evidence.findings.rom_answers
    reached = (_broke_off(evidence) and (answers or evidence.findings.rom_answers)) or (looked_at(evidence) and answers)
    if not reached or not _noisy(evidence):
        return None
    damage = [f'at {evidence.baud} baud: "{evidence.what()}"'] if _damaged(evidence) else []
    return [*damage, _answers(evidence) + ("" if damage else f" ({evidence.baud} baud)")]


def _cure_of_noise(evidence: Evidence) -> Advice:
    """At 115200 baud first; where slower rates have been tried by the run itself, what is left."""
    if _often_damaged(evidence):
        return Advice("another cable and no hub, GND of adapter and board joined; then another adapter")
    return Advice(AGAIN_WITH, setting(baud="115200"), ", a shorter cable and no hub")


def _hiccup(evidence: Evidence) -> Proof:
    spoilt = _noisy(evidence) or _often_damaged(evidence)
    if not _broke_off(evidence) or spoilt or not evidence.findings.loader_answers:
        return None
    return ["the loader still answers at the same rate: it was not reset", _answers(evidence)]


def _spoke(evidence: Evidence) -> bool:
    """Whether somebody else than the loader spoke after it broke off."""
    return bool(evidence.garbage or evidence.words() or evidence.starts(UNTOUCHED))


def _stuck(evidence: Evidence) -> bool:
    return evidence.findings.flash_answers is False


def _reset_itself(evidence: Evidence) -> Proof:
    if not _gone(evidence) or not evidence.findings.rom_answers or not _spoke(evidence) or _stuck(evidence):
        return None
    proof = ["the loader is gone, and after a reset the chip answers again"]
    if evidence.garbage:
        proof.append(
            f"instead of an answer came {evidence.garbage} bytes at another rate, as a ROM says when it starts"
        )
    words = evidence.words()
    return [*proof, f'its firmware runs: "{words}"'] if words else proof


def _hangs(evidence: Evidence) -> Proof:
    if not _gone(evidence) or not evidence.findings.rom_answers or (_spoke(evidence) and not _stuck(evidence)):
        return None
    if _stuck(evidence):
        return [
            f'the loader stopped answering: "{evidence.what()}"',
            "after a reset the chip answers, its flash does not: its ID reads as all ones or zeros",
        ]
    return [
        f'the loader stopped answering: "{evidence.what()}"',
        "it was not reset by itself: no ROM spoke; after a reset by us the chip answers",
    ]


def _power_gone(evidence: Evidence) -> Proof:
    if not _gone(evidence) or evidence.findings.rom_answers is not False or not evidence.heard_nothing():
        return None
    return [f"{evidence.chip} answered before; now nothing comes, not even its ROM after a reset"]


def _rx_lost(evidence: Evidence) -> Proof:
    unheard = _gone(evidence) and evidence.findings.rom_answers is False and evidence.loader_mode() == UART_DOWNLOAD
    if not unheard or evidence.findings.answers_slowly or evidence.findings.reply:
        return None
    return [
        f"{evidence.chip} answered before; it still resets and says that it is in its loader",
        "not one byte answers what is sent to it",
    ]


def _stub_dead(evidence: Evidence) -> Proof:
    answers = looked_at(evidence) and evidence.findings.rom_answers and evidence.code != "no-answer"
    if not answers or _noisy(evidence) or not evidence.stub_silent:
        return None
    return ["the ROM answers before and after, but the flasher stub that it was given never speaks"]


def _out_of_reach(evidence: Evidence) -> Proof:
    return [evidence.what()] if evidence.code == "flash-reach" else None


def _verify(evidence: Evidence) -> bool:
    return evidence.code == "verify-failed" and evidence.written


def _size_lie(evidence: Evidence) -> Proof:
    at = evidence.findings.wraps_at
    if at is None or not (_verify(evidence) or (evidence.changed() and not starved(evidence))):
        return None
    return [f"what stands at 0x000000 stands at {at:#08x} again: behind {format_size(at)} the flash begins anew"]


def _refuses(evidence: Evidence) -> Proof:
    """Its own SDK says so, which writes its parameters before the firmware begins."""
    if not ended_as(evidence, "flash-refuses"):
        return None
    return evidence.quote(r"^sec [0-9a-f]+ error") or [evidence.what()]


def _protected(evidence: Evidence) -> Proof:
    status = evidence.findings.flash_status
    unlike = evidence.code == "verify-failed" and (evidence.written or evidence.erased)
    if not unlike or status is None or not status & PROTECT_BITS or evidence.findings.wraps_at is not None:
        return None
    return [f"the flash's status register is {status:#04x}: block protection bits are set"]


def _plain(evidence: Evidence) -> bool:
    """A verification that failed for another reason than those above."""
    return _unlike(evidence) and not _often_damaged(evidence)


def _unlike(evidence: Evidence) -> bool:
    """Whether the flash holds other bytes than were sent, and does not say why."""
    status = evidence.findings.flash_status or 0
    return (
        _verify(evidence)
        and evidence.findings.wraps_at is None
        and not status & PROTECT_BITS
        and bool(evidence.findings.bad)
    )


def _compared(evidence: Evidence) -> str:
    return f"{evidence.findings.bad_blocks} of {evidence.findings.blocks} blocks of 64 KiB differ"


def _unstable(evidence: Evidence) -> Proof:
    if not _plain(evidence) or not (evidence.findings.bad in {"unstable", "right"} or _noisy(evidence)):
        return None
    again = "a second look finds the right bytes" if evidence.findings.bad == "right" else "two reads of it differ"
    return [again, *([_answers(evidence)] if _noisy(evidence) else [])]


def _bad_cells(evidence: Evidence) -> Proof:
    findings = evidence.findings
    if not _plain(evidence) or _unstable(evidence) is not None or findings.bad_blocks > 1:
        return None
    what = "is still blank" if findings.bad == "blank" else f"has {findings.flipped} wrong bits, the same at each read"
    return [f"one sector {what}; {_compared(evidence)}", "the line is clean: " + _answers(evidence)]


def _not_written(evidence: Evidence) -> Proof:
    if not _plain(evidence) or _unstable(evidence) is not None or evidence.findings.bad_blocks <= 1:
        return None
    return [_compared(evidence), "the line is clean: " + _answers(evidence)]


def _no_flash(evidence: Evidence) -> Proof:
    if evidence.code != "flash-unknown" or not evidence.flash_silent:
        return None
    return ["the chip answers, its flash part does not: its ID reads as all ones or zeros"]


RULES: Final = (
    Rule(
        "line-noise",
        _noise,
        "the line between adapter and chip loses or damages bytes",
        _cure_of_noise,
    ),
    Rule(
        "loader-hiccup",
        _hiccup,
        "one exchange with the loader was damaged; chip and line are fine now",
        Advice(repeat("run the same command again"), ": it continues; if it recurs, ", setting(baud="115200")),
    ),
    Rule(
        "chip-reset-itself",
        _reset_itself,
        "the chip reset by itself in the middle of the work: its 3.3 V supply is too weak for erasing and writing",
        feed,
    ),
    Rule(
        "loader-hangs",
        _hangs,
        "the loader waits for the flash, which does not finish what it was told",
        Advice(
            "cut the power for some seconds and ",
            repeat("run the same command again"),
            "; nothing may hang on GPIO6 to GPIO11",
        ),
    ),
    Rule(
        "stub-dead",
        _stub_dead,
        "the flasher stub does not arrive or does not run: the adapter loses the end of long transfers, or the supply "
        "dips when it starts, or this is no genuine ESP8266",
        lambda evidence: "try another adapter; " + feed(evidence),
    ),
    Rule(
        "power-gone",
        _power_gone,
        "the board lost its power in the middle of the work, or the wire from its TX came off",
        Advice("restore its power, look at its wires and ", repeat("run the same command again"), ": it continues"),
    ),
    Rule(
        "rx-lost",
        _rx_lost,
        "the wire from the adapter's TX to the chip's RX came off in the middle of the work",
        Advice("connect it again and ", repeat("run the same command again"), ": it continues"),
    ),
    Rule(
        "rom-size",
        _out_of_reach,
        "stub version 2 works with the flash functions of the chip's ROM, which go by a size of 4 MB and could not be"
        " told another",
        "ESPTOOL_STUB_VERSION=1 with a reset into the loader: that version tells the ROM by itself",
    ),
    Rule(
        "size-lie",
        _size_lie,
        lambda evidence: f"the flash is smaller than its ID says: {format_size(evidence.findings.wraps_at or 0)}",
        lambda evidence: Advice(
            f"take the profile of a board with {format_size(evidence.findings.wraps_at or 0)} and ",
            setting(allow="wrong-flash-size"),
        ),
    ),
    Rule(
        "flash-refuses",
        _refuses,
        "the flash part takes nothing while the firmware runs: its supply collapses then, or it has failed",
        "cut the power for a moment, feed 500 mA at 3.3 V; if it says so again, replace the module",
    ),
    Rule(
        "write-protected",
        _protected,
        "the flash part refuses to be written: its block protection bits are set",
        FlashProtectedError.remedy,
    ),
    Rule(
        "reads-unstable",
        _unstable,
        "the flash holds other bytes each time it is read: supply or wiring, not the image",
        feed,
    ),
    Rule(
        "bad-cells",
        _bad_cells,
        "one place of the flash does not take what is written: the part is worn out or broken",
        "replace the module; an image that leaves this place out would still work",
    ),
    Rule(
        "not-written",
        _not_written,
        "the flash acknowledged writes that it did not carry out: mostly a supply that is too weak",
        feed,
    ),
    Rule(
        "flash-absent",
        _no_flash,
        "the flash part does not answer: nothing else may use GPIO6 to GPIO11, and it needs a steady 3.3 V",
        "take off what is connected to GPIO6 to GPIO11 (SD0 to SD3, CLK, CMD)",
    ),
)
