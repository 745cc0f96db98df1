"""`doit plan`: what a flash would do. Fetches and reads, never builds, never writes.

Touches a board only if `port=` is on the command line, and then read-only. A command, not a task, so that it runs
nothing that a task depends on.
"""

from __future__ import annotations

from typing import Any, Final

from doit.cmd_base import DoitCmdBase
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidDodoFile, TaskFailed

from flashpipe.errors import PipelineError, UsageError
from flashpipe.jobs import audience, sessions
from flashpipe.tasks import command_line, doit_events, step
from flashpipe.tasks.loader import load
from flashpipe.tasks.parser import parse, refuse_unknown_options, task_options
from flashpipe.text.lines import print_result
from flashpipe.text.look import look

FAILED: Final = 1
"""doit's status for a failed task; `flashpipe` makes the class of the error of it."""

WOULD_WRITE: Final = 2
"""With detailed_status=1: nothing failed, and `flash` would write. No error of `flashpipe` has it."""


class Plan(DoitCmdBase):  # type: ignore[misc]  # doit ships no types
    """The command."""

    name = "plan"
    doc_purpose = "show what `flash` would write, keep and skip; writes nothing"
    doc_usage = "profile=NAME [port=PORT] [image=FILE]"
    doc_description = (
        "A table of the whole flash and a map to scale. Without port= on the command line no board is touched; with it"
        " the board is compared, read-only, and reset to run again. With detailed_status=1 the exit status is 2 where"
        " something would be written."
    )
    cmd_options = tuple(task_options("plan"))

    def parse_execute(self, in_args: list[str]) -> Any:
        """Run it; an option that nobody knows is refused in our words: doit would list the whole table of them."""
        try:
            return super().parse_execute(in_args)
        except CmdParseError as error:
            try:
                refuse_unknown_options(parse(["plan", *in_args]))
            except UsageError as refused:
                raise InvalidDodoFile(str(refused)) from error
            raise

    def _execute(self, pos_args: list[str]) -> int:
        del pos_args
        self.dep_manager.close()
        sessions.install_handlers()
        run = command_line.current()
        try:
            run.inputs.pins, run.inputs.by_hand = False, True
            detailed = run.command.variables.flag("detailed_status")
            if "port" in run.command.variables.given:
                boards = [run.board(name) for name in run.ports()]
                endings = [step.attempt_on(board, "plan.show_board", self.name, self.outstream) for board in boards]
            else:
                endings = [step.attempt("plan.show", run.inputs, self.outstream)]
        except PipelineError as error:  # a pattern that fits no port, or a value that is neither yes nor no
            detailed, endings = False, [step.report(error)]
        finally:
            sessions.close_all()
        if look.json:
            print_result(load("text.documents:render")(audience.results, audience.failures), self.outstream)
        if any(isinstance(ending, TaskFailed) for ending in endings):
            status = FAILED
        else:
            status = WOULD_WRITE if detailed and any(endings) else 0
        return doit_events.ended(status)
