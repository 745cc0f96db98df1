"""Written and verified, and it does not run: what its boot log says of the reason (facts: esp8266 §2.4 to §2.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.board.boot.patterns import LOADED, LOADER, LOADING, SDK_STARTS
from flashpipe.board.diagnosis.evidence import INTO_APPLICATION, MISREAD, SHOWN, Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.diagnosis.rules_crash import (
    ANOTHER_IMAGE,
    BYTES_RIGHT,
    HOLE,
    NEXT_MODE,
    SAFEST,
    crashed_by_mode,
    hole_words,
    try_mode,
)
from flashpipe.board.diagnosis.rules_line import DEAD, ended_as, feed
from flashpipe.masking import mask_cut
from flashpipe.next_steps import AGAIN_WITH, ON_TERMINAL, Advice, command, repeat, setting

UNREADABLE: Final = frozenset({"no-image", "bad-checksum"})
"""Verdicts on what the ROM found at 0x00000."""
RATES: Final = 2
"""One garbled rate may be the SDK, which still speaks at the ROM's (facts: esp8266 §2.5)."""


# --- how the flash is read -------------------------------------------------------------------------------------------

_ROM_WORDS: Final = r"ets_main|csum err|flash read err|exception|Exception|load 0xffffffff|load 0x00000000, len 0"


def _wrong_mode(evidence: Evidence) -> Proof:
    if evidence.changed() or evidence.findings.starts_blank:
        return None
    if not (ended_as(evidence, "wrong-mode") or crashed_by_mode(evidence)):
        return None
    words = evidence.quote(_ROM_WORDS) or [evidence.message]
    return [*([BYTES_RIGHT] if evidence.verified else []), *words]


def _mode_certain(evidence: Evidence) -> bool:
    """Bytes that are right, and yet read wrong by the ROM; or a chip whose flash does one mode (facts: esp8266 §1.2).

    Code that dies behind a right checksum may as well be bad itself.
    """
    read_wrong = evidence.verified and ended_as(evidence, "wrong-mode")
    return read_wrong or (_is_8285(evidence) and evidence.mode not in {"", SAFEST})


def _is_8285(evidence: Evidence) -> bool:
    return evidence.chip.lower().startswith("esp8285")


def _mode_cause(evidence: Evidence) -> str:
    if _is_8285(evidence) and evidence.mode not in {"", SAFEST}:
        return f"the flash inside an ESP8285 is read in dout only, and the header says {evidence.mode}"
    mode = f"the flash mode {evidence.mode}, in which it is read at boot" if evidence.mode else "the mode in its header"
    if _mode_certain(evidence):
        return f"the flash part or its wiring cannot do {mode}"
    other = "the build is bad" if evidence.verified else "the image is damaged"
    return f"it may be that the flash part or its wiring cannot do {mode}, or that {other}"


def _mode_action(evidence: Evidence) -> str:
    following = SAFEST if _is_8285(evidence) else NEXT_MODE.get(evidence.mode, SAFEST)
    safest = () if following == SAFEST else (", then ", setting(mode=SAFEST))
    again = "take another build" if evidence.verified else "flash the image again"
    doubt = "" if _mode_certain(evidence) else f": if it starts then, it was the mode; else {again}"
    return Advice(AGAIN_WITH, setting(mode=following), *safest, doubt)


def _empty(evidence: Evidence) -> Proof:
    """There is nothing where the ROM looks for a firmware."""
    if not ended_as(evidence, *MISREAD) or evidence.changed() or not evidence.findings.starts_blank:
        return None
    return ["the loader reads nothing but FF in the first sector", *evidence.quote(_ROM_WORDS)]


def _read_wrong(evidence: Evidence) -> Proof:
    if not ended_as(evidence, *UNREADABLE) or not evidence.verified or evidence.changed() or _empty(evidence):
        return None
    mode = [f"flash mode {evidence.mode}"] if evidence.mode else []
    safest = [", which every part can do"] if evidence.mode == SAFEST else []
    return [BYTES_RIGHT, *evidence.quote(_ROM_WORDS), *("".join((*mode, *safest)) for _ in mode)]


def _nothing_bootable(evidence: Evidence) -> Proof:
    if not ended_as(evidence, *UNREADABLE) or evidence.verified or evidence.changed() or _empty(evidence):
        return None
    return evidence.quote(_ROM_WORDS) or [f'after "{evidence.rom_line()}" comes nothing']


def _written_over(evidence: Evidence) -> Proof:
    """What was right before the firmware started is wrong now, and it is not that the flash begins anew."""
    if not ended_as(evidence, *MISREAD) or not evidence.changed() or evidence.findings.wraps_at is not None:
        return None
    findings = evidence.findings
    return [f"it was verified; looked at again, {findings.bad_blocks} of {findings.blocks} blocks of 64 KiB differ"]


# --- what a boot loader found ----------------------------------------------------------------------------------------

_TABLE_WORDS: Final = r"[EW] \(\S+\) flash_parts: |E \(\S+\) boot[\w.]*: (?:Failed to verify|load) partition table"
_APP_WORDS: Final = r"[Nn]o bootable|esp_image: |not bootable|boot: .*invalid"
_EBOOT_WORDS: Final = r"^e:\d"
_OTHER_WORDS: Final = (
    r"backup boot failed|first boot failed|error magic|error user bin|is bad|No (?:good|valid|bootable)|user code done|"
    r"get flash_addr error|test bin is not pass"
)
_PARTS: Final = (
    "flash all three parts of the build, each at its own address: the boot loader at 0x00000, the partition table at "
    "0x08000, the application at 0x10000 or where that table says"
)


def _loader_found_nothing(pattern: str, *others: str) -> Callable[[Evidence], Proof]:
    """Rules for what a boot loader did not find; `others` are of rules that come first."""

    def sees(evidence: Evidence) -> Proof:
        if not ended_as(evidence, "nothing-found") or any(evidence.quote(other) for other in others):
            return None
        if not (words := evidence.quote(pattern)):
            return None
        return ["the ROM has read and started the boot loader", *words]

    return sees


# --- what the firmware says ------------------------------------------------------------------------------------------


def _says(pattern: str, *kinds: str) -> Callable[[Evidence], Proof]:
    """Rules whose verdict is the cause; the log's line is the proof."""

    def sees(evidence: Evidence) -> Proof:
        return (evidence.quote(pattern) or [evidence.message]) if ended_as(evidence, *kinds) else None

    return sees


# --- pins ------------------------------------------------------------------------------------------------------------


def _gpio0_held(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "download-mode") or not evidence.log_starts():
        return None
    return [f'the ROM says "{evidence.rom_line()}": boot mode 1 is the serial loader']


def _strapped(evidence: Evidence) -> Proof:
    return [f'the ROM says "{evidence.rom_line()}"'] if ended_as(evidence, "strapping") else None


def _no_wire(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "download-mode") or evidence.log_starts():
        return None
    return ["no ROM spoke after the reset, and the loader of before still answers"]


# --- quiet ones ------------------------------------------------------------------------------------------------------


def _power_lost(evidence: Evidence) -> Proof:
    """The ROM speaks after each reset, whatever the firmware does."""
    if not ended_as(evidence, "silence", "alive") or not evidence.chip or not evidence.silent(INTO_APPLICATION):
        return None
    return ["the loader answered before; after a reset not even the ROM speaks"]


def _unknown_rate(evidence: Evidence) -> Proof:
    symptom = evidence.verdict == "unreadable" or evidence.unknown_rate or evidence.garbled_rates >= RATES
    if not ended_as(evidence, "alive", "unreadable") or not symptom or _power_lost(evidence) is not None:
        return None
    if evidence.verdict == "unreadable":
        return [evidence.message]
    return [f"what comes after the ROM's words is garbage at {max(1, evidence.garbled_rates)} of the usual rates"]


def _mute_firmware(evidence: Evidence) -> Proof:
    return None if evidence.hole is not None else _mute(evidence)


def _mute_hole(evidence: Evidence) -> Proof:
    """The firmware says nothing, and a part of its code is not there."""
    mute = _mute(evidence)
    if mute is None or evidence.hole is None:
        return None
    return [hole_words(evidence), *mute]


def _mute(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "alive") or _power_lost(evidence) is not None or _unknown_rate(evidence) is not None:
        return None
    if not evidence.port:  # a log alone
        return [evidence.message]
    return ["the ROM loads the image and starts it; then nothing comes at any usual rate, nor an answer to a knock"]


def _silent(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "silence") or _power_lost(evidence) is not None:
        return None
    return ["not one byte came after the reset, and the ROM of a powered chip always speaks"]


def _other(evidence: Evidence) -> Proof:
    return None if _is_nodemcu(evidence) else _talks(evidence)


def _unwell(evidence: Evidence) -> Proof:
    """What talks can be nothing but the NodeMCU that is there, and it is not itself."""
    talks = _talks(evidence)
    return [BYTES_RIGHT, *talks] if talks and _is_nodemcu(evidence) else None


def _is_nodemcu(evidence: Evidence) -> bool:
    expected = evidence.expect in {"", "auto", "nodemcu"}
    return evidence.verified and evidence.family == "nodemcu" and evidence.verdict == "firmware" and expected


def _talks(evidence: Evidence) -> list[str] | None:
    if not ended_as(evidence, *RUNNING):
        return None
    lines = [line for line in evidence.log.splitlines(keepends=True) if line.strip()]
    whole = [line for line in lines if line.endswith("\n")] or lines  # the last one may just be coming
    return [f'it runs and says "{mask_cut(whole[-1].strip(), SHOWN)}"'] if whole else ["it runs"]


def _expected(evidence: Evidence) -> str:
    return f'"{evidence.expect}"' if evidence.expect not in {"", "auto", "nodemcu"} else "NodeMCU"


RUNNING: Final = ("firmware", "banner", "prompt", "python-prompt")
RULES: Final = (
    Rule(
        "flash-mode",
        _wrong_mode,
        _mode_cause,
        _mode_action,
        certain=_mode_certain,
    ),
    Rule(
        "empty-flash",
        _empty,
        lambda evidence: (
            "the flash is empty at 0x00000, where the ROM looks for a firmware"
            + ("; this run has written nothing there" if evidence.written else "")
        ),
        lambda evidence: Advice(
            command("flash"),
            " a whole firmware",
            ", together with what this run has written: image=0x00000:FILE,…" if evidence.written else "",
        ),
    ),
    Rule(
        "changed-at-boot",
        _written_over,
        "the flash does not hold any more what was written: something changed it after the firmware had started",
        Advice(
            repeat("run the same command again"),
            "; if it happens again, feed it from a stronger 3.3 V supply, then take another board: its flash fails",
        ),
    ),
    Rule(
        "read-wrong-at-boot",
        _read_wrong,
        lambda evidence: (
            "the ROM cannot read what the flash holds: it may be"
            + ("" if evidence.mode == SAFEST else " the flash mode,")
            + " its frequency, its supply, or something on GPIO6 to GPIO11"
        ),
        lambda evidence: Advice(
            try_mode(evidence, SAFEST),
            "take off what hangs on GPIO6 to GPIO11, feed 500 mA at 3.3 V; then ",
            setting(frequency="20m"),
        ),
        certain=False,
    ),
    Rule(
        "nothing-bootable",
        _nothing_bootable,
        lambda evidence: (
            "the ROM reads an image at 0x00000 and cannot start it: it may be damaged, or the flash mode wrong"
            if LOADING.search(evidence.log)
            else "the ROM finds nothing to start at 0x00000: it may be an empty flash, a damaged image, or the wrong"
            " flash mode"
        ),
        Advice(
            command("verify", "profile=NAME"),
            " says which: if the bytes are right, ",
            setting(mode="dio"),
            " or ",
            setting(mode="dout"),
            "; else flash it",
        ),
        certain=False,
    ),
    Rule(
        "partition-table",
        _loader_found_nothing(_TABLE_WORDS, _APP_WORDS),
        "the boot loader finds no valid partition table at 0x8000: it is missing, or something else stands there",
        _PARTS,
    ),
    Rule(
        "no-application",
        _loader_found_nothing(_APP_WORDS),
        "the boot loader finds no application where its partition table says: it is missing, damaged, or was written to"
        " another address",
        _PARTS,
    ),
    Rule(
        "eboot-copy",
        _loader_found_nothing(_EBOOT_WORDS, _TABLE_WORDS, _APP_WORDS),
        "eboot could not copy the update that it was told to install, or not start it",
        "flash the whole firmware again by wire: the update that came over the air is not complete",
    ),
    Rule(
        "loader-alone",
        _loader_found_nothing(_OTHER_WORDS, _TABLE_WORDS, _APP_WORDS, _EBOOT_WORDS),
        "the boot loader runs, and finds no application where it looks: it is missing, damaged, or linked for another "
        "address",
        "`flashpipe inspect FILE` says where the application belongs: user1 to 0x01000, user2 to 0x81000 or 0x101000, "
        "one of rBoot mostly to 0x02000; flash it there, beside the loader",
    ),
    Rule(
        "gpio0-held",
        _gpio0_held,
        "GPIO0 is still held low, so the chip starts its loader instead of the firmware",
        "take the jumper from GPIO0 (release FLASH) and reset the board",
    ),
    Rule(
        "strapping",
        _strapped,
        "a pin that decides the boot mode is held at the wrong level: GPIO15 must be low, GPIO2 high",
        "take off what hangs on GPIO15 (D8) and GPIO2 (D4), and reset the board",
    ),
    Rule(
        "no-reset-wire",
        _no_wire,
        "the reset line does not reach the chip: it is still in the loader",
        Advice("press RESET yourself: ", setting(reset="manual"), ON_TERMINAL, "; or ", setting(boot="off")),
    ),
    Rule(
        "power-lost-at-boot",
        _power_lost,
        "the board lost its power, or is held in reset, since it was written",
        feed,
    ),
    Rule(
        "firmware-mute",
        _mute_firmware,
        lambda evidence: (
            "a boot loader ran, and nothing was heard of the firmware: it may be silent by design, or not have started"
            if LOADER.search(evidence.log) and not SDK_STARTS.search(evidence.log)
            else "the firmware was started and says nothing: by design, or because it does not run"
            if LOADED.search(evidence.log) or evidence.log_starts()
            else "nothing was heard of the firmware itself: it may be silent by design, or not have come so far"
        ),
        Advice(
            "if it is silent by design: ",
            setting(boot="any"),
            ", or ",
            setting(boot="off"),
            "; else take another build",
        ),
        certain=False,
    ),
    Rule(
        HOLE,
        _mute_hole,
        "the firmware says nothing, and its image may be damaged: a sector in the middle of its code is empty",
        ANOTHER_IMAGE,
        certain=False,
    ),
    Rule(
        "console-rate",
        _unknown_rate,
        lambda evidence: (
            "something comes that makes no text: it may be a GND that is not connected, an adapter of another voltage,"
            " or a rate that is none of the usual ones"
            if evidence.verdict == "unreadable"
            else "it may be a firmware that talks at a rate that is none of the usual ones, or a line that is disturbed"
        ),
        lambda evidence: (
            "connect GND first; then `flashpipe monitor baud=RATE` shows whether it is text at the rate that you expect"
            if evidence.verdict == "unreadable"
            else Advice(
                "say what it is with `flashpipe monitor baud=RATE`; for the check, ", setting(boot="any"), " accepts it"
            )
        ),
        certain=False,
    ),
    Rule(
        "other-chip",
        _says(r"rst:0x", "other-chip"),
        "what speaks is the ROM of an ESP32 or a later chip, which flashpipe does not flash",
        Advice("name the port of the ESP8266: ", command("ports"), " lists them; or give the log of that one"),
    ),
    Rule(
        "still-formatting",
        _says("Please wait", "formatting"),
        "the firmware is still making its file system, which takes a minute and more on a large flash",
        Advice("wait a minute, then ", command("boot"), "; for next time `boot: {timeout: 180s}` in the profile"),
    ),
    Rule(
        "other-firmware",
        _other,
        "it runs, but it is not what was expected",
        lambda evidence: Advice(
            "if that is right, say ",
            setting(boot="any"),
            f"; expected was {_expected(evidence)}, which ",
            command("flash"),
            " writes where the board lacks it",
        ),
    ),
    Rule(
        "nodemcu-unwell",
        _unwell,
        "the flash holds the NodeMCU that was planned, and it does not come to its prompt: its image may be damaged or"
        " cut short, or this build cannot live with this flash",
        Advice(
            "compare the file with where it came from, or take another build; ",
            command("monitor"),
            " shows what this one says",
        ),
        certain=False,
    ),
    Rule(
        "boot-line-dead",
        _silent,
        DEAD,
        Advice(
            "look for a light on the board; ",
            command("ports"),
            " names the ports; TX of the board to RX of the adapter",
        ),
    ),
)
