"""The actions of the tasks: module-level functions with plain arguments; a foreseen failure is one printed message."""

from __future__ import annotations

import functools
import multiprocessing
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from doit.exceptions import TaskFailed

from flashpipe.errors import (
    BadValueError,
    BootError,
    ConfirmationError,
    NotNamedError,
    PipelineError,
    StoppedError,
)
from flashpipe.jobs import sessions
from flashpipe.jobs.board_job import BoardRun
from flashpipe.tasks.command_line import named, preceding

if TYPE_CHECKING:
    from flashpipe.jobs.request import Request

failures: list[PipelineError] = []
"""What failed in this process, for the exit status of `flashpipe`."""


def report(error: PipelineError) -> TaskFailed:
    """Print a foreseen failure once, whole, and tell doit that the task failed; of a stop, `sessions` tells."""
    failures.append(error)
    if sessions.ending():
        return TaskFailed(str(error), report=False)
    if error.diagnosis is None:
        from flashpipe.flasher.explain_failure import explain  # noqa: PLC0415  only failures need it

        explain(error)
    sys.stdout.flush()
    sys.stderr.write(f"error: {error}\n")
    sys.stderr.flush()
    return TaskFailed(str(error), report=False)


def step(action: Callable[[Request], None]) -> Callable[[Request], TaskFailed | None]:
    """An action without a board: foreseen errors become failures, all others stay tracebacks, for they are defects."""

    @functools.wraps(action)
    def run(request: Request) -> TaskFailed | None:
        try:
            action(request)
        except PipelineError as error:
            return report(error)
        return None

    return run


def board_step(action: Callable[[BoardRun], None]) -> Callable[[BoardRun], TaskFailed | None]:
    """An action on a board, in its turn."""

    @functools.wraps(action)
    def run(board: BoardRun) -> TaskFailed | None:
        if multiprocessing.parent_process() is not None:
            return report(BadValueError("-P process: the tasks of a board share its connection", "leave out -P"))
        with board.turn():
            try:
                action(board)
            except PipelineError as error:
                board.explain(error)
                board.let_go()
                if not isinstance(error, StoppedError):  # the line about a stop says it all
                    _say_state(board, error)
                board.tell(f"failed: {error.message} [code: {error.code}]")
                return report(error)
        return None

    return run


def _say_state(board: BoardRun, error: PipelineError) -> None:
    from flashpipe.flasher.flash import named_state  # noqa: PLC0415

    state = named_state(error, board.device())
    if state:
        board.say(state)


def notify(text: str) -> None:
    """One result on standard output."""
    from flashpipe.text.lines import print_result  # noqa: PLC0415

    print_result(text)


def armed() -> bool:
    """`uptodate` that is never true: doit calls it in the main thread, the only one that may install stop handlers."""
    sessions.install_handlers()
    return False


class UpToDate:
    """`uptodate` of flash: this run's probe has seen the board hold the plan, and boot.

    Nothing that was stored earlier counts: `doit run -s flash:*` runs without a probe, and must then look for itself.
    """

    def __init__(self, board: BoardRun) -> None:
        self._board = board

    def __call__(self) -> bool:
        """Whether nothing is left to do."""
        return self._board.settled or armed()

    def __repr__(self) -> str:
        return "skipped when the board on the port holds the image and boots"


# --- actions ---------------------------------------------------------------------------------------------------------


@step
def show_image(request: Request) -> None:
    """Load, check and describe the images."""
    from flashpipe.text.inspection import describe  # noqa: PLC0415
    from flashpipe.text.plan import describe_plan  # noqa: PLC0415

    plan = request.plan()
    notify(describe_plan(plan))
    notify("\n" + describe(request.inspect(), plan.settings.capacity))


@step
def lock_images(request: Request) -> None:
    """Pin what the sources give now."""
    notify(request.lock_again())


@step
def check_plan(request: Request) -> None:
    """Everything that can be refused without a board; shows the plan where it is about to be carried out."""
    from flashpipe.text.plan import describe_plan, describe_wish  # noqa: PLC0415

    wish = request.policy().lua
    plan = request.plan()
    if named("flash"):
        _refuse_without_hands(request)
        notify("\n".join(filter(None, (describe_plan(plan), describe_wish(wish)))))


def _refuse_without_hands(request: Request) -> None:
    """A board without reset wires starts when somebody presses RESET: told before, not after it was written."""
    from flashpipe.text.lines import somebody_reads  # noqa: PLC0415

    reset = request.serial().reset
    if reset in {"manual", "none"} and request.boot_wish().check and not somebody_reads():
        raise BadValueError(
            f"reset={reset}: the boot check needs a person to press RESET, and nobody can be asked here",
            "run it on a terminal; or put the board into download mode first and say reset=none boot=off",
        )


@board_step
def probe_board(board: BoardRun) -> None:
    """Connect and compare."""
    board.probe()


@board_step
def flash_board(board: BoardRun) -> None:
    """Write what differs, verify, boot."""
    board.flash()


@board_step
def erase_board(board: BoardRun) -> None:
    """Erase the whole flash, if that is confirmed."""
    from flashpipe.flasher.flash import erase  # noqa: PLC0415

    confirm(board, "erases its whole flash, files and settings included")
    policy = board.request.board_policy()
    board.recorded("erase", lambda: erase(board.session(), policy))
    board.forget_findings()


def confirm(board: BoardRun, what: str) -> None:
    """Ask on a terminal, or take yes=1.

    Raises:
        ConfirmationError: no, or nobody to ask.
    """
    if board.request.variables.flag("yes"):
        return
    port = board.port()
    if not board.can_ask or not board.lines.ask(f"{port}: this {what}. Type yes to go on:"):
        raise ConfirmationError(f"{port}: this {what}", "say yes=1")
    if not sessions.said_yes():
        raise ConfirmationError(f"{port}: not confirmed, nothing was done")


@board_step
def verify_board(board: BoardRun) -> None:
    """Compare the board with the plan, read-only."""
    from flashpipe.flasher.flash import verify  # noqa: PLC0415

    plan, policy = board.request.plan(), board.request.policy()
    notify(board.recorded("verify", lambda: verify(board.session(), plan, policy), plan).reason)


@board_step
def boot_board(board: BoardRun) -> None:
    """Reset and judge the boot log."""
    from flashpipe.flasher.boot_check import judge  # noqa: PLC0415
    from flashpipe.flasher.model import Outcome  # noqa: PLC0415

    wish = board.request.boot_wish()

    def run() -> Outcome:
        session = board.session()
        verdict = judge(session, wish, None, is_nodemcu=board.request.expects_nodemcu(), look=True)
        return Outcome("booted", session.device, verdict=verdict)

    try:
        done = board.recorded("boot", run)
    except BootError as error:
        if error.verdict is not None and error.verdict.log:
            notify(error.verdict.log.rstrip())
        raise
    notify(done.verdict.log.rstrip())


@board_step
def identify_board(board: BoardRun) -> None:
    """Say what is on the port."""
    from flashpipe.text.device import describe  # noqa: PLC0415

    notify(describe(board.session(), board.request.project))


@board_step
def diagnose_board(board: BoardRun) -> None:
    """Look at a board as after a failure."""
    from flashpipe.tasks.actions.diagnose import examine  # noqa: PLC0415

    examine(board)


@step
def check_host(request: Request) -> None:
    """What on this machine keeps a board from being flashed."""
    from flashpipe.jobs import doctor as doctoring  # noqa: PLC0415

    found = doctoring.findings(request)
    notify(doctoring.describe(found))
    doctoring.refuse_unready(found)


@board_step
def monitor_board(board: BoardRun) -> None:
    """Show what the board says, send what is typed."""
    from flashpipe.tasks.monitor import FIRMWARE_BAUD, monitor  # noqa: PLC0415
    from flashpipe.text.crash_names import CrashAnnotator, annotator  # noqa: PLC0415

    session, before, baud = board.session(), board.boot_log(), FIRMWARE_BAUD
    if before:
        baud = session.rate  # at which the boot check understood the board
    elif "baud" in board.request.variables.given and not preceding("monitor"):
        baud = board.request.serial().baud  # else it is the rate of the write phase
    places = CrashAnnotator(annotator(board.request, board.say))
    monitor(session, stop=sessions.stop, gentle=sessions.gentle, baud=baud, before=before, places=places)


@step
def list_profiles(request: Request) -> None:
    """Every profile, and what is wrong with those that cannot be used."""
    from flashpipe.text.listings import profiles_text  # noqa: PLC0415

    notify(profiles_text(request.project))


@step
def list_ports(request: Request) -> None:
    """Every serial port, and what was last seen on it."""
    from flashpipe.text.listings import ports_text  # noqa: PLC0415

    del request
    notify(ports_text())


def refuse(error: PipelineError) -> dict[str, Any]:
    """A task that fails with a message: raising while doit loads would take every other task down."""
    return {"actions": [(report, [error])], "io": {"capture": False}}


def not_named(task: str) -> NotNamedError:
    """The refusal of a task that writes to boards and was reached by default."""
    return NotNamedError(f"{task} writes to a board and was not named on the command line", f"say `flashpipe {task} …`")
