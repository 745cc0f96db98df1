"""The Wi-Fi MAC as far as programs run without a radio: microsecond counter, its alarm, random numbers, frames.

The SDK takes its time and its software watchdog from here (system_get_time reads 0x3FF20C00; wDev_MacTim1Arm and
wDev_ProcessFiq: pvvx, include/hw/esp8266.h, and the behaviour of the published images). Its frames go into the air,
where nobody hears them: who waits for an answer gets none. No frame comes; every other register remembers what was
written. What sends a frame and how its end is told: wDev_EnableTransmit, lmacTxFrame and wDev_ProcessFiq in libpp.a of
the SDK 2.2 and 3.0, and what the published images write.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final

from flashpipe.sim.devices.agenda import CYCLES_PER_US, NEVER
from flashpipe.sim.devices.device import WORD_MASK, Counted, RegisterBlock, Wiring
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.memory import BusError
from flashpipe.sim.register_file import Counter, RegisterKind

BASE: Final = 0x3FF20000
TIME: Final = BASE + 0xC00
"""Microseconds since start, 32 bits."""
_EVENTS: Final = BASE + 0xC20
_EVENTS_CLEAR: Final = BASE + 0xC24
RANDOM: Final = BASE + 0xE44
_COUNT_LOW: Final = BASE + 0x1048
_COUNT_HIGH: Final = BASE + 0x104C
_ALARM_CONTROL: Final = BASE + 0x10C8
_ALARM_LOW: Final = BASE + 0x10CC
_ALARM_HIGH: Final = BASE + 0x10D0
_ALARM_ON: Final = 1 << 31
ALARM_EVENT: Final = 1 << 26
"""Its bit among the events: wDev_ProcessFiq calls for it what wDev_MacTim1SetFunc has set."""
SENDS: Final = tuple(BASE + 0xDC4 - 0x18 * queue for queue in range(11))
"""By queue: which frame is sent, and that it is."""
_SENDS_NOW: Final = 3 << 30
_FRAME_AT, _FRAME_BITS = 0x3FFC0000, 0x3FFFF
"""In data RAM; the other bits say how it is sent. There lie a word with the length, and where the frame begins."""
SEND_STATUS: Final = BASE + 0xC84
"""What came of the last frame: its queue from bit 12, the result from bit 28 on."""
SENT_EVENT: Final = 3 << 18
"""Two bits: that a frame has begun, which SDKs want to know before, and that it has ended. With one of them alone, or
with the two below, which no SDK needs, some of those between 0.9.5 and 3.0 stop (seen executed)."""
NO_ACKNOWLEDGEMENT: Final = 5
"""The result where somebody in particular was to hear it; 0 where that is anybody."""
_PREAMBLE_US: Final = 192
_BYTE_US: Final = 8
"""At 1 Mbit/s (IEEE 802.11b, long preamble), at which frames to anybody are sent."""
_XORSHIFT: Final = (13, -17, 5)
"""Marsaglia's xorshift32: repeatable noise from a seed."""

IDLE_AFTER: Final = 160_000
"""Cycles without input, output or flash access after which a program that keeps asking for the time is idle: 2 ms."""
IDLE_GAP: Final = 1600
"""It asks this often, at least."""
IDLE_ASKS: Final = 16
"""Questions between two skips: most loops see no time passing between two of theirs, as on a real chip. MicroPython's
looks after the SDK's tasks only where none has passed."""
IDLE_SHARE: Final = 64
"""A skip may pass this part of the time since something last happened."""


class Mac(RegisterBlock):
    """Time, alarms and noise."""

    name = "mac"
    pages: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x2000),)
    kept: ClassVar[tuple[range, ...]] = (range(BASE, BASE + 0x2000),)
    saved: ClassVar[tuple[str, ...]] = (
        "events",
        "noise",
        "asked_at",
        "asks",
        "active_at",
        "time_origin",
        "status",
        "sending",
    )

    def __init__(self, wiring: Wiring, seed: int, read_memory: Callable[[int, int], bytes]) -> None:
        super().__init__(wiring)
        self._alarm = self.agenda.event(self._fire)
        self._sent = self.agenda.event(self._end_frame)
        self._read_memory = read_memory
        self.status = 0
        self.sending: list[int] = []
        """Queues with a frame, in the order in which these go out."""
        wiring.registers.mark(range(TIME, TIME + 4), RegisterKind.TIME)
        self.events = 0
        self.noise = seed & WORD_MASK or 1
        self.readers = {
            TIME: self._ask_time,
            _EVENTS: lambda: self.events,
            SEND_STATUS: lambda: self.status,
            RANDOM: self.random,
            _COUNT_LOW: lambda: self.microseconds() & WORD_MASK,
            _COUNT_HIGH: lambda: self.microseconds() >> 32,
        }
        self.writers = {TIME: lambda _value: None, _EVENTS_CLEAR: self._clear_events}
        for address in (_ALARM_CONTROL, _ALARM_LOW, _ALARM_HIGH):
            self.writers[address] = partial(self._arm, address)
        for queue, address in enumerate(SENDS):
            self.writers[address] = partial(self._send, queue)

    time_origin = Counted(Counter.TIME_ORIGIN)
    """Cycle of the last reset."""
    active_at = Counted(Counter.ACTIVE_AT)
    """Cycle of the last input, output or flash access."""
    asked_at = Counted(Counter.TIME_ASKED_AT)
    asks = Counted(Counter.TIME_ASKS)
    """When the program has asked for the time, and how often in a row."""

    def reset(self) -> None:
        """Counters begin again; the noise goes on."""
        super().reset()
        self.events = self.status = 0
        self.sending.clear()
        self.time_origin = self.active_at = self.state.cycles
        self._alarm.cancel()
        self._sent.cancel()

    def microseconds(self) -> int:
        """Since the last reset."""
        return (self.state.cycles - self.time_origin) // CYCLES_PER_US

    def random(self) -> int:
        """The next random word."""
        value = self.noise
        for shift in _XORSHIFT:
            value ^= value << shift & WORD_MASK if shift > 0 else value >> -shift
        self.noise = value
        return value

    # --- time --------------------------------------------------------------------------------------------------------

    def _ask_time(self) -> int:
        """The microsecond counter; a program that asks for it again and again and does nothing else is waiting.

        MicroPython's prompt is such a program. The time that is passed for it grows with how long nothing has happened,
        so that a waiting loop of any length ends with an error below 2 %; an alarm is never passed.
        """
        now = self.state.cycles
        quiet = now - self.active_at
        self.asks = self.asks + 1 if quiet > IDLE_AFTER and now - self.asked_at < IDLE_GAP else 0
        if self.asks >= IDLE_ASKS:
            self.asks = 0
            skipped = min(now + quiet // IDLE_SHARE, self.agenda.next(), self.state.timer_at)
            self.state.cycles = max(now, skipped)
        self.asked_at = self.state.cycles
        return self.microseconds() & WORD_MASK

    # --- alarm -------------------------------------------------------------------------------------------------------

    def _arm(self, address: int, value: int) -> None:
        self.words[address] = value
        if not self.words.get(_ALARM_CONTROL, 0) & _ALARM_ON:
            self._alarm.cancel()
            return
        target = self.words.get(_ALARM_LOW, 0) | self.words.get(_ALARM_HIGH, 0) << 32
        if target > self.microseconds():
            self._alarm.schedule(self.time_origin + target * CYCLES_PER_US)
        elif address == _ALARM_CONTROL:  # already passed when it is switched on: at once
            self._alarm.schedule(self.state.cycles)

    def _fire(self, _at: int) -> None:
        self.events |= ALARM_EVENT
        self.interrupts.hold(Line.MAC, self.name, on=True)

    def _clear_events(self, value: int) -> None:
        self.events &= ~value
        self._begin_frame()
        self.interrupts.hold(Line.MAC, self.name, on=bool(self.events))

    # --- frames ------------------------------------------------------------------------------------------------------

    def _send(self, queue: int, value: int) -> None:
        self.words[SENDS[queue]] = value
        if value & _SENDS_NOW != _SENDS_NOW:
            if queue in self.sending:
                self.sending.remove(queue)
        elif queue not in self.sending:
            self.sending.append(queue)
            self._begin_frame()

    def _begin_frame(self) -> None:
        """The next frame goes out, once the program knows of the one before."""
        if not self.sending or self.events & SENT_EVENT or self._sent.at < NEVER:
            return
        length, _ = self._frame(self.sending[0])
        self._sent.schedule(self.state.cycles + (_PREAMBLE_US + _BYTE_US * length) * CYCLES_PER_US)

    def _frame(self, queue: int) -> tuple[int, bool]:
        """Length of a queue's frame, and whether anybody may hear it."""
        at = _FRAME_AT | self.words[SENDS[queue]] & _FRAME_BITS
        try:
            head, content = (int.from_bytes(self._read_memory(at + part, 4), "little") for part in (0, 4))
            return head >> 12 & 0xFFF, bool(self._read_memory(content + 4, 1)[0] & 1)
        except BusError:
            return 0, True

    def _end_frame(self, _at: int) -> None:
        if not self.sending:
            return
        queue = self.sending.pop(0)
        _, anybody = self._frame(queue)
        self.words[SENDS[queue]] &= ~_SENDS_NOW
        self.status = (0 if anybody else NO_ACKNOWLEDGEMENT) << 28 | queue << 12
        self.events |= SENT_EVENT
        self.interrupts.hold(Line.MAC, self.name, on=True)
