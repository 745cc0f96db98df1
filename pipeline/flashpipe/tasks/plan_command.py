"""`doit plan`: what a flash would do. Fetches and reads, never builds, never writes.

Touches a board only if `port=` is on the command line, and then read-only. A command, not a task, so that it runs
nothing that a task depends on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from doit.cmd_base import DoitCmdBase

from flashpipe.errors import PipelineError
from flashpipe.jobs import sessions
from flashpipe.tasks import step as steps
from flashpipe.tasks.command_line import boards, request
from flashpipe.text.lines import print_result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flashpipe.flash import Region
    from flashpipe.jobs.board_job import BoardRun
    from flashpipe.plan.keep import KeepDecision
    from flashpipe.plan.make import FlashPlan

FAILED: Final = 1
"""doit's status for a failed task; `flashpipe` makes the class of the error of it."""


class Plan(DoitCmdBase):  # type: ignore[misc]  # doit ships no types
    """The command."""

    name = "plan"
    doc_purpose = "show what `flash` would write, keep and skip; writes nothing"
    doc_usage = "profile=NAME [port=PORT] [image=FILE]"
    doc_description = (
        "A table of the whole flash and a map to scale. Without port= on the command line no board is touched; with it"
        " the board is compared, read-only, and reset to run again."
    )
    cmd_options = ()

    def _execute(self, pos_args: list[str]) -> int:
        del pos_args
        self.dep_manager.close()
        sessions.install_handlers()
        try:
            request().writes_lock = False
            if "port" in request().variables.given:
                results = [self._attempt(self._compare, board) for board in boards().values()]
            else:
                results = [self._attempt(self._show_unasked)]
        except PipelineError as error:  # a pattern that fits no port
            steps.report(error)
            return FAILED
        finally:
            sessions.close_all()
        return 0 if all(results) else FAILED

    def _attempt(self, action: Callable[..., None], *args: BoardRun) -> bool:
        try:
            action(*args)
        except PipelineError as error:
            steps.report(error)
            return False
        return True

    def _show_unasked(self) -> None:
        plan = request().plan()
        request().policy()  # a mistyped value is refused here as it would be by `flash`
        self._show(plan, None, keep=request().profile().keep)
        self._say("\nno board was asked: with port= the real difference is shown, and what the board keeps and loses")

    def _compare(self, board: BoardRun) -> None:
        from flashpipe.flasher.fit_to_board import fit_to_board  # noqa: PLC0415
        from flashpipe.flasher.flash import everything  # noqa: PLC0415
        from flashpipe.flasher.init_data import with_init_data  # noqa: PLC0415
        from flashpipe.flasher.probe import compare, probe  # noqa: PLC0415
        from flashpipe.plan.keep import lines  # noqa: PLC0415

        plan, policy = request().plan(), request().policy()  # refused before the port is opened
        if board.can_ask:  # nothing is asked here, but what `flash` would ask is no refusal
            policy = replace(policy, ask=lambda _loss: False)
        with sessions.Working(board.wanted):
            session = board.session()
            try:
                found = probe(session, plan, policy)
                settled = bool(found.ignored)
                if not found.holds:
                    found = with_init_data(session, fit_to_board(session, found, policy), policy)
                dirty = everything(found) if found.forced else compare(session, found)
            except PipelineError as error:
                board.explain(error, plan)
                raise
            finally:
                session.leave()
        self._say(f"{session.port}\n         {found.reason}")
        for line in lines(found.decision) if found.decision else ():
            self._say(f"         {line}")
        self._show(found.plan, dirty, found.decision, settled=settled)

    def _show(
        self,
        plan: FlashPlan,
        dirty: Sequence[Region] | None,
        decision: KeepDecision | None = None,
        *,
        settled: bool = False,
        keep: Sequence[str] = (),
    ) -> None:
        from flashpipe.plan.keep import placed_areas  # noqa: PLC0415
        from flashpipe.plan.make import rows  # noqa: PLC0415
        from flashpipe.tasks.actions.build import build_note  # noqa: PLC0415
        from flashpipe.text.plan import (  # noqa: PLC0415
            describe_first_boot,
            describe_kept,
            describe_plan,
            describe_wish,
            draw_map,
            marked,
            table,
        )

        baud = request().serial().baud
        areas = placed_areas(plan, decision)
        found = rows(replace(plan, areas=tuple(areas)), baud, dirty, settled=settled)
        if decision is not None:
            found = marked(found, decision)
        self._say(describe_plan(plan))
        later = "" if settled else describe_first_boot(plan)
        wish = describe_wish(request().policy().lua)
        for text in filter(None, (build_note(request()), describe_kept(plan, keep), later, wish)):
            self._say(text)
        self._say("\n" + table(found, baud))
        self._say("\n" + draw_map(found, plan.settings.capacity, areas if plan.firmware.family == "nodemcu" else ()))

    def _say(self, text: str) -> None:
        print_result(text, self.outstream)
