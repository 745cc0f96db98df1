"""The chip after reset, when it is not in the serial loader: ROM log, then what the program in flash would say.

For images without code that could run, and for boards that are asked not to execute (`execute=off`): what the program
prints is predicted from the texts of its image (`start_program`). Sans-I/O: the caller passes board time in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from flashpipe.sim import start_program as programs
from flashpipe.sim.chip import image
from flashpipe.sim.chip.chip import RESET_WATCHDOG, Chip, PredictedFlash, SpokenBytes, Strap
from flashpipe.sim.firmware import identify as firmware
from flashpipe.sim.firmware import romlog
from flashpipe.sim.firmware.program import Baud, Listen, PredictedChip, Program, ProgramReset, Say, Step, Wait
from flashpipe.sim.firmware.settings import NAMES as OPTION_NAMES
from flashpipe.sim.firmware.settings import Settings

__all__ = ["OPTION_NAMES", "Application", "Chip", "PredictedFlash", "SpokenBytes", "Strap", "rom_banner"]

BITS_PER_BYTE: Final = 10
"""8N1: a start bit, eight data bits, a stop bit."""

BAUD_TOLERANCE: Final = 0.03
"""How far a sender's speed may be off before bytes are garbage: about a third of a bit over ten."""

_NO_OPTIONS: Final[Mapping[str, str]] = MappingProxyType({})


def rom_banner(strap: Strap, cause: int, mode_b: int = 6) -> bytes:
    """First lines the ROM prints after a reset, at `Chip.rom_baud`; in download mode there is nothing else."""
    return romlog.banner(strap, cause, mode_b)


class Application:
    """What the chip runs after reset when it is not in the serial loader.

    Args:
        flash: the NOR part.
        chip: the rest of the board.
        strap: strapping pins as sampled at this reset.
        reset_cause: `rst cause` number.
        now: board time of the reset, in seconds.
        options: boot options by name (`OPTION_NAMES`).

    Raises:
        BadValueError: an option that does not exist or cannot be read.
    """

    def __init__(  # noqa: PLR0917 - one call, the order of a reset: what is soldered down, then what happened
        self,
        flash: PredictedFlash,
        chip: Chip,
        strap: Strap,
        reset_cause: int,
        now: float,
        options: Mapping[str, str] = _NO_OPTIONS,
    ) -> None:
        self._machine = PredictedChip(flash, chip, strap, reset_cause, Settings.parse(options))
        self._program = _run(self._machine)
        self._due: float | None = now
        self._baud = chip.rom_baud
        self._reset: int | None = None
        self._asleep = False

    @property
    def baud(self) -> int:
        """Current UART speed of the program."""
        return self._baud

    @property
    def reset_request(self) -> int | None:
        """Cause of the reset that the hardware watchdog has just made, or None while the program runs.

        Restarts by software stay inside: they sample no pins and keep the cause (facts: esp8266 §2.2).
        """
        return self._reset

    def wake_at(self) -> float | None:
        """Board time of the next thing to happen; None = nothing until input."""
        return self._due

    def advance(self, now: float) -> list[SpokenBytes]:
        """Everything due up to `now`, in order."""
        said: list[SpokenBytes] = []
        while self._due is not None and self._due <= now:
            self._machine.now = self._due
            step = next(self._program, None)
            self._due = None if step is None else self._take(step, self._due, said)
        return said

    def receive(self, data: bytes, baud: int, now: float) -> None:
        """Bytes from the host; at another speed than the program's they are noise and get lost."""
        if self._hears(baud):
            self._due = now if self._due is None or self._asleep else self._due
            self._machine.inbox += data

    def _hears(self, baud: int) -> bool:
        return self._machine.listening and abs(baud - self._baud) <= BAUD_TOLERANCE * self._baud

    def _take(self, step: Step, at: float, said: list[SpokenBytes]) -> float | None:
        self._asleep = isinstance(step, Listen)
        match step:
            case Say(data):
                if data:
                    said.append(SpokenBytes(at, self._baud, data))
                return at + len(data) * BITS_PER_BYTE / self._baud
            case Baud(baud):
                self._baud = baud
            case Wait(seconds):
                return at + seconds
            case Listen(until):
                return at if self._machine.inbox else None if until is None else max(at, until)
            case ProgramReset(cause):
                self._reset = cause
                return None
        return at


def _run(machine: PredictedChip) -> Program:
    """Power on: each turn of the loop is one start of the ROM; a program that returns has restarted the chip."""
    while True:
        machine.listening = False
        machine.inbox.clear()
        yield Baud(machine.chip.rom_baud)
        yield Wait(machine.settings.rom_s)
        yield Say(romlog.banner(machine.strap, machine.cause, machine.settings.boot_mode_b))
        if not machine.strap.flash_boot:
            return
        walk = image.walk(_reader(machine))
        yield Say(romlog.loading(walk))
        if not walk.good:
            yield Wait(machine.settings.watchdog_s)
            yield ProgramReset(RESET_WATCHDOG)
            return
        if _mode_fails(machine, "exception"):
            yield from programs.crash(machine, firmware.ILLEGAL_INSTRUCTION)
            continue
        restart = yield from programs.run(machine, walk)
        if not restart:
            return


def _mode_fails(machine: PredictedChip, symptom: str) -> bool:
    mode = image.Header.parse(machine.read(0, 8)).mode
    return mode not in machine.chip.supported_modes and machine.settings.bad_mode == symptom


def _reader(machine: PredictedChip) -> firmware.Read:
    """Flash as the ROM sees it in the header's mode.

    A mode that the part cannot do: either nothing is recognised, or only the first 16 bytes, read before the mode is
    set, are right and all others are 0 (captures in tests/sim/chip/data: `load 0x00000000, len 0`).
    """
    if _mode_fails(machine, "ets_main"):
        return lambda _address, length: bytes(length)
    if _mode_fails(machine, "csum"):
        first = machine.read(0, image.READ_UNIT)
        return lambda address, length: (first + bytes(length))[address:][:length].ljust(length, b"\0")
    return machine.read


class PredictedRam:
    """A program that load-ram started, predicted: its first text is printed over and over."""

    def __init__(self, text: bytes, now: float) -> None:
        self.text = text
        self.due = now
