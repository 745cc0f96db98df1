"""What ROM loader and both stubs have in common: a main loop that takes frames, works, and answers.

A loader is written as a generator that yields seconds to be spent, or `FRAME` to wait for the next frame. Interrupts
are modelled by batch: bytes reach the receiver when the FIFO holds `batch` of them or when the line has been quiet for
the receive time-out (facts: stub-executed §1 rows 4 and 5, §6).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from typing import Final

from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.chip.registers import Registers
from flashpipe.sim.chip.timing import Costs
from flashpipe.sim.chip.wire import LineUart, garble
from flashpipe.sim.loader import slip
from flashpipe.values import dataclass

HEADER: Final = struct.Struct("<BBHI")
"""Direction, opcode, length of the data, checksum or value (facts: esp8266-protocol §3.1)."""
assert HEADER.size == 8  # noqa: PLR2004

NEVER: Final = float("inf")
"""Yielded by a loader that hangs."""
FRAME: Final = None
"""Yielded by a loader's main loop that waits for a frame."""
Main = Generator["float | None", "bytes | None", "LoaderOutcome | None"]
Work = Generator["float | None", "bytes | None", None]

SYNC_PAYLOAD: Final = b"\x07\x07\x12\x20" + b"\x55" * 32
"""Facts: esp8266-protocol §3.3."""


@dataclass(frozen=True, slots=True)
class LoaderOutcome:
    """Why a loader's main loop ended."""

    kind: str
    """`jump` to `entry`, `boot` the program in flash, `reset` by software, `fault` (an exception: silence)."""
    entry: int = 0


def checksum(data: bytes) -> int:
    """0xEF XOR every byte (facts: esp8266-protocol §3.1)."""
    size = len(data)
    value = int.from_bytes(data, "little")
    # Fold halves onto each other: big integers do what a loop over bytes would do, a thousand times faster.
    while size > 8:  # noqa: PLR2004  below that, a loop is as good
        half = (size + 1) // 2
        value = (value >> half * 8) ^ (value & ((1 << half * 8) - 1))
        size = half
    folded = 0xEF
    while value:
        folded ^= value & 0xFF
        value >>= 8
    return folded


def reply(opcode: int, value: int = 0, data: bytes = b"", status: bytes = b"\0\0") -> bytes:
    """Payload of a response frame."""
    return HEADER.pack(1, opcode, len(data) + len(status), value & 0xFFFFFFFF) + data + status


def words(data: bytes) -> tuple[int, ...]:
    """The little-endian 32-bit words of `data`."""
    return struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])


class Faulted(Exception):  # noqa: N818  not a failure of ours: the modelled CPU takes an exception
    """The modelled code met a CPU exception; it will not answer any more."""


@dataclass(slots=True)
class LoaderMachine:
    """What a loader runs on."""

    uart: LineUart
    registers: Registers
    nor: Nor
    costs: Costs
    flash_damage: Callable[[float], Callable[[bytes], bytes] | None] = lambda _mhz: None
    """What happens to the bytes on the flash's bus at a clock, in MHz; None where nothing does."""

    def __post_init__(self) -> None:
        """Hear of the clock."""
        self.registers.flash_clocked = self.clock_flash

    def clock_flash(self) -> None:
        """The loader may have set another clock for the flash. Firmware sets its own, which has no limit here."""
        self.nor.damage = self.flash_damage(self.spi_mhz) if self.registers.attached else None

    @property
    def spi_mhz(self) -> float:
        """Clock of the flash: the bus clock, which is the CPU's in the loader, divided as SPI_CTRL says."""
        return self.costs.cpu_mhz / self.registers.flash_divider

    def spi_time(self, size: int) -> float:
        """Seconds of a ROM SPIRead, and of what a SPIWrite spends on the bus, the part's own time not counted."""
        return self.costs.spi_time(size, self.spi_mhz)


class SerialLoader:
    """Runs one loader's main loop in board time."""

    rules: slip.ReceiverRules = slip.ROM_RULES
    batch = 1
    """Bytes in the FIFO that raise an interrupt."""

    def __init__(self, machine: LoaderMachine, now: float) -> None:
        self.machine = machine
        self.costs = machine.costs
        self.uart = machine.uart
        self.nor = machine.nor
        self.receiver = slip.Receiver(self.rules)
        self.now = now
        """Board time of the main loop."""
        self._phase = 0
        self._quiet_since = now
        self._ready_at = now
        self._resume_at: float | None = now
        self._main = self.main()
        self.stopped = False
        """Set when the chip is reset or loses power, possibly in the middle of a turn."""

    # --- for the loaders ---------------------------------------------------------------------------------------------

    def main(self) -> Main:
        """The main loop."""
        raise NotImplementedError

    @property
    def timeout_units(self) -> float:
        """Units of the receive time-out; 0 where the loader polls."""
        return 0.0

    def hears(self, data: bytes, baud: float, _burst: bytes) -> bytes:
        """What arrives of `data`, part of a burst that the host sent at `baud`."""
        return garble(data, baud, self.uart.baud)

    def send(self, payload: bytes) -> Work:
        """Send a frame; the CPU waits while the transmit FIFO is full."""
        yield from self.transmit(slip.encode(payload))

    def transmit(self, raw: bytes) -> Work:
        """Send bytes as they are."""
        yield self.costs.cycles(len(raw) * self.costs.tx_cycles)
        self.uart.say(raw, self.now)
        wait = self.uart.room_at() - self.now
        if wait > 0:
            yield wait

    def flush(self) -> Work:
        """Wait until everything has left the UART."""
        yield max(0.0, self.uart.outbound.free_at - self.now)

    def flash_idle(self) -> Work:
        """Wait until the flash has finished; for ever if it never does."""
        if self.nor.stuck_busy:
            while True:
                yield NEVER
        yield max(0.0, self.nor.busy_until - self.now)

    def start_flash(self, seconds: float) -> None:
        """The flash begins something that takes `seconds`; nobody waits."""
        self.nor.busy_until = max(self.now, self.nor.busy_until) + seconds

    # --- for the board -----------------------------------------------------------------------------------------------

    def wake_at(self) -> float | None:
        """Board time of the next thing to happen; None = nothing until input."""
        times = []
        if self._resume_at is not None:
            times += [] if self._resume_at == NEVER else [self._resume_at]
        elif self.receiver.eventful:
            times.append(self._ready_at)
        if not self.uart.inbound.empty:
            times.append(self.uart.inbound.free_at)
        return min(times) if times else None

    def advance(self, until: float, steps: int = 1_000_000) -> LoaderOutcome | None:
        """Everything that happens up to `until`, at most `steps` turns; why the main loop ended, if it did."""
        while steps > 0 and not self.stopped:
            steps -= 1
            if self._resume_at is not None:
                self._absorb_while_busy(min(self._resume_at, until))
                if self._resume_at > until:
                    return None
                self.now = self._resume_at
                outcome = self._turn(None)
            elif self.receiver.eventful:
                if self._ready_at > until:
                    return None
                self.now = max(self.now, self._ready_at)
                frame = self.receiver.take()
                if frame is None:
                    continue  # a dropped frame was noticed; the receiver listens again
                outcome = self._turn(frame)
            elif self._absorb(until):
                continue
            else:
                return None
            if outcome is not None:
                return outcome
        return None

    def _turn(self, frame: bytes | None) -> LoaderOutcome | None:
        """Let the main loop run until it waits again."""
        try:
            want = self._main.send(frame)
        except StopIteration as end:
            outcome: LoaderOutcome | None = end.value
            return outcome or LoaderOutcome("fault")
        except Faulted:
            return LoaderOutcome("fault")
        self._resume_at = None if want is None else self.now + want
        return None

    @property
    def _timeout_s(self) -> float:
        return self.timeout_units * self.costs.rxtout_bits / self.uart.baud

    def _absorb(self, until: float) -> bool:
        """The main loop waits: receive up to the end of a frame, then the rest of that interrupt's batch."""
        burst = self.uart.inbound.head()
        count = burst.arrived(until) if burst else 0
        if burst is None or not count:
            return False
        if burst.next_at - burst.byte_s > self._quiet_since + self._timeout_s:
            self._phase = 0
        started, byte_s, baud, at = burst.start, burst.byte_s, burst.baud, burst.at
        data = self.hears(burst.data[at : at + count], baud, burst.data)
        if len(data) != count:
            self.uart.inbound.take(count)  # garbled: no byte-for-byte correspondence left
            self.receiver.feed_all(data)
            self._quiet_since = self._ready_at = started + (at + count) * byte_s
            return True
        used = self.receiver.feed(data)
        self.uart.inbound.take(used)
        self._quiet_since = started + (at + used) * byte_s
        self._phase = (self._phase + used) % self.batch
        if self.receiver.eventful:
            self._finish_batch()
        return True

    def _finish_batch(self) -> None:
        """The interrupt comes when the FIFO is full or the line quiet; whatever else is in the FIFO goes with it."""
        rest = -self._phase % self.batch
        while rest:
            burst = self.uart.inbound.head()
            if burst is None or burst.next_at - burst.byte_s > self._quiet_since + self._timeout_s:
                break
            start, byte_s, baud, at = burst.start, burst.byte_s, burst.baud, burst.at
            data = self.uart.inbound.take(rest)
            self.receiver.feed_all(self.hears(data, baud, burst.data))
            self._quiet_since = start + (at + len(data)) * byte_s
            rest -= len(data)
        self._phase = 0
        self._ready_at = self._quiet_since + (self._timeout_s if rest or self.batch == 1 else 0.0)

    def _absorb_while_busy(self, until: float) -> None:
        """The main loop works; interrupts go on receiving into the other buffer."""
        while (burst := self.uart.inbound.head()) and (count := burst.arrived(until)):
            start, byte_s, baud, at = burst.start, burst.byte_s, burst.baud, burst.at
            data = self.uart.inbound.take(count)
            self.receiver.feed_all(self.hears(data, baud, burst.data))
            self._quiet_since = self._ready_at = start + (at + count) * byte_s
            self._phase = (self._phase + count) % self.batch
