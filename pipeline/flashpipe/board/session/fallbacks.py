"""What a person would try next, tried by the tool: in a fixed order, each once, within a bound of time.

The order, and what each fallback is for:

| fallback | after | why |
| --- | --- | --- |
| other reset | the loader does not answer | adapters whose DTR and RTS are exchanged, or a custom sequence that fails |
| lower baud | bytes were lost or came wrong | long cables, hubs and weak bridges (facts: usb-nodemcu §8) |
| no baud change | the same | bridges that cannot change their rate in mid-conversation |
| smaller blocks | the same, while writing | bridges and hubs that lose the end of long transfers |
| no stub | the same, or the stub does not start | the ROM loader does without it; what it wrote is read back |
| stub version 1 | the flash beyond 4 MB is not reached | it tells the ROM the size of the flash by itself |

Fallbacks add up: smaller blocks are tried at the rate that was reached before. What another attempt cannot cure
(another chip, a busy port, a stop) is not tried again, nor is a sector that is bad again in the same way: that is the
flash, not the line. DATA blocks are never sent twice (facts: stub-executed §1): each fallback resets the chip and
begins anew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Final, TypeVar

from flashpipe.board.loader.frames import BLOCK
from flashpipe.board.session import link_memory
from flashpipe.board.session.auto_rate import AutoRate
from flashpipe.board.session.link_memory import LinkSettings
from flashpipe.errors import (
    BadValueError,
    ConnectError,
    FlashReachError,
    FlashUnknownError,
    PipelineError,
    VerifyError,
    WireDamage,
    WireError,
    WrongChipError,
)
from flashpipe.flash import Region
from flashpipe.values import dataclass

EXCHANGED: Final = "R0|D1|W0.1|R1|D0|W0.05|R0"
"""Reset into the loader where DTR pulls EN and RTS pulls GPIO0: the usual sequence with the lines exchanged."""
ROM_BAUD: Final = 115200
LOWER: Final = (921600, 460800, 230400)
"""Rates worth a try below a higher one (facts: usb-nodemcu §8, practical upload rates)."""
SMALL_BLOCK: Final = 0x400
"""Bytes of one block that any bridge carries: the ROM's own (esptool 5.6 `FLASH_WRITE_SIZE` of ESPLoader)."""
LIMIT_S: Final = 300.0
"""No fallback is begun later than this after the first failure."""

STUB_VERSION: Final = "ESPTOOL_STUB_VERSION"
"""Variable by which esptool's users choose a stub; here it means the same."""

REACH: Final = "reach"
"""The loader did not answer."""
START: Final = "start"
"""It answered, and the conversation broke before the work began."""
WORK: Final = "work"
"""It broke while comparing, writing or verifying."""
FAR: Final = "far"
"""The loader does not reach all of the flash."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fallback:
    """One thing to try."""

    name: str
    stages: frozenset[str]
    change: Callable[[LinkSettings], LinkSettings]
    """From the settings that failed to the next; the same ones where this fallback would change nothing."""
    describe: Callable[[LinkSettings], str]
    """What the new settings are, for people."""


def _other_reset(settings: LinkSettings) -> LinkSettings:
    return replace(settings, sequence="" if settings.sequence else EXCHANGED)


def _lower(settings: LinkSettings) -> LinkSettings:
    below = [baud for baud in LOWER if baud < settings.baud]
    return replace(settings, baud=below[0]) if below else settings


def _no_change(settings: LinkSettings) -> LinkSettings:
    return replace(settings, baud=min(settings.baud, ROM_BAUD))


def _first_stub(settings: LinkSettings) -> LinkSettings:
    """Unless the user has chosen a version."""
    return settings if settings.stub_version else replace(settings, stub_version=1)


FALLBACKS: Final = (
    Fallback(
        "other-reset",
        frozenset({REACH}),
        _other_reset,
        lambda settings: "DTR and RTS exchanged" if settings.sequence == EXCHANGED else "the usual reset sequences",
    ),
    Fallback("lower-baud", frozenset({START, WORK}), _lower, lambda settings: f"{settings.baud} baud"),
    Fallback(
        "no-baud-change",
        frozenset({START, WORK}),
        _no_change,
        lambda settings: f"{settings.baud} baud from the first byte on",
    ),
    Fallback(
        "small-blocks",
        frozenset({WORK}),
        lambda settings: replace(settings, block=min(settings.block, SMALL_BLOCK)),
        lambda settings: f"blocks of {settings.block} bytes",
    ),
    Fallback(
        "no-stub",
        frozenset({START, WORK}),
        lambda settings: replace(settings, stub=False),
        lambda _: "the ROM loader alone, without the stub; what it writes is read back through registers, slowly",
    ),
    Fallback("stub-1", frozenset({FAR}), _first_stub, lambda _: "stub version 1"),
)
"""All of them, in the order in which they are tried."""


@dataclass
class Fallbacks:
    """What one session has tried, and how it works now."""

    port: str
    declared: LinkSettings
    notify: Callable[[str], None]
    can_reset: Callable[[], bool]
    """Whether the chip can be brought back into its loader, by wire or by a person."""
    clock: Callable[[], float] = time.monotonic
    auto: AutoRate | None = None
    """What is known of rates above the declared one; None where that is an order."""
    settings: LinkSettings = field(init=False)
    """How the session works now."""
    tried: list[str] = field(default_factory=list)
    damaged: int = 0
    """Attempts that ended because bytes came wrong, by the loader's own words or a digest of what was on the line."""
    _names: set[str] = field(default_factory=set)
    _first: PipelineError | None = None
    _bad_region: Region | None = None
    """Where the verification failed the last time."""
    _since_s: float = 0.0
    _over: bool = False
    _depth: int = 0
    """How many `retry` are under way: connecting again is part of the work that failed."""
    _recalled: str = ""
    """MAC whose remembered settings this run began with."""

    def __post_init__(self) -> None:
        self.settings = self.declared
        known = link_memory.recall(self.port, self.declared)
        if known is not None:
            self._recalled, self.settings = known
            changed = self.settings.against(self.declared)
            self.notify(f"starting with {changed}: that worked the last time on this adapter")

    # --- trying ------------------------------------------------------------------------------------------------------

    def retry(self, work: Callable[[], T], stage: str, again: Callable[[], None]) -> T:
        """Do the work, with the next fallback after each failure that it may cure; says what was tried.

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
                except ConnectError as error:
                    self._after(error, REACH)
                except FlashReachError as error:
                    self._after(error, FAR)
                except (WireError, VerifyError) as error:
                    self._after(error, stage)
                except (WrongChipError, FlashUnknownError) as error:
                    if self._first is None:
                        raise
                    self._after(error, stage)  # the line was bad before: it has garbled this answer too
                again()
        finally:
            self._depth -= 1

    def _after(self, error: PipelineError, stage: str) -> None:
        """Take the next fallback, or raise."""
        if isinstance(error, WireError) and error.damage is WireDamage.BYTES:
            self.damaged += 1
        if self._over:
            raise error
        if self._first is None:
            self._first, self._since_s = error, self.clock()
        bad = error.region if isinstance(error, VerifyError) else None
        again_bad = bad is not None and bad == self._bad_region
        self._bad_region = bad
        late = self.clock() - self._since_s > LIMIT_S
        if again_bad or late or not self.can_reset() or not self._next(error, stage):
            self._over = True
            raise self._give_up(late=late) from error

    def _next(self, error: PipelineError, stage: str) -> bool:
        if self._recalled:
            link_memory.forget(self.port, self._recalled)
            self._recalled = ""
            if self.settings != self.declared:
                self._use("nothing remembered", self.declared, "without what was remembered of it", error)
                return True
        if self.auto is not None and stage in {START, WORK} and self.settings.baud > self.declared.baud:
            return self._slower(self.auto, error)
        for fallback in FALLBACKS:
            if stage not in fallback.stages or fallback.name in self._names:
                continue
            self._names.add(fallback.name)
            settings = fallback.change(self.settings)
            if settings != self.settings:
                self._use(fallback.name, settings, fallback.describe(settings), error)
                return True
        return False

    def _slower(self, auto: AutoRate, error: PipelineError) -> bool:
        """One step down from a rate that nobody ordered."""
        auto.failed(self.settings.baud)
        slower = replace(self.settings, baud=auto.below(self.settings.baud))
        self._use("lower-baud", slower, f"{slower.baud} baud", error)
        return True

    def _use(self, name: str, settings: LinkSettings, description: str, error: PipelineError) -> None:
        self.settings = settings
        self.tried.append(name)
        self.notify(f"trying {description}: {error.without(self.port)}")

    def _give_up(self, *, late: bool) -> PipelineError:
        assert self._first is not None
        if self.tried:
            why = f" (no more after {LIMIT_S / 60:.0f} minutes)" if late else ""
            self.notify(f"also tried, without success: {', '.join(self.tried)}{why}")
        return self._first

    # --- memory ------------------------------------------------------------------------------------------------------

    def use_rate(self, baud: int) -> None:
        """The session goes on at this rate."""
        self.settings = replace(self.settings, baud=baud)

    def board_identified(self, mac: str) -> None:
        """The board is known now: what was remembered for another one on this adapter does not bind it."""
        if self._recalled and self._recalled != mac:
            known = link_memory.recall(self.port, self.declared, mac)
            self._recalled = ""
            right = known[1] if known else self.declared
            self.settings = replace(self.settings, baud=right.baud, block=right.block)
        if self.auto is not None and self.auto.mac != mac and self.settings.baud == self.declared.baud:
            self.settings = replace(self.settings, baud=self.auto.begin(mac))

    def remember_success(self, mac: str) -> None:
        """These settings work: remember them for this adapter and board, where they are not what was declared."""
        if self._depth:
            return
        self._first = self._bad_region = None  # what comes later has a cause of its own
        # A rate above the declared one has a memory of its own.
        settings = replace(self.settings, baud=min(self.settings.baud, self.declared.baud))
        if self.tried and settings != self.declared:
            link_memory.remember(self.port, mac, self.declared, settings)
            self.notify(f"works with {settings.against(self.declared)}: remembered for this adapter and board")
            self.tried.clear()


def as_declared(baud: int, sequence: str, environment: Mapping[str, str] = os.environ) -> LinkSettings:
    """The settings that a profile declares, with the stub that the user's environment does.

    Raises:
        BadValueError: ESPTOOL_STUB_VERSION names no version that there is.
    """
    version = environment.get(STUB_VERSION, "").strip()
    if version not in {"", "1", "2"}:
        raise BadValueError(f"{STUB_VERSION}={version}: there are versions 1 and 2", f"unset {STUB_VERSION}, or take 2")
    return LinkSettings(baud, sequence, BLOCK, stub_version=int(version or 0))
