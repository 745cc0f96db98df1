"""One chip that executes its program: core, memory, devices, mask ROM, and what happens from reset to reset.

Time is board cycles of 80 MHz, counted from the machine's making. Everything is a function of flash contents, options
and input with its cycle; the host's clock is never read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import field
from typing import Final

from flashpipe.sim.chip import image
from flashpipe.sim.chip.chip import RESET_EXTERNAL, RESET_POWER_ON, RESET_WATCHDOG, ROM_FLASH_SIZE, RamProgram, Strap
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.chip.registers import Efuses
from flashpipe.sim.circles import Circles
from flashpipe.sim.cpu.contract import PS_UM, TIMER_INTERRUPT, Core, CoreState, Stop
from flashpipe.sim.cpu.start import start_core
from flashpipe.sim.devices.agenda import CYCLES_PER_S, NEVER
from flashpipe.sim.devices.device import Bus, NotThereError
from flashpipe.sim.devices.peripherals import Parts, Peripherals, Requests
from flashpipe.sim.firmware import romlog
from flashpipe.sim.memory import FLASH_SIZE, BusError, Memory
from flashpipe.sim.rom import data
from flashpipe.sim.rom.guest import HANG, Guest, StoreError
from flashpipe.sim.rom.mask_rom import MaskRom
from flashpipe.sim.rom.tasks import PROGRAM_RETURNED
from flashpipe.sim.rom.uart import put
from flashpipe.values import dataclass

RESET_SOFTWARE: Final = 3
"""Cause after the RTC's software reset bit (facts: esp8266 §2.2: documented, seldom seen)."""
STRETCH: Final = 80_000
"""Cycles executed before whoever pays for them is asked again: 1 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineOptions:
    """What a machine is made with, besides its flash."""

    mac: str = "5c:cf:7f:00:00:01"
    chip: str = "ESP8266EX"
    crystal_mhz: int = 26
    seed: int = 1
    adc: int = 0
    """What the program measures at the ADC pin, 0 to 1024."""
    tolerant: bool = False
    """Go on with 0 where a register or ROM function is not there."""
    wakes: bool = True
    """Whether GPIO16 is wired to RST, so that deep sleep ends."""
    rom_s: float = 0.03
    """From reset to the first byte of the ROM's log."""
    watchdog_s: float = 3.0
    """From a ROM that has stopped to the watchdog's reset."""
    rom_flash_size: int = ROM_FLASH_SIZE
    """Bytes of flash that the ROM's functions reach until the program tells them another size."""
    mode_b: int = 6
    """Second number of `boot mode:(a,b)`."""
    modes: frozenset[int] = frozenset(range(4))
    """Header modes that part and wiring can do: 0 qio, 1 qout, 2 dio, 3 dout."""
    bad_mode: str = "ets_main"
    """What another one gives: `ets_main` (the ROM sees no image), `csum` (16 bytes are right, the rest is 0) or
    `exception` (the ROM loads, and what the cache shows is 0): facts esp8266 §2.4, which depends on the wiring."""


class _HaltedError(Exception):
    """The supply failed in the middle of a flash operation: what called for it does not go on."""


@dataclass(slots=True)
class Output:
    """Bytes that left one after the other at one rate."""

    cycle: int
    """When the first one began."""
    baud: int
    data: bytearray
    ends: int
    """When the last one has left, about."""


@dataclass(frozen=True, slots=True)
class Reset:
    """A reset that happened by itself."""

    cycle: int
    kind: str
    """`restart` (the program jumped to the ROM), `software` (by the RTC), `watchdog`, `wake`."""
    cause: int
    """The `rst cause` that the ROM prints after it."""


@dataclass(slots=True)
class Log:
    """What a machine has done that is not on its line."""

    resets: list[Reset] = field(default_factory=list)
    uart1: bytearray = field(default_factory=bytearray)


class Machine:
    """One chip. `core` may be given for tests; else the best one there is is taken."""

    def __init__(
        self,
        nor: Nor,
        options: MachineOptions | None = None,
        make_core: Callable[..., Core] = start_core,
    ) -> None:
        self.nor = nor
        self.options = options or MachineOptions()
        self.memory = Memory()
        self.log = Log()
        self.strap = Strap()
        self.cause = RESET_POWER_ON
        self.origin_s = 0.0
        """Board time of cycle 0, in seconds."""
        self.stopped = ""
        """Why the machine cannot go on; empty while it can."""
        self.asleep = False
        self.halted = False
        """Whether supply or reset line have ended everything, until the next reset."""
        self.outputs: list[Output] = []
        self._window = 0
        self._blind = False
        """Whether the cache reads nothing, because of the header's mode."""
        self._pending: Callable[[], None] | None = None
        requests = Requests(
            sent=self._sent, remap=self._remap, flash_changed=self._flash_changed,
            watchdog=lambda: self._request(self._bite),
            restart=lambda: self._request(lambda: self._reset_by_itself("software", RESET_SOFTWARE, pll=False)),
            sleep=lambda until: self._request(lambda: self._sleep(until)), read_memory=self.memory.read,
        )  # fmt: skip
        bus = Bus(tolerant=self.options.tolerant)
        self.core = make_core(self.memory, bus)
        self._circles = Circles(self.core, self.memory)
        self.state: CoreState = self.core.state
        self.devices = Peripherals(
            self.state,
            bus,
            nor,
            Parts(
                efuses=Efuses.of(self.options.mac, self.options.chip), crystal_mhz=self.options.crystal_mhz,
                seed=self.options.seed, adc=self.options.adc, requests=requests,
            ),
        )  # fmt: skip
        self.guest = Guest(self.core, self.memory, self.devices, lambda: self._request(self._restart))
        self.rom = MaskRom(self.guest, tolerant=self.options.tolerant)
        self._wake = self.devices.agenda.event(lambda _at: self._request(self._wake_up))
        self._rom_stuck = self.devices.agenda.event(lambda _at: self._request(self._bite))

    # --- time --------------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Board time in seconds."""
        return self.seconds(self.state.cycles)

    def seconds(self, cycle: int) -> float:
        """Board time of a cycle."""
        return self.origin_s + cycle / CYCLES_PER_S

    def cycle_at(self, seconds: float) -> int:
        """The cycle of a board time."""
        return round((seconds - self.origin_s) * CYCLES_PER_S)

    @property
    def idle(self) -> bool:
        """Whether nothing is executed before the next event or input."""
        return bool(self.stopped) or self.asleep or self.halted or bool(self.state.waiting)

    @property
    def stands_still(self) -> str:
        """Why nothing is executed before a watchdog or a reset from outside; empty where that is not so."""
        exception = f"exception {self.state.exccause} at 0x{self.state.epc1:08x}, which nothing handles"
        why = exception if self._rom_stuck.at == NEVER else "the mask ROM finds no program that it can start"
        return why if self.state.pc == HANG else ""

    def next_event(self) -> int | None:
        """Cycle of the next event; None where there will be none without input."""
        if self.stopped or self.halted:
            return None
        at = self._wake.at if self.asleep else self.devices.agenda.next()
        if not self.asleep and self.state.intenable & 1 << TIMER_INTERRUPT:
            at = min(at, self.state.timer_at)
        return None if at >= NEVER else at

    # --- reset -------------------------------------------------------------------------------------------------------

    def power_on(self, strap: Strap, now_s: float, cause: int = RESET_POWER_ON) -> None:
        """The supply comes up; `cause` is what the ROM is to say."""
        self._begin_at(now_s)
        self.memory.dram[:] = bytes(len(self.memory.dram))
        self.memory.iram[:] = bytes(len(self.memory.iram))
        self.devices.lose_power()
        self._boot(strap, cause)

    def reset(self, strap: Strap, now_s: float, cause: int = RESET_EXTERNAL) -> None:
        """EN was low, or somebody else says that the chip was reset."""
        self._begin_at(now_s)
        self.devices.reset(pll=True)
        self._boot(strap, cause)

    def _begin_at(self, now_s: float) -> None:
        """Nothing is left of what was under way. Cycles never go back: where the time is behind them they count on."""
        self.stopped, self.asleep, self.halted, self._pending, self.outputs = "", False, False, None, []
        self.devices.cut_off()
        cycle = self.cycle_at(now_s)
        if cycle < self.state.cycles:
            self.origin_s = now_s - self.state.cycles / CYCLES_PER_S
        self.state.cycles = max(self.state.cycles, cycle)
        self.devices.flash.origin_s = self.origin_s

    def halt(self) -> None:
        """Supply or reset line end everything at once, even in the middle of a flash operation."""
        self.halted = True
        self.state.horizon = min(self.state.horizon, self.state.cycles)

    def _request(self, action: Callable[[], None]) -> None:
        """Do something as soon as the core has stopped."""
        self._pending = action
        self.state.horizon = min(self.state.horizon, self.state.cycles)

    def _restart(self) -> None:
        """The program has jumped to the ROM's start: cause and straps are those of before (facts: esp8266 §2.2)."""
        self.log.resets.append(Reset(self.state.cycles, "restart", self.cause))
        self.devices.settle()
        self.devices.restart()
        self._boot(self.strap, self.cause)

    def _reset_by_itself(self, kind: str, cause: int, *, pll: bool) -> None:
        self.log.resets.append(Reset(self.state.cycles, kind, cause))
        self.devices.settle()
        self.asleep = False
        self.devices.reset(pll=pll)
        self._boot(self.strap, cause)

    def _bite(self) -> None:
        self._reset_by_itself("watchdog", RESET_WATCHDOG, pll=False)

    def _wake_up(self) -> None:
        self._reset_by_itself("wake", RESET_EXTERNAL, pll=True)

    def _sleep(self, until: int | None) -> None:
        """Deep sleep: nothing runs but the RTC."""
        self.devices.settle()
        self.asleep = True
        self._wake.cancel()
        if until is not None and self.options.wakes:
            self._wake.schedule(until)

    # --- the ROM from reset to the program ---------------------------------------------------------------------------

    def run_ram(self, program: RamProgram, now_s: float) -> None:
        """The serial loader has put a program into RAM, and jumps to it."""
        self._begin_at(now_s)
        self.devices.reset(pll=True)
        self._begin(Strap(gpio0=False), RESET_EXTERNAL)
        data.initialise(self.guest, self.options.rom_flash_size)
        for address, contents in program.pieces:
            with contextlib.suppress(BusError, StoreError):  # nothing is there to hold it
                self.guest.write(address, contents)
        self.devices.uarts[0].set_divider(program.divider)
        self._jump(program.entry)

    def _jump(self, entry: int) -> None:
        state = self.state
        state.a[1], state.a[0] = data.STACK, PROGRAM_RETURNED
        state.ps, state.pc = PS_UM, entry

    def _begin(self, strap: Strap, cause: int) -> None:
        self.strap, self.cause = strap, cause
        self.nor.powered_down = False  # SDK 3.0 puts the flash to sleep with the chip; whoever boots from it wakes it
        state = self.state
        state.reset()
        state.set_fast(self.devices.dport.fast_core)
        self._wake.cancel()
        self._rom_stuck.cancel()
        self.devices.rtc.reason = cause
        self.devices.gpio.boot_mode = strap.boot_mode
        self._window = 0
        self._blind = self._mode_fails and self.options.bad_mode == "exception"
        self._load_window()

    def _boot(self, strap: Strap, cause: int) -> None:
        self._begin(strap, cause)
        state = self.state
        state.cycles += round(self.options.rom_s * CYCLES_PER_S)
        self._say(romlog.banner(strap, cause, self.options.mode_b))
        if not strap.flash_boot:
            self.guest.hang()
            return
        walk = image.walk(self._read_as_rom)
        self._say(romlog.loading(walk))
        self.devices.uarts[0].settle()
        if not walk.good or not self._load(walk):
            self.guest.hang()
            self._rom_stuck.schedule(state.cycles + round(self.options.watchdog_s * CYCLES_PER_S))
            return
        data.initialise(self.guest, self.options.rom_flash_size)
        self.devices.flash.set_speed(walk.header.speed)
        self._jump(walk.header.entry)

    def _say(self, text: bytes) -> None:
        for byte in text:
            put(self.guest, self.devices.uarts[0], byte)

    @property
    def _mode_fails(self) -> bool:
        return image.Header.parse(self.nor.read(0, image.HEADER.size)).mode not in self.options.modes

    def _read_as_rom(self, address: int, length: int) -> bytes:
        """Flash as the ROM sees it in the header's mode; its first 16 bytes are read before that is set."""
        if not self._mode_fails or self.options.bad_mode == "exception":
            return self.nor.read(address, length)
        first = self.nor.read(0, image.READ_UNIT) if self.options.bad_mode == "csum" else b""
        return (first + bytes(length))[address:][:length].ljust(length, b"\0")

    def _load(self, walk: image.Walk) -> bool:
        """Copy the segments to RAM; False where one goes nowhere, which the real ROM does not survive either."""
        at = image.HEADER.size
        for load in walk.loads:
            at += image.SEGMENT.size
            try:
                if load.length:
                    self.devices.flash.fetch(at, load.length)  # for its time
                    self.guest.write(load.address, self._read_as_rom(at, load.length))
            except (BusError, StoreError):
                return False
            at += load.length
        return True

    # --- running -----------------------------------------------------------------------------------------------------

    def advance(self, until: int, more: Callable[[], bool] | None = None) -> list[Output]:
        """Run until cycle `until`, or a little longer; what has left the UART by then.

        A machine that finds something missing stops: `stopped` tells what, and it says so on its line.

        Args:
            until: cycle to run to.
            more: asked after each `STRETCH` of executed cycles at the latest; it stops early once that says no.
        """
        try:
            while (self.state.cycles < until or self._pending is not None) and not (self.stopped or self.halted):
                self._turn(until, NEVER if more is None else STRETCH)
                if more is not None and not more():
                    break
        except _HaltedError:
            pass
        except NotThereError as error:
            self._stop(str(error))
        self.devices.settle()
        return self.take_outputs()

    def _turn(self, until: int, most: int) -> None:
        """Run the core up to its next stop, for `most` cycles at most, and see to that."""
        state, agenda = self.state, self.devices.agenda
        if self._pending is not None:
            action, self._pending = self._pending, None
            action()
            return
        if self.asleep:
            state.cycles = min(until, self._wake.at)
            if self._wake.at <= state.cycles:
                self._wake_up()
            return
        agenda.run_due()
        if self._pending is not None:
            return
        self._circles.skip(min(agenda.next(), until))
        if self._pending is not None:
            return
        state.horizon = self._circles.horizon(min(agenda.next(), until, state.cycles + most))
        clocks, instructions = state.clocks, state.instructions
        stop = self.core.run()
        self._circles.ran(stop, clocks, instructions)
        if stop == Stop.HOOK:
            stop = self.rom.serve()
        if stop == Stop.WAITI:
            state.cycles = max(state.cycles, min(agenda.next(), until, state.timer_at))

    def _stop(self, text: str) -> None:
        self.stopped = text
        self._say(f"\r\nsim: {text}\r\n".encode())
        self.state.cycles = self.devices.uarts[0].silent_at()

    def let_pass(self, now_s: float) -> None:
        """Let the time of a machine that waits for input go on to `now_s`; nothing is due before."""
        if self.idle:
            self.state.cycles = max(self.state.cycles, self.cycle_at(now_s))

    # --- line --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, baud: int) -> None:
        """Bytes begin to arrive at UART 0 now."""
        if not self.asleep and not self.stopped:
            self.devices.receive(data, baud)

    def take_outputs(self) -> list[Output]:
        """What has left the UART since it was last taken."""
        outputs, self.outputs = self.outputs, []
        return outputs

    def _sent(self, number: int, at: int, baud: int, byte: int) -> None:
        if number:
            self.log.uart1.append(byte)
            return
        byte_cycles = self.devices.uarts[0].byte_cycles
        last = self.outputs[-1] if self.outputs else None
        if last is not None and last.baud == baud and at - last.ends <= byte_cycles // 8:
            last.data.append(byte)
            last.ends = at + byte_cycles
        else:
            self.outputs.append(Output(at, baud, bytearray((byte,)), at + byte_cycles))

    # --- flash window ------------------------------------------------------------------------------------------------

    @property
    def window(self) -> tuple[int, bool]:
        """First flash address of the window, and whether it reads nothing; for snapshots."""
        return self._window, self._blind

    @window.setter
    def window(self, value: tuple[int, bool]) -> None:
        self._window, self._blind = value
        self.devices.flash.origin_s = self.origin_s

    def _remap(self, address: int) -> None:
        self._window = address
        self._load_window()

    def _load_window(self) -> None:
        self.memory.flash[:] = bytes(FLASH_SIZE) if self._blind else self.nor.read(self._window, FLASH_SIZE)
        self.core.flash_changed(0, FLASH_SIZE)

    def _flash_changed(self, address: int, length: int) -> None:
        """Show a change of the flash in the window, wherever it appears there."""
        if self.halted:
            raise _HaltedError
        if length >= FLASH_SIZE or self.nor.size < FLASH_SIZE or self._blind:
            self._load_window()
            return
        start = (address - self._window) % self.nor.size
        if start < FLASH_SIZE:
            length = min(length, FLASH_SIZE - start)
            self.memory.flash[start : start + length] = self.nor.read(address, length)
            self.core.flash_changed(start, length)
