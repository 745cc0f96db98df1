"""What a boot log can prove, as data: the verdict, its kinds, and one finding in a log.

`KINDS` is the table of them. A kind carries what a run that ends with it tells: error code, exit status, remedy. A new
boot symptom is a row here, its words in `patterns`, and one rule in `diagnosis.rules_boot`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from flashpipe.board.boot.gaps import Gap, with_gaps
from flashpipe.errors import BootError, BootUnexpectedError
from flashpipe.next_steps import Advice, command, setting
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.boot.crash import Crash


@dataclass(frozen=True, slots=True)
class Kind:
    """One class of verdict."""

    name: str
    meaning: str
    """For people: what was seen."""
    alive: bool = False
    """A sign of life: the ROM started a firmware, and nothing says that it failed. Other kinds are failures, whatever
    was expected."""
    code: str = ""
    """Of the error that a run ends with; empty: `boot-unexpected`, where it is not what was expected."""
    status: int = 0
    """Exit status of that."""
    remedy: str = ""
    """What generally cures it."""


def _alive(name: str, meaning: str, code: str = "", status: int = 0, remedy: str = "") -> Kind:
    return Kind(name, meaning, alive=True, code=code, status=status, remedy=remedy)


_ROWS: Final = (
    _alive("prompt", "NodeMCU, or another Lua, at its prompt"),
    _alive("banner", "NodeMCU, no prompt that answers: its init.lua is busy, or has taken the console"),
    _alive("python-prompt", "MicroPython or CircuitPython at its prompt"),
    _alive("firmware", "another firmware, which talks"),
    _alive("alive", "a firmware that the ROM started, and that says nothing"),
    _alive(
        "formatting",
        "the firmware is formatting its file system",
        "boot-formatting",
        61,
        Advice(
            "wait a minute without resetting it, then ",
            command("boot"),
            "; or a longer boot: {timeout: …} in the profile",
        ),
    ),
    Kind(
        "bad-checksum",
        "the ROM read an image whose checksum is wrong",
        code="boot-bad-checksum",
        status=50,
        remedy=Advice(
            "flash again: ", command("flash"), " compares every byte; if it is the same then, ", setting(mode="dout")
        ),
    ),
    Kind(
        "no-image",
        "the ROM found nothing at 0x00000 that it could read",
        code="boot-no-image",
        status=51,
        remedy=Advice(command("flash"), " a firmware that begins at 0x00000; if it is there, ", setting(mode="dout")),
    ),
    Kind(
        "nothing-found",
        "a boot loader runs, and found no application to start",
        code="boot-nothing-found",
        status=64,
        remedy="flash every part of the build at its own address: loader, partition table and application; "
        "the cause names the one that is missing",
    ),
    Kind(
        "wrong-mode",
        "the ROM cannot read the image in the header's flash mode",
        code="boot-wrong-mode",
        status=52,
        remedy=Advice(
            setting(mode="dout"),
            " works on every board; then ",
            setting(mode="dio"),
            "; put what works into the profile as flash.mode",
        ),
    ),
    Kind(
        "rf-cal",
        "RF init data missing or damaged",
        code="boot-rf-cal",
        status=53,
        remedy=Advice(
            command("flash"),
            " puts SDK init data in place, unless the profile says init_data: keep; "
            "of a firmware that it does not know, with init_data: FILE",
        ),
    ),
    Kind(
        "system-params",
        "the SDK cannot use its system parameters",
        code="boot-system-params",
        status=54,
        remedy=Advice(command("erase"), ", then ", command("flash"), ": the firmware writes its parameters anew"),
    ),
    Kind(
        "flash-refuses",
        "the SDK cannot erase or write the flash",
        code="boot-flash-refuses",
        status=65,
        remedy="cut the power for a moment, feed it from a stronger 3.3 V supply; else its flash part has failed",
    ),
    Kind(
        "other-chip",
        "the ROM of another chip speaks: no ESP8266",
        code="boot-other-chip",
        status=66,
        remedy="take the log, or the port, of the ESP8266: an ESP32 is flashed with tools and images of its own",
    ),
    Kind(
        "exception",
        "the firmware crashes; number, name and addresses are in the verdict",
        code="boot-exception",
        status=55,
        remedy=Advice(
            setting(mode="dout"),
            "; an image made for this flash size; ",
            command("erase"),
            " first; else the firmware has a defect at epc1",
        ),
    ),
    Kind(
        "panic",
        "Lua gave up",
        code="boot-panic",
        status=56,
        remedy=Advice(
            "mend init.lua; ",
            command("files", rescue="1"),
            " puts it aside; else ",
            command("erase"),
            " and ",
            command("flash"),
            ", without its files",
        ),
    ),
    Kind(
        "watchdog",
        "a watchdog resets the chip: the firmware hangs",
        code="boot-watchdog",
        status=57,
        remedy=Advice(
            setting(mode="dout"), "; an image made for this flash size; else the firmware blocks for too long"
        ),
    ),
    Kind(
        "brown-out",
        "the chip says power-on again although nobody switched it off",
        code="boot-brown-out",
        status=58,
        remedy="a 3.3 V supply of 500 mA, not the pin of a USB adapter; a capacitor of 100 uF or more at the module",
    ),
    Kind(
        "wrong-size",
        "the firmware refuses the flash size in the header",
        code="boot-wrong-size",
        status=59,
        remedy=Advice(
            command("flash"),
            " writes the size that the build lives with, where it is known; "
            "else a profile with the size that is fitted (",
            command("identify"),
            " tells it), and an image that fits it",
        ),
    ),
    Kind(
        "bad-partitions",
        "the firmware refuses its partition table",
        code="boot-bad-partitions",
        status=60,
        remedy=Advice(command("erase"), ", then ", command("flash"), " an image that was built for this flash size"),
    ),
    Kind(
        "boot-loop",
        "the chip starts again and again without a reason in the log",
        code="boot-loop",
        status=31,
        remedy=Advice(
            setting(mode="dio"), " or ", setting(mode="dout"), "; an image made for this flash size; a better supply"
        ),
    ),
    Kind(
        "download-mode",
        "the chip is in its serial loader",
        code="boot-download-mode",
        status=33,
        remedy="release GPIO0 (remove the jumper) and reset the board",
    ),
    Kind(
        "strapping",
        "GPIO15, GPIO0 and GPIO2 select neither flash nor download mode",
        code="boot-strapping",
        status=62,
        remedy="GPIO15 to GND through a resistor, GPIO2 high or open, GPIO0 high, then reset the board",
    ),
    Kind(
        "unreadable",
        "bytes that make no text at any rate",
        code="boot-unreadable",
        status=63,
        remedy=Advice(
            "is GND connected, and the adapter a 3.3 V one? ",
            setting(boot="off"),
            " if the firmware uses a rate of its own",
        ),
    ),
    Kind(
        "silence",
        "nothing at all",
        code="boot-silent",
        status=32,
        remedy=Advice(
            "is RESET released and TX connected? ", setting(boot="off"), " if the firmware says nothing by design"
        ),
    ),
)
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in _ROWS})
"""Every class of verdict by its name, signs of life first."""
ALIVE: Final[Mapping[str, str]] = {kind.name: kind.meaning for kind in _ROWS if kind.alive}
"""Signs of life, and what they mean."""
FAILED: Final[Mapping[str, str]] = {kind.name: kind.meaning for kind in _ROWS if not kind.alive}
"""Failures, and what they mean."""
HEALTHY: Final = frozenset(ALIVE)


def _error_class(kind: Kind) -> type[BootError]:
    """The error of a kind. It stands in this module under a name of its own: pickling finds it there."""
    name = f"Boot{kind.name.title().replace('-', '').removeprefix('Boot')}Error"
    words = {"code": kind.code, "status": kind.status, "remedy": kind.remedy}
    made = type(name, (BootError,), {**words, "__doc__": f"{kind.meaning}.", "__module__": __name__})
    setattr(sys.modules[__name__], name, made)
    return made


ERRORS: Final[Mapping[str, type[BootError]]] = {kind.name: _error_class(kind) for kind in _ROWS if kind.code}
"""Kind to the error that a run ends with."""


def error_class(kind: str) -> type[BootError]:
    """The error for a verdict of this kind that does not pass."""
    return ERRORS.get(kind, BootUnexpectedError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the boot log proved."""

    kind: str
    """A key of `KINDS`, or not-checked."""
    summary: str
    """One line for people: `NodeMCU 3.0.0.0 at its prompt`."""
    evidence: tuple[str, ...] = ()
    """The lines that prove it."""
    firmware: str = ""
    """Name and version as the firmware says them: `NodeMCU 3.0.0.0`."""
    log: str = ""
    """What the board said and nothing else, garbage removed."""
    gaps: tuple[Gap, ...] = ()
    """Where in it something is left out, in order."""
    seconds: float = 0.0
    """Time from the reset to the verdict."""
    crash: Crash | None = None
    """The exception, where there was one."""
    causes: tuple[int, ...] = ()
    """`rst cause` of every start that the log shows (facts: esp8266 §2.2)."""
    baud: int = 0
    """Rate at which the last text came; 0: no line was listened to."""
    unknown_rate: bool = False
    """Whether a firmware was heard that talks at none of the usual rates."""
    still_in_loader: bool = False
    """Whether a reset by wire was tried, and the loader of before still answers: the wire does not reach the chip."""

    def log_for_people(self) -> str:
        """The log, in which a line stands for each gap."""
        return with_gaps(self.log, self.gaps)


NOT_CHECKED: Final = Verdict("not-checked", "the boot was not checked")


@dataclass(frozen=True, slots=True)
class LogFinding:
    """Something found at `at` in the log."""

    verdict: Verdict
    at: int
    conclusive: bool = True


def line_at(text: str, at: int) -> str:
    """The whole line around an index, without blanks at its ends."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start : len(text) if end < 0 else end].strip()
