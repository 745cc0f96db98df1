"""What a person would try next, tried by the tool: in a fixed order, each once, within a bound of time.

The order, and what each rung is for:

| rung | after | why |
| --- | --- | --- |
| other reset | the loader does not answer | adapters whose DTR and RTS are exchanged, or a custom sequence that fails |
| lower baud | bytes were lost or came wrong | long cables, hubs and weak bridges (facts: usb-nodemcu §8) |
| no baud change | the same | bridges that cannot change their rate in mid-conversation |
| smaller blocks | the same, while writing | bridges and hubs that lose the end of long transfers |
| no stub | the same, or the stub does not start | the ROM loader does without it; what it wrote is read back |

Rungs add up: smaller blocks are tried at the rate that was reached before. What another attempt cannot cure (another
chip, a busy port, a stop) never climbs, nor does a sector that is bad again in the same way: that is the flash, not the
line. DATA blocks are never sent twice (facts: stub-executed §1): each rung resets the chip and begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field, replace
from typing import Final, TypeVar

from flashpipe.board.loader.frames import BLOCK
from flashpipe.board.session import link_memory as waymemory
from flashpipe.board.session.link_memory import LinkSettings
from flashpipe.errors import (
    ConnectError,
    FlashUnknownError,
    PipelineError,
    VerifyError,
    WireError,
    WrongChipError,
)
from flashpipe.values import dataclass

EXCHANGED: Final = "R0|D1|W0.1|R1|D0|W0.05|R0"
"""Reset into the loader where DTR pulls EN and RTS pulls GPIO0: the usual sequence with the lines exchanged."""
ROM_BAUD: Final = 115200
LOWER: Final = (921600, 460800, 230400)
"""Rates worth a try below a higher one (facts: usb-nodemcu §8, practical upload rates)."""
SMALL_BLOCK: Final = 0x400
"""Bytes of one block that any bridge carries: the ROM's own (esptool 5.6 `FLASH_WRITE_SIZE` of ESPLoader)."""
LIMIT_S: Final = 300.0
"""No rung is begun later than this after the first failure."""

REACH: Final = "reach"
"""The loader did not answer."""
START: Final = "start"
"""It answered, and the conversation broke before the work began."""
WORK: Final = "work"
"""It broke while comparing, writing or verifying."""
CURABLE: Final = (ConnectError, WireError, VerifyError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fallback:
    """One thing to try."""

    name: str
    stages: frozenset[str]
    step: Callable[[LinkSettings], LinkSettings]
    """From the way that failed to the next; the same way where the rung would change nothing."""
    says: Callable[[LinkSettings], str]
    """What the new way is, for people."""


def _other_reset(way: LinkSettings) -> LinkSettings:
    return replace(way, sequence="" if way.sequence else EXCHANGED)


def _lower(way: LinkSettings) -> LinkSettings:
    below = [baud for baud in LOWER if baud < way.baud]
    return replace(way, baud=below[0]) if below else way


def _no_change(way: LinkSettings) -> LinkSettings:
    return replace(way, baud=min(way.baud, ROM_BAUD))


RUNGS: Final = (
    Fallback(
        "other-reset",
        frozenset({REACH}),
        _other_reset,
        lambda way: "DTR and RTS exchanged" if way.sequence == EXCHANGED else "the usual reset sequences",
    ),
    Fallback("lower-baud", frozenset({START, WORK}), _lower, lambda way: f"{way.baud} baud"),
    Fallback(
        "no-baud-change", frozenset({START, WORK}), _no_change, lambda way: f"{way.baud} baud from the first byte on"
    ),
    Fallback(
        "small-blocks",
        frozenset({WORK}),
        lambda way: replace(way, block=min(way.block, SMALL_BLOCK)),
        lambda way: f"blocks of {way.block} bytes",
    ),
    Fallback(
        "no-stub",
        frozenset({START, WORK}),
        lambda way: replace(way, stub=False),
        lambda _: "the ROM loader alone, without the stub; what it writes is read back through registers, slowly",
    ),
)
"""All rungs, in the order in which they are tried."""


@dataclass
class Fallbacks:
    """Where one session stands on the ladder."""

    port: str
    declared: LinkSettings
    say: Callable[[str], None]
    can_reset: Callable[[], bool]
    """Whether the chip can be brought back into its loader, by wire or by a person."""
    clock: Callable[[], float] = time.monotonic
    way: LinkSettings = field(init=False)
    """How the session works now."""
    tried: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _first: PipelineError | None = None
    _last: str = ""
    _since_s: float = 0.0
    _over: bool = False
    _depth: int = 0
    """How many `climb` are under way: connecting again is part of the work that failed."""
    _recalled: str = ""
    """MAC whose remembered way this run began with."""

    def __post_init__(self) -> None:
        self.way = self.declared
        known = waymemory.recall(self.port, self.declared)
        if known is not None:
            self._recalled, self.way = known
            self.say(f"starting with {self.way.against(self.declared)}: that worked the last time on this adapter")

    # --- climbing ----------------------------------------------------------------------------------------------------

    def climb(self, work: Callable[[], T], stage: str, again: Callable[[], None]) -> T:
        """Do the work, on the next rung after each failure that it may cure; says what was tried.

        Args:
            work: What to do; it begins anew each time.
            stage: Where it stands if it fails: START or WORK. A ConnectError is REACH in both.
            again: Called before each further attempt, to let go of the broken conversation.

        Raises:
            PipelineError: the first failure: what came later may be of the attempts' own making.
        """
        self._depth += 1
        try:
            while True:
                try:
                    return work()
                except CURABLE as error:
                    self._after(error, REACH if isinstance(error, ConnectError) else stage)
                except (WrongChipError, FlashUnknownError) as error:
                    if self._first is None:
                        raise
                    self._after(error, stage)  # the line was bad before: it has garbled this answer too
                again()
        finally:
            self._depth -= 1

    def _after(self, error: PipelineError, stage: str) -> None:
        """Take the next rung, or raise."""
        if self._over:
            raise error
        if self._first is None:
            self._first, self._since_s = error, self.clock()
        again_bad = isinstance(error, VerifyError) and error.message == self._last
        self._last = error.message
        late = self.clock() - self._since_s > LIMIT_S
        if again_bad or late or not self.can_reset() or not self._step(error, stage):
            self._over = True
            raise self._told(late=late) from error

    def _step(self, error: PipelineError, stage: str) -> bool:
        if self._recalled:
            waymemory.forget(self.port, self._recalled)
            self._recalled = ""
            if self.way != self.declared:
                self._go("as the profile says", self.declared, "as the profile says", error)
                return True
        for rung in RUNGS:
            if stage not in rung.stages or rung.name in self._names:
                continue
            self._names.add(rung.name)
            way = rung.step(self.way)
            if way != self.way:
                self._go(rung.name, way, rung.says(way), error)
                return True
        return False

    def _go(self, name: str, way: LinkSettings, says: str, error: PipelineError) -> None:
        self.way = way
        self.tried.append(name)
        self.say(f"trying {says}: {error.message.removeprefix(f'{self.port}: ')}")

    def _told(self, *, late: bool) -> PipelineError:
        assert self._first is not None
        if self.tried:
            why = f" (no more after {LIMIT_S / 60:.0f} minutes)" if late else ""
            self.say(f"tried in vain: {', '.join(self.tried)}{why}")
        return self._first

    # --- memory ------------------------------------------------------------------------------------------------------

    def met(self, mac: str) -> None:
        """The board is known now: what was remembered for another one on this adapter does not bind it."""
        if self._recalled and self._recalled != mac:
            known = waymemory.recall(self.port, self.declared, mac)
            self._recalled = ""
            wanted = known[1] if known else self.declared
            self.way = replace(self.way, baud=wanted.baud, block=wanted.block)

    def won(self, mac: str) -> None:
        """This way works: remember it for this adapter and board, where it is not what was declared."""
        if self._depth:
            return
        self._first, self._last = None, ""  # what comes later has a cause of its own
        if self.tried and self.way != self.declared:
            waymemory.remember(self.port, mac, self.declared, self.way)
            self.say(f"works with {self.way.against(self.declared)}: remembered for this adapter and board")
            self.tried.clear()


def usual(baud: int, sequence: str) -> LinkSettings:
    """The way that a profile declares."""
    return LinkSettings(baud, sequence, BLOCK)
