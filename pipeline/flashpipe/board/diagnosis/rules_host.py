"""The port and this machine; and refusals, whose own words are the diagnosis."""

from __future__ import annotations

from typing import Final

from flashpipe.board.diagnosis.evidence import Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.ports.adapters import NO_BRLTTY
from flashpipe.next_steps import Advice, command, repeat

BRAILLE: Final = frozenset({"1a86:7523", "10c4:ea60"})
"""Adapters that brltty's rules claim (users' reports: esp-idf#9372)."""
REMOTE: Final = ("rfc2217://", "socket://", "labgrid://")
"""How ports of other machines begin."""


def _lost(evidence: Evidence) -> bool:
    return evidence.code == "port-lost"


def _remote(evidence: Evidence) -> bool:
    return evidence.port.lower().startswith(REMOTE)


def _braille(evidence: Evidence) -> bool:
    return (
        not _remote(evidence)
        and evidence.host.brltty
        and evidence.usb in BRAILLE
        and evidence.findings.reopened != "there"
    )


def _grabbed(evidence: Evidence) -> Proof:
    if not _lost(evidence) or not _braille(evidence):
        return None
    return [
        "brltty is on this machine, and its rules claim " + evidence.usb,
        "the port went away while it was used, and is " + evidence.findings.reopened,
    ]


def _wsl(evidence: Evidence) -> Proof:
    if _remote(evidence) or not _lost(evidence) or not evidence.host.wsl:
        return None
    if evidence.findings.reopened != "missing" or _braille(evidence):
        return None
    return ["this is WSL, which loses an adapter at each of its resets unless usbipd attaches it again"]


def _unplugged(evidence: Evidence) -> Proof:
    if _remote(evidence) or _braille(evidence) or evidence.host.wsl:
        return None
    return _gone(evidence)


def _gone(evidence: Evidence) -> Proof:
    if not _lost(evidence) or evidence.findings.reopened not in {"missing", "refused"}:
        return None
    return ["the port went away while it was used, and is not there any more"]


def _host_gone(evidence: Evidence) -> Proof:
    return _gone(evidence) if _remote(evidence) else None


def _cut_off(evidence: Evidence) -> Proof:
    return _back(evidence) if _remote(evidence) else None


def _shared(evidence: Evidence) -> Proof:
    if not _lost(evidence) or evidence.findings.reopened != "busy" or _braille(evidence):
        return None
    return ["the port went away while it was used; now another program has it", *evidence.findings.holders]


def _glitch(evidence: Evidence) -> Proof:
    return None if _remote(evidence) else _back(evidence)


def _back(evidence: Evidence) -> Proof:
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
        "host-lost",
        _host_gone,
        "the machine of the board serves it no more: server ended, board unplugged there, or the network is down",
        Advice(
            command("host", "check"),
            " on that machine tells; then ",
            repeat("run the same command again"),
            ": it continues",
        ),
    ),
    Rule(
        "connection-cut",
        _cut_off,
        "the connection to the machine of the board was cut, and can be made again: network, or its server",
        Advice(repeat("run the same command again"), ": it continues"),
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
