"""The port and this machine; and refusals, whose own words are the diagnosis."""

from __future__ import annotations

from typing import Final

from flashpipe.board.diagnosis.evidence import Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.ports.adapters import NO_BRLTTY
from flashpipe.next_steps import Advice, repeat

BRAILLE: Final = frozenset({"1a86:7523", "10c4:ea60"})
"""Adapters that brltty's rules claim (users' reports: esp-idf#9372)."""


def _lost(evidence: Evidence) -> bool:
    return evidence.code == "port-lost"


def _braille(evidence: Evidence) -> bool:
    return evidence.host.brltty and evidence.usb in BRAILLE and evidence.findings.reopened != "there"


def _grabbed(evidence: Evidence) -> Proof:
    if not _lost(evidence) or not _braille(evidence):
        return None
    return [
        "brltty is on this machine, and its rules claim " + evidence.usb,
        "the port went away while it was used, and is " + evidence.findings.reopened,
    ]


def _wsl(evidence: Evidence) -> Proof:
    if not _lost(evidence) or not evidence.host.wsl or evidence.findings.reopened != "missing" or _braille(evidence):
        return None
    return ["this is WSL, which loses an adapter at each of its resets unless usbipd attaches it again"]


def _unplugged(evidence: Evidence) -> Proof:
    if not _lost(evidence) or evidence.findings.reopened not in {"missing", "refused"}:
        return None
    if _braille(evidence) or evidence.host.wsl:
        return None
    return ["the port went away while it was used, and is not there any more"]


def _shared(evidence: Evidence) -> Proof:
    if not _lost(evidence) or evidence.findings.reopened != "busy" or _braille(evidence):
        return None
    return ["the port went away while it was used; now another program has it", *evidence.findings.holders]


def _glitch(evidence: Evidence) -> Proof:
    if not _lost(evidence) or evidence.findings.reopened != "there":
        return None
    return ["the port went away while it was used, and is there again"]


RULES: Final = (
    Rule(
        "brltty",
        _grabbed,
        "brltty takes the adapter for a braille display",
        NO_BRLTTY,
    ),
    Rule(
        "wsl-detached",
        _wsl,
        "Windows took the adapter back from WSL",
        "`usbipd attach --wsl --busid N-N --auto-attach` in a PowerShell that stays open",
    ),
    Rule(
        "unplugged",
        _unplugged,
        "the adapter was unplugged, or its cable or hub lost it",
        Advice("plug it in firmly, without a hub, and ", repeat("run the same command again"), ": it continues"),
    ),
    Rule(
        "port-shared",
        _shared,
        "another program reads from the same port",
        Advice("close it (a serial monitor, mostly) and ", repeat("run the same command again"), ": it continues"),
    ),
    Rule(
        "adapter-glitch",
        _glitch,
        "the adapter vanished for a moment and came back: cable, hub or its own reset",
        Advice(repeat("run the same command again"), ", it continues; if it recurs, another cable and no hub"),
    ),
)
