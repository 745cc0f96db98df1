"""The board's line as a host sees it: wall time, the baud rate of both sides, faults, and a record of what passed.

One lock guards everything; there is no thread. The board is moved on whenever somebody looks, which is enough: bytes
carry the board time at which they are due.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from flashpipe.sim.board import BoardSpec, VirtualBoard
from flashpipe.sim.chip.timing import Clock
from flashpipe.sim.chip.wire import garble
from flashpipe.sim.faults import Faults
from flashpipe.sim.transcript import Transcript
from flashpipe.sim.waiting import LONGEST_NAP_S, SHORTEST_NAP_S, HostWait, Naps

EN_RISE_S: Final = 0.02
"""How long EN takes to rise, on the wall: a 10 kΩ and 1 µF circuit takes about 10 ms to the threshold."""
RATE_CHANGE_S: Final = 0.1
"""Faster than real: how long, on the wall, a program that has changed its rate waits before it speaks. A real one needs
about as long from the ROM's log to its first line, and that is the time in which a host can follow it."""
LOOK_S: Final = 0.02
"""What one look counts of that time at most: a host that was given no CPU has had no time to follow."""
RECEIVE_LIMIT: Final = 1 << 20
"""Bytes kept for a host that does not read; a real driver keeps fewer."""
HANDFUL_S: Final = 0.004
"""Board time for which an adapter gathers bytes before it hands them over."""
_EXECUTING_S: Final = 0.02
"""On the wall, for which one look lets an executed program run. One that needs longer for what it has to do makes the
board's clock late: its time goes on from where it has got to."""
_TURNS: Final = 2000
"""Events that one look at a fast board lets happen; a loader that floods the line goes on at the next look."""
_SHORTEST_WAIT_S: Final = 1e-6  # a host that waits for less, again and again, shall get there all the same


class HostLine:
    """One board on one line."""

    def __init__(
        self,
        spec: BoardSpec,
        factor: float = 0.0,
        faults: Faults | None = None,
        transcript: Transcript | None = None,
        wall: Callable[[], float] = time.monotonic,
    ) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._wall = wall
        self.clock = Clock(factor, wall())
        self.faults = faults or Faults()
        self.transcript = transcript or Transcript()
        self.board = VirtualBoard(spec)
        self.baud = 115_200.0
        """Rate of the host's side."""
        self.en_rise_s = EN_RISE_S
        self._counts_board_time = False
        """Whether the host's limits do: it waits by `hear`."""
        self._pulses = 0.0
        """While such a host pulses the lines: board time of the last change."""
        self._reached = 0.0
        """Board time up to which the board has got."""
        self.follow: Callable[[], None] = lambda: None
        """Set by a port that is told of no change of rate: looks at the host's rate before a button is pressed."""
        self._received = bytearray()
        self._looked_s = 0.0
        """Time on the wall for which somebody has looked, `LOOK_S` for each look at most."""
        self._looked_at = wall()
        self._naps = Naps(wall())
        self._said = (0, 0.0, 0.0)
        """When the board last spoke: its count of resets, the rate, and `_looked_s`."""
        self._dtr = self._rts = False
        self._connect_faults()

    def _connect_faults(self) -> None:
        self.faults.power_off = self._fail_power
        self.faults.brown_out = self._brown_out
        self.board.meet(self.faults)
        if "no-power" in self.faults.switches and self.board.powered:
            self._fail_power()

    def _begin_faults(self, data: bytes = b"") -> None:
        if not self.faults.waiting:
            return
        for text in self.faults.begin_due(self.clock.now(self._wall()), data):
            self._connect_faults()
            self._note("fault", text)

    # --- board events ------------------------------------------------------------------------------------------------

    def _fail_power(self) -> None:
        self.board.powered = False
        self.board.halt()
        self._note("power", "lost")

    def _brown_out(self) -> None:
        self._note("power", "brown-out")
        self.board.reset(self.clock.now(self._wall()))

    def _note(self, kind: str, value: str) -> None:
        self.transcript.note(self.clock.now(self._wall()), kind, value)

    # --- the host's side ---------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """The host sends.

        Raises:
            PortGoneError: the port is not there any more.
        """
        with self.changed:
            self._pump()
            self._begin_faults(data)
            self._naps.stir(self._wall())
            self.transcript.data(self.clock.now(self._wall()), "host", data)
            heard = self.faults.from_host(data, self.baud)
            self.board.receive(heard, self.baud, self.clock.now(self._wall()))
            if "echo" in self.faults.switches:
                self._received += data
            self._pump()
            self.changed.notify_all()

    def waiting(self) -> int:
        """Bytes that have arrived for the host.

        Raises:
            PortGoneError: the port is not there any more.
        """
        with self.changed:
            if self._counts_board_time:
                self._counts_board_time = False
                self.clock.go(self._wall())
            self._pump()
            if not self._received:
                self.faults.check()
            return len(self._received)

    def catch_up(self) -> bytes:
        """Let the board do what it was told so far; what the host has received by then and not read.

        Raises:
            PortGoneError: the port is not there any more.
        """
        with self.changed:
            if not self._counts_board_time:
                return self.take()
            self._pump()
            return self._hand_over()

    def take(self) -> bytes:
        """All that has arrived for the host.

        Raises:
            PortGoneError: the port is not there any more.
        """
        with self.changed:
            self.waiting()
            return self._hand_over()

    def _hand_over(self) -> bytes:
        data, self._received = bytes(self._received), bytearray()
        return data

    def read(self, size: int, timeout_s: float | None, cancelled: Callable[[], bool] = lambda: False) -> bytes:
        """Up to `size` bytes, waiting at most `timeout_s` (None: for ever) until that many are there.

        Raises:
            PortGoneError: the port is not there any more.
        """
        deadline = None if timeout_s is None else self._wall() + timeout_s
        with self.changed:
            while True:
                if self.waiting() >= size or cancelled():
                    break
                left = LONGEST_NAP_S if deadline is None else deadline - self._wall()
                if left <= 0:
                    break
                self.changed.wait(min(left, self.next_event_s()))
            data, self._received = bytes(self._received[:size]), self._received[size:]
            return data

    def nap_s(self) -> float:
        """Seconds until a server shall `take` again: none if something arrived since, whoever made the time pass."""
        with self.changed:
            return 0.0 if self._received else self.next_event_s()

    def coming_s(self) -> float:
        """Seconds on the wall until all that is under way has arrived; faster than real, nothing is."""
        with self.changed:
            line = self.board.uart.outbound
            return 0.0 if self.clock.fast or line.empty else self.clock.wall_until(line.free_at, self._wall())

    def next_event_s(self) -> float:
        """Seconds on the wall until it is worth looking again."""
        with self.changed:
            held = self._held_s()
            if held > 0:
                return max(SHORTEST_NAP_S, min(held, LOOK_S))
            wall, head = self._wall(), self.board.uart.outbound.head()
            times = (self.board.wake_at(), head.next_at if head else None)
            due = min((self.clock.wall_until(when, wall) for when in times if when is not None), default=LONGEST_NAP_S)
            hurried = self.clock.fast and self._counts_board_time
            calm, timed = self.board.calm and not hurried, self.faults.timed
            return self._naps.until(due, wall, calm=calm and not timed, watched=timed or self.clock.rate > 1)

    def clear_received(self) -> None:
        """Forget what has arrived and was not read."""
        with self.changed:
            self._pump()
            self._received.clear()
            while self._counts_board_time and not self._collect(self._reached):
                self._received.clear()
            self._received.clear()

    def set_baud(self, baud: float) -> None:
        """The host changes its rate; what has arrived before stays as it was."""
        with self.changed:
            self._pump()
            if baud != self.baud:
                self.baud = baud
                self._note("baud", f"{baud:g}")

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """The host sets DTR and RTS; True is asserted."""
        with self.changed:
            if (dtr, rts) == (self._dtr, self._rts):
                return
            self._pump()
            self._dtr, self._rts = dtr, rts
            self._naps.stir(self._wall())
            self._note("lines", f"dtr={dtr:d} rts={rts:d}")
            now = self.clock.now(self._wall())
            self.board.set_lines(dtr=dtr, rts=rts, now=now, rise_s=self.en_rise_s * self.clock.pace)
            if self._counts_board_time and self.clock.fast:  # a pulse is as long as the host makes it
                self._stand_still_at(now)
                self.clock.go(self._wall(), 1.0)
                self._pulses = now
            self._pump()
            self.changed.notify_all()

    @property
    def lines(self) -> tuple[bool, bool]:
        """DTR and RTS as last set."""
        return self._dtr, self._rts

    def pull(self, action: Callable[[VirtualBoard, float], None]) -> None:
        """Do something to the board now: press a button, hold a pin, switch the supply."""
        with self.changed:
            self.follow()
            self._pump()
            self._naps.stir(self._wall())
            action(self.board, self.clock.now(self._wall()))
            self._pump()
            self.changed.notify_all()

    def add_fault(self, text: str) -> None:
        """Add a fault to the running board.

        Raises:
            BadValueError: an unknown fault or an argument that cannot be read.
        """
        with self.changed:
            self.faults.add(text)
            self._connect_faults()
            self._note("fault", text)

    def pump(self) -> None:
        """Let the board's time pass."""
        with self.changed:
            self._pump()

    def let_pass(self, seconds: float) -> None:
        """Let so much board time pass, as fast as that goes; all that the board says has then arrived, at any rate."""
        with self.changed:
            self._pump()
            end = max(self.clock.now(self._wall()), self._reached) + seconds
            while self._reached < end:
                self.board.advance(end)
                self._reached = self.board.behind or end
                self.clock.set(self._reached, self._wall())
            self._collect(end, any_rate=True)

    def close(self) -> None:
        """Let go of the board's flash file and end the record."""
        with self.changed:
            self.board.close()
            self.transcript.close()

    # --- a host that counts board time -------------------------------------------------------------------------------

    def own_time(self) -> float:
        """Board time in seconds, for a host that waits by `hear`.

        Faster than real, time stands still for it while it does not wait, and passes as on the wall while it pulses the
        lines: what the board does is no matter of how long their machine takes. A plain read or look ends that.

        Raises:
            PortGoneError: the port is not there any more.
        """
        with self.changed:
            self._count_board_time()
            return self.clock.now(self._wall())

    def hear(self, limit_s: float, pause: Callable[[float], bool]) -> bytes:
        """What comes first within `limit_s` of board time, however long that takes on the wall.

        Args:
            limit_s: how long to wait.
            pause: lets some seconds pass on the wall; False: something else is wanted of the board.

        Raises:
            PortGoneError: the port is not there any more.
        """
        wait = HostWait(self.own_time() + max(limit_s, _SHORTEST_WAIT_S))
        if self.clock.fast:
            self.clock.go(self._wall())
        try:
            while (nap_s := self._listen(wait)) is not None and pause(nap_s):
                pass
        finally:
            self._stand_still_at(self._reached)
        with self.changed:
            return self._hand_over()

    def _listen(self, wait: HostWait) -> float | None:
        """Go on as far as there is time for; seconds to wait for more, None once the host has what it waits for."""
        with self.changed:
            wall = self._wall()
            over = self._walk(wait, self._look(wall), wall)
            if self.clock.fast:
                self.clock.set(self._reached, wall)
            self._begin_faults()
            if not self._received:
                self.faults.check()
            if over:
                return None
            return max(SHORTEST_NAP_S, min(self.next_event_s(), self.clock.wall_until(wait.until, wall)))

    def _walk(self, wait: HostWait, target: float, wall: float) -> bool:
        """Go on to `target`, or until there is something to hand over, or the wait is over: that is told.

        Bytes at another rate are handed over apart: a host hears in time that it has to follow.
        """
        now = self._reached
        while True:
            if self._received and not wait.hears:
                wait.hears, wait.until = True, min(wait.until, now + HANDFUL_S)
            head = self.board.uart.outbound.head()
            dues = (self.board.wake_at(), head.next_at if head else None, wait.until, target)
            now = max(now, min(due for due in dues if due is not None))
            self._advance(now, wall)
            now = self._reached
            if not self._collect(now) or now >= wait.until:
                return True
            if now >= target or self.board.behind is not None:
                return False

    def _count_board_time(self) -> None:
        if not self._counts_board_time:
            self._pump()
            self._counts_board_time = True
            self._stand_still_at(self.clock.now(self._wall()))
        elif self._pulses:  # how long ago the last one was is a matter of the host's machine
            self._stand_still_at(max(self._pulses, self._reached))

    def _stand_still_at(self, now: float) -> None:
        if self.clock.fast and self._counts_board_time:
            self.clock.go(self._wall(), 0.0)
            self.clock.set(now, self._wall())
            self._pulses = 0.0

    # --- time --------------------------------------------------------------------------------------------------------

    def _look(self, wall: float) -> float:
        """Somebody looks at the board; the time there."""
        self._looked_s += min(LOOK_S, wall - self._looked_at)
        self._looked_at, now = wall, self.clock.now(wall)
        if self.faults.collapses(wall):
            for on in (False, True):
                self.board.power(on=on, now=now)
        return now

    def _pump(self) -> None:
        wall = self._wall()
        now = self._look(wall)
        self._advance(now, wall)
        if self.clock.fast and not (self._counts_board_time and self.board.runs_flash):
            now = self._hurry(wall, now)
        if not self._counts_board_time:  # else it hears that when it listens, at the rate that it has then
            self._collect(now)
        self._begin_faults()

    def _advance(self, now: float, wall: float) -> None:
        self.board.advance(now, more=lambda: self._wall() <= wall + _EXECUTING_S)
        self._reached = now
        if self.board.behind is not None:
            self._reached = self.board.behind
            self.clock.set(self.board.behind, self._wall())

    def _hurry(self, wall: float, now: float) -> float:
        """Fast: jump from event to event until only the firmware, or nothing, is waiting."""
        for _ in range(_TURNS):
            due = self.board.wake_at()
            if self.board.runs_flash:
                due = None if self.board.uart.inbound.empty else self.board.uart.inbound.free_at
            if (
                self.board.behind is not None
                or due is None
                or self.board.en_rises
                or (self.board.mode == "ram" and due > now)
            ):
                break
            now = max(now, due)
            self._advance(now, wall)
        if not self.board.runs_flash:
            now = max(now, self.board.uart.outbound.free_at)
        if self.board.behind is None:
            self.clock.jump(now, wall)
        return max(now, self.board.uart.outbound.free_at)

    def _collect(self, now: float, *, any_rate: bool = False) -> bool:
        """Move what has arrived by `now` to the host, as its receiver hears it; False: some of it waits."""
        line = self.board.uart.outbound
        while (burst := line.head()) and (count := burst.arrived(now)):
            baud = burst.baud
            waits = self._held_s() > 0 or (self._counts_board_time and self._received and baud != self._said[1])
            if waits and not any_rate:
                return False
            self._said = (self.board.resets, baud, self._looked_s)
            self._naps.stir(self._looked_at)
            sent = line.take(count)
            heard = self.faults.to_host(sent if any_rate else garble(sent, baud, self.baud), self.baud)
            self.transcript.data(now, "board", heard)
            self._received += heard
        if len(self._received) > RECEIVE_LIMIT:
            del self._received[:-RECEIVE_LIMIT]
        return True

    def _held_s(self) -> float:
        """Seconds for which the next bytes are held back: a program faster than real has just changed its rate."""
        burst = self.board.uart.outbound.head()
        if self._counts_board_time or self.clock.factor >= 1 or burst is None or burst.at or not self.board.runs_flash:
            return 0.0
        resets, baud, said = self._said
        if burst.baud == baud or resets != self.board.resets:
            return 0.0
        return said + RATE_CHANGE_S - self._looked_s
