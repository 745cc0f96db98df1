"""What a flash would do. Fetches and reads, never builds, never writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flashpipe.board.lua.acceptance import LuaPolicy
from flashpipe.errors import PipelineError
from flashpipe.firmware.flash_map import Area
from flashpipe.firmware.overrides import Overrides
from flashpipe.flash import Region
from flashpipe.flasher.fit_to_board import fit_to_board
from flashpipe.flasher.flash import everything
from flashpipe.flasher.init_data import with_init_data
from flashpipe.flasher.model import Probe
from flashpipe.flasher.probe import compare, probe
from flashpipe.jobs import sessions
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.build import build_note, is_due
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.policy import run_policy
from flashpipe.plan.keep import DecisionLine, KeepDecision, lines, placed_areas
from flashpipe.plan.make import with_real_size
from flashpipe.plan.model import FlashPlan
from flashpipe.plan.table import PlanRow, rows
from flashpipe.profile.model import SerialProfile
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan, and what carrying it out would mean."""

    plan: FlashPlan
    lua: LuaPolicy
    build: str
    """One line about the last build; empty where nothing is built."""
    build_due: bool
    """What it reads has changed since: nobody knows what `flash` will have built, and write."""
    rows: Sequence[PlanRow]
    areas: Sequence[Area]
    line: SerialProfile
    decision: KeepDecision | None = None
    """What the board keeps and loses; None where no board was asked, or nothing is written."""
    keep: Sequence[str] = ()
    """What the profile says shall be kept, where no board was asked."""
    firmware_owned: bool = False
    """What the firmware changes when it first runs is done."""
    port: str = ""
    """The board that was asked; empty where none was."""
    reason: str = ""
    """Why it would be written, or why not."""
    decided: Sequence[DecisionLine] = ()
    """What is kept and lost, in lines."""

    @property
    def would_write(self) -> bool:
        """Whether carrying it out would send anything, or may."""
        return self.build_due or any(row.wire_bytes for row in self.rows)


def preview(inputs: RunInputs, flash_size: int | None = None) -> Preview:
    """The plan alone; no board is asked. `flash_size`: bytes of the board's flash, where it has told them before.

    Raises:
        PipelineError: a bad profile or variable, or an image that is missing, refused or does not fit.
    """
    plan = inputs.plan()
    if flash_size is not None:
        plan = with_real_size(plan, flash_size, Overrides(run_policy(inputs).allow, [*plan.overridden]))
    run_policy(inputs)  # a mistyped value is refused here as it would be by `flash`
    return _preview(inputs, plan, None, keep=inputs.profile().keep)


def preview_board(board: BoardRun) -> Preview:
    """The plan fitted to the board, and the real difference; read-only, and the board is reset to run again.

    Raises:
        PipelineError: as `preview`, or the board cannot be reached, or must not be written.
    """
    plan, policy = board.inputs.plan(), run_policy(board.inputs)  # refused before the port is opened
    if board.face.attended:  # nothing is asked here, but what `flash` would ask is no refusal
        policy = replace(policy, ask=lambda _loss: False)
    with sessions.Working(board.named_port):
        session = board.session()
        try:
            probed = probe(session, plan, policy)
            firmware_owned = bool(probed.ignored)
            if not probed.up_to_date:
                probed = with_init_data(session, fit_to_board(session, probed, policy), policy)
            dirty = everything(probed) if probed.forced else compare(session, probed)
        except PipelineError as error:
            board.explain(error, plan)
            raise
        finally:
            session.leave()
    return fitted_preview(board, probed, dirty, firmware_owned=firmware_owned)


def fitted_preview(
    board: BoardRun, probed: Probe, dirty: Sequence[Region], *, firmware_owned: bool | None = None
) -> Preview:
    """What a flash of this very board writes, once it was compared; nothing is asked of the board any more."""
    owned = bool(board.probed and board.probed.ignored) if firmware_owned is None else firmware_owned
    made = _preview(board.inputs, probed.plan, dirty, probed.decision, firmware_owned=owned)
    decided = tuple(lines(probed.decision)) if probed.decision else ()
    return replace(made, port=board.session().port, reason=probed.reason, decided=decided)


def _build_due(inputs: RunInputs) -> bool:
    build = inputs.build()
    return build is not None and bool(build.inputs) and is_due(inputs)


def _preview(
    inputs: RunInputs,
    plan: FlashPlan,
    dirty: Sequence[Region] | None,
    decision: KeepDecision | None = None,
    *,
    firmware_owned: bool = False,
    keep: Sequence[str] = (),
) -> Preview:
    line = inputs.serial()
    areas = tuple(placed_areas(plan, decision))
    return Preview(
        plan,
        run_policy(inputs).lua,
        build_note(inputs),
        _build_due(inputs),
        rows(replace(plan, areas=areas), line.baud, dirty, firmware_owned=firmware_owned),
        areas,
        line,
        decision,
        keep,
        firmware_owned,
    )
