"""Which boards a station works on unasked: blank ones, those with AT firmware from the factory, those of its batch."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from flashpipe.board.loader.device import Device
from flashpipe.board.session.session import Session
from flashpipe.errors import (
    ForeignBoardError,
    MacTwiceError,
    PartDiffersError,
    PipelineError,
    TooManyTriesError,
)
from flashpipe.flasher.board_peek import look_at_contents
from flashpipe.jobs.board_job import BoardRun
from flashpipe.records.batch import Batch
from flashpipe.records.batch_state import FOUND, PART, BatchState
from flashpipe.station.claims_check import check_claims
from flashpipe.station.units import Unit, Units
from flashpipe.units import format_size
from flashpipe.values import dataclass

ASKED: Final[tuple[type[PipelineError], ...]] = (ForeignBoardError, PartDiffersError, TooManyTriesError)
"""Refusals about which the operator decides; the key of the port overrides them, once."""
SMALLEST: Final = 512 * 1024
"""Bytes of flash that are looked at where the size of the part is not known."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a station does with boards."""

    tries: int = 3
    """How often a board may fail before it is refused."""
    stop_after: int = 5
    """Boards in a row that may be bad before no more are begun; 0: any number."""


def no_twin(_mac: str) -> str:
    """Where nobody looks after several ports, no other one has a board of that MAC."""
    return ""


class Admission:
    """Looks at one board, before anything is written to it."""

    def __init__(
        self,
        batch: Batch,
        board: BoardRun,
        name: str,
        *,
        rules: Rules,
        allowed: Collection[str] = (),
        units: Units | None = None,
        twin: Callable[[str], str] = no_twin,
    ) -> None:
        self._batch, self._board, self._try = batch, board, name
        self._rules, self._allowed, self._units, self._twin = rules, allowed, units, twin
        self.unit: Unit | None = None
        """What the board becomes."""
        self.seen = ""
        """How an earlier try of this board in the batch has ended; empty where there was none."""

    def __call__(self, session: Session) -> None:
        """Take the board into the batch, or refuse it; what it is given is durable afterwards.

        Raises:
            DeviceError: the operator has to decide about it.
            UnitsUsedUpError: there is no unit for it.
            RecordError: the batch cannot be written: then the board is not touched.
        """
        device = session.connected()
        if place := self._twin(device.mac):
            raise MacTwiceError(
                f"{device.port}: board {device.mac} is on {place} as well: each chip has a MAC of its own",
                MacTwiceError.remedy,
            )
        state = self._batch.refresh()
        self._refuse_tired(device, state)
        if device.mac not in state.macs:
            self._refuse_foreign(session, device)
        self._refuse_other_part(device)
        if self._units is not None:
            check_claims(self._batch, self._units.source)
            self.unit = self._units.claim(device.mac)
            self._board.inputs.unit = self.unit.values
            self._board.station["unit"] = self.unit.shown
        earlier = [one for one in state.of(device.mac) if one.ended]
        self.seen = ("passed" if earlier[-1].passed else "failed") if earlier else ""
        self._batch.append(
            FOUND,
            **{"try": self._try},
            mac=device.mac,
            flash_id=device.flash_id,
            row=self.unit.key if self.unit else "",
            unit=self.unit.shown if self.unit else {},
        )

    def _refuse_tired(self, device: Device, state: BatchState) -> None:
        failed = sum(one.failed for one in state.of(device.mac))
        if failed >= self._rules.tries and TooManyTriesError.code not in self._allowed:
            raise TooManyTriesError(
                f"{device.port}: board {device.mac} has failed {failed} times in batch {self._batch.name}",
                TooManyTriesError.remedy,
            )

    def _refuse_foreign(self, session: Session, device: Device) -> None:
        if ForeignBoardError.code in self._allowed:
            return
        contents = look_at_contents(session, device.flash_size or SMALLEST)
        if contents.kind == "factory" or (contents.kind == "blank" and not contents.title):
            return
        holds = contents.title or contents.kind
        raise ForeignBoardError(
            f"{device.port}: board {device.mac} is not blank and not of batch {self._batch.name}: it holds {holds}",
            ForeignBoardError.remedy,
            holds=holds,
        )

    def _refuse_other_part(self, device: Device) -> None:
        own = device.flash_id, device.flash_size or 0
        with self._batch.alone() as state:  # two first boards at once: one of them is the first
            if state.part is None:
                self._batch.append_locked(PART, flash_id=own[0], flash_size=own[1], mac=device.mac)
                return
            first = state.part
        if own != first and PartDiffersError.code not in self._allowed:
            raise PartDiffersError(
                f"{device.port}: board {device.mac} has flash {_part(own)}, the first of the batch had {_part(first)}",
                PartDiffersError.remedy,
            )


def _part(part: tuple[int, int]) -> str:
    flash_id, size = part
    return f"{flash_id:#08x} of {format_size(size) if size else 'unknown size'}"
