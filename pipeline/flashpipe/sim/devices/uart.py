"""UART 0 and 1: FIFOs, thresholds, time-out, interrupts, dividers, and the measuring of a sender's rate.

Registers: uart_register.h of the SDK. What leaves is handed on byte by byte with the cycle at which it begins; what
comes in arrives at its sender's rate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from flashpipe.sim.chip.wire import FIFO, garble, understood
from flashpipe.sim.devices.agenda import CYCLES_PER_S, NEVER
from flashpipe.sim.devices.clocks import Clocks
from flashpipe.sim.devices.device import RegisterBlock, Wiring
from flashpipe.sim.devices.interrupts import Line

UART0: Final = 0x60000000
UART1: Final = 0x60000F00

RX_FULL: Final = 1 << 0
TX_EMPTY: Final = 1 << 1
RX_OVERFLOW: Final = 1 << 4
RX_TIMEOUT: Final = 1 << 8
"""Bits of INT_RAW, INT_ST, INT_ENA and INT_CLR."""
_RX_RESET: Final = 1 << 17
_TX_RESET: Final = 1 << 18
_LOOPBACK: Final = 1 << 14
_RX_TIMEOUT_ENABLE: Final = 1 << 31
_AUTOBAUD_ENABLE: Final = 1
_DIVIDER_MASK: Final = 0xFFFFF
_EDGES_MASK: Final = 0x3FF
ROM_DIVIDER: Final = 694
"""What the ROM sets for 115200 Bd, counting on a 40 MHz crystal: 74880 Bd with 26 MHz (facts: esp8266 §2.4)."""
ROM_CONF0: Final = 0x1C
"""8N1."""
ROM_CONF1: Final = 1 << 31 | 2 << 24 | 16
"""A time-out of 2 bytes, the FIFO full at 16: what the stub finds (facts: stub-executed §6)."""
_WIDTHS: Final = (5, 6, 7, 8)
_STOP_HALF_BITS: Final = (2, 2, 3, 4)
_FLUSHED_BYTES: Final = 16
"""Bytes after which those that have left are handed on, if nothing else happens before."""
VERSION: Final = 0x00062000
"""UART_DATE (esp8266-wiki, UART registers)."""

Sink = Callable[[int, int, int], None]
"""Takes a byte that leaves: the cycle at which it begins, the baud rate, the byte."""


class Uart(RegisterBlock):
    """One UART."""

    saved: ClassVar[tuple[str, ...]] = (
        "divider", "conf0", "conf1", "raw", "enabled", "outgoing", "busy_until", "fifo", "incoming", "arrived_at",
        "autobaud", "low_pulse", "high_pulse", "edges",
    )  # fmt: skip

    def __init__(self, wiring: Wiring, clocks: Clocks, base: int, sink: Sink) -> None:
        super().__init__(wiring)
        self._clocks = clocks
        self._sink = sink
        self.active: Callable[[], None] = lambda: None
        """Told that the program sends."""
        self.source = f"uart{int(base != UART0)}"
        self._arrival = self.agenda.event(self._arrive)
        self._timeout = self.agenda.event(self._time_out)
        self._drained = self.agenda.event(self._drain)
        self._flush = self.agenda.event(self._flush_now)
        self.fifo: list[int] = []
        """Bytes received and not read."""
        self.incoming: list[list[int]] = []
        """Bytes on the line: value and sender's baud."""
        self.arrived_at = 0
        """Cycle at which the last byte of the line arrived or will have arrived."""
        self.outgoing: list[list[int]] = []
        """The transmit FIFO: bytes with the rate and the cycles that each will take. They leave at the rate at which
        they were written, and a reset of the FIFO does not lose them: programs of the SDK set their rate some
        milliseconds of calibration after the SDK's last line, and calibration takes no time here."""
        self.busy_until = 0
        """Cycle at which the byte in the shift register will have left."""
        self._set_defaults()
        self.readers = {
            base: self._read_fifo,
            base + 0x04: self._read_raw,
            base + 0x08: self.pending,
            base + 0x0C: lambda: self.enabled,
            base + 0x14: lambda: self.divider,
            base + 0x18: lambda: self.autobaud,
            base + 0x1C: self._read_status,
            base + 0x20: lambda: self.conf0,
            base + 0x24: lambda: self.conf1,
            base + 0x28: lambda: self.low_pulse,
            base + 0x2C: lambda: self.high_pulse,
            base + 0x30: lambda: self.edges,
            base + 0x78: lambda: VERSION,
            base + 0x7C: lambda: 0x500,
        }
        self.writers = {
            base: self.send,
            base + 0x0C: self._write_enabled,
            base + 0x10: self._write_clear,
            base + 0x14: self.set_divider,
            base + 0x18: self._write_autobaud,
            base + 0x20: self._write_conf0,
            base + 0x24: self._write_conf1,
        }

    def _set_defaults(self) -> None:
        self.divider = ROM_DIVIDER
        self.conf0, self.conf1 = ROM_CONF0, ROM_CONF1
        self.raw = self.enabled = 0
        self.autobaud = 0
        self._begin_measuring()

    def _begin_measuring(self) -> None:
        self.low_pulse = self.high_pulse = _DIVIDER_MASK
        self.edges = 0

    def reset(self) -> None:
        """As after a reset and the ROM's start; bytes that are leaving still leave."""
        super().reset()
        self._set_defaults()
        self.fifo.clear()
        self.incoming.clear()
        self.arrived_at = self.state.cycles
        for event in (self._arrival, self._timeout, self._drained):
            event.cancel()

    def cut_off(self) -> None:
        """EN is low, or there is no supply: what has not left never does."""
        self.outgoing.clear()
        self._flush.cancel()
        self.busy_until = min(self.busy_until, self.state.cycles)

    # --- rate --------------------------------------------------------------------------------------------------------

    @property
    def baud(self) -> int:
        """The rate that the divider gives, in bits per second."""
        return round(self._clocks.bus_hz / max(1, self.divider))

    def set_divider(self, value: int) -> None:
        """Set the rate."""
        self.settle()
        self.divider = value & _DIVIDER_MASK

    @property
    def byte_cycles(self) -> int:
        """Board cycles that a byte takes on the wire, with start, parity and stop bits."""
        half_bits = 2 + 2 * _WIDTHS[self.conf0 >> 2 & 3] + _STOP_HALF_BITS[self.conf0 >> 4 & 3] + (self.conf0 & 2)
        return max(1, self._clocks.cycles(half_bits * max(1, self.divider)) // 2)

    # --- sending -----------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Hand on what has begun to leave by now."""
        now = self.state.cycles
        while self.outgoing and self.busy_until <= now:
            self._begin(self.busy_until)

    def _begin(self, at: int) -> None:
        byte, baud, cycles = self.outgoing.pop(0)
        self._sink(at, baud, byte)
        self.busy_until = at + cycles

    def waiting_to_leave(self) -> int:
        """Bytes in the transmit FIFO; the one in the shift register is not counted."""
        self.settle()
        return len(self.outgoing)

    def _left_at(self, count: int) -> int:
        """Cycle at which at most `count` bytes are in the transmit FIFO."""
        excess = self.waiting_to_leave() - count
        return self.busy_until + (excess - 1) * self.byte_cycles if excess > 0 else self.state.cycles

    def room_at(self) -> int:
        """Cycle at which the transmit FIFO has room for a byte."""
        return self._left_at(FIFO - 1)

    def silent_at(self) -> int:
        """Cycle at which the last byte will have left."""
        self.settle()
        return max(self.state.cycles, self.busy_until + len(self.outgoing) * self.byte_cycles)

    def send(self, value: int) -> None:
        """Put a byte into the transmit FIFO; a full one loses it."""
        if self.waiting_to_leave() >= FIFO:
            return
        self.active()
        if self.conf0 & _LOOPBACK:
            self.receive(bytes((value & 0xFF,)), self.baud)
        self.outgoing.append([value & 0xFF, self.baud, self.byte_cycles])
        now = self.state.cycles
        if self.busy_until <= now:
            self._begin(now)
        if self.outgoing and self._flush.at == NEVER:
            self._flush.schedule(now + _FLUSHED_BYTES * self.byte_cycles)
        if self.enabled & TX_EMPTY:
            self._plan_drained()

    def _flush_now(self, at: int) -> None:
        self.settle()
        if self.outgoing:
            self._flush.schedule(at + _FLUSHED_BYTES * self.byte_cycles)

    def _plan_drained(self) -> None:
        """The interrupt of an emptying FIFO, where somebody waits for it."""
        if self.enabled & TX_EMPTY:
            self._drained.schedule(self._left_at(self.conf1 >> 8 & 0x7F))
        else:
            self._drained.cancel()

    def _drain(self, _at: int) -> None:
        self._refresh()

    # --- receiving ---------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, baud: int) -> None:
        """Bytes begin to arrive now, one after the other at the sender's rate."""
        self.incoming += [[value, baud] for value in data]
        if self.incoming and self._arrival.at == NEVER:
            self._plan_arrival(max(self.arrived_at, self.state.cycles))

    def _plan_arrival(self, begins: int) -> None:
        self.arrived_at = begins + 10 * self._bit_cycles(self.incoming[0][1])
        self._arrival.schedule(self.arrived_at)

    @staticmethod
    def _bit_cycles(baud: int) -> int:
        return max(1, CYCLES_PER_S // max(1, baud))

    def _arrive(self, at: int) -> None:
        value, baud = self.incoming.pop(0)
        if self.autobaud & _AUTOBAUD_ENABLE:
            self._measure(value, baud)
        heard = bytes((value,)) if understood(baud, self.baud) else garble(bytes((value,)), baud, self.baud)
        for byte in heard:
            if len(self.fifo) >= FIFO:
                self.raw |= RX_OVERFLOW
            else:
                self.fifo.append(byte)
        if self.conf1 & _RX_TIMEOUT_ENABLE:
            self._timeout.schedule(at + (self.conf1 >> 24 & 0x7F) * 8 * self.byte_cycles // 10)
        if self.incoming:
            self._plan_arrival(at)
        self._refresh()

    def _time_out(self, _at: int) -> None:
        if self.fifo:
            self.raw |= RX_TIMEOUT
            self._refresh()

    def _measure(self, value: int, baud: int) -> None:
        """Count edges and keep the shortest pulses, in bus clocks, of one byte with its start and stop bit."""
        bits = "0" + f"{value:08b}"[::-1] + "1"
        runs = [len(run) for run in bits.replace("01", "0 1").replace("10", "1 0").split()]
        clocks = self._clocks.bus_hz / max(1, baud)
        self.low_pulse = min(self.low_pulse, round(min(runs[0::2]) * clocks))
        if len(runs) > 2:  # noqa: PLR2004  the last high run has no end yet
            self.high_pulse = min(self.high_pulse, round(min(runs[1:-1:2]) * clocks))
        self.edges = min(_EDGES_MASK, self.edges + len(runs))

    def take(self) -> int | None:
        """The oldest byte of the receive FIFO."""
        if not self.fifo:
            return None
        value = self.fifo.pop(0)
        if not self.fifo:
            self.raw &= ~RX_TIMEOUT
            self._timeout.cancel()
        self._refresh()
        return value

    # --- for the ROM's functions -------------------------------------------------------------------------------------

    def empty(self) -> None:
        """Reset both FIFOs."""
        self._write_conf0(self.conf0 | _RX_RESET | _TX_RESET)
        self._write_conf0(self.conf0 & ~(_RX_RESET | _TX_RESET))

    def configure(self, conf0: int) -> None:
        """Set word length, parity and stop bits."""
        self._write_conf0(conf0)

    def measure(self, autobaud: int) -> None:
        """Begin or end the measuring of a sender's rate."""
        self._write_autobaud(autobaud)

    def pending(self) -> int:
        """Interrupts that are enabled and have happened."""
        return self._read_raw() & self.enabled

    def clear(self, bits: int) -> None:
        """Forget that these interrupts have happened."""
        self._write_clear(bits)

    # --- registers ---------------------------------------------------------------------------------------------------

    def _read_fifo(self) -> int:
        return self.take() or 0

    def _read_raw(self) -> int:
        """Levels are shown as they are now; events stay until they are cleared."""
        full = self.conf1 & 0x7F
        if full and len(self.fifo) >= full:
            self.raw |= RX_FULL
        if self.waiting_to_leave() <= self.conf1 >> 8 & 0x7F:
            self.raw |= TX_EMPTY
        return self.raw

    def _read_status(self) -> int:
        return min(len(self.fifo), FIFO) | min(self.waiting_to_leave(), FIFO - 1) << 16

    def _write_enabled(self, value: int) -> None:
        self.enabled = value
        self._plan_drained()
        self._refresh()

    def _write_clear(self, value: int) -> None:
        self.raw &= ~value
        self._plan_drained()
        self._refresh()

    def _write_autobaud(self, value: int) -> None:
        if value & ~self.autobaud & _AUTOBAUD_ENABLE:
            self._begin_measuring()
        self.autobaud = value

    def _write_conf0(self, value: int) -> None:
        if value & _RX_RESET:
            self.fifo.clear()
            self.raw &= ~(RX_FULL | RX_TIMEOUT)
            self._timeout.cancel()
        self.conf0 = value
        self._refresh()

    def _write_conf1(self, value: int) -> None:
        self.conf1 = value
        self._plan_drained()
        self._refresh()

    def _refresh(self) -> None:
        self.interrupts.hold(Line.UART, self.source, on=bool(self.pending()))


class Uart0(Uart):
    """The console."""

    name = "uart0"
    pages = (range(UART0, UART0 + 0x100),)


class Uart1(Uart):
    """Only its transmitter has a pin."""

    name = "uart1"
    pages = (range(UART1, UART1 + 0x100),)
