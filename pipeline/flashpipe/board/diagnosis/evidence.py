"""What is known when a run has failed: plain data for the rules of `diagnosis`, and small questions about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from typing import Final

from flashpipe.board.boot.crash import Crash
from flashpipe.board.boot.gaps import Gap
from flashpipe.board.boot.kinds import Verdict, error_class
from flashpipe.board.boot.patterns import ROM
from flashpipe.board.boot.resets import find_starts, restarts_itself
from flashpipe.board.ports.adapters import HostFacts
from flashpipe.errors import WireDamage, without_port
from flashpipe.masking import mask_cut
from flashpipe.values import dataclass

INTO_LOADER: Final = "after a reset into download mode"
INTO_APPLICATION: Final = "after a reset"
UNTOUCHED: Final = "without a reset"
KNOCKED: Final = "after a carriage return"
"""Circumstances of `LineSounds`."""
SHOWN: Final = 80
"""Letters shown of a line that a firmware printed."""
_WORD: Final = re.compile(r"[A-Za-z0-9]{4,}")
"""So many letters and digits in a row make a word: garbage has none (linetext)."""


@dataclass(frozen=True, slots=True)
class LineSounds:
    """What came from the board while nobody talked to a loader."""

    when: str
    baud: int
    count: int
    """Bytes, garbage included."""
    text: str
    """The readable part."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was looked for on the port after the failure. None: not asked."""

    sounds: tuple[LineSounds, ...] = ()
    loader_answers: bool | None = None
    """Whether the loader still answered at the rate of the failure, without a reset."""
    rom_answers: bool | None = None
    """Whether the ROM answered at 115200 baud after a reset into download mode."""
    answers_slowly: bool | None = None
    """Whether it answered at 74880 baud instead."""
    reply: bytes = b""
    """What came back to SYNCs after that reset."""
    echoes: bool = False
    """What had been sent came back at 115200 baud: a console that shows what is typed, a bridge, an adapter's echo."""
    echoes_always: bool = False
    """So it was at 74880 baud."""
    asked: int = 0
    answered: int = 0
    """Register reads tried, and those answered right, over the line that had failed."""
    flash_answers: bool | None = None
    """Whether the flash part still gave an ID after the reset."""
    flash_status: int | None = None
    """First status register of the flash part."""
    bad: str = ""
    """The first wrong sector: `blank`, `other`, `unstable` (two reads differ) or `right` (a second look was fine)."""
    flipped: int = 0
    """Bits that differ in it."""
    bad_blocks: int = 0
    blocks: int = 0
    """64 KiB blocks of the plan that differ, and how many were compared."""
    wraps_at: int | None = None
    """Address at which the flash begins again, bytes."""
    starts_blank: bool | None = None
    """Whether the first sector, where the ROM looks for a firmware, is empty, as the loader reads it."""
    reopened: str = ""
    """A port that was lost: `missing`, `busy` or `there` when it was opened again."""
    holders: tuple[str, ...] = ()


MISREAD: Final = frozenset({"wrong-mode", "no-image", "bad-checksum"})
"""Boot verdicts on what the ROM reads at 0x00000: by the way in which it is read, or by what stands there."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One failure and all that is known around it."""

    code: str
    message: str = ""
    step: str = ""
    """What was being done: connect, probe, write, verify, boot …; empty before the port was opened."""
    port: str = ""
    baud: int = 0
    reset: str = "auto"
    adapter: str = ""
    """`CH340`, empty where it is unknown."""
    usb: str = ""
    """`1a86:7523`."""
    sent: int = 0
    received: int = 0
    talk: str = ""
    """Readable part of what came before the failure: a firmware's own words."""
    garbage: int = 0
    """Bytes of it that were neither text nor frames."""
    damage: WireDamage = WireDamage.NONE
    """What the failure itself shows of the line."""
    damaged: int = 0
    """Attempts of the run that ended so, at whatever rate."""
    stub_silent: bool = False
    """The flasher stub was sent and never greeted."""
    flash_silent: bool = False
    """The flash part gave no ID at all."""
    unknown_rate: bool = False
    """The boot check heard a firmware talk at a rate that it could not find."""
    garbled_rates: int = 0
    """Rates, other than the ROM's, at which garbage came during the boot check."""
    chip: str = ""
    """Name of the chip, once it was known."""
    flash_part: str = ""
    crystal_mhz: int = 26
    mode: str = ""
    """Flash mode of the plan; empty where it is not known."""
    size: str = ""
    """Flash size that the header names, such as `4MB`; empty where it is not known."""
    right_size: str = ""
    """The one that it should name for this build; empty where the build takes any, or that is not known."""
    fitted: str = ""
    """Size of the flash part; empty where it is not known."""
    written: bool = False
    """Flash was written in this run."""
    erased: bool = False
    """Flash was erased in this run."""
    verified: bool = False
    """The flash was seen to hold the plan in this run."""
    verdict: str = ""
    """Kind of the boot verdict."""
    log: str = ""
    """The boot log."""
    gaps: tuple[Gap, ...] = ()
    """Where in it something is left out."""
    crash: Crash | None = None
    """The exception in it."""
    hole: int | None = None
    """Where in the flash the code that crashed stands, if the plan has nothing but FF or 00 in that sector; or, where
    nothing crashed, such a place in the middle of the plan's code."""
    expect: str = ""
    family: str = ""
    """Of the firmware that the flash was seen to hold whole; empty where that is not known."""
    journal: str = "unknown"
    virtual: bool = False
    findings: Findings = field(default_factory=Findings)
    host: HostFacts = field(default_factory=lambda: HostFacts(""))

    # --- questions the rules ask -------------------------------------------------------------------------------------

    def changed(self) -> bool:
        """Whether the flash, looked at again after a boot that failed, does not hold the plan any more."""
        holds = self.findings.bad in {"", "right"} and self.findings.wraps_at is None
        return self.verdict in MISREAD and not holds

    def starts(self, when: str = "") -> list[tuple[int, int]]:
        """Reset cause and boot mode of each start of the ROM heard after the failure."""
        return [
            (int(start["cause"]), int(start["mode"]))
            for sound in self.findings.sounds
            if when in {"", sound.when}
            for start in ROM.finditer(sound.text)
        ]

    def log_starts(self) -> list[tuple[int, int]]:
        """The same of the boot log."""
        return [(int(start["cause"]), int(start["mode"])) for start in ROM.finditer(self.log)]

    def restarts_itself(self) -> bool:
        """Whether a NodeMCU was up in each start of the boot log that came to its end, and no fault was told."""
        return restarts_itself(self.log, find_starts(self.log))

    def ignores_resets(self) -> bool:
        """Whether the ROM tells of starts after our reset as before it, and none of them was ours.

        A reset by EN is cause 2, or 1 where it cuts the power (facts: esp8266 §2.2).
        """
        ours = any(cause in {1, 2} for cause, _ in self.starts(INTO_LOADER))
        return bool(self.starts(UNTOUCHED) and self.starts(INTO_LOADER)) and not ours

    def what(self) -> str:
        """The first line of the message, without the port."""
        return without_port(self.message, self.port).partition("\n")[0]

    def loader_mode(self) -> int | None:
        """Boot mode that the ROM told after a reset into download mode; None where it said nothing."""
        modes = [mode for _, mode in self.starts(INTO_LOADER)]
        return modes[-1] if modes else None

    def quote(self, pattern: str) -> list[str]:
        """The first line of the boot log in which the pattern is, as proof; empty where there is none."""
        line = re.search(rf"^.*(?:{pattern}).*$", self.log, re.MULTILINE)
        return [f'its log says "{line[0].strip()}"'] if line else []

    def words(self) -> str:
        """The last readable line of something that is no ROM: an application that talks."""
        texts = [self.talk, *(sound.text for sound in self.findings.sounds)]
        lines = [line.strip() for text in texts for line in text.splitlines()]
        spoken = [line for line in lines if (_WORD.search(line) or line == ">") and not _is_rom(line)]
        return mask_cut(spoken[-1], SHOWN) if spoken else ""

    def heard_nothing(self) -> bool:
        """Whether not one byte came after the failure."""
        return not any(sound.count for sound in self.findings.sounds)

    def silent(self, when: str) -> bool:
        """Whether it was listened in these circumstances, and nothing came."""
        counts = [sound.count for sound in self.findings.sounds if sound.when == when]
        return bool(counts) and not sum(counts)

    def rom_line(self) -> str:
        """The ROM's own line that tells the boot mode, as it came: after a reset by us where there was one."""
        after = [sound.text for sound in self.findings.sounds if sound.when == INTO_LOADER]
        if lines := [*_rom_lines(*after)]:
            return lines[-1]
        return next(_rom_lines(*(sound.text for sound in self.findings.sounds), self.log), "")


def of_boot(
    verdict: Verdict, *, mode: str = "", size: str = "", right_size: str = "", chip: str = "", verified: bool = False
) -> Evidence:
    """What a boot check, or a log alone, shows: the evidence of a run that goes no further than that.

    Args:
        verdict: Of the boot log; one that is a failure.
        mode: Flash mode of the image; empty where it is not known.
        size: Flash size in its header, likewise.
        right_size: The one that its build can live with, likewise.
        chip: Name of the chip, likewise.
        verified: Whether the flash was seen to hold the image.
    """
    return Evidence(
        error_class(verdict.kind).code,
        verdict.summary,
        "boot",
        mode=mode,
        size=size,
        right_size=right_size,
        chip=chip,
        verified=verified,
        verdict=verdict.kind,
        log=verdict.log,
        gaps=verdict.gaps,
        crash=verdict.crash,
        unknown_rate=verdict.unknown_rate,
    )


def _rom_lines(*texts: str) -> Iterator[str]:
    for text in texts:
        for line in text.splitlines():
            if ROM.search(line):
                yield line.strip()


def _is_rom(line: str) -> bool:
    return bool(re.match(r"(?:ets|load 0x|tail|chksum|csum|ho \d|wdt reset|waiting for host)", line)) or bool(
        ROM.search(line)
    )
