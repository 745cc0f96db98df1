"""The task `lock`, and the check before a board is touched."""

from __future__ import annotations

from flashpipe import terminal
from flashpipe.errors import BadValueError, UnknownProfileError
from flashpipe.events import PlanMade
from flashpipe.jobs import audience
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.needed_files import made_by_others, needed_files
from flashpipe.jobs.plan_facts import plan_facts
from flashpipe.jobs.policy import boot_expectation, run_policy
from flashpipe.reset_mode import NO_WIRE
from flashpipe.tasks.command_line import current, named
from flashpipe.text.lines import print_result, print_table, somebody_reads
from flashpipe.text.plan import describe_lua_policy, describe_plan


def find_made(inputs: RunInputs) -> dict[str, object]:
    """What doit shall have made before it is read: files that tasks of the project make."""
    targets = current().targets
    return {"file_dep": made_by_others(needed_files(inputs), targets) if targets else []}


def lock(inputs: RunInputs) -> None:
    """Pin what the sources give now."""
    pins, unused = inputs.lock_again()
    print_table("\n".join(pins + unused))
    if terminal.quiet:
        print_result(f"OK  {len(pins)} pinned")


def check(inputs: RunInputs) -> None:
    """Everything that can be refused without a board; shows the plan where it is about to be carried out."""
    policy = run_policy(inputs)
    plan = inputs.plan()
    if named("flash") and not _all_have_failed():
        _refuse_without_profile(inputs)
        _refuse_without_operator(inputs)
        text = "\n".join(filter(None, (describe_plan(plan), describe_lua_policy(policy.lua))))
        inputs.listener(PlanMade("", plan_facts(plan), text))


def _all_have_failed() -> bool:
    """Whether no board is left, because a task before this one was refused for each: what they say is the last line."""
    failed = {result.port for result in audience.results if result.error is not None}
    return bool(failed) and len(failed) >= len(current().known_ports())


def _refuse_without_profile(inputs: RunInputs) -> None:
    """Without a profile a person agrees to what the chip and the image say; in a pipe there is none."""
    command = inputs.command
    if not command.profile_name and not command.variables.flag("yes") and not somebody_reads():
        raise UnknownProfileError(
            "flash without a profile asks first, and nobody can be asked here",
            "say profile=NAME; `flashpipe identify` names those that fit the board",
        )


def _refuse_without_operator(inputs: RunInputs) -> None:
    """A board without reset wires starts when somebody presses RESET: told before, not after it was written."""
    reset = inputs.serial().reset
    if reset in NO_WIRE and boot_expectation(inputs).check and not somebody_reads():
        raise BadValueError(
            f"reset={reset}: the boot check needs a person to press RESET, and nobody can be asked here",
            "run it on a terminal; or put the board into download mode first and say reset=none boot=off",
        )
