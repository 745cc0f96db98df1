"""The station: waits for boards, works on each as it comes, on all ports at once, and shows how it goes.

One thread looks after sockets, keys and the view; each board has a thread of its own, as long as it is worked on. What
must survive is in the batch's log before it happens; the state of the ports lives here and may be lost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from flashpipe.errors import LockError, PipelineError, RecordError, StationError, StoppedError
from flashpipe.jobs import audience
from flashpipe.jobs.station_view import Show, StationView
from flashpipe.masking import mask
from flashpipe.records.batch import Batch, new_id
from flashpipe.station.admission import Rules
from flashpipe.station.attempt import AttemptEnd, Attempts
from flashpipe.station.keys import CONTINUE, OF_PORTS, QUIT, SOUND, Keys
from flashpipe.station.labels import Labels
from flashpipe.station.port_line import PortLine
from flashpipe.station.sockets import POLL_S, Plugging, Socket, SocketSource
from flashpipe.station.texts import Texts
from flashpipe.values import dataclass

NOTES: Final = 4
"""Lines that stay to be read."""
LABELS_S: Final = 10.0
"""How often labels are tried again that could not be printed."""
SHOW_S: Final = 0.1
"""Least time between two views."""
_FATAL: Final = (LockError, RecordError, StationError)
"""Failures that no other board can cure: no further one is begun."""


@dataclass
class Slot:
    """A socket that has been seen, and what goes on in it."""

    line: PortLine
    socket: Socket | None = None
    """None while nothing is plugged in."""
    visit: str = ""
    """The stay of the board; empty where the one that is in it was not begun yet."""
    thread: threading.Thread | None = None
    allowed: frozenset[str] = frozenset()
    """Codes that the operator has overridden for this visit."""
    again: bool = False
    """The operator wants another try."""
    tries: int = 0
    """Of this visit."""
    mac: str = ""
    """Of the board that is in it, where it has answered."""
    was_pulled: bool = False
    """It was pulled out while it was worked on: what became of it stays to be read."""

    @property
    def busy(self) -> bool:
        """Whether its board is worked on."""
        return self.thread is not None and self.thread.is_alive()


EndListener = Callable[[AttemptEnd, PortLine], None]
"""Is told of every end: prints labels, makes a sound."""


class Station:
    """Runs until the operator ends the shift, or until there is nothing more that could come."""

    def __init__(
        self,
        batch: Batch,
        attempts: Attempts,
        sockets: SocketSource,
        *,
        texts: Texts,
        rules: Rules,
        show: Show,
        end_listener: EndListener,
        labels: Labels,
        by_key: bool = False,
        image: str = "",
    ) -> None:
        self._batch, self._attempts, self._sockets = batch, attempts, sockets
        self._texts, self._rules, self._image = texts, rules, image
        self._show, self._end_listener = show, end_listener
        self._labels = labels
        self._labels_due = threading.Event()
        self._labels_end = False
        self._by_key = by_key
        """A key, and nothing else, says that the next board is in."""
        self.wake = threading.Event()
        self.keys = Keys(self.wake)
        self.sound = True
        self._slots: dict[str, Slot] = {}
        self._halted = ""
        self._forgiven = 0
        """Bad boards in a row that the operator has seen already."""
        self._ending = False
        self._notes: deque[tuple[str, str]] = deque(maxlen=NOTES)
        """What is said; and the unit that it calls free, empty for most."""
        self._changed = True
        self._guard = threading.Lock()
        self.failures: list[PipelineError] = []
        """What has failed last on each port that was not cured."""

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self, *, attended: bool) -> None:
        """Work until the end of the shift; where nobody is `attended` to press keys, until all is done that can be."""
        plugging = Plugging(self.wake)
        printing = threading.Thread(target=self._keep_printing, name="labels", daemon=True)
        printing.start()
        try:
            while True:
                self._look()
                self._draw()
                if self._over(attended=attended):
                    return
                self.wake.wait(SHOW_S if self._busy() or self._changed else POLL_S)
                self.wake.clear()
                for key in self.keys.pressed():
                    self._press(key)
        finally:
            plugging.close()
            self._labels_end = True
            self._labels_due.set()
            printing.join()
            self._print_labels()
            if left := self._labels.left():
                self.note(left)
            self._draw()

    def _keep_printing(self) -> None:
        """Print labels in a thread of its own: no port waits for a printer.

        Those that were due when the printer was off, or when the station was killed, are printed too.
        """
        while not self._labels_end:
            self._labels_due.clear()
            self._print_labels()
            self._labels_due.wait(LABELS_S)

    def _print_labels(self) -> None:
        try:
            text = self._labels.print_due()
        except PipelineError as error:
            self._halt(error)
            return
        if text:
            self.note(text)

    def _over(self, *, attended: bool) -> bool:
        if self._busy():
            return False
        if self._ending or (not attended and self._halted):
            return True
        return not attended and not self._sockets.observable and all(slot.visit for slot in self._slots.values())

    def _busy(self) -> bool:
        return any(slot.busy for slot in self._slots.values())

    def note(self, text: str, free: str = "") -> None:
        """A line for the operator; about a unit that is `free`, until a board has it."""
        told = mask(text), mask(free)
        with self._guard:
            if not self._notes or self._notes[-1] != told:
                self._notes.append(told)
        self._touch()

    def _touch(self) -> None:
        self._changed = True
        self.wake.set()

    def _draw(self) -> None:
        if self._changed:
            self._changed = False
            self._show(self.view())

    def view(self) -> StationView:
        """What there is to show."""
        state = self._batch.refresh()
        given = {one.row for one in state.all_attempts() if one.row}
        with self._guard:
            notes = tuple(text for text, unit in self._notes if unit not in given)
        ports = tuple(slot.line.view for slot in self._slots.values())
        counts = state.counts()
        record = self._batch.record
        return StationView(record.name, record.profile, self._image, ports, counts, self._halted, notes, self._ending)

    # --- boards come and go ------------------------------------------------------------------------------------------

    def _look(self) -> None:
        present = self._sockets.present()
        for place, socket in present.items():
            slot = self._slots.get(place) or self._new_slot(place)
            if slot.socket is not None and slot.socket.is_other(socket) and not (slot.busy or slot.again):
                self._unplugged(slot)  # between two looks another adapter came into the socket
            slot.socket = slot.socket if slot.busy else socket
        for place, slot in self._slots.items():
            if place not in present:
                if slot.busy:
                    slot.socket = None
                elif slot.socket is not None or slot.visit:
                    self._unplugged(slot)
        for slot in self._slots.values():
            if self._due(slot):
                self._begin(slot)
            elif slot.socket is not None and not slot.visit:
                slot.line.keep_waiting("next.key" if self._by_key else "halt.waits")

    def _new_slot(self, place: str) -> Slot:
        at = len(self._slots)
        slot = Slot(PortLine(place, OF_PORTS[at] if at < len(OF_PORTS) else "", self._texts, self._touch))
        self._slots[place] = slot
        return slot

    def _unplugged(self, slot: Slot) -> None:
        slot.socket, slot.visit, slot.allowed, slot.again, slot.tries, slot.mac = None, "", frozenset(), False, 0, ""
        was_pulled, slot.was_pulled = slot.was_pulled, False
        if not was_pulled:
            slot.line.free()

    def _due(self, slot: Slot) -> bool:
        """Whether the board in it is to be worked on now."""
        if slot.busy or slot.socket is None or self._ending or self._halted:
            return False
        return slot.again or (not slot.visit and not self._by_key)

    def _begin(self, slot: Slot) -> None:
        assert slot.socket is not None
        slot.again = False
        slot.visit = slot.visit or new_id()
        slot.tries += 1
        slot.line.begin(slot.socket.port)
        slot.thread = threading.Thread(target=self._work, args=(slot, slot.socket), name=slot.socket.port, daemon=True)
        slot.thread.start()

    # --- one board (in its own thread) -------------------------------------------------------------------------------

    def _work(self, slot: Slot, socket: Socket) -> None:
        try:
            heard = audience.Audience(slot.line)
            ended = self._attempts.run(socket, slot.visit, heard, slot.allowed, lambda mac: self._twin(slot, mac))
        except PipelineError as error:
            self._halt(error)
            slot.line.show(state="fail", code=error.code, cause=error.message, headline=self._texts.say("state.fail"))
            return
        finally:
            self._touch()
        self._finish(slot, socket, ended)

    def _twin(self, slot: Slot, mac: str) -> str:
        """The place of another board of that MAC; the one in this slot is known by it from now on."""
        with self._guard:
            slot.mac = mac
            for place, other in list(self._slots.items()):
                # Where the last board may have been taken out unseen, only one that is worked on is surely there.
                if other is slot or other.mac != mac or other.socket is None:
                    continue
                if other.busy or (self._sockets.tells(other.socket) and not self._by_key):
                    return place
        return ""

    def _finish(self, slot: Slot, socket: Socket, ended: AttemptEnd) -> None:
        state = self._batch.refresh()
        failed = sum(one.failed for one in state.of(ended.mac)) if ended.mac else slot.tries
        gone = socket.place not in self._sockets.present()
        by_key = self._by_key or not self._sockets.tells(socket)
        tries = failed + ended.passed
        slot.was_pulled = gone and not by_key
        slot.line.end(ended, tries=tries, limit=self._rules.tries, gone=gone, by_key=by_key)
        if slot.was_pulled:
            self._unplugged(slot)  # the next board may be in before anybody looks again
        if (unit := ended.returned).key:
            told = self._texts.say(f"unit.{unit.fate}", unit=unit.key, mac=ended.mac)
            self.note(told, unit.key if unit.is_free else "")
        if ended.error is not None:
            with self._guard:
                self.failures.append(ended.error)
            if isinstance(ended.error, _FATAL) or not isinstance(ended.error, PipelineError):
                self._halt(ended.error)
        self._end_listener(ended, slot.line)
        if ended.passed:
            self._labels_due.set()
        in_a_row = state.in_a_row()
        self._forgiven = min(self._forgiven, in_a_row)
        if self._rules.stop_after and in_a_row - self._forgiven >= self._rules.stop_after:
            self._halted = self._texts.say("halt.failures", count=in_a_row - self._forgiven)
            self._forgiven = in_a_row
        self._touch()

    def _halt(self, error: PipelineError) -> None:
        if isinstance(error, StoppedError):
            return
        self._halted = self._texts.say("halt.error", error=f"{error.message} [code: {error.code}]")
        with self._guard:
            self.failures.append(error)
        self._touch()

    # --- keys --------------------------------------------------------------------------------------------------------

    def _press(self, key: str) -> None:
        self._touch()
        if key == QUIT:
            self._ending = True
            self.note(self._texts.say("paused"))
        elif key == SOUND:
            self.sound = not self.sound
            self.note(self._texts.say("sound.on" if self.sound else "sound.off"))
        elif key == CONTINUE:
            self._halted = ""
        else:
            slot = next((slot for slot in self._slots.values() if slot.line.view.key == key), None)
            if slot is not None and not slot.busy and slot.socket is not None:
                self._go_on(slot)

    def _go_on(self, slot: Slot) -> None:
        """The operator's word on a port: the next board is in, or another try, or what was asked is granted."""
        view, socket = slot.line.view, slot.socket
        assert socket is not None
        if view.state == "ask":
            slot.allowed |= {view.code}
        elif view.state in {"pass", "waiting"} and (self._by_key or not self._sockets.tells(socket)):
            self._unplugged(slot)
            slot.socket = socket
        elif view.state != "fail":
            return
        elif self._by_key or not self._sockets.tells(socket):
            self._unplugged(slot)  # the same board or another one: its MAC tells
            slot.socket = socket
        slot.again = True
