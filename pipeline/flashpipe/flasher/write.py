"""The work on the flash itself: erase, write and verify; begun anew after a failure, then with what still differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from functools import cache, cached_property

from flashpipe.board.loader import writer
from flashpipe.board.loader.compression import QUICK_FROM
from flashpipe.board.loader.frames import GROWTH
from flashpipe.board.session.flash_clock import FlashClock
from flashpipe.board.session.rate_search import raise_rate
from flashpipe.board.session.session import Session
from flashpipe.errors import VerifyError, WireError
from flashpipe.flash import BLOCK_SIZE, BOOT_SECTOR, Region, merge
from flashpipe.flasher.model import Probe
from flashpipe.flasher.probe import compare, pieces, prepare
from flashpipe.plan.cost import FAST_PAGE_S, PAGE_PROGRAM_S, stream_s
from flashpipe.plan.model import FlashPlan
from flashpipe.plan.table import clip, streams, wire_parts
from flashpipe.units import format_size
from flashpipe.values import dataclass


@dataclass
class WriteRun:
    """What one run writes to one board, in as many attempts as the line needs."""

    session: Session
    probe: Probe
    dirty: list[Region]
    """What differs, as far as it is known before the first attempt."""
    read_back: bool = False
    written: list[Region] = field(default_factory=list)
    sent: int = 0
    """Bytes, of all attempts."""
    _erased: bool = False
    _rate_is_new: bool = False
    """Whether the rate in force has not been carried before."""
    _unsent: list[Region] = field(default_factory=list)
    """What the last attempt did not come to: it differs as before, and need not be compared again."""

    def attempt(self) -> None:
        """Write what differs and verify what this run has written.

        Raises:
            WireError, VerifyError: another attempt may go better.
        """
        try:
            self._attempt()
        except VerifyError:
            if not self._clock.fast:
                raise  # the line is to blame
            # It may be to blame here too, but the stub checks what comes over the line, and nothing checks the clock.
            self._clock.doubt()
            self._attempt()  # at the usual clock the board is asked again, and given what differs there too
            self._clock.refuse()
        except WireError as error:
            self._clock.line_failed(error)
            raise
        finally:
            self._clock.lower()

    @cached_property
    def _clock(self) -> FlashClock:
        return FlashClock(self.session, self.probe.plan.settings.frequency_mhz)

    def _attempt(self) -> None:
        session, plan = self.session, self.probe.plan
        dirty = compare(session, self.probe, anew=True, unsent=self._unsent) if self.written else self.dirty
        if plan.erase_all and not self._erased:
            prepare(session, plan, self.probe.entry)
            with session.step("erase", "whole flash") as result:
                session.link.erase_all()
                result.append("whole flash")
            self._erased, dirty = True, [segment.region for segment in plan.segments]
        dirty = self._streams(dirty)
        amount = sum(region.size for region in dirty)
        with session.step("write", f"{format_size(amount)} in {len(dirty)} run(s)") as result:
            before, reached, show = self.sent, 0, session.progress("write")

            def on_progress(done: int, total: int) -> None:
                nonlocal reached
                self.sent, reached = before + done, done
                show(done, total)

            clock_is_new = self._clock.raise_()
            self._rate_is_new = raise_rate(session, self._seconds(dirty))
            self.written = merge([*self.written, *dirty])
            try:
                sent = writer.write(
                    session.link,
                    pieces(plan),
                    dirty,
                    on_progress,
                    prove_line=self._rate_is_new or clock_is_new,
                    quick=session.baud >= QUICK_FROM,
                )
            finally:
                self._unsent = not_begun(dirty, reached)
            self.sent = before + sent
            result.append(f"{sent:,} bytes written")
        check(session, pieces(plan), _checked(plan, self.written), read_back=self.read_back)
        session.rate_held()

    def _seconds(self, dirty: Sequence[Region]) -> Callable[[int], float]:
        """What writing takes at a rate, as the cost model has it; nothing is packed unless that is asked."""

        @cache
        def packed() -> list[tuple[Region, int]]:
            wanted = pieces(self.probe.plan)
            return [
                stretch
                for piece in wanted
                for part in clip(dirty, piece.region)
                for stretch in wire_parts(piece.address, piece.data, part)
            ]

        page_s = FAST_PAGE_S if self._clock.fast else PAGE_PROGRAM_S
        return lambda baud: sum(stream_s(part, wire, baud, page_s) for part, wire in packed())

    def _streams(self, dirty: list[Region]) -> list[Region]:
        boot = [BOOT_SECTOR] if any(region.overlaps(BOOT_SECTOR) for region in dirty) else []
        return merge([*streams(self.probe.plan, dirty, self.probe.ignored, self.session.baud), *boot])


def not_begun(dirty: Sequence[Region], done: int) -> list[Region]:
    """What of the `dirty` regions, sent in this order, was certainly not begun after `done` bytes, in whole blocks.

    The boot sector, which is erased first and sent last, is left out.
    """
    left, passed = list[Region](), done + GROWTH  # one block may be on its way
    for region in (part for run in dirty for part in run.without([BOOT_SECTOR])):
        start = -(-(region.start + passed) // BLOCK_SIZE) * BLOCK_SIZE if passed else region.start
        passed = max(0, passed - region.size)
        if start < region.end:
            left.append(Region(start, region.end))
    return left


def _checked(plan: FlashPlan, dirty: Sequence[Region]) -> list[Region]:
    """What was written, its guard sector 0 included.

    All else was found alike by the board's own digests on this very connection, so that after this the whole plan is
    known to be there; a digest of everything again would cost 1.06 s a MiB and prove nothing more.
    """
    guard = [BOOT_SECTOR] if any(segment.address == 0 for segment in plan.segments) else []
    return merge([*dirty, *guard])


def check(
    session: Session,
    wanted: Sequence[writer.FlashPiece],
    regions: Sequence[Region],
    *,
    read_back: bool,
    written: bool = True,
) -> None:
    """Compare what the board holds in `regions` with what it should contain.

    Raises:
        VerifyError: naming the first bad sector.
    """
    with session.step("verify", "read back" if read_back else "MD5") as result:
        if read_back:
            writer.read_back(session.link, wanted, regions, session.progress("verify"))
        else:
            writer.verify(session.link, wanted, regions, session.progress("verify"), written=written)
        result.append(f"{sum(region.size for region in regions):,} bytes as planned")
