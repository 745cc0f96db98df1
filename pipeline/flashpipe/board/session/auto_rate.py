"""`baud=auto`: the fastest rate that adapter, cable and board carry; found once, remembered, forgotten where it fails.

What is known is kept for each adapter and, behind it, each board, in a small file in the user's state folder. A board
that is new to a known adapter begins with the rate that held there last with the same profile, so that a batch looks
for it once. A rate at which one error was seen is not tried again for a month there, nor is any above it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Final, TypedDict, cast

from flashpipe import files
from flashpipe.board.ports.baud_rates import LIMIT_PERCENT, MAXIMUM, chip_rate, error_percent
from flashpipe.board.session.link_memory import adapter
from flashpipe.errors import RecordError
from flashpipe.ownership import read_own_json
from flashpipe.values import dataclass

USUAL: Final = 460_800
"""Where the search begins, and what is taken where nothing faster holds: any adapter and cable is used at this rate."""
STEPS: Final = (921_600, 1_000_000, 1_500_000, 2_000_000, 3_000_000)
"""Rates above it that adapters make and the stub receives without a loss (facts: stub-executed §4, §6)."""
REFUSED_S: Final = 30 * 24 * 3600.0
"""How long a rate that failed is not tried again."""
TRIAL_S: Final = 0.25
"""Longest wait for the first word at a rate that nobody ordered, and for each packet of a trial."""
BOARDS_KEPT: Final = 500
"""Boards remembered for one adapter; those seen last stay."""
_VERSION: Final = 1


class _Board(TypedDict):
    rate: int
    """Baud; 0: none above the usual one is known."""
    failed: int
    """Lowest rate at which an error was seen, 0 if none was."""
    at: float
    """When, in seconds since 1970."""
    clock: float
    """When the faster clock of its flash failed, likewise; 0 if it never did."""


class _Adapter(TypedDict):
    boards: dict[str, _Board]
    """By MAC, the one seen last at the end."""
    profiles: dict[str, int]
    """Rate that held last with each profile."""


@dataclass(slots=True)
class AutoRate:
    """What is known of the rates of one port, and what may be tried there."""

    port: str
    profile: str = ""
    clock: Callable[[], float] = time.time
    mac: str = ""
    """The board on the port, once it is known."""
    known: bool = False
    """Whether the rate in use was carried before, by this board or by others on this adapter."""
    carried: list[int] = field(default_factory=list)
    """Rates that a trial of this run found good."""
    failures: int = 0
    """Rates that failed in this run."""
    _key: str = ""

    @property
    def key(self) -> str:
        """What names the adapter; the system's ports are listed once for that."""
        self._key = self._key or adapter(self.port)
        return self._key

    def begin(self, mac: str) -> int:
        """The rate for the board with this MAC, to be used at once."""
        self.mac = mac
        rate = self.expected(mac)
        self.known = self.known if self.failures else rate != USUAL
        return rate

    def expected(self, mac: str) -> int:
        """The rate that the board with this MAC will begin at."""
        if self.failures:
            return USUAL
        memory = _read(self.key)
        board = memory["boards"].get(mac)
        rate = memory["profiles"].get(self.profile, 0) if board is None else board["rate"]
        return rate if rate in self._possible() else USUAL

    def above(self, rate: int, mac: str = "") -> list[int]:
        """Rates that may be tried, the lowest first; none where one has failed in this run. `mac`: of another board."""
        if self.failures:
            return []
        board = _read(self.key)["boards"].get(mac or self.mac)
        refused = self._refused(board) if board is not None else 0
        return [step for step in self._possible() if step > rate and not (refused and step >= refused)]

    def _refused(self, board: _Board) -> int:
        """The lowest rate that is not tried on a board, for it has failed within the last month; 0 if none has."""
        return board["failed"] if abs(self.clock() - board["at"]) < REFUSED_S else 0

    def below(self, rate: int) -> int:
        """Where to go from a rate that failed: one step down, and after a second failure to the usual rate."""
        steps = [] if self.failures > 1 else self.carried or self._possible()
        return max((step for step in steps if step < rate), default=USUAL)

    def held(self, rate: int) -> None:
        """All that a run wrote was carried at `rate` and verified."""
        self.known = True
        if rate > USUAL and self.mac and not self._is_noted(rate):
            self._note(rate, 0)

    def _is_noted(self, rate: int) -> bool:
        """Whether nothing would be new: this board was the last one, at this rate and with this profile."""
        memory = _read(self.key)
        board = memory["boards"].get(self.mac)
        last = next(reversed(memory["boards"]), "")
        return board is not None and (last, board["rate"], memory["profiles"].get(self.profile)) == (
            self.mac,
            rate,
            rate,
        )

    def failed(self, rate: int) -> None:
        """An error was seen at `rate`: what was remembered does not count any more."""
        self.failures += 1
        self.known = False
        if self.mac:
            self._note(0, rate)

    def clock_refused(self) -> bool:
        """Whether the faster clock of the board's flash (`flash_clock`) has failed within the last month."""
        board = _read(self.key)["boards"].get(self.mac)
        return board is not None and bool(board["clock"]) and abs(self.clock() - board["clock"]) < REFUSED_S

    def clock_failed(self) -> None:
        """It has failed now."""
        if self.mac:
            _store({**_load(), self.key: self._remember(clock=self.clock())})

    def _possible(self) -> list[int]:
        """The steps that adapter and chip can make, as far as their dividers are known."""
        usb = _usb(self.key)
        limit = MAXIMUM.get(usb, STEPS[-1])
        chip = [step for step in STEPS if abs(chip_rate(step) - step) / step * 100 <= LIMIT_PERCENT]
        return [step for step in chip if step <= limit and (error_percent(usb, step) or 0.0) <= LIMIT_PERCENT]

    def _note(self, rate: int, failed: int) -> None:
        memory = self._remember(rate=rate, failed=failed)
        if rate:
            memory["profiles"][self.profile] = rate
        elif memory["profiles"].get(self.profile, 0) >= failed:
            del memory["profiles"][self.profile]
        _store({**_load(), self.key: memory})

    def _remember(self, *, rate: int | None = None, failed: int = 0, clock: float = 0.0) -> _Adapter:
        """Note what is new of the board, and keep the rest of what is known of it; the adapter's memory."""
        memory = _read(self.key)
        before = memory["boards"].pop(self.mac, _Board(rate=0, failed=0, at=0.0, clock=0.0))
        memory["boards"][self.mac] = _Board(
            rate=before["rate"] if rate is None else rate,
            failed=min((one for one in (self._refused(before), failed) if one), default=0),
            at=self.clock() if failed else before["at"],
            clock=clock or before["clock"],
        )
        for mac in list(memory["boards"])[:-BOARDS_KEPT]:
            del memory["boards"][mac]
        return memory


_BOARD: Final = ("rate", "failed", "at", "clock")


def _usb(key: str) -> str:
    """`VID:PID` of an adapter, as its key begins; empty where the port is none of this machine's."""
    return key[:9] if len(key) > 9 and key[4] == ":" and key[9] in ":@" else ""  # noqa: PLR2004  `1a86:7523@1-1.2`


def _path() -> Path:
    return files.state_folder() / "rates.json"


def _read(key: str) -> _Adapter:
    return _adapter(_load().get(key))


def _load() -> dict[str, object]:
    try:
        record = read_own_json(_path())
        return dict(record["adapters"]) if record["version"] == _VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _adapter(entry: object) -> _Adapter:
    """What a record says of an adapter; what is not of its shape is left out."""
    read = _Adapter(boards={}, profiles={})
    if not isinstance(entry, Mapping):
        return read
    boards, profiles = entry.get("boards"), entry.get("profiles")
    for mac, board in boards.items() if isinstance(boards, Mapping) else ():
        known = {"clock": 0.0, **board} if isinstance(board, Mapping) else {}
        if all(isinstance(known.get(name), (int, float)) for name in _BOARD):
            read["boards"][str(mac)] = cast("_Board", known)
    for name, rate in profiles.items() if isinstance(profiles, Mapping) else ():
        if isinstance(rate, int):
            read["profiles"][str(name)] = rate
    return read


def _store(adapters: dict[str, object]) -> None:
    text = json.dumps({"version": _VERSION, "adapters": adapters}, indent=2)
    with suppress(RecordError):  # what cannot be noted costs a search the next time, and is no failure
        files.write_atomic(_path(), text.encode() + b"\n")
