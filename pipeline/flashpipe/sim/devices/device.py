"""What a block of registers is, and the bus that finds it by address."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from flashpipe.sim.cpu.contract import CoreState
from flashpipe.sim.devices.agenda import Agenda
from flashpipe.sim.devices.interrupts import Interrupts
from flashpipe.sim.memory import ROM_SIZE, ROM_START, BusError
from flashpipe.sim.register_file import Counter, RegisterFile, RegisterKind, Words, place
from flashpipe.values import dataclass

WORD_MASK: Final = 0xFFFFFFFF
READ_CYCLES: Final = 3
WRITE_CYCLES: Final = 1
"""What an access costs beyond the instruction itself; choices, since the bus's wait states are not documented."""
PERIPHERALS: Final = (range(0x3FF00000, 0x3FF60000), range(0x60000000, 0x60010000))
"""Where the chip has registers; outside nothing answers (esp8266-wiki, Memory-Map)."""
UNUSED_RAM: Final = range(0x3FFC0000, 0x3FFE8000)
"""Between registers and data RAM: reads as 0, writes are lost (esp8266-wiki, Memory-Map)."""
PAGE_SHIFT: Final = 8

POLLS: Final = 8
POLL_CYCLES: Final = 200
POLLED_REGISTERS: Final = 3
"""This many reads of so many registers, this close together and with the same answers, are a program that waits."""
POLL_SHARE: Final = 4
WATCHDOG_FEED: Final = 0x60000914
"""Whoever waits feeds the watchdog meanwhile: that changes nothing of what is asked."""
CLOCKS: Final = frozenset((0x3FF20C00, 0x3FF21048, 0x3FF2104C, 0x60000604, 0x60000624, 0x6000071C))
"""Registers that count: microseconds, the MAC's time, FRC1, FRC2, the RTC's slow clock."""
_ASKED, _REPEATS, _SINCE, _LAST, _AT = map(
    int, (Counter.ASKED, Counter.REPEATS, Counter.SINCE, Counter.LAST, Counter.AT)
)
_READ, _WRITE = int(RegisterKind.READ), int(RegisterKind.WRITE)
_TO_WORD: Final = Counter.WORD - Counter.AT
_AGAIN: Final = 1 << 32
"""Set with the answer of a register that was asked again since the last new one was."""
LONGEST_SKIP: Final = 80_000
"""Cycles that such a program waits at most before it asks again: a millisecond."""


class NotThereError(Exception):
    """The program uses something that the virtual board does not have; the text names it."""


@dataclass(slots=True)
class Wiring:
    """What every device is connected to."""

    state: CoreState
    agenda: Agenda
    interrupts: Interrupts
    registers: RegisterFile


class RegisterBlock:
    """A block of registers.

    `readers` and `writers` do something for single addresses; every other address in `pages` remembers what was
    written, if `kept` says so, and is not there otherwise.
    """

    name: ClassVar[str]
    pages: ClassVar[tuple[range, ...]]
    """Address ranges, each a multiple of 256 bytes."""
    kept: ClassVar[tuple[range, ...]] = ()
    """Addresses that remember what was written."""
    saved: ClassVar[tuple[str, ...]] = ()
    """Attributes that a snapshot needs, `words` not counted: numbers, texts, and lists of them."""

    def __init__(self, wiring: Wiring) -> None:
        self.state = wiring.state
        self.agenda = wiring.agenda
        self.interrupts = wiring.interrupts
        self.words = Words(wiring.registers, self.pages)
        self.counters = wiring.registers.counters
        self.readers: dict[int, Callable[[], int]] = {}
        self.writers: dict[int, Callable[[int], None]] = {}

    def read(self, address: int) -> int:
        """The word at `address`.

        Raises:
            NotThereError: there is no such register.
        """
        reader = self.readers.get(address)
        if reader is not None:
            return reader()
        if self._is_kept(address):
            return self.words[address]
        return self._missing(address, "read")

    def write(self, address: int, value: int) -> None:
        """Store a word at `address`.

        Raises:
            NotThereError: there is no such register.
        """
        writer = self.writers.get(address)
        if writer is not None:
            writer(value)
        elif self._is_kept(address):
            self.words[address] = value
        else:
            self._missing(address, f"written with 0x{value:08x}")

    def _is_kept(self, address: int) -> bool:
        return any(address in area for area in self.kept)

    def _missing(self, address: int, how: str) -> int:
        if address in (self.writers if how == "read" else self.readers):
            return 0
        raise NotThereError(f"register 0x{address:08x} of {self.name}, {how}, is not there")

    def reset(self) -> None:
        """What a reset of the chip does to it."""
        self.words.clear()

    def snapshot(self) -> dict[str, object]:
        """Everything that `restore` needs, as plain values."""
        state: dict[str, object] = {name: _copied(getattr(self, name)) for name in self.saved}
        state["words"] = [[address, value] for address, value in self.words.items()]
        return state

    def restore(self, saved: dict[str, Any]) -> None:
        """Put back what `snapshot` gave."""
        for name in self.saved:
            setattr(self, name, _copied(saved[name]))
        self.words.clear()
        self.words.update(dict(saved["words"]))


class Counted:
    """An attribute of a device that lies among the shared counters."""

    def __init__(self, counter: Counter) -> None:
        self._at = int(counter)

    def __get__(self, device: RegisterBlock, _kind: type) -> int:
        return device.counters[self._at]

    def __set__(self, device: RegisterBlock, value: int) -> None:
        device.counters[self._at] = value


def _copied(value: object) -> object:
    return [_copied(entry) for entry in value] if isinstance(value, list) else value


class Bus:
    """Finds the device of an address: the `Devices` of the core's contract. A core is made with it before there are
    devices, which need the core's state.

    A register that is not there ends the run, unless `tolerant`: then it reads as 0, and `missing` lists it.
    """

    _state: CoreState
    _agenda: Agenda

    def __init__(self, *, tolerant: bool = False) -> None:
        self.tolerant = tolerant
        self._devices: dict[int, RegisterBlock] = {}
        self._readers: dict[int, Callable[[], int]] = {}
        self._writers: dict[int, Callable[[int], None]] = {}
        """Those of all devices: a boot makes some 25,000 accesses, of which they serve the most."""
        self.missing: list[str] = []
        self._watchers: list[Callable[[str, int, int], None]] = []
        self.registers = RegisterFile()
        """A core may serve accesses to these by itself, as this class does."""
        self._counters, self._words = self.registers.counters, self.registers.words
        self._readable: dict[int, int] = {}
        self._writable: dict[int, int] = {}
        """Places of those that only remember, as far as they were used."""

    def connect(self, wiring: Wiring, devices: Iterable[RegisterBlock]) -> None:
        """Give it the devices."""
        self._state, self._agenda = wiring.state, wiring.agenda
        for device in devices:
            self._readers |= device.readers
            self._writers |= device.writers
            for area in device.pages:
                for address in range(area.start, area.stop, 1 << PAGE_SHIFT):
                    self._devices[address >> PAGE_SHIFT] = device
            for area in device.kept:
                self.registers.mark(area, RegisterKind.READ | RegisterKind.WRITE)
            for address in device.readers:
                self.registers.unmark(address, RegisterKind.READ | RegisterKind.WRITE)
            for address in device.writers:
                self.registers.unmark(address, RegisterKind.WRITE)
        for address in CLOCKS:
            self.registers.mark(range(address, address + 4), RegisterKind.CLOCK)

    def watch(self, watcher: Callable[[str, int, int], None]) -> None:
        """Call `watcher` with `R` or `W`, address and value after each access; for traces."""
        self._watchers.append(watcher)
        self._counters[Counter.ALONE] = 0

    def read(self, address: int, size: int) -> int:
        """The core loads from a register.

        Raises:
            BusError: nothing answers there.
            NotThereError: the chip has something there that the virtual board has not.
        """
        self._state.cycles += READ_CYCLES
        word_address = address & ~3
        at = self._readable.get(word_address)
        if at is not None:
            word = self._words[at]
        else:
            reader = self._readers.get(word_address)
            word = reader() if reader is not None else self._read_word(address)
        if self._watchers:
            for watcher in self._watchers:
                watcher("R", address, word)
        self._wait_with_the_program(word_address, word)
        if size == 4:  # noqa: PLR2004  bytes of a word
            return word
        return word >> (address & 3) * 8 & (1 << size * 8) - 1

    def write(self, address: int, size: int, value: int) -> None:
        """The core stores to a register; less than a word goes out with zeros around it (unconfirmed on a board).

        Raises:
            BusError: nothing answers there.
            NotThereError: the chip has something there that the virtual board has not.
        """
        self._state.cycles += WRITE_CYCLES
        word_address = address & ~3
        if word_address != WATCHDOG_FEED:
            self._counters[_ASKED] = 0
        if size != 4:  # noqa: PLR2004  bytes of a word
            value = value << (address & 3) * 8
        if self._watchers:
            for watcher in self._watchers:
                watcher("W", address, value)
        at = self._writable.get(word_address)
        if at is not None:
            self._words[at] = value
        elif (writer := self._writers.get(word_address)) is not None:
            writer(value)
        else:
            self._write_word(address, value)

    def _read_word(self, address: int) -> int:
        """What a register remembers, if there is one."""
        if (at := place(address & ~3)) >= 0 and self.registers.kinds[at] & _READ:
            self._readable[address & ~3] = at
            return self._words[at]
        device = self._devices.get(address >> PAGE_SHIFT)
        if device is None:
            return self._outside(address, "read")
        try:
            return device.read(address & ~3)
        except NotThereError as error:
            return self._tolerate(error)

    def _write_word(self, address: int, value: int) -> None:
        if (at := place(address & ~3)) >= 0 and self.registers.kinds[at] & _WRITE:
            self._writable[address & ~3] = at
            self._words[at] = value
            return
        device = self._devices.get(address >> PAGE_SHIFT)
        if device is None:
            self._outside(address, f"written with 0x{value:08x}")
            return
        try:
            device.write(address & ~3, value)
        except NotThereError as error:
            self._tolerate(error)

    def _outside(self, address: int, how: str) -> int:
        if address in UNUSED_RAM:
            return 0
        known = any(address in area for area in PERIPHERALS)
        if not known and not 0 <= address - ROM_START < ROM_SIZE:
            raise BusError(address)
        kind = "register" if known else "mask ROM word"
        return self._tolerate(NotThereError(f"{kind} 0x{address:08x}, {how}, is not there"))

    def _tolerate(self, error: NotThereError) -> int:
        if not self.tolerant:
            raise error
        text = str(error)
        if text not in self.missing:
            self.missing.append(text)
            import logging  # noqa: PLC0415  hardly any run has a word to say

            logging.getLogger(__name__).warning("sim: %s", text)
        return 0

    # --- polling -----------------------------------------------------------------------------------------------------

    def _wait_with_the_program(self, address: int, word: int) -> None:
        """Let time pass where the program does nothing but ask the same few registers again.

        Such a loop ends by what a device does, or by a time-out: where one register is asked time goes on to the next
        event, with several by a part of the time that the loop has lasted. It goes no further than a millisecond,
        because something may come from outside. A loop that asks clocks alone is no affair of this: what else was asked
        before it began is not asked again.
        """
        state, counters = self._state, self._counters
        now, count = state.cycles, counters[_ASKED]
        known, at = False, _AT
        if count and now - counters[_LAST] > POLL_CYCLES:
            count = 0
        elif count:
            end = _AT + count
            while at < end and counters[at] != address:
                at += 1
            known = at < end
            other = known and counters[at + _TO_WORD] & WORD_MASK != word
            if (other and address not in CLOCKS) or at == _AT + POLLED_REGISTERS:
                known, count, at = False, 0, _AT
        if not known:
            for before in range(_AT, _AT + count):
                counters[before + _TO_WORD] &= WORD_MASK
            counters[at], counters[_ASKED] = address, count + 1
            counters[_REPEATS], counters[_SINCE] = 0, now
        elif (repeats := counters[_REPEATS] + 1) < POLLS:
            counters[_REPEATS] = repeats
        elif any(
            counters[asked] not in CLOCKS and (asked == at or counters[asked + _TO_WORD] & _AGAIN)
            for asked in range(_AT, _AT + count)
        ):
            far = LONGEST_SKIP if count == 1 else min(LONGEST_SKIP, (now - counters[_SINCE]) // POLL_SHARE)
            state.cycles = now = max(now, min(self._agenda.next(), state.timer_at, now + far))
        counters[at + _TO_WORD] = word | _AGAIN if known else word
        counters[_LAST] = now

    def snapshot(self) -> list[object]:
        """Where the watch for polling stands."""
        counters, count = self._counters, self._counters[_ASKED]
        asked = [[counters[at], counters[at + _TO_WORD]] for at in range(_AT, _AT + count)]
        return [asked, counters[_REPEATS], counters[_SINCE], counters[_LAST]]

    def restore(self, saved: list[Any]) -> None:
        """Put back what `snapshot` gave."""
        counters = self._counters
        asked, counters[_REPEATS], counters[_SINCE], counters[_LAST] = saved
        counters[_ASKED] = len(asked)
        for at, (address, word) in enumerate(asked, _AT):
            counters[at], counters[at + _TO_WORD] = address, word
