"""What the program that the ROM has loaded would say, where it is not executed: its banner, and a prompt that echoes.

A text is said because it stands in the image. What a program does to the flash (but for RF init data), and what it
answers, only executing it tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flashpipe.sim.chip.chip import RESET_POWER_ON, RESET_WATCHDOG
from flashpipe.sim.chip.image import Walk
from flashpipe.sim.firmware import init_data
from flashpipe.sim.firmware.identify import SEARCHED, STORE_PROHIBITED, ProgramTexts, Run, identify
from flashpipe.sim.firmware.program import Baud, Listen, PredictedChip, ProgramReset, Say, Step, Wait, text

BAUD: Final = 115200
BAUD_09: Final = 9600
"""NodeMCU 0.9.x (facts: usb-nodemcu §9.3)."""
PANIC: Final = "PANIC: unprotected error in call to Lua API (not enough memory)\n"
CHATTER: Final = "temperature 21.5 humidity 40\n"
CHATTER_S: Final = 5.0


def run(machine: PredictedChip, walk: Walk) -> Run:
    """Start the program; True when it has restarted the chip, False when it has said all it will ever say."""
    trouble, settings = machine.settings.trouble, machine.settings
    if trouble == "exception":
        yield from crash(machine, STORE_PROHIBITED)
        return True
    if trouble == "chatter":
        yield from _chatter(machine)
    if trouble == "watchdog":
        yield Wait(settings.watchdog_s)
        yield ProgramReset(RESET_WATCHDOG)
    if trouble == "brown-out":
        yield Wait(settings.sdk_s)
        yield ProgramReset(RESET_POWER_ON)
    if trouble == "system-params":
        yield from crash(machine, "system param error, use last saved param!\n")
        return True
    texts = identify(machine.read, walk, min(SEARCHED, machine.flash.size))
    if trouble == "silence" or not texts.banner:
        return False
    return (yield from _greet(machine, texts))


def _chatter(machine: PredictedChip) -> Iterator[Step]:
    yield Baud(machine.settings.baud or BAUD)
    while True:
        yield Wait(CHATTER_S)
        yield Say(text(CHATTER))


def crash(machine: PredictedChip, words: str) -> Iterator[Step]:
    """An exception right after the start: its text, then a restart (facts: esp8266 §2.5)."""
    yield Wait(machine.settings.sdk_s)
    yield Say(text(words))
    yield Wait(machine.settings.crash_s)


def _greet(machine: PredictedChip, texts: ProgramTexts) -> Run:
    """The SDK's one complaint that stops every program, or the program's banner and its prompt."""
    settings = machine.settings
    yield Wait(settings.sdk_s)
    if texts.checks_init_data:
        starts = yield from init_data.check(machine, texts.init_data, partitions=texts.partitions)
        if not starts:
            return True
    yield Wait(settings.lua_s)
    yield Baud(settings.baud or (BAUD_09 if texts.banner.startswith("NodeMCU 0.9") else BAUD))
    yield Say(text("\n" + texts.banner))
    if settings.trouble == "panic":
        yield Say(text(PANIC))
        yield Wait(settings.crash_s)
        return True
    yield Say(texts.prompt)
    machine.listening = True
    while True:  # what is typed is not evaluated
        yield Listen()
        typed, machine.inbox[:] = bytes(machine.inbox), b""
        yield Say(typed.replace(b"\n", b"").replace(b"\r", b"\r\n" + texts.prompt))
