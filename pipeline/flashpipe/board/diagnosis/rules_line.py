"""No loader answers: which wire, pin or rate it is. The ROM's own words after a reset decide (facts: esp8266 §2.1)."""

from __future__ import annotations

from typing import Final

from flashpipe.board.diagnosis.evidence import INTO_APPLICATION, INTO_LOADER, Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.next_steps import ON_TERMINAL, Advice, Wording, command, repeat, setting
from flashpipe.reset_mode import NO_WIRE

UART_DOWNLOAD, SPI_BOOT = 1, 3
SDIO: Final = range(4, 8)
POWER_ON: Final = 1
"""Reset cause of a power-on (facts: esp8266 §2.2)."""
CONNECT_CODES: Final = frozenset({"no-answer", "wire", "write-failed"})


def looked_at(evidence: Evidence) -> bool:
    """Whether no chip was ever known on this port, and the line was looked at afterwards."""
    no_chip = evidence.code in CONNECT_CODES and not evidence.chip and not evidence.verdict
    return no_chip and bool(evidence.findings.sounds) and not starved(evidence) and not echoed(evidence)


def echoed(evidence: Evidence) -> bool:
    """Whether the loader answers, and what is sent to it comes back as well."""
    findings = evidence.findings
    is_open_question = evidence.code in CONNECT_CODES and not evidence.verdict and not starved(evidence)
    return is_open_question and findings.echoes and bool(findings.loader_answers or findings.rom_answers)


def unreached(evidence: Evidence) -> bool:
    """Whether nothing makes the loader answer."""
    return looked_at(evidence) and not evidence.findings.rom_answers


def _no_rom(evidence: Evidence) -> bool:
    """Unreached, and no ROM told of a reset by us."""
    return unreached(evidence) and (evidence.loader_mode() is None or evidence.ignores_resets())


def _reset_to(evidence: Evidence, *modes: int) -> bool:
    """Unreached, and the ROM told one of these boot modes after a reset by us."""
    return unreached(evidence) and not evidence.ignores_resets() and evidence.loader_mode() in modes


def starved(evidence: Evidence) -> bool:
    """Whether the chip powers up by itself.

    Software restarts repeat the latched cause (facts: esp8266 §2.2), so a power-on proves something only after a reset
    by us, which latches another one.
    """
    starts = evidence.starts(INTO_LOADER) + evidence.starts(INTO_APPLICATION)
    looked = evidence.code in CONNECT_CODES or bool(evidence.verdict)
    return looked and any(cause == POWER_ON for cause, _ in starts)


def ended_as(evidence: Evidence, *kinds: str) -> bool:
    """Whether a boot check gave one of these verdicts, and no supply that collapses explains it."""
    return evidence.verdict in kinds and not starved(evidence)


def _told(evidence: Evidence) -> str:
    """The proof that the ROM's first line is."""
    return f'after a reset into download mode the ROM says "{evidence.rom_line()}"'


def _gpio0_high(evidence: Evidence) -> Proof:
    if not _reset_to(evidence, SPI_BOOT):
        return None
    words = evidence.words()
    firmware = [f'its firmware says "{words}"'] if words else []
    mode = "boot mode 3 is the normal start: GPIO0 was high when the chip left reset"
    return [_told(evidence), *firmware, mode]


def _sdio(evidence: Evidence) -> Proof:
    if not _reset_to(evidence, *SDIO):
        return None
    return [_told(evidence), f"boot mode {evidence.loader_mode()}: GPIO15 was high when it left reset"]


def _gpio2(evidence: Evidence) -> Proof:
    if not _reset_to(evidence, 0, 2):
        return None
    return [_told(evidence), f"boot mode {evidence.loader_mode()}: GPIO2 was low when it left reset"]


def _deaf(evidence: Evidence) -> Proof:
    if not _reset_to(evidence, UART_DOWNLOAD) or _replies(evidence):
        return None
    echo = ["what comes back is our own bytes: the adapter's echo"] if evidence.findings.echoes else []
    mode = "boot mode 1 is the loader, which speaks, but not one byte answers what is sent to it"
    return [_told(evidence), mode, *echo]


def _replies(evidence: Evidence) -> bool:
    """Whether anything but our own bytes came back."""
    findings = evidence.findings
    return bool(findings.answers_slowly or (findings.reply and not findings.echoes))


def _rate(evidence: Evidence) -> Proof:
    if not _reset_to(evidence, UART_DOWNLOAD) or not _replies(evidence):
        return None
    reply = evidence.findings.reply[:12].hex(" ")
    slowly = ["its loader answers at 74880 baud, not at 115200"] if evidence.findings.answers_slowly else []
    return [_told(evidence), *slowly, *([f"at 115200 its answer is garbage: {reply}"] if reply else [])]


def _loop_back(evidence: Evidence) -> Proof:
    if not _no_rom(evidence) or not evidence.findings.echoes_always or evidence.ignores_resets():
        return None
    return ["what comes back is exactly what was sent, at 115200 and at 74880 baud, and nothing else comes"]


def _not_reset(evidence: Evidence) -> Proof:
    words, findings = evidence.words(), evidence.findings
    loops = evidence.ignores_resets()
    if not _no_rom(evidence) or (findings.echoes_always and not loops) or not (words or findings.echoes or loops):
        return None
    if evidence.reset in NO_WIRE and not loops:
        return None
    if loops:
        causes = sorted({cause for cause, _ in evidence.starts(INTO_LOADER)})
        text = ", ".join(map(str, causes))
        return [f"the chip restarts by itself all the time, by reset cause {text}: a reset by us would be cause 2"]
    return ["no ROM speaks after the reset lines were pulsed", _runs_on(words)]


def _runs_on(words: str) -> str:
    return f'the firmware goes on running and says "{words}"' if words else "a console shows what is sent to it"


def _quiet(evidence: Evidence) -> bool:
    findings = evidence.findings
    answers = evidence.words() or findings.reply or findings.echoes or findings.echoes_always
    return _no_rom(evidence) and not answers


def _dead(evidence: Evidence) -> Proof:
    if not _quiet(evidence) or not evidence.heard_nothing() or not evidence.silent(INTO_LOADER):
        return None
    return [
        f"{evidence.received} bytes came in all; none at 74880 and 115200 baud, nor after a reset",
        "the ROM of a powered chip always speaks after a reset",
    ]


STRAY: Final = 3
"""Bytes that a change of the rate, or what was sent just before it, makes on a line: nobody says so little."""


def _nobody_there(evidence: Evidence) -> Proof:
    """No reset by wire was allowed or possible, and nothing came."""
    why = f"reset={evidence.reset} forbids to pulse the" if evidence.reset in NO_WIRE else "this port has no"
    findings, loops = evidence.findings, evidence.ignores_resets()
    talks = _no_rom(evidence) and (evidence.words() or findings.echoes) and not findings.echoes_always and not loops
    if evidence.reset in NO_WIRE and talks:
        return [_runs_on(evidence.words()), f"{why} reset line"]
    count = _heard(evidence)
    if not _quiet(evidence) or count > STRAY or evidence.silent(INTO_LOADER):
        return None
    came = f"nothing but {count} stray byte{'s' * (count != 1)}" if count else "nothing"
    return [f"{came} came by itself or after a carriage return, and {why} reset line"]


def _other_rate(evidence: Evidence) -> Proof:
    findings = evidence.findings
    if not _no_rom(evidence) or evidence.words() or findings.echoes or findings.echoes_always or evidence.starts():
        return None
    count = _heard(evidence) + len(findings.reply)
    return [f"{count} bytes came that make no text at 74880 and 115200 baud"] if count > STRAY else None


def _heard(evidence: Evidence) -> int:
    """Bytes that came while it was listened."""
    return sum(sound.count for sound in evidence.findings.sounds)


def _came_back(evidence: Evidence) -> Proof:
    findings = evidence.findings
    answers = looked_at(evidence) and findings.rom_answers and evidence.code == "no-answer"
    if not answers or findings.answered < findings.asked:
        return None
    return ["one more reset, and the ROM answered"]


def _echo(evidence: Evidence) -> Proof:
    if not echoed(evidence):
        return None
    return ["the loader answers, and every byte that is sent to it comes back before its answer"]


def _starved(evidence: Evidence) -> Proof:
    if not starved(evidence):
        return None
    starts = evidence.starts(INTO_LOADER) + evidence.starts(INTO_APPLICATION)
    count = sum(cause == POWER_ON for cause, _ in starts)
    return [f"after our own reset of it (cause 2) the ROM tells of {count} power-on(s), reset cause 1, within a second"]


FEED: Final = "feed 3.3 V from a supply of 500 mA or more, with 100 µF or more beside the chip"


def feed(evidence: Evidence) -> str:
    """What to do about a weak supply, by the adapter."""
    if evidence.usb.startswith("0403:"):
        return f"{FEED}: the 3.3 V pin of an FTDI adapter cannot feed an ESP8266"
    return f"{FEED}; another USB port or a short cable helps where the board has its own regulator"


DEAD: Final = (
    "nothing at all comes from the board: it has no power, this is not its port, or its TX does not reach the adapter"
)
RULES: Final = (
    Rule(
        "supply-collapses",
        _starved,
        "the 3.3 V supply collapses: the chip powers up again and again",
        feed,
    ),
    Rule(
        "gpio0-high",
        _gpio0_high,
        "GPIO0 is not low when the chip leaves reset, so it starts its firmware instead of the loader",
        Advice(
            "hold the FLASH button (GPIO0 to GND) while it resets: say ",
            setting(reset="manual"),
            ON_TERMINAL,
            "; take off what hangs on D3 and D4",
        ),
    ),
    Rule(
        "gpio15-high",
        _sdio,
        "GPIO15 is high when the chip leaves reset, so it waits for an SDIO host",
        "pull GPIO15 (D8) to GND with 10 kΩ and take off what hangs on it",
    ),
    Rule(
        "gpio2-low",
        _gpio2,
        "GPIO2 is low when the chip leaves reset, a mode in which it starts nothing",
        "take off what pulls GPIO2 (D4) low: it must be high or open while the chip resets",
    ),
    Rule(
        "rx-dead",
        _deaf,
        "what this machine sends does not reach the chip: the wire from the adapter's TX to the chip's RX",
        "connect the adapter's TX to the chip's RX (GPIO3), and take off whatever else drives RX",
    ),
    Rule(
        "rate-garbled",
        _rate,
        "the adapter or its driver garbles 115200 baud, and the loader is not heard at it",
        "take another adapter or a shorter cable; for a CH340, the newest driver of your system",
    ),
    Rule(
        "loop-back",
        _loop_back,
        "TX and RX of the adapter are connected to each other, and no chip speaks",
        "take the bridge between TX and RX away and connect the board: TX to RX, RX to TX, GND to GND",
    ),
    Rule(
        "adapter-echo",
        _echo,
        "the adapter sends back what it is given, beside the chip's answers: its echo is on, or its TX touches its RX",
        "switch the echo off (an RS-485 or one-wire adapter), or take the bridge between TX and RX away; "
        "else another adapter",
    ),
    Rule(
        "line-dead",
        _dead,
        DEAD,
        Advice(
            "look for a light on the board; ",
            command("ports"),
            " names the ports; take a cable that carries data; TX of the board to RX of the adapter, EN (CH_PD) high",
        ),
    ),
    Rule(
        "no-reset-line",
        _not_reset,
        "the reset line does not reach the chip: its firmware goes on running",
        Advice(
            "say ",
            setting(reset="manual"),
            ON_TERMINAL,
            " and press the buttons when told; for later, wire RTS to RESET and DTR to GPIO0",
        ),
    ),
    Rule(
        "nobody-there",
        _nobody_there,
        "no loader is running, and from here nothing resets the board",
        Advice(
            "put the board into download mode (GPIO0 low, then RESET) and say ",
            setting(reset="none"),
            ", or ",
            Wording("run it on a terminal with ", "do the same with "),
            setting(reset="manual"),
            ", which asks for each press",
        ),
    ),
    Rule(
        "unknown-rate",
        _other_rate,
        "the board says something at a rate that is neither its ROM's nor the usual one",
        "check GND between adapter and board, and that the adapter speaks 3.3 V; then the crystal: 26 or 40 MHz",
    ),
    Rule(
        "slow-reset",
        _came_back,
        "the chip answers, but not after the first resets: EN rises slowly, or a contact is loose",
        Advice(repeat("run the same command again"), "; if it recurs, reseat the board and its cable"),
    ),
)
