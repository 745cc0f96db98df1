"""All devices of one chip, wired to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.chip.registers import Efuses
from flashpipe.sim.cpu.contract import CoreState
from flashpipe.sim.devices.adc import Adc, AnalogRegisters
from flashpipe.sim.devices.agenda import Agenda
from flashpipe.sim.devices.blocks import I2s, Radio, SdioSlave, UserSpi
from flashpipe.sim.devices.clocks import Clocks
from flashpipe.sim.devices.device import LONGEST_SKIP, Bus, RegisterBlock, Wiring
from flashpipe.sim.devices.dport import Dport
from flashpipe.sim.devices.flash import Flash
from flashpipe.sim.devices.gpio import Gpio, PinFunctions
from flashpipe.sim.devices.interrupts import Interrupts
from flashpipe.sim.devices.mac import Mac
from flashpipe.sim.devices.rtc import Rtc
from flashpipe.sim.devices.timers import Timers
from flashpipe.sim.devices.uart import UART0, UART1, Uart0, Uart1
from flashpipe.sim.devices.watchdog import Watchdog
from flashpipe.sim.memory import BusError
from flashpipe.values import dataclass


def _ignore(*_what: object) -> None:
    """A request that nobody serves."""


def _no_memory(address: int, _length: int) -> bytes:
    raise BusError(address)


@dataclass(slots=True)
class Requests:
    """What devices ask of the machine around them."""

    sent: Callable[[int, int, int, int], None] = _ignore
    """A byte leaves: number of the UART, cycle, baud, byte."""
    remap: Callable[[int], None] = _ignore
    """The flash window begins with this address."""
    flash_changed: Callable[[int, int], None] = _ignore
    """Address and length of what may have changed."""
    watchdog: Callable[[], None] = _ignore
    restart: Callable[[], None] = _ignore
    sleep: Callable[[int | None], None] = _ignore
    """Until this cycle, or for ever."""
    read_memory: Callable[[int, int], bytes] = _no_memory
    """So many bytes from an address on."""


@dataclass(slots=True, kw_only=True)
class Parts:
    """What the chip is made with."""

    efuses: Efuses
    crystal_mhz: int = 26
    seed: int = 1
    adc: int = 0
    requests: Requests = field(default_factory=Requests)


class Peripherals:
    """The devices by name; `bus` is what the core accesses."""

    def __init__(self, state: CoreState, bus: Bus, nor: Nor, parts: Parts) -> None:
        self.state = state
        self.bus = bus
        self.agenda = Agenda(state)
        self.interrupts = Interrupts(state)
        self.clocks = Clocks(parts.crystal_mhz)
        self.analog = AnalogRegisters(self._set_pll)
        self.rand_state = 1
        """Of the ROM's `rand`."""
        wiring = Wiring(state, self.agenda, self.interrupts, bus.registers)
        requests = parts.requests
        self.dport = Dport(wiring, parts.efuses, requests.remap)
        self.uarts = (
            Uart0(wiring, self.clocks, UART0, lambda at, baud, byte: requests.sent(0, at, baud, byte)),
            Uart1(wiring, self.clocks, UART1, lambda at, baud, byte: requests.sent(1, at, baud, byte)),
        )
        self.timers = Timers(wiring, lambda: self.dport.edges)
        self.watchdog = Watchdog(wiring, requests.watchdog)
        self.flash = Flash(wiring, nor, requests.flash_changed)
        self.gpio = Gpio(wiring)
        self.rtc = Rtc(wiring, requests.restart, requests.sleep)
        self.adc = Adc(wiring, self.analog, parts.adc)
        self.mac = Mac(wiring, parts.seed, requests.read_memory)
        self.flash.active = self.uarts[0].active = self.uarts[1].active = self.note_activity
        self.dport.uart_sources = lambda: bool(self.uarts[0].pending()) | bool(self.uarts[1].pending()) << 2
        self.all: tuple[RegisterBlock, ...] = (
            self.dport, *self.uarts, self.timers, self.watchdog, self.flash, self.gpio, self.rtc, self.adc, self.mac,
            PinFunctions(wiring), Radio(wiring), SdioSlave(wiring), I2s(wiring), UserSpi(wiring),
        )  # fmt: skip
        bus.connect(wiring, self.all)

    def note_activity(self) -> None:
        """Something happens that others can see: the program is not idle."""
        self.mac.active_at = self.state.cycles

    def receive(self, data: bytes, baud: int) -> None:
        """Bytes begin to arrive at UART 0."""
        self.note_activity()
        self.uarts[0].receive(data, baud)

    def settle(self) -> None:
        """Hand on all bytes that have begun to leave by now."""
        for uart in self.uarts:
            uart.settle()

    def wait_for_event(self) -> None:
        """Let time pass up to the next event, as a function of the ROM that waits does."""
        now = self.state.cycles
        self.state.cycles = max(now + 1, min(self.agenda.next(), now + LONGEST_SKIP))

    def _set_pll(self, locked: bool) -> None:  # noqa: FBT001  the form of a listener
        self.settle()
        self.clocks.locked = locked

    # --- resets ------------------------------------------------------------------------------------------------------

    def reset(self, *, pll: bool) -> None:
        """A reset of the chip; `pll` where it forgets its setting too. The RTC's memory stays."""
        self.interrupts.reset()
        if pll:
            self.analog.reset()
        for device in self.all:
            device.reset()

    def cut_off(self) -> None:
        """EN is low, or there is no supply: what has not left the UARTs never does."""
        for uart in self.uarts:
            uart.cut_off()

    def restart(self) -> None:
        """What the ROM does to the devices when the program jumps to its start: it sets up UART 0 and the cache."""
        self.uarts[0].reset()
        self.dport.control_cache(0)

    def lose_power(self) -> None:
        """Nothing is left."""
        self.reset(pll=True)
        self.rtc.lose_power()

    # --- copies ------------------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Everything that `restore_from` needs, as plain values."""
        return {
            "devices": {device.name: device.snapshot() for device in self.all},
            "events": self.agenda.snapshot(),
            "lines": self.interrupts.snapshot(),
            "analog": self.analog.snapshot(),
            "locked": self.clocks.locked,
            "rand": self.rand_state,
            "bus": self.bus.snapshot(),
        }

    def restore_from(self, saved: dict[str, Any]) -> None:
        """Put back what `snapshot` gave, into devices of the same make."""
        parts = saved["devices"]
        for device in self.all:
            device.restore(parts[device.name])
        self.agenda.restore(saved["events"])
        self.interrupts.restore(saved["lines"])
        self.analog.restore(saved["analog"])
        self.clocks.locked = bool(saved["locked"])
        self.rand_state = int(saved["rand"])
        self.bus.restore(saved["bus"])
