"""The module `tmr` of the virtual NodeMCU: timers whose callbacks run between two lines of the console.

Both forms are known, `tmr.alarm(0, 1000, 1, f)` and `tmr.create():alarm(1000, tmr.ALARM_AUTO, f)` (nodemcu-firmware
docs/modules/tmr.md). What a callback's uncaught error does is the console's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flashpipe.sim.firmware.program import Machine, Wait
from flashpipe.sim.lua.values import ArgumentError, Function, Table, Userdata, Value, native

SINGLE, AUTO, SEMI = 0, 1, 2
OLD_TIMERS: Final = 7
"""Numbered timers: 0 to 6."""


class Timer(Userdata):
    """One timer."""

    def __init__(self) -> None:
        super().__init__(address=0x3FFF3000)
        self.period_s, self.mode = 0.0, SINGLE
        self.callback: Function | None = None
        self.due: float | None = None
        """Board time of the next call; None while it does not run."""


class Timers:
    """All timers of one running Lua, and the functions of `tmr`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._timers: list[Timer] = []
        self._numbered: dict[int, Timer] = {}

    def functions(self) -> dict[str, Value]:
        """By their Lua names, with the constants."""
        plain: dict[str, Callable[..., Any]] = {
            "create": self._create,
            "alarm": self._on_number(self._alarm),
            "register": self._on_number(self._register),
            "start": self._on_number(self._start),
            "stop": self._on_number(self._stop),
            "unregister": self._on_number(self._stop),
            "now": lambda *_: int(self._machine.now * 1e6) & 0x7FFFFFFF,
            "time": lambda *_: int(self._machine.now),
            "delay": self._delay,
            "wdclr": lambda *_: None,
        }
        constants = {"ALARM_SINGLE": SINGLE, "ALARM_AUTO": AUTO, "ALARM_SEMI": SEMI}
        return {name: native(function) for name, function in plain.items()} | constants

    def next_due(self) -> float | None:
        """Board time of the next call; None if there is none."""
        return min((timer.due for timer in self._timers if timer.due is not None), default=None)

    def take_due(self) -> Function | None:
        """The callback whose time has come, if any; it is wound up again where it repeats."""
        for timer in sorted(self._timers, key=lambda timer: timer.due or 0.0):
            if timer.due is not None and timer.due <= self._machine.now:
                timer.due = self._machine.now + timer.period_s if timer.mode == AUTO else None
                if timer.callback is not None:
                    return Function(lambda _, timer=timer: timer.callback.call([timer]))  # type: ignore[misc]
        return None

    def _create(self, *_: Value) -> Timer:
        timer = Timer()
        methods: dict[str, Callable[..., Any]] = {
            "alarm": self._alarm,
            "register": self._register,
            "start": self._start,
            "stop": self._stop,
            "unregister": self._stop,
        }
        timer.cells.update({name: native(method) for name, method in methods.items()})
        self._timers.append(timer)
        return timer

    def _on_number(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(number: Value = None, *rest: Value) -> Any:
            if not isinstance(number, int) or not 0 <= number < OLD_TIMERS:
                raise ArgumentError(1, f"number expected, got {'no value' if number is None else number}")
            if number not in self._numbered:
                self._numbered[number] = self._create()
            return method(self._numbered[number], *rest)

        return call

    def _register(
        self, timer: Timer, ms: Value = None, mode: Value = SINGLE, callback: Value = None, *_: Value
    ) -> None:
        if not isinstance(ms, (int, float)) or ms <= 0:
            raise ArgumentError(1, "invalid range")
        if not isinstance(callback, Function):
            raise ArgumentError(3, "function expected")
        timer.period_s, timer.mode, timer.callback, timer.due = ms / 1000, int(mode), callback, None

    def _start(self, timer: Timer, *_: Value) -> bool:
        timer.due = self._machine.now + timer.period_s
        return True

    def _alarm(self, timer: Timer, *arguments: Value) -> bool:
        self._register(timer, *arguments)
        return self._start(timer)

    @staticmethod
    def _stop(timer: Timer, *_: Value) -> bool:
        running, timer.due = timer.due is not None, None
        return running

    @staticmethod
    def _delay(us: Value = 0, *_: Value) -> Any:
        yield Wait(max(0.0, us / 1e6))
        return []


def table(timers: Timers) -> Table:
    """The module as Lua sees it."""
    cells: dict[Value, Value] = dict(timers.functions())
    return Table(cells, 0x40272000)
