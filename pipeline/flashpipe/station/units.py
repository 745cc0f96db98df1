"""The units that the boards of a station become: rows of a CSV file, or the numbers of a rule such as SN{year}{n:05}.

The file is the shop's own and is never written. Which row belongs to which board stands in a log beside it,
`FILE.claims`, that several stations share: a line is added by whoever has the lock, and is durable before the board is
touched. A board that comes again gets its row again. One that fails gives its row back, unless something of the row may
stand on the board already, of this try or of an earlier one: two boards with one serial number are worse than a number
that is missing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Literal, Protocol

from flashpipe.errors import UnitsError, UnitsUsedUpError
from flashpipe.locks import exclusive
from flashpipe.masking import HIDDEN, forget_secret, know_secret
from flashpipe.records import json_lines
from flashpipe.values import dataclass

WAIT_S: Final = 30.0
"""Longest wait for another station, which has the lock for milliseconds."""
CLAIM, GIVE_BACK = "claim", "give-back"
"""What a line can be about."""
MAC: Final = "mac"
"""Name of the column that says which board a row is for."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What one board becomes."""

    key: str
    """What tells it from all others: the first column, or the serial number."""
    values: Mapping[str, str]
    secret: frozenset[str] = frozenset()
    """Columns whose values nobody shall read."""

    @property
    def shown(self) -> dict[str, str]:
        """The values for records and labels, secret ones masked."""
        return {name: HIDDEN if name in self.secret and text else text for name, text in self.values.items()}

    def keep_secrets(self) -> None:
        """From now on whatever is masked does not show the secret values."""
        for name in self.secret:
            know_secret(self.values.get(name, ""))

    def forget_secrets(self) -> None:
        """The board is done: nothing of it is said any more."""
        for name in self.secret:
            forget_secret(self.values.get(name, ""))


class UnitSource(Protocol):
    """Rows of a file, or numbers of a rule."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the values of each unit."""

    @property
    def claims(self) -> Path:
        """Where the claims are kept."""

    @property
    def is_list(self) -> bool:
        """Whether what it does not know was taken out of it, and is not another rule's."""

    def again(self) -> UnitSource:
        """The same, as it is now: somebody may have added units.

        Raises:
            UnitsError: it cannot be used any more.
        """

    def example(self) -> Unit:
        """Some unit, to look for mistakes before the first board comes."""

    def of(self, key: str) -> Unit | None:
        """The unit of that key; None where there is none any more."""

    def meant_for(self, mac: str) -> Unit | None:
        """The unit whose column `mac` names the board; None where none does."""

    def candidates(self, taken: Mapping[str, str]) -> Iterator[Unit]:
        """The units in the order in which they are given; `taken`: key to MAC of those that are."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who has which unit."""

    taken: Mapping[str, str]
    """Key to MAC."""
    of: Mapping[str, str]
    """MAC to the key that it has."""
    last: Mapping[str, str]
    """MAC to the key that it had last, and gave back."""


def read_claims(path: Path) -> Claims:
    """The claims so far.

    Raises:
        RecordError: they cannot be read.
    """
    taken, of, last = dict[str, str](), dict[str, str](), dict[str, str]()
    lines, _ = json_lines.read(path)
    for line in lines:
        what, mac, key = (str(line.get(name, "")) for name in ("what", "mac", "key"))
        if what == CLAIM:
            taken[key], of[mac] = mac, key
            last.pop(mac, None)
        elif what == GIVE_BACK and of.get(mac) == key:
            del taken[key], of[mac]
            last[mac] = key
    return Claims(taken, of, last)


@dataclass(frozen=True, slots=True)
class UnitReturn:
    """What became of the unit of a board that has failed."""

    key: str = ""
    """Empty where the board had none."""
    fate: Literal["free", "touched", "kept", "earlier"] = "free"
    """Another board may get it; or why it stays: it may stand on the board, by `keep_unit=`, it is an earlier try's."""

    @property
    def is_free(self) -> bool:
        """Whether another board may get it."""
        return bool(self.key) and self.fate == "free"


class Units:
    """Gives units to boards, each once."""

    def __init__(self, source: UnitSource, *, batch: str, called: str = "", keeps: bool = False) -> None:
        self.source, self.called = source, called
        """`called`: the rule, or the name of the list."""
        self._batch = batch
        self._keeps = keeps
        """A failed board keeps its row."""
        self._new: dict[str, str] = {}
        """MAC to key, where the try that goes on is the first with that row."""

    def claim(self, mac: str) -> Unit:
        """The unit of a board: the one it has, the one meant for it, the one it had, or the next that is free.

        Raises:
            UnitsUsedUpError: none is free, also not in the list as it is by now.
            UnitsError: that cannot be used any more.
            RecordError: the claim could not be stored.
        """
        with self._alone():
            claims = read_claims(self.source.claims)
            try:
                unit = self._choose(mac, claims)
            except (UnitsError, UnitsUsedUpError):
                self.source = self.source.again()
                unit = self._choose(mac, claims)
            self._new.pop(mac, None)
            if claims.taken.get(unit.key) != mac:
                self._add(CLAIM, mac, unit.key)
                self._new[mac] = unit.key
        unit.keep_secrets()
        return unit

    def _choose(self, mac: str, claims: Claims) -> Unit:
        if (its := claims.of.get(mac)) is not None:
            if (own := self.source.of(its)) is not None:
                return own
            if self.source.is_list:  # a second unit is worse than none
                raise UnitsError(
                    f"units={self.called or self.source.claims.stem}: board {mac} has unit {its},"
                    " which is not in the list any more",
                    "put its line back",
                )
        meant = self.source.meant_for(mac)
        if meant is not None and meant.key not in claims.taken:
            return meant
        key = claims.last.get(mac)
        before = self.source.of(key) if key is not None and key not in claims.taken else None
        if before is not None and before.values.get(MAC, "") in {"", mac}:
            return before
        for unit in self.source.candidates(claims.taken):
            if not unit.values.get(MAC):
                return unit
        raise UnitsUsedUpError(f"{self.source.claims.stem}: no unit is free for board {mac}", UnitsUsedUpError.remedy)

    def failed(self, mac: str, *, touched: bool) -> UnitReturn:
        """A board has failed: it gives its unit back where nothing of it can stand on the board.

        Args:
            mac: Of the board.
            touched: Something of the unit may have reached the board, or somebody who writes it down, in this try. Of
                earlier ones that left the unit with the board (good ones, and those that were killed) it is taken so.
        """
        with self._alone():
            key = read_claims(self.source.claims).of.get(mac)
            if key is None:
                return UnitReturn()
            if touched or self._keeps or self._new.get(mac) != key:
                return UnitReturn(key, "touched" if touched else "kept" if self._keeps else "earlier")
            self._add(GIVE_BACK, mac, key)
        return UnitReturn(key)

    def _alone(self) -> AbstractContextManager[bool]:
        path = self.source.claims
        return exclusive(path.with_name(f"{path.name}.lock"), f"units {path.stem}", WAIT_S)

    def _add(self, what: str, mac: str, key: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = {"at": stamp, "what": what, "mac": mac, "key": key, "batch": self._batch}
        json_lines.append(self.source.claims, line)
