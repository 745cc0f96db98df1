"""What a boot log can prove, as data: the verdict, its classes, and one piece of evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.boot.crash import Crash

ALIVE: Final = {
    "prompt": "NodeMCU, or another Lua, at its prompt",
    "banner": "NodeMCU, no prompt seen: its init.lua is busy",
    "python-prompt": "MicroPython or CircuitPython at its prompt",
    "firmware": "another firmware, which talks",
    "alive": "a firmware that the ROM started, and that says nothing",
    "formatting": "NodeMCU is formatting its file system",
}
"""Classes that are a sign of life: the ROM started a firmware, and nothing says that it failed."""
FAILED: Final = {
    "bad-checksum": "the ROM read an image whose checksum is wrong",
    "no-image": "the ROM, or a boot loader, found nothing to start",
    "wrong-mode": "the ROM cannot read the image in the header's flash mode",
    "rf-cal": "RF init data missing or damaged",
    "system-params": "the SDK cannot use its system parameters",
    "exception": "the firmware crashes; number, name and addresses are in the verdict",
    "panic": "Lua gave up",
    "watchdog": "a watchdog resets the chip: the firmware hangs",
    "brown-out": "the chip says power-on again although nobody switched it off",
    "wrong-size": "the firmware refuses the flash size in the header",
    "bad-partitions": "the firmware refuses its partition table",
    "boot-loop": "the chip starts again and again without a reason in the log",
    "download-mode": "the chip is in its serial loader",
    "strapping": "GPIO15, GPIO0 and GPIO2 select neither flash nor download mode",
    "unreadable": "bytes that make no text at any rate",
    "silence": "nothing at all",
}
"""Classes that are failures, whatever was expected."""
HEALTHY: Final = frozenset(ALIVE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the boot log proved."""

    kind: str
    """A key of `ALIVE` or `FAILED`, or not-checked."""
    summary: str
    """One line for people: `NodeMCU 3.0.0.0 at its prompt`."""
    evidence: tuple[str, ...] = ()
    """The lines that prove it."""
    firmware: str = ""
    """Name and version as the firmware says them: `NodeMCU 3.0.0.0`."""
    log: str = ""
    """Everything the board said, garbage removed."""
    seconds: float = 0.0
    """Time from the reset to the verdict."""
    crash: Crash | None = None
    """The exception, where there was one."""
    causes: tuple[int, ...] = ()
    """`rst cause` of every start that the log shows (facts: esp8266 §2.2)."""
    baud: int = 0
    """Rate at which the last text came; 0: no line was listened to."""


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
