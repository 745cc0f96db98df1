"""The ROM's flash functions (pvvx, info/libs/bios/SpiFlash.c). What they believe about the part lies in `flashchip`."""

from __future__ import annotations

from typing import Final

from flashpipe.sim.rom.guest import MASK, Guest
from flashpipe.sim.rom.table import rom

POINTER: Final = 0x3FFFC714
"""flashchip: points to the structure behind it."""
CHIP: Final = 0x3FFFC718
FAILED: Final = 1
_PROTECTED: Final = 0x1C


def _fields(guest: Guest) -> int:
    """Address of the structure."""
    return guest.memory.u32(POINTER)


def _size(guest: Guest) -> int:
    return guest.memory.u32(_fields(guest) + 4)


@rom("SPIRead", 0x40004B1C)
def read(guest: Guest, address: int, to: int, size: int) -> int:
    """Read bytes; refused past the size that the ROM believes in."""
    if address + size > _size(guest):
        return FAILED
    if size:
        guest.write(to, guest.devices.flash.fetch(address, size))
    return 0


@rom("SPIWrite", 0x40004A4C)
def write(guest: Guest, address: int, source: int, size: int) -> int:
    """Program bytes; refused past the size that the ROM believes in."""
    if address + size > _size(guest):
        return FAILED
    if size:
        guest.devices.flash.program(address, guest.read(source, size))
    return 0


@rom("SPIEraseSector", 0x40004A00)
def erase_sector(guest: Guest, number: int) -> int:
    """Erase a sector, counted from 0."""
    sector = guest.memory.u32(_fields(guest) + 12) or 0x1000
    if number >= _size(guest) // sector:
        return FAILED
    guest.devices.flash.erase_sector(number * sector)
    return 0


@rom("SPIEraseBlock", 0x400049B4)
def erase_block(guest: Guest, number: int) -> int:
    """Erase a block of 64 KB, counted from 0."""
    block = guest.memory.u32(_fields(guest) + 8) or 0x10000
    if number >= _size(guest) // block:
        return FAILED
    guest.devices.flash.erase_block(number * block)
    return 0


@rom("SPIEraseChip", 0x40004984)
def erase_chip(guest: Guest) -> int:
    """Erase everything."""
    guest.devices.flash.erase_chip()
    return 0


@rom("SPIEraseArea", 0x40004B44)
def erase_area(guest: Guest, start: int, length: int) -> int:
    """Erase an area; behind the sectors up to a block's border it erases the whole length again (protocol §3.6)."""
    sector, block = guest.memory.u32(_fields(guest) + 12) or 0x1000, guest.memory.u32(_fields(guest) + 8) or 0x10000
    if start + length > _size(guest) or start % sector:
        return FAILED
    first, count, in_block = start // sector, -(-length // sector), block // sector
    head = min(count, in_block - first % in_block)
    for number in range(first, first + head):
        if erase_sector(guest, number):
            return FAILED
    first += head
    while count > in_block:
        if erase_block(guest, first // in_block):
            return FAILED
        first, count = first + in_block, count - in_block
    for number in range(first, first + count):
        if erase_sector(guest, number):
            return FAILED
    return 0


@rom("SPI_read_data", 0x400042AC)
def read_data(guest: Guest, chip: int, address: int, to: int, size: int) -> int:
    """Read bytes of the part that a structure describes."""
    if address + size > guest.memory.u32(chip + 4):
        return FAILED
    guest.write(to, guest.devices.flash.fetch(address, size) if size else b"")
    return 0


@rom("SPI_page_program", 0x40004174)
def page_program(guest: Guest, chip: int, address: int, source: int, size: int) -> int:
    """Program bytes that must lie in one page."""
    page = guest.memory.u32(chip + 16) or 0x100
    if size > page - address % page:
        return FAILED
    guest.devices.flash.program(address, guest.read(source, size))
    return 0


@rom("SPI_sector_erase", 0x400040C0)
def sector_erase(guest: Guest, _chip: int, address: int) -> int:
    """Erase the sector that begins at an address."""
    if address & 0xFFF:
        return FAILED
    guest.devices.flash.erase_sector(address)
    return 0


@rom("SPIParamCfg", 0x40004C2C)
def param_config(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, identity: int, size: int, block: int, sector: int, page: int, mask: int
) -> int:
    """Say what the part is."""
    fields = b"".join(value.to_bytes(4, "little") for value in (identity, size, block, sector, page, mask))
    guest.memory.write(_fields(guest), fields)
    return 0


@rom("SPI_read_status", 0x400043C8)
def read_status(guest: Guest, chip: int, to: int) -> int:
    """Status register, once the part is ready."""
    guest.devices.flash.wait_idle()
    mask = guest.memory.u32(chip + 20) if chip else MASK
    guest.set_u32(to, guest.devices.flash.status() & mask)
    return 0


@rom("SPI_write_status", 0x40004400)
def write_status(guest: Guest, _chip: int, value: int) -> int:
    """Write the status register."""
    guest.devices.flash.write_status(value)
    return 0


@rom("SPI_write_enable", 0x4000443C)
def write_enable(guest: Guest, _chip: int) -> int:
    """Let the next program or erase through."""
    guest.devices.flash.wait_idle()
    guest.devices.flash.write_enable()
    return 0


@rom("Wait_SPI_Idle", 0x4000448C)
def wait_idle(guest: Guest, _chip: int) -> int:
    """Wait for the end of an erase or program."""
    guest.devices.flash.wait_idle()
    return 0


@rom("SPILock", 0x400048A8)
def lock(guest: Guest) -> int:
    """Protect everything."""
    guest.devices.flash.write_status(_PROTECTED)
    return 0


@rom("SPIUnlock", 0x40004878)
def unlock(guest: Guest) -> int:
    """Protect nothing."""
    guest.devices.flash.write_status(0)
    return 0


@rom("Enable_QMode", 0x400044C0)
@rom("Disable_QMode", 0x40004508)
@rom("SPIReadModeCnfig", 0x400048EC)
def read_mode(_guest: Guest, _mode: int) -> int:
    """How the lines are used changes nothing of what is read, where part and wiring can do it."""
    return 0


@rom("SPIFlashCnfig", 0x40004568)
def flash_config(_guest: Guest, _interface: int, _frequency: int) -> None:
    """Mode and clock, as above."""


@rom("SelectSpiFunction", 0x40003F58)
@rom("spi_flash_attach", 0x40004644)
def attach(_guest: Guest) -> int:
    """The flash's pins are its own."""
    return 0
