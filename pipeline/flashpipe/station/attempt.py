"""One try on one board: the same job as `flashpipe flash`, and what the batch remembers of it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from flashpipe.board.ports.names import is_virtual
from flashpipe.errors import PipelineError, SystemLimitError
from flashpipe.files import read_regular
from flashpipe.flasher.model import Outcome
from flashpipe.jobs import sessions
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.face import Face
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.policy import run_policy
from flashpipe.limits import limits_told
from flashpipe.masking import mask
from flashpipe.records.batch import Batch, new_id
from flashpipe.records.batch_state import BEGIN, END, PASSED
from flashpipe.station.admission import Admission, Rules, no_twin
from flashpipe.station.pins import check_pins, pins_of
from flashpipe.station.sockets import Socket
from flashpipe.station.units import Unit, UnitReturn, Units
from flashpipe.values import dataclass

SHOWN: Final = frozenset({"send", "jig"})
"""Steps in which values of the unit reach the board, or somebody who writes them down; what a board prints is compared
with them here."""


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """How a try has ended."""

    mac: str
    passed: bool
    outcome: str
    seconds: float
    error: PipelineError | None = None
    unit: Unit | None = None
    seen: str = ""
    """How an earlier try has ended: `passed`, `failed`, or empty."""
    returned: UnitReturn = UnitReturn()
    """What became of the unit of a failed board."""
    measured: tuple[tuple[str, object], ...] = ()


class Attempts:
    """Makes tries for one batch."""

    def __init__(self, inputs: RunInputs, batch: Batch, rules: Rules, *, station: str, units: Units | None) -> None:
        self._inputs, self._batch, self._rules = inputs, batch, rules
        self._station, self._units = station, units
        self._owed: list[dict[str, object]] = []
        """Ends of tries that the log has not got yet, because the disk was full; their receipts tell the same."""
        self._paying = threading.Lock()

    def check_pins(self) -> None:
        """Go on only if boards still get what the batch began with.

        Raises:
            LockMismatchError: they do not.
            PipelineError: something of it cannot be read any more.
        """
        check_pins(self._batch.name, self._batch.record.pins, self.pins())

    def pins(self) -> dict[str, object]:
        """What boards get now.

        Raises:
            PipelineError: something of it cannot be had.
        """
        inputs = self._for_board()
        return pins_of(inputs, run_policy(inputs), self._units)

    def _for_board(self) -> RunInputs:
        """Inputs of one board: all that is loaded is shared, the values of its unit are its own."""
        example = self._units.source.example().values if self._units else {}
        return replace(self._inputs, unit=example)

    def run(
        self,
        socket: Socket,
        visit: str,
        face: Face,
        allowed: Collection[str] = (),
        twin: Callable[[str], str] = no_twin,
    ) -> AttemptEnd:
        """Make the board in a socket what the batch wants.

        `twin` is told its MAC, and says on which other port a board of that MAC is; empty: on none.

        Raises:
            RecordError: the try cannot be recorded; then the board was not touched, or its receipt tells of it.
            LockMismatchError: boards would get other bytes than before.
        """
        self.check_pins()
        self._pay()
        name, began = new_id(), time.monotonic()
        self._batch.append(
            BEGIN, **{"try": name}, visit=visit, place=socket.place, port=socket.port, station=self._station
        )
        board = BoardRun(self._for_board(), socket.port, face)
        board.station = {"batch": self._batch.name, "try": name, "place": socket.place, "unit": {}}
        admission = Admission(
            self._batch, board, name, rules=self._rules, allowed=allowed, units=self._units, twin=twin
        )
        board.admit = admission
        error: PipelineError | None = None
        try:
            with board.turn(), limits_told():
                error = _flash(board)
        except SystemLimitError as limit:
            error = limit
        session = sessions.find(socket.port)  # None where the port could not even be named
        sessions.close(socket.port)
        steps = tuple(session.step_times) if session else ()
        mac = session.device.mac if session and session.device else ""
        ended = self._ended(board, admission, error, mac=mac, steps=steps, seconds=time.monotonic() - began)
        self._record(name, board, ended, steps)
        if admission.unit is not None:
            admission.unit.forget_secrets()
        return ended

    def _ended(
        self,
        board: BoardRun,
        admission: Admission,
        error: PipelineError | None,
        *,
        mac: str,
        steps: Sequence[tuple[str, float]],
        seconds: float,
    ) -> AttemptEnd:
        outcome = board.record.outcome
        return AttemptEnd(
            mac=mac,
            passed=error is None and outcome.outcome in PASSED,
            outcome=error.code if error else outcome.outcome,
            seconds=seconds,
            error=error,
            unit=admission.unit,
            seen=admission.seen,
            returned=self._give_back(outcome, admission.unit, mac, steps) if error else UnitReturn(),
            measured=tuple(outcome.measured.items()),
        )

    def _give_back(
        self, outcome: Outcome, unit: Unit | None, mac: str, steps: Sequence[tuple[str, float]]
    ) -> UnitReturn:
        """A failed board gives its unit back, if nothing of it was sent to the board or shown to a test."""
        if unit is None or self._units is None:
            return UnitReturn()
        begun = SHOWN & {step for step, _ in steps}
        return self._units.failed(mac, touched=bool(begun or outcome.files))

    def _record(self, name: str, board: BoardRun, ended: AttemptEnd, steps: Sequence[tuple[str, float]]) -> None:
        receipt = Path(text) if (text := board.facts()["receipt"]) else None
        digest = ""
        if receipt is not None:
            with suppress(OSError):
                digest = hashlib.sha256(read_regular(receipt)).hexdigest()
        end: dict[str, object] = {
            "try": name,
            "outcome": ended.outcome,
            "passed": ended.passed,
            "mac": ended.mac,
            "cause": mask(str(ended.error.message)) if ended.error else "",
            "receipt": receipt.name if receipt else "",
            "sha256": digest,
            "seconds": round(ended.seconds, 3),
            "steps": list(steps),
            "virtual": is_virtual(board.named_port),
            "measured": dict(ended.measured),
            "unit_is_free": ended.returned.is_free,
        }
        with self._paying:
            self._owed.append(end)
        self._pay()

    def _pay(self) -> None:
        """Write down how tries have ended, also those for which there was no room on the disk before.

        Raises:
            RecordError: there is none still. No further board may be begun.
        """
        with self._paying:
            while self._owed:
                self._batch.append(END, **self._owed[0])
                del self._owed[0]


def _flash(board: BoardRun) -> PipelineError | None:
    """Flash it; the failure, told and explained, or None."""
    try:
        board.flash()
    except PipelineError as error:
        board.failed(error, "flash")
        return error
    return None
