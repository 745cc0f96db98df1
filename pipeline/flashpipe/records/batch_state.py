"""What the log of a batch says: its tries, its boards, and the counts. Nothing is read or written here.

What was first and what was last is a matter of its lines, never of the times in them: clocks are set, and those of
several stations differ.
"""

from __future__ import annotations

import calendar
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from itertools import takewhile
from typing import Any, Final

from flashpipe.values import dataclass

Entry = Mapping[str, Any]
BEGIN, FOUND, END, PART, LABELLED, CLOSED = "begin", "found", "end", "part", "labelled", "closed"
"""What a line can be about."""
PASSED: Final = frozenset({"flashed", "skipped", "files"})
"""Outcomes of a try after which the board is what it should be."""
STOPPED: Final = "stopped"
"""Outcome of a try that somebody has stopped, or killed."""
ASIDE: Final = frozenset(
    {"foreign-board", "part-differs", "mac-twice", "too-many-tries", "units", "units-used-up", STOPPED}
    | {"port-busy", "port-denied", "record", "system-limit"}  # of this machine, not of the board
    | {"lab", "labgrid-missing", "no-coordinator", "place-missing", "place-taken", "exporter-gone", "place-unfit"}
)
"""Codes of tries that were ended before the board was worked on: the board is neither good nor bad."""
_OF_BEGIN: Final = ("visit", "at", "place", "port", "station")
_HOUR_S: Final = 3600.0


@dataclass
class Attempt:
    """One attempt to make a board what the batch wants."""

    id: str
    visit: str
    """The stay of a board on a port: all its tries without being unplugged."""
    began: str
    place: str
    port: str
    station: str
    mac: str = ""
    admitted: bool = False
    """The board was taken into the batch: from then on it may have been written."""
    row: str = ""
    """Key of the unit that it was given."""
    unit: dict[str, str] = field(default_factory=dict)
    """The unit's values, secret ones masked."""
    ended: str = ""
    order: int = 0
    """Which end of a try it was in this batch, from 1 on; 0 while it goes on."""
    outcome: str = ""
    """As in receipts; empty while it goes on, or where it was killed."""
    passed: bool = False
    cause: str = ""
    """Why it failed, for people."""
    receipt: str = ""
    """Name of its receipt."""
    sha256: str = ""
    """Of the receipt's file."""
    seconds: float = 0.0
    steps: list[tuple[str, float]] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)
    virtual: bool = False

    @property
    def aside(self) -> bool:
        """Whether it was ended before anything was done to the board."""
        return self.outcome in ASIDE

    @property
    def failed(self) -> bool:
        """Whether it shows a bad board."""
        return bool(self.ended) and not self.passed and not self.aside


@dataclass(frozen=True, slots=True)
class Counts:
    """How a batch goes."""

    passed: int = 0
    failed: int = 0
    """Boards whose last try failed, those that never answered included."""
    silent: int = 0
    """Of these, boards that never answered."""
    first_time: int = 0
    """Boards that were good at their first try."""
    aside: int = 0
    """Boards that were not worked on, and why is said."""
    running: int = 0
    seconds: float = 0.0
    """Mean of the good tries."""
    per_hour: float = 0.0
    """Good boards in the last hour of work."""

    @property
    def rate(self) -> float | None:
        """Share of the boards that are good; None where there is none."""
        total = self.passed + self.failed
        return self.passed / total if total else None


class BatchState:
    """The log so far. Boards are worked on in threads of their own: whoever asks sees each line wholly, or not yet."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self.attempts: dict[str, Attempt] = {}
        self.part: tuple[int, int] | None = None
        """Flash ID, and size in bytes (0: unknown), of the first board."""
        self.labelled: set[str] = set()
        """MACs whose label was printed after their last good try."""
        self.closed = ""
        """Digest of the manifest; empty while the batch is open."""
        self._ended: list[Attempt] = []
        """Tries that ended, in that order."""
        self._by_mac: dict[str, list[Attempt]] = {}
        """Tries of the boards that were taken into the batch."""
        self._counts: Counts | None = None
        """None: something has been added since they were made."""

    def add(self, entry: Entry) -> None:
        """One line of the log; what a later version may have written there is passed over."""
        with self._guard:
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        what, name = entry["what"], str(entry.get("try", ""))
        self._counts = None
        if what == BEGIN and name:
            visit, at, place, port, station = (str(entry.get(key, "")) for key in _OF_BEGIN)
            self.attempts[name] = Attempt(name, visit, at, place, port, station)
        elif what == PART and self.part is None:
            self.part = int(entry.get("flash_id", 0)), int(entry.get("flash_size") or 0)
        elif what == LABELLED:
            self.labelled.add(str(entry.get("mac", "")))
        elif what == CLOSED:
            self.closed = str(entry.get("sha256", ""))
        elif name in self.attempts:
            self._more(self.attempts[name], entry)

    def _more(self, one: Attempt, entry: Entry) -> None:
        if entry["what"] == FOUND:
            one.admitted = True
            self._by_mac.setdefault(str(entry.get("mac", "")), []).append(one)
            one.mac, one.row = str(entry.get("mac", "")), str(entry.get("row", ""))
            one.unit = {str(key): str(text) for key, text in (entry.get("unit") or {}).items()}
        elif entry["what"] == END and not one.ended:
            self._ended.append(one)
            one.order = len(self._ended)
            one.ended, one.outcome = str(entry["at"]), str(entry.get("outcome", ""))
            one.passed, one.cause = bool(entry.get("passed")), str(entry.get("cause", ""))
            one.mac = str(entry.get("mac", "")) or one.mac
            one.receipt, one.sha256 = str(entry.get("receipt", "")), str(entry.get("sha256", ""))
            one.seconds, one.virtual = float(entry.get("seconds") or 0.0), bool(entry.get("virtual"))
            one.steps = [(str(step), float(took)) for step, took in entry.get("steps") or ()]
            one.measured = dict(entry.get("measured") or {})
            if entry.get("unit_is_free"):
                one.row, one.unit = "", {}
            own = [other for other in self.of(one.mac) if other.order and not other.aside and other is not one]
            before = max(own, key=lambda other: other.order, default=None)
            if one.passed and not (before and before.passed and before.row == one.row):
                self.labelled.discard(one.mac)

    # --- questions ---------------------------------------------------------------------------------------------------

    @property
    def macs(self) -> frozenset[str]:
        """Boards that were taken into the batch."""
        with self._guard:
            return frozenset(self._by_mac)

    def of(self, mac: str) -> list[Attempt]:
        """The tries of a board, in their order, those that only looked at it left out."""
        with self._guard:
            return list(self._by_mac.get(mac, ()))

    def all_attempts(self) -> list[Attempt]:
        """All of them, in the order in which they began."""
        with self._guard:
            return list(self.attempts.values())

    def open_attempts(self) -> list[Attempt]:
        """Those without an end: they go on, or their station was killed."""
        return [one for one in self.all_attempts() if not one.ended]

    def ended_attempts(self) -> list[Attempt]:
        """Those that ended, in the order in which they did."""
        with self._guard:
            return list(self._ended)

    def rows(self) -> list[Attempt]:
        """One try for each board, its last that ended: failures first, and among them those that never answered."""
        with self._guard:
            return self._rows()

    def _rows(self) -> list[Attempt]:
        last: dict[str, Attempt] = {}
        answered = {one.visit for one in self.attempts.values() if one.mac}
        for one in self._ended:
            if one.mac:
                known = last.get(one.mac)
                if known is None or known.aside or not one.aside:  # what was only looked at is what it was
                    last[one.mac] = one
            elif one.visit not in answered and one.outcome != STOPPED:  # of that board nothing is known
                last[f"visit {one.visit}"] = one
        begun = {name: number for number, name in enumerate(self.attempts)}
        return sorted(last.values(), key=lambda one: (one.passed, one.aside, bool(one.mac), begun[one.id]))

    def row_of(self, mac: str) -> Attempt | None:
        """The last try of a board that says what it is; None where there is none."""
        return next((one for one in self.rows() if one.mac == mac), None)

    def in_a_row(self) -> int:
        """How many boards were bad, one after the other, up to now; a board that was tried again is one."""
        named = {one.visit: one.mac for one in self.all_attempts() if one.mac}
        bad = set[str]()
        for one in reversed(self.ended_attempts()):
            if one.passed:
                break
            if one.failed:
                bad.add(one.mac or named.get(one.visit) or one.visit)
        return len(bad)

    def counts(self) -> Counts:
        """How it goes."""
        with self._guard:
            if self._counts is None:
                self._counts = self._counted()
            return self._counts

    def _counted(self) -> Counts:
        rows = self.rows()
        good = [one for one in rows if one.passed]
        bad = [one for one in rows if one.failed]
        silent = {one.visit for one in self.attempts.values() if not one.mac and one.ended and not one.aside}
        return Counts(
            passed=len(good),
            failed=len(bad),
            silent=sum(not one.mac for one in bad),
            first_time=sum(self._first_time(one.mac, silent) for one in good),
            aside=sum(one.aside for one in rows),
            running=len(self.open_attempts()),
            seconds=sum(one.seconds for one in good) / len(good) if good else 0.0,
            per_hour=_per_hour(good, self._ended),
        )

    def _first_time(self, mac: str, silent: Collection[str]) -> bool:
        """Whether a board was good at its first try; `silent`: visits in which a board did not answer at first."""
        own = [one for one in self.of(mac) if one.ended and not one.aside]
        return bool(own) and own[0].passed and own[0].visit not in silent


def seconds_of(text: str) -> float:
    """A time of the log in seconds since 1970; 0 of what is none."""
    try:
        whole = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
        return whole + float(text[19:].rstrip("Z") or 0)
    except ValueError:
        return 0.0


def _per_hour(good: Sequence[Attempt], ended: Sequence[Attempt]) -> float:
    """Good boards of the last hour before the last end, by the time from the first of its tries on.

    Where the clock was set in between, the hour begins then.
    """
    end = seconds_of(ended[-1].ended) if ended else 0.0

    def near(text: str) -> bool:
        return abs(end - seconds_of(text)) < _HOUR_S

    lately = list(takewhile(lambda one: near(one.ended), reversed(ended)))
    took = end - min((seconds_of(one.began) for one in lately if near(one.began)), default=end)
    recent = sum(one.order >= lately[-1].order for one in good) if lately else 0
    return recent * _HOUR_S / took if took > 0 else 0.0
