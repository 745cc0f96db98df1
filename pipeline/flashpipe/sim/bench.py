"""A board on the bench: pins, ADC, time and snapshots of a board in this process, for whoever looks behind its port.

Pins are GPIO numbers, 16 included. What a snapshot is put back into goes on at the board time of the moment.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.sim import snapshot
from flashpipe.sim.devices.adc import FULL_SCALE
from flashpipe.sim.devices.agenda import CYCLES_PER_S
from flashpipe.sim.devices.gpio import PINS
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.machine import Machine
from flashpipe.sim.snapshot import Snapshot

WAKE_PIN: Final = 16
"""The pin that belongs to the RTC."""
_SOURCES: Final = ("*.py", "*.c")


def version() -> str:
    """What this virtual board is made of, as a digest: a snapshot is for the same one only."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _SOURCES for path in folder.rglob(pattern)):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class Bench:
    """One board whose firmware is executed, from behind."""

    def __init__(self, line: HostLine) -> None:
        self._line = line

    @property
    def _machine(self) -> Machine:
        return self._line.board.executing(self._line.own_time()).machine

    # --- snapshots ---------------------------------------------------------------------------------------------------

    version = staticmethod(version)

    def save(self) -> bytes:
        """The whole chip as it is now, its flash included."""
        with self._line.changed:
            return snapshot.save(self._machine)

    def read(self, data: bytes) -> Snapshot:
        """What `save` gave, to be put back as often as wanted.

        Raises:
            BadValueError: it is of another version, or damaged.
        """
        return snapshot.read(data)

    def restore(self, saved: Snapshot) -> None:
        """Put the chip back to where it was saved; nothing that was said before is heard any more.

        Raises:
            BadValueError: it is that of another board.
        """
        line = self._line
        with line.changed:
            now = line.own_time()
            machine = self._machine
            for way in (line.board.uart.inbound, line.board.uart.outbound):
                way.clear()
            snapshot.restore(machine, saved)
            machine.nor.busy_until = 0.0
            machine.origin_s = now - machine.state.cycles / CYCLES_PER_S
            machine.devices.flash.origin_s = machine.origin_s
            machine.devices.gpio.edges.clear()
            machine.devices.rtc.gpio16_edges.clear()
            line.clear_received()

    # --- time --------------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Board time in seconds."""
        return self._line.own_time()

    def advance(self, seconds: float) -> None:
        """Let so much board time pass, as fast as that goes."""
        self._line.own_time()
        self._line.let_pass(seconds)

    @property
    def resets(self) -> int:
        """Resets that the chip has made by itself since the snapshot, or since it was switched on."""
        return len(self._machine.log.resets)

    # --- pins --------------------------------------------------------------------------------------------------------

    def set_pin(self, pin: int, *, high: bool) -> None:
        """Something outside gives a pin a level; the program sees it where it does not drive that pin itself.

        Raises:
            BadValueError: there is no such pin.
        """
        with self._line.changed:
            devices = self._machine.devices
            if _checked(pin) == WAKE_PIN:
                devices.rtc.gpio16_outside = int(high)
            else:
                devices.gpio.set(pin, high=high)

    def level(self, pin: int) -> bool:
        """What a pin is: as the program drives it, else as something outside has it.

        Raises:
            BadValueError: there is no such pin.
        """
        devices = self._machine.devices
        if _checked(pin) == WAKE_PIN:
            return bool(devices.rtc.gpio16_level())
        return bool(devices.gpio.levels() >> pin & 1)

    def edges(self, pin: int) -> list[tuple[float, bool]]:
        """Changes of a pin since the snapshot: board time in seconds, and the level from then on.

        Raises:
            BadValueError: there is no such pin.
        """
        machine = self._machine
        if _checked(pin) == WAKE_PIN:
            return [(machine.seconds(cycle), high) for cycle, high in machine.devices.rtc.gpio16_edges]
        return [(machine.seconds(edge.cycle), edge.level) for edge in machine.devices.gpio.edges if edge.pin == pin]

    @property
    def adc(self) -> int:
        """What the program measures, a whole number from 0 to 1024."""
        return self._machine.devices.adc.value

    @adc.setter
    def adc(self, value: int) -> None:
        if type(value) is not int or not 0 <= value <= FULL_SCALE:
            raise BadValueError(f"the ADC measures no {value}", f"from 0 to {FULL_SCALE}")
        with self._line.changed:
            self._machine.devices.adc.value = value


def _checked(pin: int) -> int:
    if not 0 <= pin <= PINS:
        raise BadValueError(f"there is no GPIO{pin}", f"GPIO0 to GPIO{PINS}")
    return pin
