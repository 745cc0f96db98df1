"""The address space as READ_REG and WRITE_REG see it: RAM, efuses, UART, and the SPI controller of the flash.

Facts: esp8266-protocol §3.10 (SPI), §3.7 (UART divider), esp8266 §1.1 (efuses).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from flashpipe.sim.chip import flash_clock
from flashpipe.sim.chip.nor import Nor
from flashpipe.values import dataclass

MAGIC_ADDRESS: Final = 0x40001000
MAGIC: Final = 0xFFF0C101
"""What tells esptool that this is an ESP8266 (facts: esp8266-protocol §3.4)."""
EFUSES: Final = 0x3FF00050
UART_DIVIDER: Final = 0x60000014
_SPI: Final = 0x60000200
_CMD, _ADDR, _STATUS = _SPI, _SPI + 0x04, _SPI + 0x10
_USER, _USER1, _USER2, _W0 = _SPI + 0x1C, _SPI + 0x20, _SPI + 0x24, _SPI + 0x40
_FIRST_MAPPED: Final = 0x20000000
"""Below it every access is a CPU exception (facts: stub-executed §2; the exact border is unconfirmed)."""
_TEXT: Final = re.compile(rb"([\x20-\x7e]{4,}[\r\n]+)\0")


class UnmappedError(Exception):
    """The access is a CPU exception: nothing there, or not aligned."""


@dataclass(frozen=True, slots=True)
class Efuses:
    """The four efuse words."""

    words: tuple[int, int, int, int]

    @classmethod
    def of(cls, mac: str, kind: str) -> Efuses:
        """Efuses of a chip with this MAC; `kind` as esptool prints it (`ESP8266EX`, `ESP8285N08` …)."""
        digits = [int(part, 16) for part in mac.split(":")]
        word0, word1 = digits[5] << 24, digits[3] << 8 | digits[4]
        word3 = digits[0] << 16 | digits[1] << 8 | digits[2]
        # Size bits: 08 has W0 bit 4 alone; 16 has it with W3 bit 26 (facts: esp8266 §1.1). H parts have W0 bit 5.
        flags = {"ESP8285N08": (0x10, 0), "ESP8285H08": (0x30, 0), "ESP8285N16": (0x10, 1 << 26)}
        flags["ESP8285H16"] = (0x30, 1 << 26)
        low, high = flags.get(kind, (0, 0))
        # Word 2 of the ESP8266EX sample in facts esp8266 §1.1; its bit 16 marks the ESP8285.
        word2 = 0xF200B000 | (1 << 16 if low else 0)
        return cls((word0 | low, word1, word2, word3 | high))


class Registers:
    """Words by address; the SPI controller runs its command when the start bit is written."""

    def __init__(self, efuses: Efuses, nor: Nor) -> None:
        self._efuses = efuses
        self._nor = nor
        self._memory: dict[int, bytearray] = {}
        self._stored: dict[int, bytearray] = {}
        """1 for each byte of it that was written."""
        self._words = dict(flash_clock.AFTER_RESET)
        self.attached = False
        """Whether the flash pins are connected to the SPI controller: not after a reset, until ROM or stub did it."""
        self.read_divider: Callable[[], int] = lambda: 0
        self.write_divider: Callable[[int], None] = lambda _value: None
        self.flash_clocked: Callable[[], None] = lambda: None
        """Told that the clock of the flash may be another one."""

    def reset(self) -> None:
        """What a reset of the chip does. Real RAM keeps its contents; nobody is served by stale programs here."""
        self._words = dict(flash_clock.AFTER_RESET)
        self._memory.clear()
        self._stored.clear()
        self.attached = False
        self.flash_clocked()

    def attach_flash(self) -> None:
        """The ROM's spi_flash_attach: the pins are the flash's, and its clock is a quarter of the bus clock."""
        self.attached = True
        self._words[flash_clock.CTRL] = flash_clock.ATTACHED
        self.flash_clocked()

    @property
    def flash_divider(self) -> int:
        """By how much the bus clock is divided for the flash."""
        return flash_clock.divider(self._words[flash_clock.CTRL])

    # --- words -------------------------------------------------------------------------------------------------------

    def read(self, address: int) -> int:
        """One word.

        Raises:
            UnmappedError: nothing there, or not aligned.
        """
        self._check(address)
        if address == MAGIC_ADDRESS:
            return MAGIC
        if EFUSES <= address < EFUSES + 16:
            return self._efuses.words[(address - EFUSES) // 4]
        if address == UART_DIVIDER:
            return self.read_divider()
        if address in self._words:
            return self._words[address]
        return int.from_bytes(self.load(address, 4), "little")

    def write(self, address: int, value: int, now: float) -> None:
        """One word; `now` is the board time, because an SPI command may begin.

        Raises:
            UnmappedError: nothing there, or not aligned.
        """
        self._check(address)
        if address == UART_DIVIDER:
            self.write_divider(value & 0xFFFFF)
        elif address == _CMD:
            self._command(value, now)
        elif _SPI <= address < _SPI + 0x100:
            self._words[address] = value & 0xFFFFFFFF
            self.flash_clocked()
        elif not (EFUSES <= address < EFUSES + 16 or address == MAGIC_ADDRESS):
            self.store(address, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    @staticmethod
    def _check(address: int) -> None:
        if address % 4 or address < _FIRST_MAPPED:
            raise UnmappedError(f"{address:#010x}")

    # --- memory ------------------------------------------------------------------------------------------------------

    def store(self, address: int, data: bytes) -> None:
        """Put bytes into memory; pages of 64 KB come into being when first written."""
        at = 0
        while at < len(data):
            page, offset = divmod(address + at, 0x10000)
            count = min(len(data) - at, 0x10000 - offset)
            memory = self._memory.setdefault(page, bytearray(0x10000))
            memory[offset : offset + count] = data[at : at + count]
            self._stored.setdefault(page, bytearray(0x10000))[offset : offset + count] = b"\1" * count
            at += count

    def load(self, address: int, length: int) -> bytes:
        """Bytes of memory; what was never written is 0."""
        out = bytearray()
        while len(out) < length:
            page, offset = divmod(address + len(out), 0x10000)
            count = min(length - len(out), 0x10000 - offset)
            memory = self._memory.get(page)
            out += memory[offset : offset + count] if memory is not None else bytes(count)
        return bytes(out)

    def uploaded(self) -> Iterator[tuple[int, bytes]]:
        """What was written, piece by piece, each with its address."""
        for page in sorted(self._stored):
            for run in re.finditer(b"\1+", self._stored[page]):
                yield page * 0x10000 + run.start(), bytes(self._memory[page][run.start() : run.end()])

    def first_text(self) -> bytes:
        """The first readable line in RAM that was uploaded: letters, ended by a line feed and a zero byte."""
        for page in sorted(self._memory):
            match = _TEXT.search(bytes(self._memory[page]))
            if match:
                return match[1]
        return b""

    # --- SPI controller ----------------------------------------------------------------------------------------------

    def _command(self, value: int, now: float) -> None:
        """Start bits of the command register; all of them have cleared again when it is next read."""
        address = self._words.get(_ADDR, 0)
        fixed = {30: 0x06, 24: 0x20, 23: 0xD8, 22: 0xC7}
        for bit, opcode in fixed.items():
            if value >> bit & 1:
                # Hardware commands take the plain 24-bit address, user commands the left-justified one (§3.10).
                self._transact(opcode, address & 0xFFFFFF, b"", 0, now)
        if value >> 27 & 1:
            self._words[_STATUS] = self._transact(0x05, 0, b"", 1, now)[0]
        if value >> 18 & 1:
            self._user_command(now)

    def _user_command(self, now: float) -> None:
        user, user1 = self._words.get(_USER, 0), self._words.get(_USER1, 0)
        bits = self._words.get(_ADDR, 0) >> 8
        sent = b""
        if user >> 27 & 1:
            count = ((user1 >> 17 & 0x1FF) + 8) // 8
            sent = b"".join(self._words.get(_W0 + at, 0).to_bytes(4, "little") for at in range(0, count + 3, 4))[:count]
        want = ((user1 >> 8 & 0x1FF) + 8) // 8 if user >> 28 & 1 else 0
        address = bits & 0xFFFFFF if user >> 30 & 1 else 0
        got = self._transact(self._words.get(_USER2, 0) & 0xFF, address, sent, want, now)
        for at in range(0, want, 4):
            self._words[_W0 + at] = int.from_bytes(got[at : at + 4], "little")

    def _transact(self, opcode: int, address: int, sent: bytes, want: int, now: float) -> bytes:
        # With the pins detached the controller reads ones (esptool's own suite demands ones or zeros).
        if not self.attached:
            return b"\xff" * want
        return self._nor.transact(opcode, address, sent, want, now)
