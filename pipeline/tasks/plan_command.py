"""`doit plan`: what a flash would do. Fetches and reads, never builds, never writes.

Touches a board only if `port=` is on the command line, and then read-only. A command, not a task, so that it runs
nothing that a task depends on.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from doit.cmd_base import DoitCmdBase

from pipeline.errors import PipelineError
from pipeline.tasks import sessions, steps
from pipeline.tasks.command_line import boards, request

if TYPE_CHECKING:
    from pipeline.plan import FlashPlan
    from pipeline.tasks.boards import Board


class Plan(DoitCmdBase):  # type: ignore[misc]  # doit ships no types
    """The command."""

    name = "plan"
    doc_purpose = "show what `flash` would write, keep and skip; writes nothing"
    doc_usage = "profile=NAME [port=PORT] [image=FILE]"
    doc_description = (
        "A table of the whole flash and a map to scale. Without port= on the command line no board is touched; with it"
        " the board is compared, read-only, and left as it was."
    )
    cmd_options = ()

    def _execute(self, pos_args: list[str]) -> int:
        del pos_args
        self.dep_manager.close()
        sessions.install_handlers()
        try:
            if "port" in request().variables.given:
                for board in boards().values():
                    self._compare(board)
            else:
                self._show(request().plan())
        except PipelineError as error:
            steps.report(error)
            return error.status
        finally:
            sessions.close_all()
        return 0

    def _compare(self, board: Board) -> None:
        from pipeline.flasher.probing import compare, probe  # noqa: PLC0415

        plan, policy = request().plan(), request().policy()  # refused before the port is opened
        with sessions.Working(board.wanted):
            session = board.session()
            try:
                found = probe(session, plan, policy)
                dirty = compare(session, found)
            finally:
                session.leave()
        self._say(f"\n{found.device.port}: {found.reason}")
        self._show(found.plan, dirty, settled=bool(found.ignored))

    def _show(self, plan: FlashPlan, dirty: Any = None, *, settled: bool = False) -> None:
        from pipeline.plan import rows  # noqa: PLC0415
        from pipeline.tasks.plan_text import describe_plan, draw_map, table  # noqa: PLC0415

        baud = request().serial().baud
        found = rows(plan, baud, dirty, settled=settled)
        self._say(describe_plan(plan))
        self._say("\n" + table(found, baud))
        self._say("\n" + draw_map(found, plan.settings.capacity))
        if dirty is None:
            self._say("\nno board was asked: with port= the real difference is shown")

    def _say(self, text: str) -> None:
        encoding = getattr(self.outstream, "encoding", None) or sys.stdout.encoding or "utf-8"
        self.outstream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
