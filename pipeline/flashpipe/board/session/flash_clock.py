"""A faster clock for the flash while it is compared with a plan and written; for `baud=auto`.

ROM and stub clock the flash at a quarter of their bus, 13 MHz, although every module's runs at 40 once the firmware
does. At half the bus a digest takes 0.69 s a MiB instead of 1.06, and programming waits half as long for the bus
(facts: stub-executed §6). A part that cannot follow answers wrongly; so

- a sector that is not blank must give the same digest at both clocks; where all are blank, what is written first is
  digested before the rest is sent;
- what differs after it was written is asked for again at the usual clock, and written again where it differs there too,
  before anything is called failed. Then the faster clock is left for a month on that board;
- nothing but digests is asked of the flash at the faster clock: what is read to be kept, is read at the usual one.

Not yet tried on a real board.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import field
from typing import Final

from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.loader.spi_clock import HALF, QUARTER, clock_bits, divider, set_clock
from flashpipe.board.session.auto_rate import USUAL
from flashpipe.board.session.session import Session
from flashpipe.digests import md5
from flashpipe.errors import WireDamage, WireError
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.values import dataclass

SAMPLES: Final = tuple(Region(start, start + SECTOR_SIZE) for start in (0x0, 0x1000, 0x10000, 0x20000))
"""Sectors that are looked at in turn for one that is not blank: a firmware, however old, begins in one of them."""
_BLANK: Final = (md5(b"\xff" * SECTOR_SIZE), md5(bytes(SECTOR_SIZE)))
"""Digests that a flash which does not answer gives as well."""


@dataclass
class FlashClock:
    """The clock of one board's flash, for one run."""

    session: Session
    frequency_mhz: int
    """What the plan's image header asks of the flash."""
    fast: bool = False
    """Whether the faster one is in force."""
    _usual: int = field(default=QUARTER)
    _over: bool = False
    """Not again in this run."""

    def raise_(self) -> bool:
        """Clock the flash faster where that may be; returns whether that is unproven, for want of a sector that tells.

        Raises:
            PipelineError: the board was lost over it, and is not reached again.
        """
        session = self.session
        auto, link = session.auto, session.link
        if self.fast or self._over or auto is None or isinstance(link, RomLink) or auto.clock_refused():
            return False
        if session.baud < USUAL:
            return False  # the line has failed at the usual rate: what goes wrong on it shall not be laid to the flash
        self._usual = clock_bits(link)
        fast_mhz = session.connected().crystal_mhz * 2 // divider(HALF)
        if divider(self._usual) < divider(QUARTER) or fast_mhz > self.frequency_mhz:
            return False  # it is fast already, or the flash is not meant for that
        sample, digest = self._telling()
        try:
            set_clock(link, HALF)
            self.fast = True
            if sample is None or link.md5(sample) == digest:
                session.flash_mhz = fast_mhz
                return sample is None
        except WireError:  # it answered a moment ago: a flash that cannot follow keeps the stub waiting
            if not session.resets_by_wire:
                raise
            self._refuse("the flash does not follow")
            session.begin_anew(session.baud)
            return False
        self.lower()
        self._refuse("the flash is read wrongly")
        return False

    def _telling(self) -> tuple[Region | None, bytes]:
        for sample in SAMPLES:
            digest = self.session.link.md5(sample)
            if digest not in _BLANK:
                return sample, digest
        return None, b""

    def lower(self) -> None:
        """Back to the usual clock; a conversation that is broken is left to the reset that follows."""
        if self.fast:
            self.fast = False
            with suppress(WireError):
                set_clock(self.session.link, self._usual)

    def doubt(self) -> None:
        """Something went wrong at the faster clock: it is not used again in this run."""
        self.lower()
        self._over, self.session.flash_mhz = True, 0

    def line_failed(self, error: WireError) -> None:
        """The conversation broke, and a reset follows. At a rate that anything carries the clock is the cause.

        Unless bytes on the line came wrong: that is no flash's doing.
        """
        if self.fast and self.session.baud <= USUAL and error.damage is not WireDamage.BYTES:
            self._refuse("the board stopped answering")
        self.fast, self.session.flash_mhz = False, 0

    def refuse(self) -> None:
        """What differed at the faster clock is well at the usual one: the clock was the cause."""
        self._refuse("what was written differed")

    def _refuse(self, why: str) -> None:
        self._over, self.fast, self.session.flash_mhz = True, False, 0
        self.session.notify(f"flash clock: back to the usual one, {why} at the faster one; not tried for a month")
        if self.session.auto is not None:
            self.session.auto.clock_failed()
