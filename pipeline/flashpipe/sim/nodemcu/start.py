"""The start of NodeMCU firmware, from the jump out of the ROM to the Lua prompt, for each of its lines.

What happens to flash and in which order follows the firmware's own sources (nodemcu-firmware 2.2.1-master_20190405 and
36cbf9f, app/user/user_main.c, app/spiffs/spiffs.c); what is printed is taken from the image (facts: esp8266 §2.5-2.6).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

from flashpipe.sim.chip.chip import RESET_WATCHDOG
from flashpipe.sim.chip.factory import init_data
from flashpipe.sim.chip.image import MAGIC, SIZES, Header, Walk
from flashpipe.sim.firmware import rcr, sdk, spiffs
from flashpipe.sim.firmware.identify import ILLEGAL_INSTRUCTION, Run, Texts
from flashpipe.sim.firmware.program import SECTOR, Baud, Machine, Reset, Say, Step, Wait, text
from flashpipe.sim.nodemcu import console as nodemcu_console

BAUD: Final = 115200
BAUD_09: Final = 9600
"""NodeMCU 0.9.x (facts: usb-nodemcu §9.3, from memory)."""

SMALLEST_3X: Final = 0x100000
LARGE_FILES: Final = 700_000
"""2.x: file systems on flash larger than this begin at a 64 KB boundary, with 64 KB to spare (app/spiffs/spiffs.c)."""

ROOMY: Final = 400_000
WIDE, NARROW = 0x10000, 0x2000
SEARCH_STEPS: Final = 8

RECORD_PAUSE_S: Final = 0.005
"""Pause after the first partition table is written (user_main.c, first_time_setup)."""


def run(machine: Machine, texts: Texts, walk: Walk) -> Run:
    """Start NodeMCU; True when it restarts the chip."""
    if "partitions" in texts.found:
        return _run_3x(machine, texts)
    return _run_2x(machine, texts, walk)


def _lines(texts: Texts) -> sdk.Lines:
    # Numbers of the older SDKs: unconfirmed
    physical = "phy ver: 1136_0, pp ver: 10.2" if "phy-pair" in texts.found else "phy ver: 972, pp ver: 9.0"
    return sdk.Lines(
        texts.sdk,
        texts.compiled,
        trace="freq-trace" in texts.found,
        physical=physical,
        checks="rf-cal-check" in texts.found,
    )


# --- SDK up to 2.x ---------------------------------------------------------------------------------------------------


def _run_2x(machine: Machine, texts: Texts, walk: Walk) -> Run:
    size = Header.parse(machine.read(0, 8)).size
    places = sdk.Places.at_end(size)
    own = sdk.init_data_in(machine.read(0, walk.end))
    if own and machine.read(places.init_data, 4) == b"\xff" * 4:
        # Only builds from 20161201 on bring the data along, in the part that the ROM loads (facts §5.1)
        yield Wait(machine.replace_sector(places.init_data, own))
    if not (yield from sdk.start(machine, places, _lines(texts))):
        return True
    yield Wait(machine.settings.lua_s)
    yield Baud(machine.settings.baud or (BAUD_09 if texts.banner.startswith("NodeMCU 0.9") else BAUD))
    yield Say(text("\n"))
    if texts.self_adjust and size != machine.chip.flash_size and machine.chip.flash_size in SIZES.values():
        yield Say(text(_adjusted(texts.self_adjust, size, machine.chip.flash_size)))
        yield Wait(_set_size(machine, machine.chip.flash_size))
        return True
    files = _find_2x(machine, texts.end, size)
    if files is None:
        start, top = _room_2x(texts.end, size)
        files = yield from _format(machine, start, spiffs.fitting(start, top), dots=False)
        if machine.read(0, 1)[0] != MAGIC:
            return (yield from _crash(machine))
    return (yield from _lua(machine, texts, files))


def _adjusted(words: str, size: int, real: int) -> str:
    """The correction's own words; its last form has two numbers in it (facts: esp8266 §2.5)."""
    return words.replace("0x%x", f"{size:#x}", 1).replace("0x%x", f"{real:#x}", 1)


def _set_size(machine: Machine, size: int) -> float:
    """Rewrite the size nibble in the image header; the first sector is erased for it. Returns seconds."""
    sector = bytearray(machine.read(0, SECTOR))
    code = next(code for code, known in SIZES.items() if known == size)
    sector[3] = code << 4 | sector[3] & 15
    return machine.replace_sector(0, bytes(sector))


def _find_2x(machine: Machine, end: int, size: int) -> spiffs.Files | None:
    """An existing file system, looked for where each step could have put it."""
    steps = [WIDE] * (size >= LARGE_FILES) + [NARROW]
    for step in steps:
        for index in range(SEARCH_STEPS):
            files = spiffs.Files.mount(machine, _align(end + index * step, step))
            if files is not None:
                return files
    return None


def _room_2x(end: int, size: int) -> tuple[int, int]:
    """Where a new file system goes: first and last address."""
    top = size - 5 * SECTOR
    start = _align(end + WIDE, WIDE) if size >= LARGE_FILES else _align(end, NARROW)
    if size >= LARGE_FILES and top - start < ROOMY:
        start = _align(end + 4 * NARROW, NARROW)
    return start, top


def _align(address: int, step: int) -> int:
    return -(-address // step) * step


# --- SDK 3.x ---------------------------------------------------------------------------------------------------------


def _run_3x(machine: Machine, texts: Texts) -> Run:  # noqa: PLR0911 - each return is one way this start can end
    header = Header.parse(machine.read(0, 8))
    yield Wait(machine.settings.sdk_s)
    if header.size < SMALLEST_3X:
        yield Say(text(f"Flash size ({header.size}) too small to support NodeMCU\n"))
        return False  # no partition table is registered: the SDK halts
    yield Say(text(f"system SPI FI size:{header.size_code}, Flash size: {header.size}\n"))
    record = rcr.find(machine, rcr.PARTITIONS)
    table = rcr.parse_table(record.data) if record else []
    if not table:
        return False
    if rcr.is_fresh(table):
        return (yield from _first_time(machine, table, header.size))
    places = _places(table)
    if places is None:
        yield Say(text("Invalid system partition table\n"))
        yield from _hang(machine)
        return False
    yield from _init_data(machine, texts, places.init_data)
    if not (yield from sdk.start(machine, places, _lines(texts))):
        return True
    yield Wait(machine.settings.lua_s)
    yield Baud(machine.settings.baud or BAUD)
    part = next((part for part in table if part.kind == rcr.SPIFFS), rcr.Partition(rcr.SPIFFS, 0, 0))
    start, top = _align(part.address, spiffs.BLOCK), (part.address + part.size) // spiffs.BLOCK * spiffs.BLOCK
    files = spiffs.Files.mount(machine, start) if top > start else None
    if files is None:
        files = yield from _format(machine, start, spiffs.fitting(start, top), dots=True)
        if machine.read(0, 1)[0] != MAGIC:
            return (yield from _crash(machine))
    return (yield from _lua(machine, texts, files))


def _first_time(machine: Machine, table: list[rcr.Partition], size: int) -> Run:
    """Fill the compiled-in table in, store it and jump to the reset vector: a second ROM log follows."""
    try:
        settled = rcr.settle(table, size)
    except rcr.LayoutError as error:
        yield Say(text(f"Partition {error.index} invalid alignment\n"))
        yield from _hang(machine)
        return False
    yield Wait(rcr.write(machine, rcr.PARTITIONS, rcr.pack_table(settled)) + RECORD_PAUSE_S)
    return True


def _hang(machine: Machine) -> Iterator[Step]:
    yield Wait(machine.settings.watchdog_s)
    yield Reset(RESET_WATCHDOG)


def _places(table: list[rcr.Partition]) -> sdk.Places | None:
    """The SDK's three mandatory partitions (facts: image-flashmap §5.2)."""
    by_kind = {part.kind: part.address for part in table}
    if not {rcr.RF_CAL, rcr.PHY_DATA, rcr.PARAMETERS} <= by_kind.keys():
        return None
    return sdk.Places(by_kind[rcr.RF_CAL], by_kind[rcr.PHY_DATA], by_kind[rcr.PARAMETERS])


def _init_data(machine: Machine, texts: Texts, address: int) -> Iterator[Step]:
    """Write init data once; a flag in the record page keeps it from being tried again (facts: image-flashmap §5.4)."""
    if rcr.find(machine, rcr.PHY_DONE) is not None:
        return
    if machine.read(address, 1)[0] != sdk.INIT_MARK:
        yield Say(text(f"Writing Init Data to 0x{address:08x}\n"))
        own = sdk.init_data_in(machine.read(0, texts.end)) or init_data()
        yield Wait(machine.replace_sector(address, own))
    yield Wait(rcr.write(machine, rcr.PHY_DONE, b""))


# --- all lines -------------------------------------------------------------------------------------------------------


def _format(
    machine: Machine, start: int, shape: tuple[int, int], *, dots: bool
) -> Generator[Step, None, spiffs.Files | None]:
    """Make a file system of `shape`, number and size of its blocks; None where there is no room."""
    yield Say(text("Formatting file system. Please wait...\n"))
    if not shape[0]:
        yield Say(text("\n*** ERROR ***: unable to format. FS might be compromised.\n"))
        yield Say(text("It is advised to re-flash the NodeMCU image.\n"))
        return None
    return (yield from spiffs.format_blocks(spiffs.Files(machine, start, *shape), dots=dots))


def _crash(machine: Machine) -> Run:
    yield Say(text(ILLEGAL_INSTRUCTION))
    yield Wait(machine.settings.crash_s)
    return True


def _lua(machine: Machine, texts: Texts, files: spiffs.Files | None) -> Run:
    """Banner, init.lua and the prompt."""
    banner = texts.banner
    banner = banner.replace("%s", texts.sdk) if "%s" in banner else banner + texts.sdk
    yield Say(text(banner.rstrip("\n") + "\n"))
    console = nodemcu_console.Console(machine, texts, files)
    return (yield from console.run())
