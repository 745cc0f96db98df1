"""One virtual board in board time: power, reset circuit, straps, and whichever program the chip is running.

Sans-I/O: bytes and line changes go in with the board time at which they happen, `advance` lets things happen, bytes
leave through `uart.outbound`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Final

from flashpipe.errors import NotEmulatedError
from flashpipe.sim.boot import Application, PredictedRam, rom_banner
from flashpipe.sim.chip import parts, registers
from flashpipe.sim.chip.chip import RESET_EXTERNAL, RESET_POWER_ON, Chip, RamProgram, Strap
from flashpipe.sim.chip.flash_file import FileCells, open_cells
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.chip.timing import Costs
from flashpipe.sim.chip.wire import LineUart
from flashpipe.sim.cpu.start import core_name
from flashpipe.sim.executed import Executed
from flashpipe.sim.faults import Faults, PinFaults
from flashpipe.sim.kinds import ALL_MODES
from flashpipe.sim.loader.main_loop import LoaderMachine, LoaderOutcome, SerialLoader
from flashpipe.sim.loader.rom import RomLoader, know_flash
from flashpipe.sim.loader.stub import recognise
from flashpipe.sim.loader.stub1 import Stub1
from flashpipe.sim.loader.stub2 import Stub2
from flashpipe.values import dataclass

STARTS: Final = ("app", "rom", "stub-v1", "stub-v2")
_HELLO_S: Final = 0.02
"""How often a program in RAM repeats its text; the real one prints without a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSpec:
    """Everything a board is made from."""

    name: str = "esp12"
    mac: str = "5c:cf:7f:00:00:01"
    part: str = "W25Q32"
    flash_id: int | None = None
    """What the part answers to RDID instead of its own identity."""
    size: int = 4 * 1024 * 1024
    """Cells there are."""
    flash: Path | None = None
    fill: str = "factory"
    chip: str = "ESP8266EX"
    crystal_mhz: int = 26
    modes: frozenset[int] = ALL_MODES
    wired: bool = True
    """Whether DTR and RTS reach EN and GPIO0."""
    lines: str = "straight"
    """`straight`; `exchanged`: DTR is wired as RTS and the other way round; `no-dtr`: DTR reaches nothing."""
    start: str = "app"
    gpio0_low: bool = False
    """A jumper holds GPIO0 down."""
    drain: bool = False
    """Whether unknown commands are answered eight times under another opcode, or once under their own."""
    costs: Costs = field(default_factory=Costs)
    app_options: dict[str, str] = field(default_factory=dict)
    predicted: str = ""
    """Why the program in flash is not executed, but predicted; empty where it is executed."""
    download_banner: bool = True
    """Whether the ROM's first line is sent in download mode; not where nobody saw the reset (a pty)."""


FlashProgram = Application | Executed
Program = SerialLoader | FlashProgram | PredictedRam | None


class VirtualBoard:
    """One board."""

    def __init__(self, spec: BoardSpec, now: float = 0.0) -> None:
        self.spec = spec
        self.cells = open_cells(spec.flash, spec.size, spec.fill)
        part = parts.part_by_name(spec.part)
        self.nor = Nor(self.cells, parts.with_id(part, spec.flash_id), parts.with_costs(part, spec.costs))
        self.uart = LineUart(2e6 * spec.crystal_mhz)
        self.registers = registers.Registers(registers.Efuses.of(spec.mac, spec.chip), self.nor)
        self.registers.read_divider = lambda: self.uart.divider
        self.registers.write_divider = self._write_divider
        self.machine = LoaderMachine(self.uart, self.registers, self.nor, spec.costs)
        self.chip = Chip(
            mac=spec.mac, flash_id=self.nor.part.flash_id, flash_size=self.nor.size, supported_modes=spec.modes,
            crystal_mhz=spec.crystal_mhz, kind=spec.chip, rom_flash_size=int(spec.costs.rom_chip_size),
        )  # fmt: skip
        self.program: Program = None
        self.behind: float | None = None
        """Board time up to which the program has got, where it is too slow for the time that it was given."""
        self._executed: Executed | None = None
        """The last program that was executed: its chip keeps what a reset keeps."""
        self._executing = False
        self._after: Callable[[], None] | None = None
        """What a fault wants done as soon as the program has stopped."""
        self.powered = True
        self.gpio0_held = spec.gpio0_low
        self.pins = PinFaults()
        self.silent_stub = False
        """Fault: an uploaded stub never answers."""
        self.resets = 0
        self._cause = RESET_POWER_ON
        self._strap = Strap()
        self._dtr = self._rts = False
        self._in_reset = False
        self._release_at: float | None = None
        self._event_at = now
        know_flash(self.machine)
        self._start_as(spec.start, now)

    # --- state -------------------------------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """What is running: `rom`, `stub-v1`, `stub-v2`, `app`, `ram`, or `off`."""
        kinds = {RomLoader: "rom", Stub1: "stub-v1", Stub2: "stub-v2", PredictedRam: "ram"}
        in_ram = isinstance(self.program, Executed) and self.program.in_ram
        return "ram" if in_ram else "app" if self.runs_flash else kinds.get(type(self.program), "off")

    @property
    def runs_flash(self) -> bool:
        """Whether the chip runs what the ROM found in flash."""
        return isinstance(self.program, Application | Executed)

    @property
    def core(self) -> str:
        """Name of the core that executes the program in flash; empty where that is predicted."""
        if self.spec.predicted:
            return ""
        return self._executed.machine.core.name if self._executed is not None else core_name()

    @property
    def en_rises(self) -> bool:
        """EN is rising: what comes of it depends on what the lines do meanwhile."""
        return self._release_at is not None

    @property
    def calm(self) -> bool:
        """Whether an executed program is left to itself: nothing is on its way to the host or from it."""
        lines = self.uart.inbound, self.uart.outbound
        return isinstance(self.program, Executed) and self.program.calm and all(line.empty for line in lines)

    def _write_divider(self, value: int) -> None:
        self.uart.divider = max(1, value)

    def _start_as(self, start: str, now: float) -> None:
        if start == "app":
            self._boot(RESET_POWER_ON, now)
        elif start == "rom":
            self._strap = Strap(gpio0=False)
            self.program = self._rom(now)
        else:
            self._strap = Strap(gpio0=False)
            kind = Stub1 if start == "stub-v1" else Stub2
            self.program = kind(self.machine, now, greet=False)

    def _rom(self, now: float) -> RomLoader:
        return RomLoader(self.machine, now, drain=self.spec.drain)

    def _boot(self, cause: int, now: float) -> None:
        """Sample the straps and start what they say."""
        self._cause = cause
        high = not (self.gpio0_held or self._pulled_down)
        self._strap = Strap(gpio0=high, gpio2=not self.pins.gpio2_low, gpio15=self.pins.gpio15_high)
        self._restart(now)

    def _restart(self, now: float) -> None:
        """Start with the straps as they were latched."""
        self.resets += 1
        self.registers.reset()
        know_flash(self.machine)
        self.nor.powered_down = False
        self.uart.inbound.clear()
        begins = now + self.spec.costs.reset_us * 1e-6
        if self._strap.download:
            if self.spec.download_banner:
                self.uart.outbound.send(rom_banner(self._strap, self._cause), begins, self.chip.rom_baud)
            self.program = self._rom(begins)
        else:
            self._run_flash(self._strap, begins)

    def _run_flash(self, strap: Strap, now: float) -> None:
        if self.spec.predicted:
            self.program = Application(self.nor, self.chip, strap, self._cause, now, self.spec.app_options)
        else:
            self._execute_from(None, strap, now)

    def _execute_from(self, ram: RamProgram | None, strap: Strap, now: float) -> None:
        machine, options = self._executed.machine if self._executed is not None else None, self.spec.app_options
        self._executed = Executed(self.nor, self.chip, strap, self._cause, now, options, machine, ram)
        self.program = self._executed

    def _run_ram(self, entry: int, now: float) -> None:
        if self.spec.predicted:
            self.program = PredictedRam(self.registers.first_text(), now)
        else:
            self._execute_from(RamProgram(tuple(self.registers.uploaded()), entry, self.uart.divider), Strap(), now)

    def executing(self, now: float) -> Executed:
        """The program in flash, whatever has run before, for who is about to give it another state.

        Raises:
            NotEmulatedError: it is predicted, not executed.
        """
        if self.spec.predicted:
            raise NotEmulatedError("this virtual board predicts its firmware", "leave out execute=off and the like")
        if self._executed is None or self.program is not self._executed:
            self._stop()
            self._run_flash(Strap(), now)
        assert self._executed is not None
        return self._executed

    # --- power and pins ----------------------------------------------------------------------------------------------

    @property
    def _pulled_down(self) -> bool:
        """DTR asserted alone pulls GPIO0 down (facts: esp8266 §2.3)."""
        return self.spec.wired and self._dtr and not self._rts and not self.pins.gpio0_open

    def power(self, *, on: bool, now: float) -> None:
        """Switch the supply; RAM is lost."""
        if on == self.powered:
            return
        self.powered = on
        if on:
            self._boot(RESET_POWER_ON, now)
        else:
            self._stop()
            self.nor.status &= ~0x02
            self.nor.busy_until = 0.0

    def halt(self) -> None:
        """The program ends here, even in the middle of what it is doing."""
        if isinstance(self.program, SerialLoader):
            self.program.stopped = True
        elif isinstance(self.program, Executed):
            self.program.halt()
        self.program = None

    def _stop(self) -> None:
        self.halt()
        self.uart.outbound.clear()  # what had arrived was taken before; the rest never comes
        self.uart.inbound.clear()

    def reset(self, now: float, *, download: bool | None = None) -> None:
        """Pulse EN; `download` overrides what GPIO0 says."""
        if not self.powered:
            return
        if self._executing:  # a fault in the middle of what the program does to the flash
            self.halt()
            self._after = lambda: self.reset(self._event_at, download=download)
            return
        self._stop()
        if download is None:
            self._boot(RESET_EXTERNAL, now)
            return
        self._cause, self._strap = RESET_EXTERNAL, Strap(gpio0=not download)
        self._restart(now)

    def set_lines(self, *, dtr: bool, rts: bool, now: float, rise_s: float) -> None:
        """DTR and RTS change; True is asserted, that is low.

        RTS alone pulls EN low, DTR alone GPIO0; both together do nothing. But the capacitor on EN lets it rise slowly:
        who asserts DTR and then drops RTS, as esptool's portable sequence does, passes through "both" faster than EN
        rises, and GPIO0 is sampled when RTS has gone. `rise_s` is how long that may take, in board time.
        """
        self.advance(now)
        if self.spec.lines == "exchanged":
            dtr, rts = rts, dtr
        self._dtr, self._rts = dtr and self.spec.lines != "no-dtr", rts
        dtr = self._dtr
        if not self.spec.wired or not self.powered:
            return
        if self.pins.en_open:
            return
        if rts and not dtr:
            if not self._in_reset:
                self._stop()
            self._in_reset, self._release_at = True, None
        elif self._in_reset and rts:
            self._release_at = now + rise_s
        elif self._in_reset:
            self._release(now)

    def _release(self, now: float) -> None:
        self._in_reset, self._release_at = False, None
        self._boot(RESET_EXTERNAL, now)

    def meet(self, faults: Faults) -> None:
        """What is wrong with the board now."""
        self.nor.hook = faults.before_flash
        self.machine.flash_damage = faults.flash_damage
        self.machine.clock_flash()
        self.silent_stub = "stub-silent" in faults.switches
        if "protect" in faults.limits:
            self.nor.status |= (faults.limits["protect"] & 7) << 2
        if "no-flash" in faults.switches:
            self.nor.absent = True
        self.pins = faults.pins

    # --- the line ----------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, baud: float, now: float) -> None:
        """The host sends."""
        if self.program is not None and self.powered:
            self.uart.inbound.send(data, now, baud)

    def wake_at(self) -> float | None:
        """Board time of the next thing to happen; None = nothing until input."""
        if self._release_at is not None:
            return self._release_at
        if isinstance(self.program, SerialLoader):
            return self.program.wake_at()
        burst = self.uart.inbound.head()
        inbound = None if burst is None else self.uart.inbound.free_at
        due = None
        if isinstance(self.program, Executed):
            due, inbound = self.program.wake_at(), None if burst is None else burst.start
        elif isinstance(self.program, Application):
            due = self.program.wake_at()
        elif isinstance(self.program, PredictedRam):
            due = self.program.due
        times = [time for time in (inbound, due) if time is not None]
        return min(times) if times else None

    def advance(self, now: float, steps: int = 100_000, more: Callable[[], bool] = lambda: True) -> None:
        """Let everything happen that is due by `now`, at most about `steps` turns of a loader's main loop.

        `more` is asked before each piece of an executed program; once it says no, `behind` tells how far that has got.
        """
        self.behind = None
        if self._release_at is not None and self._release_at <= now:
            self._release(self._release_at)
        for _ in range(100):
            program = self.program
            if isinstance(program, SerialLoader):
                outcome = program.advance(now, steps)
                if outcome is None or program.stopped:
                    return
                self._follow(outcome, program.now)
            elif isinstance(self.program, Executed):
                if not self._advance_executed(self.program, now, more):
                    return
            elif isinstance(self.program, Application):
                if not self._advance_application(self.program, now):
                    return
            else:
                self._advance_ram(now)
                return

    def _follow(self, outcome: LoaderOutcome, now: float) -> None:
        """A loader has ended; what comes next sets the flash's clock itself."""
        self.nor.damage = None
        if outcome.kind == "jump":
            version = recognise(self.registers, outcome.entry)
            if version is None:
                self._run_ram(outcome.entry, now)
            elif self.silent_stub:
                self.program = None
            else:
                self.program = (Stub1 if version == 1 else Stub2)(self.machine, now)
        elif outcome.kind == "boot":
            self._run_flash(Strap(), now)
        elif outcome.kind == "reset":
            self._restart(now)
        else:
            self.program = None

    def _advance_application(self, program: Application, now: float) -> bool:
        """Whether the program was replaced by another one."""
        while (burst := self.uart.inbound.head()) and (count := burst.arrived(now)):
            at, baud = burst.next_at + (count - 1) * burst.byte_s, burst.baud
            self._pass_on(program, at)
            program.receive(self.uart.inbound.take(count), round(baud), at)
        self._pass_on(program, now)
        cause = program.reset_request
        if cause is None or self.program is not program:
            return False
        self._cause = cause
        self._restart(self._event_at)
        return True

    def _advance_executed(self, program: Executed, now: float, more: Callable[[], bool]) -> bool:
        """Whether a fault has replaced the program by another one. What the host sends arrives byte by byte."""
        while (burst := self.uart.inbound.head()) is not None and burst.start <= now:
            if not self._execute(program, burst.start, more):
                break
            at, baud = burst.start, burst.baud
            program.receive(self.uart.inbound.take(burst.left), round(baud), at)
        if self.program is program:
            self._execute(program, now, more)
        action, self._after = self._after, None
        if action is None:
            return False
        action()
        return True

    def _execute(self, program: Executed, until: float, more: Callable[[], bool]) -> bool:
        """Run it up to a board time; False where it does not get there."""
        while (due := program.wake_at()) is not None and due <= until:
            if not more():
                self.behind = program.now
                return False
            self._executing = True
            try:
                said = program.advance(until, more)
            finally:
                self._executing = False
            self._event_at = program.now
            for words in said:
                self.uart.outbound.send(words.data, words.at_s, words.baud)
            if self.program is not program:
                return False
        return True

    def _pass_on(self, program: Application, until: float) -> None:
        """Event by event, because a reset must begin at its own time however late it is noticed."""
        while self.program is program and (due := program.wake_at()) is not None and due <= until:
            self._event_at = due
            for said in program.advance(due):
                self.uart.outbound.send(said.data, said.at_s, said.baud)

    def _advance_ram(self, now: float) -> None:
        self.uart.inbound.clear()
        program = self.program
        if not isinstance(program, PredictedRam) or not program.text:
            return
        while program.due <= now:
            self.uart.say(program.text, program.due)
            program.due += _HELLO_S

    def close(self) -> None:
        """Let go of the flash file."""
        if isinstance(self.cells, FileCells):
            self.cells.close()

    def reopen(self) -> None:
        """Take the flash file again.

        Raises:
            BadValueError: somebody else uses it now, or it was changed in size.
        """
        if isinstance(self.cells, FileCells):
            self.cells.open()
