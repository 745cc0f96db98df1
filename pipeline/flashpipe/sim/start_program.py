"""Starts the program that the ROM has loaded: NodeMCU, or one of the kinds of which only the greeting is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flashpipe.sim.chip.chip import RESET_POWER_ON, RESET_WATCHDOG
from flashpipe.sim.chip.image import Header, Walk
from flashpipe.sim.firmware import sdk, second_stage
from flashpipe.sim.firmware.identify import SEARCHED, STORE_PROHIBITED, Run, Texts, identify
from flashpipe.sim.firmware.program import Baud, Listen, Machine, Reset, Say, Step, Wait, text
from flashpipe.sim.nodemcu import start as nodemcu

BAUD: Final = 115200
PROMPT: Final = b">>> "
EBOOT_SAYS: Final = "~ld\n"
"""Last line of the Arduino core's first stage; its `v…` line before holds a number that no text in the image tells."""

OLD_SDKS: Final = ("0.", "1.", "2.0")
"""Beginnings of the versions that know no flash over 4 MB."""
CHATTER: Final = "temperature 21.5 humidity 40\n"
CHATTER_S: Final = 5.0
HELP: Final = 'Type "help()" for more information.\n'


def run(machine: Machine, walk: Walk) -> Run:
    """Start the program; True when it has restarted the chip, False when it has said all it will ever say."""
    trouble = machine.settings.trouble
    if trouble == "exception":
        yield from crash(machine, STORE_PROHIBITED)
        return True
    if trouble == "chatter":
        yield from _chatter(machine)
    if trouble == "watchdog":
        yield Wait(machine.settings.watchdog_s)
        yield Reset(RESET_WATCHDOG)
    if trouble == "brown-out":
        yield Wait(machine.settings.sdk_s)
        yield Reset(RESET_POWER_ON)
    if trouble == "system-params":
        yield from crash(machine, "system param error, use last saved param!\n")
        return True
    jumped = yield from second_stage.run(machine, walk)
    if trouble == "silence" or not jumped:
        return False
    texts = identify(machine.read, walk, min(SEARCHED, machine.flash.size))
    if texts.family == "nodemcu":
        return (yield from nodemcu.run(machine, texts, walk))
    if texts.family == "eboot":
        yield Say(text(EBOOT_SAYS))
    if texts.family in {"eboot", "silent", "unknown"}:
        return False
    return (yield from _greet(machine, texts))


def _chatter(machine: Machine) -> Iterator[Step]:
    yield Baud(machine.settings.baud or BAUD)
    while True:
        yield Wait(CHATTER_S)
        yield Say(text(CHATTER))


def crash(machine: Machine, words: str) -> Iterator[Step]:
    """An exception right after the start: its text, then a restart (facts: esp8266 §2.5)."""
    yield Wait(machine.settings.sdk_s)
    yield Say(text(words))
    yield Wait(machine.settings.crash_s)


def _greet(machine: Machine, texts: Texts) -> Run:
    """SDK start, then the greeting; afterwards input is echoed (a prompt) or answered like AT firmware."""
    header = Header.parse(machine.read(0, 8))
    places = sdk.Places.at_end(header.size)
    own = sdk.init_data_in(machine.read(0, texts.end))
    if own and machine.read(places.init_data, 4) == b"\xff" * 4:  # who brings init data writes them where none are
        yield Wait(machine.replace_sector(places.init_data, own))
    built = second_stage.size_code(machine)
    if "map-check" in texts.found and built not in {None, header.size_code}:
        words = f"mismatch map {built},spi_size_map {header.size_code}\nsystem param partition error\n"
        yield Say(text(f"{words}system_partition_table_regist fail\n"))
        yield Wait(machine.settings.crash_s)
        return True
    checks, old = "rf-cal-check" in texts.found, texts.sdk.startswith(OLD_SDKS)
    lines = sdk.Lines(texts.sdk, texts.compiled, checks=checks, trace="freq-trace" in texts.found, large=not old)
    if not (yield from sdk.start(machine, places, lines)):
        return True
    yield Wait(machine.settings.lua_s)
    yield Baud(machine.settings.baud or BAUD)
    machine.listening = True
    if texts.family == "at":
        yield Say(text(texts.banner))
        yield from _at(machine)
    else:
        banner = "\n" + texts.banner.rstrip("\r\n") + "\n"
        yield Say(text(banner + (HELP if "help" in texts.found else "")) + PROMPT)
        yield from _prompt(machine)
    return False


def _prompt(machine: Machine) -> Iterator[Step]:
    """Echo and a new prompt after each line: nothing that is typed is evaluated."""
    while True:
        yield Listen()
        typed, machine.inbox[:] = bytes(machine.inbox), b""
        yield Say(typed.replace(b"\n", b"").replace(b"\r", b"\r\n" + PROMPT))


def _at(machine: Machine) -> Iterator[Step]:
    """`AT` gets `OK`, any other line `ERROR`; lines end with CR LF, and input is echoed."""
    line = bytearray()
    while True:
        yield Listen()
        typed, machine.inbox[:] = bytes(machine.inbox), b""
        yield Say(typed)
        line += typed
        while b"\n" in line:
            command, _, rest = bytes(line).partition(b"\n")
            line = bytearray(rest)
            if command.strip():
                yield Say(b"\r\nOK\r\n" if command.strip() in {b"AT", b"ATE1"} else b"\r\nERROR\r\n")
