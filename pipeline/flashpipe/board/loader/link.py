"""A chip in download mode, spoken to through esptool's loader classes.

esptool supplies opcodes, framing rules, the stub's code and the reset sequences; we supply the loops. Rules that shape
this module (facts: stub-executed §1, §2, §5):

- never pipeline, never send a DATA block twice: the stub writes a repeated block at the *next* offset, says OK;
- the stub acknowledges a block before it writes it, so only the digest afterwards proves anything;
- one stray C0 silences the stub until one more arrives, so every second synchronisation attempt begins with one.
"""

from __future__ import annotations

import math
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from flashpipe.board.loader import chips
from flashpipe.board.loader import esptool_parts as espressif
from flashpipe.board.loader.compression import QUICK_FROM, pack
from flashpipe.board.loader.esptool_parts import COMMAND_LIMIT_S
from flashpipe.board.loader.flash_reach import FlashReach
from flashpipe.board.loader.frames import BLOCK, MID_FRAME, blocks, xor_checksum
from flashpipe.board.loader.spi_command import read_from_part
from flashpipe.digests import md5
from flashpipe.errors import (
    ConnectError,
    PortLostError,
    WireDamage,
    WireError,
    WriteError,
    WrongChipError,
)
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.lazy import lazy_pattern
from flashpipe.next_steps import Advice, repeat, setting

ROM_BAUD: Final = 115200
"""The ROM measures the host's rate; this one always works (facts: esp8266-protocol §3.3)."""
MAGIC_REGISTER: Final = 0x40001000
MAGIC_ESP8266: Final = 0xFFF0C101
"""Content of MAGIC_REGISTER (facts: esp8266-protocol §3.4)."""
EFUSE_WORDS: Final = (0x3FF00050, 0x3FF00054, 0x3FF00058, 0x3FF0005C)
UART_DIVIDER: Final = 0x60000014
CHANGE_BAUD: Final = 0x0F
PLAIN_BAUD: Final = 460_800
"""Up to here whole dividers are close enough, however they were reached, and the line is slower than the flash."""
READ_FLASH: Final = 0xD2
READ_PACKET: Final = 0x1000
SWITCH_S: Final = 0.025
"""After which both ends have the new rate: the stub needs 11 ms from its answer on (facts: stub-executed §4)."""
EXCHANGED_RUN: Final = "R0|D1|W0.1|D0"
"""Reset into the application where DTR pulls EN."""
ANSWER_LIMIT_S: Final = 1.0
"""For what comes within milliseconds or not at all, a slow network in between."""
SECTOR_ERASE_LIMIT_S: Final = 0.5
"""Longest a sector may take: datasheets say 0.4 s at most (facts: flash-timing §6.3)."""
CHIP_ERASE_LIMIT_S: Final = 240.0
MD5_LIMIT_S_PER_MB: Final = 8.0
"""esptool 5.6 `MD5_TIMEOUT_PER_MB`; measured on the executed stub: 1.06 s (facts: stub-executed §6)."""

_DAMAGED: Final = lazy_pattern("Corrupt data|Digest mismatch|Checksum error|format of the received message")
"""esptool's words about bytes that were lost or changed on their way, from a loader that is alive (5.6, loader.py)."""

OnBytes = Callable[[int], None]


class FlashLoader(Protocol):
    """What writer and session need of a chip in download mode; recording fakes satisfy it too."""

    def md5(self, region: Region) -> bytes:
        """Digest of the flash contents, 16 bytes."""

    def erase(self, region: Region) -> None:
        """Erase whole sectors; `region` is sector-aligned."""

    def erase_all(self) -> None:
        """Erase the whole chip."""

    def write(self, address: int, data: bytes, on_written: OnBytes) -> None:
        """Erase the touched sectors and write `data`; `on_written` hears of bytes of `data` that were sent."""

    def read(self, region: Region, on_read: OnBytes) -> bytes:
        """Flash contents."""


def _damage(text: str) -> WireDamage:
    """What esptool's words about a failed exchange show of the line."""
    if _DAMAGED.search(text):
        return WireDamage.BYTES
    return WireDamage.FRAME if MID_FRAME in text else WireDamage.NONE


class EsptoolLoader:
    """The conversation with one chip over an open serial port."""

    def __init__(self, port: Any, url: str) -> None:
        self._port, self._url = port, url
        if port.timeout is None:
            port.timeout = COMMAND_LIMIT_S  # what reads without asking, such as for a stub's greeting, shall end too
        self._parts = espressif.parts()
        self._fatal = self._parts.failure
        try:
            self._rom = self._parts.rom(port, ROM_BAUD)
        except self._fatal as error:  # it sets a rate, and takes a port that is gone for one that cannot do it
            raise self._lost(error) from error
        self._loader = self._rom
        self._stub_runs = False
        self._batch = True
        self.patience_s = math.inf
        """Longest wait for the answer to a DATA block, where the line is not trusted yet."""
        self.block = BLOCK
        """Bytes of one DATA block."""
        self.stub_version = 0
        """Version of the stub that shall run, 1 or 2; 0: esptool's choice."""
        self.other_stub = False
        """Whether a stub of another version was met, which only a reset can end."""
        self._reach = FlashReach(self, url)
        self.exchanged = False
        """Whether DTR and RTS are wired the other way round."""

    # --- getting there -----------------------------------------------------------------------------------------------

    def sync(self, attempts: int = 2, *, baud: int = ROM_BAUD) -> bool:
        """Whether a loader, or a stub of the version that shall run, answers at `baud` without any reset."""
        self._set_baud(baud)
        for attempt in range(attempts):
            try:
                self._rom.flush_input()
                if attempt % 2:
                    self._port.write(b"\xc0")  # cures a stub that one stray C0 put out of phase
                self._rom.sync()
                self._loader, self._stub_runs = self._rom, bool(self._rom.sync_stub_detected)
                self.other_stub = self._stub_runs and self.stub_version not in {0, self._running_stub()}
            except self._fatal:
                continue
            except OSError as error:
                raise self._lost(error) from error
            return not self.other_stub
        return False

    def _running_stub(self) -> int:
        """Version of the stub that answers: where the text of both would stand, RAM has the one that came last."""
        first, second = (self._parts.stub_image(version) for version in (1, 2))
        at = max(first.text_start, second.text_start) + 0x100
        word = struct.pack("<I", self._loader.read_reg(at))
        return 1 if first.text[at - first.text_start :][:4] == word else 2

    def reset_into_loader(
        self,
        sequence: str = "",
        rounds: int = 5,
        on_round: Callable[[int], None] | None = None,
        *,
        baud: int = ROM_BAUD,
    ) -> None:
        """Pulse the reset lines until the ROM loader answers at `baud`; `sequence` is esptool's custom reset text.

        Raises:
            ConnectError: no answer in any round.
            PortLostError: the port went away.
        """
        heard = b""
        strategies = self._reset_strategies(sequence)
        for number in range(rounds):
            if on_round is not None:
                on_round(number)
            self._set_baud(baud)
            try:
                self._port.reset_input_buffer()
                strategies[number % len(strategies)]()
                heard = self._port.read(self._port.in_waiting) or heard
            except OSError as error:
                raise self._lost(error) from error
            if self.sync(attempts=5, baud=baud):
                return
        raise ConnectError(
            f"{self._url}: the chip does not answer ({rounds} resets tried; "
            + (f"{len(heard)} bytes that are no loader's came back)" if heard else "not one byte came back)"),
            Advice(
                "hold GPIO0 low (FLASH button) while it resets, or ",
                setting(reset="manual"),
                "; check cable, RX/TX and 3.3 V supply",
            ),
        )

    def pulse_into_loader(self, sequence: str = "") -> None:
        """Pulse the reset lines once, as `reset_into_loader` does first, and listen to nobody."""
        self._reset_strategies(sequence)[0]()

    def _reset_strategies(self, sequence: str) -> list[Callable[[], None]]:
        ways = self._parts.reset
        if sequence:
            return [ways.CustomReset(self._port, sequence)]
        delays = (0.05, 0.55)  # the second for boards with a large capacitor at EN (facts: esp8266 §2.3)
        classic: list[Callable[[], None]] = [ways.ClassicReset(self._port, delay) for delay in delays]
        if os.name == "nt" or str(self._port.name).startswith("rfc2217:"):
            return classic
        return [ways.UnixTightReset(self._port, delay) for delay in delays] + classic

    def check_chip(self) -> None:
        """Make sure that an ESP8266 answered.

        Raises:
            WrongChipError: another chip of the family answered.
        """
        magic = self.read_register(MAGIC_REGISTER)
        if magic != MAGIC_ESP8266:
            raise WrongChipError(
                f"{self._url}: this is {espressif.chip_of_magic(magic)}, not an ESP8266 or ESP8285",
                "plug in the ESP8266 board, or use esptool for this one",
            )

    @property
    def stub_runs(self) -> bool:
        """Whether the stub, not the ROM loader, answers."""
        return self._stub_runs

    def start_stub(self) -> None:
        """Upload and start the flasher stub, unless it runs already.

        Raises:
            WireError: the upload broke or the stub did not greet.
        """
        with self._translated("start the stub", stub_silent=True):
            self._rom.sync_stub_detected = self._stub_runs
            self._port.timeout = ANSWER_LIMIT_S  # it greets within 13 ms (facts: stub-executed §6)
            try:
                self._loader = self._rom.run_stub(
                    self._parts.stub_image(self.stub_version) if self.stub_version else None
                )
            finally:
                self._port.timeout = COMMAND_LIMIT_S
        self._stub_runs = True

    def change_baud(self, baud: int, limit_s: float = ANSWER_LIMIT_S) -> None:
        """Change the rate; only the stub can. A rate already in force is left alone.

        limit_s: how long the first word at the new rate may take, which shows whether that works.
        """
        before = self._port.baudrate
        if baud == before:
            return
        # Stub v2 takes for granted that it comes from 115200; told so, v1 divides alike (facts: stub-executed §4).
        command_baud = baud * ROM_BAUD // before
        if baud > PLAIN_BAUD:
            command_baud = chips.rate_to_tell(self.uart_divider(), before, baud)
        with self._translated(f"change to {baud} baud"):
            self._loader.command(CHANGE_BAUD, struct.pack("<II", command_baud, ROM_BAUD))
            self._set_baud(baud)
            time.sleep(SWITCH_S)
            self._loader.flush_input()
            self._loader.read_reg(MAGIC_REGISTER, timeout=limit_s)

    def try_line(self, region: Region, limit_s: float) -> None:
        """Read some flash, to see whether the line carries it; a whole packet may take `limit_s`.

        Raises:
            WireError: a byte was wrong or lost.
        """
        request = struct.pack("<IIII", region.start, region.size, READ_PACKET, 1)
        before, self._port.timeout = self._port.timeout, limit_s
        try:
            with self._translated(f"carry what the flash holds at {self._port.baudrate} baud"):
                self._loader.command(READ_FLASH, request, timeout=limit_s)
                data = b""
                while len(data) < region.size:
                    packet = self._loader.read()
                    if len(packet) != min(READ_PACKET, region.size - len(data)):
                        raise self._fatal("Corrupt data")
                    data += packet
                    self._loader.write(struct.pack("<I", len(data)))
                if self._loader.read() != md5(data):
                    raise self._fatal("Digest mismatch")
        finally:
            self._port.timeout = before

    # --- asking ------------------------------------------------------------------------------------------------------

    def read_register(self, address: int) -> int:
        """One 32-bit word of the chip's memory."""
        with self._translated(f"read {address:#010x}"):
            return int(self._loader.read_reg(address))

    def write_register(self, address: int, value: int) -> None:
        """Change one 32-bit word of the chip's memory."""
        with self._translated(f"write {address:#010x}"):
            self.write_registers((address, value))

    def quick_register(self, address: int, limit_s: float, *, late: bool = False) -> int:
        """The same with less patience, to learn how good the line is; `late`: the answer to one that was given up."""
        with self._translated(f"read {address:#010x}"):
            value, _ = self._loader.command(*() if late else (0x0A, struct.pack("<I", address)), timeout=limit_s)
            return int(value)

    def flash_status(self) -> int:
        """First status register of the flash: bit 0 busy, bits 2 to 4 block protection."""
        with self._translated("read the flash's status"):
            return read_from_part(self, self._url, 0x05, 1)[0]

    def efuses(self) -> tuple[int, int, int, int]:
        """The four efuse words W0 to W3."""
        w0, w1, w2, w3 = (self.read_register(address) for address in EFUSE_WORDS)
        return w0, w1, w2, w3

    def uart_divider(self) -> int:
        """UART clock divider, 20 bits, from which the crystal follows."""
        return self.read_register(UART_DIVIDER) & 0xFFFFF

    def flash_id(self) -> int:
        """RDID: manufacturer | type << 8 | capacity << 16."""
        with self._translated("read the flash ID"):
            answer = read_from_part(self, self._url, 0x9F, 3)
            if answer in {b"\0\0\0", b"\xff\xff\xff"} and self._batch:
                self._batch = False  # no flash, or a loader that reads the first register of a frame only
                answer = read_from_part(self, self._url, 0x9F, 3)
            return int.from_bytes(answer, "little")

    def sfdp(self, address: int, length: int) -> bytes:
        """`length` bytes, 64 at most, of the flash's SFDP tables; all FF where the part has none."""
        with self._translated("read SFDP"):
            return read_from_part(self, self._url, 0x5A, length, address)

    def write_registers(self, *values: tuple[int, int]) -> None:
        """Several words, each with its address, in order."""
        groups = [struct.pack("<IIII", address, value, 0xFFFFFFFF, 0) for address, value in values]
        for frame in [b"".join(groups)] if self._batch else groups:
            self._loader.check_command("write registers", 0x09, frame)

    # --- the flash ---------------------------------------------------------------------------------------------------

    def set_flash_size(self, size: int) -> None:
        """Tell the stub the capacity in bytes, so that it refuses addresses beyond it."""
        self._reach.size = size
        with self._translated("set the flash size"):
            self._loader.flash_set_parameters(size)

    def md5(self, region: Region) -> bytes:
        """Digest of the flash contents, 16 bytes."""
        self._reach.reach(region.end)
        limit = COMMAND_LIMIT_S + region.size / 1e6 * MD5_LIMIT_S_PER_MB
        request = struct.pack("<IIII", region.start, region.size, 0, 0)
        with self._translated(f"digest {region}"):
            return bytes(self._loader.check_command("digest flash", 0x13, request, resp_data_len=16, timeout=limit))

    def erase(self, region: Region) -> None:
        """Erase whole sectors; `region` is sector-aligned."""
        self._reach.reach(region.end)
        limit = COMMAND_LIMIT_S + region.size / SECTOR_SIZE * SECTOR_ERASE_LIMIT_S
        with self._translated(f"erase {region}", WriteError):
            self._loader.check_command("erase", 0xD1, struct.pack("<II", region.start, region.size), timeout=limit)

    def erase_all(self) -> None:
        """Erase the whole chip."""
        with self._translated("erase the flash", WriteError):
            self._loader.check_command("erase", 0xD0, timeout=CHIP_ERASE_LIMIT_S)

    def write(self, address: int, data: bytes, on_written: OnBytes) -> None:
        """Erase the touched sectors and write `data`, compressed where that is shorter."""
        self._reach.reach(address + len(data))
        packed = pack(data, quick=self._port.baudrate >= QUICK_FROM)
        if len(packed) < len(data):
            self._send(address, data, packed, (0x10, 0x11, 0x12), on_written)
        else:
            self._send(address, data, data, (0x02, 0x03, 0x04), on_written)

    def _send(self, address: int, data: bytes, wire: bytes, opcodes: tuple[int, int, int], on_written: OnBytes) -> None:
        begin, block_op, end = opcodes
        in_step = self._port.baudrate > PLAIN_BAUD
        parts = list(blocks(wire, self.block, compressed=wire is not data, in_step=in_step))
        with self._translated(f"write {Region(address, address + len(data))}", WriteError):
            self._loader.check_command(
                "begin",
                begin,
                struct.pack("<IIIII", len(data), len(parts), self.block, address, 0),
                timeout=COMMAND_LIMIT_S,
            )
            done, limit = 0, COMMAND_LIMIT_S
            for number, (block, size) in enumerate(parts):
                header = struct.pack("<IIII", len(block), number, 0, 0)
                self._loader.check_command(
                    "write", block_op, header + block, xor_checksum(block), timeout=min(limit, self.patience_s)
                )
                # A block is acknowledged before it is written: what it costs delays the answer to the next command.
                limit = COMMAND_LIMIT_S + (size / SECTOR_SIZE + 32) * SECTOR_ERASE_LIMIT_S
                done += size
                on_written(min(done, len(data)))
            self._loader.check_command("end", end, struct.pack("<I", 1), timeout=limit)

    def read(self, region: Region, on_read: OnBytes) -> bytes:
        """Flash contents; the stub's own digest of what it sent is checked."""
        self._reach.reach(region.end)
        with self._translated(f"read {region}"):
            return bytes(
                self._loader.read_flash(region.start, region.size, lambda done, _total, _offset: on_read(done))
            )

    def gives_digest(self, region: Region) -> bool:
        """Whether the stub gives a digest of the region; False where it refuses to."""
        with self._translated(f"digest {region}"):
            request = struct.pack("<IIII", region.start, region.size, 0, 0)
            _, answer = self._loader.command(0x13, request, timeout=COMMAND_LIMIT_S)
            return len(answer) >= 2 and answer[-2] == 0  # noqa: PLR2004  the status: two bytes, the first of which tells

    # --- leaving -----------------------------------------------------------------------------------------------------

    def reset_to_application(self) -> None:
        """Pulse EN with GPIO0 high, where the adapter's lines are wired; elsewhere nothing happens."""
        try:
            reset = self._parts.reset
            (reset.CustomReset(self._port, EXCHANGED_RUN) if self.exchanged else reset.HardReset(self._port))()
        except OSError as error:
            raise self._lost(error) from error

    # --- plumbing ----------------------------------------------------------------------------------------------------

    def _set_baud(self, baud: int) -> None:
        if self._port.baudrate != baud:
            try:
                self._port.baudrate = baud
            except (OSError, ValueError) as error:
                raise WireError(
                    f"{self._url}: the adapter cannot do {baud} baud",
                    Advice("take ", setting(baud="115200"), ", which always works"),
                ) from error

    @contextmanager
    def _translated(self, what: str, kind: type[WireError] = WireError, *, stub_silent: bool = False) -> Iterator[None]:
        try:
            yield
        except self._fatal as error:
            text = str(error).splitlines()[0]
            raise kind(
                f"{self._url}: failed to {what}: {text}",
                Advice(repeat("run the same command again"), "; if it recurs, ", setting(baud="115200")),
                damage=_damage(text),
                stub_silent=stub_silent,
            ) from error
        except OSError as error:  # pyserial's SerialException is one
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> PortLostError:
        return PortLostError(
            f"{self._url}: the port went away: {error}",
            Advice("check cable and hub, plug in again, ", repeat("run the same command again")),
        )
