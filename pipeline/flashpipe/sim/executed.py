"""The chip after reset where its program is executed: what `board` drives in place of a predicted program.

Restarts by software, by the watchdog and out of deep sleep stay inside, with all that they keep: RAM, RTC memory, pins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.sim.chip.chip import RESET_POWER_ON, Chip, RamProgram, SpokenBytes, Strap
from flashpipe.sim.chip.nor import Nor
from flashpipe.sim.devices.adc import FULL_SCALE
from flashpipe.sim.machine import Machine, MachineOptions, Output
from flashpipe.virtual_options import VALUES

SLICE_S: Final = 0.001
"""Board time after which a busy program is worth another look."""
_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})
BAD_MODES: Final = ("ets_main", "csum", "exception")


def _one_of(*words: str) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text not in words:
            raise BadValueError(f"{name}={text!r}", f"choose one of {', '.join(words)}")
        return text

    return read


def _number(low: int, high: int, kind: type[int | float] = int) -> Callable[[str, str], float]:
    def read(name: str, text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            what = "whole number" if kind is int else "number"
            raise BadValueError(f"{name}={text!r} is no number that fits", f"write a {what} from {low} to {high}")
        return value

    return read


_READERS: Final[Mapping[str, Callable[[str, str], str | float]]] = {
    "unmapped": _one_of(*VALUES["unmapped"]),
    "wake": _one_of(*VALUES["wake"]),
    "bad-mode": _one_of(*BAD_MODES),
    "adc": _number(0, FULL_SCALE),
    "seed": _number(0, 0xFFFFFFFF),
    "rom-s": _number(0, 60, float),
    "watchdog-s": _number(0, 60, float),
    "boot-mode-b": _number(0, 7),
}
OPTION_NAMES: Final = tuple(_READERS)
"""Options of executed firmware; `_` may stand for `-`."""


def option_values(options: Mapping[str, str]) -> dict[str, str | float]:
    """The options of executed firmware, read; `-` in their names.

    Raises:
        BadValueError: an unknown option, or a value that cannot be read.
    """
    values: dict[str, str | float] = {}
    for written, text in options.items():
        name = written.replace("_", "-")
        if name not in _READERS:
            raise BadValueError(f"{written!r} is no option of executed firmware", f"these are: {', '.join(_READERS)}")
        values[name] = _READERS[name](name, text)
    return values


def machine_options(chip: Chip, options: Mapping[str, str] = _NO_OPTIONS) -> MachineOptions:
    """What a machine is made with, from a board's parts and its options as texts.

    Raises:
        BadValueError: an unknown option, or a value that cannot be read.
    """
    values, defaults = option_values(options), MachineOptions()
    return MachineOptions(
        mac=chip.mac,
        chip=chip.kind,
        crystal_mhz=chip.crystal_mhz,
        rom_flash_size=chip.rom_flash_size,
        modes=chip.supported_modes,
        tolerant=values.get("unmapped") == "warn",
        wakes=values.get("wake", "wired") == "wired",
        bad_mode=str(values.get("bad-mode", defaults.bad_mode)),
        adc=int(values.get("adc", defaults.adc)),
        seed=int(values.get("seed", defaults.seed)),
        rom_s=float(values.get("rom-s", defaults.rom_s)),
        watchdog_s=float(values.get("watchdog-s", defaults.watchdog_s)),
        mode_b=int(values.get("boot-mode-b", defaults.mode_b)),
    )


class Executed:
    """What the chip runs after reset when it is not in the serial loader, executed.

    Args:
        flash: the NOR part; the program changes it while it runs.
        chip: the rest of the board.
        strap: strapping pins as sampled at this reset.
        reset_cause: `rst cause` number.
        now: board time of the reset, in seconds.
        options: options by name (`OPTION_NAMES`).
        machine: the chip as it was before this reset, to keep what a reset keeps; a new one where there is none.
        ram: run this, which the serial loader has put into RAM, and not what is in flash.

    Raises:
        BadValueError: an option that does not exist or cannot be read.
    """

    def __init__(  # noqa: PLR0917 - one call, the order of a reset: what is soldered down, then what happened
        self,
        flash: Nor,
        chip: Chip,
        strap: Strap,
        reset_cause: int,
        now: float,
        options: Mapping[str, str] = _NO_OPTIONS,
        machine: Machine | None = None,
        ram: RamProgram | None = None,
    ) -> None:
        self.machine = machine or Machine(flash, machine_options(chip, options))
        self._early: list[Output] = []
        """What the ROM says at a time that is still to come: its start is done in one go."""
        if ram is not None:
            self.machine.run_ram(ram, now)
        elif reset_cause == RESET_POWER_ON or machine is None:
            self.machine.power_on(strap, now, cause=reset_cause)
        else:
            self.machine.reset(strap, now, reset_cause)

        self._in_ram = len(self.machine.log.resets) if ram is not None else -1

    @property
    def in_ram(self) -> bool:
        """Whether it came into RAM by the serial loader, and has not restarted the chip since."""
        return self._in_ram == len(self.machine.log.resets)

    @property
    def baud(self) -> int:
        """Current rate of UART 0."""
        return self.machine.devices.uarts[0].baud

    @property
    def reset_request(self) -> int | None:
        """None: every reset that the program causes happens inside."""
        return None

    @property
    def now(self) -> float:
        """Board time up to which it has run."""
        return self.machine.now_s

    def halt(self) -> None:
        """The program ends here, even in the middle of a flash operation."""
        self.machine.halt()

    @property
    def stopped(self) -> str:
        """Why the program cannot go on; empty while it can."""
        return self.machine.stopped

    def wake_at(self) -> float | None:
        """Board time of the next thing to happen; None = nothing until input."""
        machine = self.machine
        if self._early or machine.outputs:
            first = self._early[0] if self._early else machine.outputs[0]
            return machine.seconds(first.cycle)
        if machine.idle:
            at = machine.next_event()
            return None if at is None else machine.seconds(max(at, machine.state.cycles))
        return machine.now_s + SLICE_S

    @property
    def calm(self) -> bool:
        """Whether nothing is on its way to the host or from it, as far as is known."""
        return not (self._early or self.machine.outputs or self.machine.devices.uarts[0].incoming)

    def advance(self, now: float, more: Callable[[], bool] | None = None) -> list[SpokenBytes]:
        """Everything due up to `now`, in order, as long as `more` says yes; flash changes happen here too."""
        machine = self.machine
        end = machine.cycle_at(now) + 1
        said = self._early + machine.advance(end, more)
        self._early = [output for output in said if output.cycle > end]
        return [self._said(output) for output in said if output.cycle <= end]

    def _said(self, output: Output) -> SpokenBytes:
        return SpokenBytes(self.machine.seconds(output.cycle), output.baud, bytes(output.data))

    def receive(self, data: bytes, baud: int, now: float) -> None:
        """Bytes from the host, sent at `baud`; at another rate than the program's they are noise.

        The caller has advanced to `now`; an idle program's time stands still until then.
        """
        self.machine.let_pass(now)
        self.machine.receive(data, baud)
