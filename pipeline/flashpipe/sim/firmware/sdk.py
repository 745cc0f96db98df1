"""What Espressif's SDK does before any user program: RF init data, calibration and parameter sectors, its first lines.

Everything here still speaks at the ROM's baud rate (facts: esp8266 §2.5).
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from flashpipe.sim.chip.image import Header
from flashpipe.sim.firmware.program import SECTOR, Machine, Say, Step, Wait, text

INIT_MARK: Final = 0x05
"""First byte of valid RF init data; without it the SDK restarts for ever (facts: image-flashmap §5.1)."""

INIT_HEADS: Final = (bytes.fromhex("0500040205050502"), bytes.fromhex("0508040205050502"))
"""How init data of versions 05 and 08 begins (facts: image-flashmap §5.5)."""

INIT_LENGTH: Final = 128
RF_LINES: Final = range(112, 115)
"""Bytes of the init data that the SDK prints as `rf[112]` to `rf[114]`."""

CAL_LENGTH: Final = 628
"""Bytes of calibration data; a plausible figure, no source."""

PARAMETER_MARK: Final = 0x55AA55AA
"""First word of our parameter sectors; the SDK's real format is not known here."""

LARGEST_OLD: Final = 0x400000
"""Largest flash in an older SDK's table of sizes; beyond, it finds no init data (published logs; executed SDK 2.0)."""
BOOT_FLAG: Final = b"\x00\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the SDK keeps its data, flash addresses: one, one and three sectors."""

    calibration: int
    init_data: int
    parameters: int

    @classmethod
    def at_end(cls, size: int) -> Places:
        """SDK up to 2.x: the last five sectors of the size that the header claims (facts: image-flashmap §5.1)."""
        return cls(size - 5 * SECTOR, size - 4 * SECTOR, size - 3 * SECTOR)


@dataclass(frozen=True, slots=True)
class Lines:
    """The SDK's own words of one build."""

    version: str
    compiled: str
    trace: bool = True
    """Prints `freq trace enable`."""
    physical: str = "phy ver: 1136_0, pp ver: 10.2"
    """Numbers of SDK 3.x (facts §2.5); those of other versions are not known."""
    checks: bool = True
    """Checks the init data's first byte."""
    large: bool = True
    """Knows of flash over 4 MB: since SDK 2.1."""


def start(machine: Machine, places: Places, lines: Lines) -> Generator[Step, None, bool]:
    """Run the SDK up to the user program; False where it gives up and restarts the chip."""
    yield Wait(machine.settings.sdk_s)
    init = machine.read(places.init_data, INIT_LENGTH)
    if lines.checks and not lines.large and Header.parse(machine.read(0, 8)).size > LARGEST_OLD:
        init = bytes(INIT_LENGTH)  # published logs say "is 0x00"; which sector was read is not known
    if lines.checks and init[0] != INIT_MARK:
        # Seen with an unchanged reset cause in a loop: a software restart (github.com/nodemcu/nodemcu-firmware#1449).
        yield Say(text(f"rf_cal[0] !=0x05,is 0x{init[0]:02X}\n"))
        yield Wait(machine.settings.crash_s)
        return False
    yield Wait(_prepare(machine, places))
    if lines.compiled:
        yield Say(text(_first_lines(places, lines, init)))
    return True


def _first_lines(places: Places, lines: Lines, init: bytes) -> str:
    said = [f"rf cal sector: {places.calibration // SECTOR}"]
    said += ["freq trace enable 0"] if lines.trace else []
    said += [f"rf[{index}] : {init[index]:02x}" for index in RF_LINES]
    said += ["", f"SDK ver: {lines.version} compiled @ {lines.compiled}", lines.physical, "", ""]
    return "\n".join(said)


def _prepare(machine: Machine, places: Places) -> float:
    """Calibration and parameters of this very chip, written where the sectors are blank. Returns seconds."""
    noise = random.Random(machine.chip.mac)  # noqa: S311 - repeatable filler, the same for the same chip
    seconds = 0.0
    if _blank(machine, places.calibration):
        seconds += machine.replace_sector(places.calibration, noise.randbytes(CAL_LENGTH))
    if _blank(machine, places.parameters):
        mac = bytes.fromhex(machine.chip.mac.replace(":", ""))
        data = PARAMETER_MARK.to_bytes(4, "little") + mac + bytes(2) + f"NODE-{machine.chip.chip_id:06X}".encode()
        for copy in range(2):
            seconds += machine.replace_sector(places.parameters + copy * SECTOR, data)
        seconds += machine.replace_sector(places.parameters + 2 * SECTOR, BOOT_FLAG)
    return seconds


def _blank(machine: Machine, address: int) -> bool:
    return machine.read(address, 4) == b"\xff" * 4


def init_data_in(body: bytes) -> bytes | None:
    """The 128 bytes of init data that stand in a program's image, if it brings them along."""
    for head in INIT_HEADS:
        at = body.find(head)
        if at >= 0:
            return body[at : at + INIT_LENGTH]
    return None
