"""What became of a board, in one line, and what most people do next."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import Final

from flashpipe.board.boot.kinds import NOT_CHECKED
from flashpipe.board.session.execution import Execution
from flashpipe.errors import PipelineError
from flashpipe.events import BoardDone
from flashpipe.flasher.model import Outcome, verdict_of
from flashpipe.jobs.request import CommandLine
from flashpipe.next_steps import NextStep
from flashpipe.plan.model import FlashPlan
from flashpipe.virtual_options import ABOUT

_OTHERS: Final = {"erased": "its flash is blank", "restored": "the backup is back", "audited": "audited"}
_ONCE: Final = frozenset({"color", "events", "format", "junit", "port", "quiet", "receipt", "verbose"})
"""Variables that say how a run is told, or where its board is."""
_RUNNING: Final = frozenset({"flashed", "skipped", "files", "restored", "booted"})
"""Outcomes after which a firmware runs that people may want to talk to."""


def board_done(
    port: str,
    command: str,
    outcome: Outcome,
    error: PipelineError | None,
    *,
    plan: FlashPlan | None,
    asked: CommandLine,
    mac: str,
    execution: Execution,
    seconds: float,
    steps: tuple[tuple[str, float], ...],
    receipt: str,
    forgets: bool = False,
) -> BoardDone:
    """The end of the task `command` on the board behind `port`.

    Args:
        port: A device name or URL.
        command: The task.
        outcome: What was done; of a run that failed, up to there.
        error: What ended it; None where it ended well.
        plan: What was to be on the board; None for commands without one.
        asked: The command line.
        mac: Of the board; empty where none answered.
        execution: Who runs its firmware.
        seconds: Since work for this board began.
        steps: Name and seconds of each.
        receipt: Path; empty where there is none.
        forgets: The board is a virtual one that is new in each command.
    """
    verdict = (verdict_of(error) if error else None) or outcome.verdict
    checked = verdict is not NOT_CHECKED
    return BoardDone(
        port=port,
        command=command,
        profile=asked.profile_name,
        mac=mac,
        virtual=execution.virtual,
        outcome=error.code if error else outcome.outcome,
        summary=error.message if error else _summary(outcome, outcome.plan or plan, execution),
        seconds=seconds,
        steps=steps,
        executed=execution.executed if checked else False,
        execution=execution.record if checked else {},
        verdict=verdict.kind if checked else "",
        receipt=receipt,
        backup=outcome.backup or str(outcome.keeping.get("backup", "")),
        lost=tuple(str(area["what"]) for area in outcome.keeping.get("lost", ())),
        started_in="" if error else outcome.started_in,
        next=None if error else _next(outcome, outcome.plan or plan, asked, command if forgets else ""),
        again=_again(command, asked),
        error=error,
    )


def _summary(outcome: Outcome, plan: FlashPlan | None, execution: Execution) -> str:
    if outcome.outcome not in {"flashed", "skipped", "files"}:
        summary = outcome.verdict.summary if outcome.outcome == "booted" else outcome.reason
        if outcome.outcome == "erased" and not outcome.whole:
            summary = f"{', '.join(map(str, outcome.written))} {'is' if len(outcome.written) == 1 else 'are'} blank"
        return summary or _OTHERS.get(outcome.outcome, outcome.outcome)
    sent = sum(state.state == "sent" for state in outcome.files)
    files = f"{sent} file{'s' * (sent != 1)} sent"
    if outcome.outcome == "files" and outcome.verdict is NOT_CHECKED:
        return f"{files if sent else 'the board held them already'}; it was not restarted"
    written = plan.firmware.title().partition(" (")[0] if plan else "the firmware"
    was_there = outcome.outcome == "skipped"
    if outcome.verdict is NOT_CHECKED:
        text = f"{written} {'was there already' if was_there else 'is written and verified'}; its boot was not watched"
        text += ", and it is still in its loader" * outcome.in_loader
    else:
        text = f"{outcome.verdict.firmware} boots" if outcome.verdict.firmware else outcome.verdict.summary
        text += ", as predicted from the image" * (execution.executed is False) + "; it was there already" * was_there
    if outcome.started_in and plan is not None:
        text += f", in flash mode {outcome.started_in} and not in {plan.settings.mode}"
    if was_there and plan is not None and plan.erase_all:
        text += "; nothing was erased: `erase: all` counts where something is written"
    return f"{text}; {files}" if sent else text


def _again(command: str, asked: CommandLine) -> str:
    return " ".join(("flashpipe", command, *_words(asked, _ONCE)))


def _words(asked: CommandLine, but: Collection[str]) -> list[str]:
    return _said({name: text for name, text in asked.variables.given.items() if name not in but})


def _said(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={shlex.quote(text)}" for name, text in variables.items()]


def _next(outcome: Outcome, plan: FlashPlan | None, asked: CommandLine, again: str) -> NextStep | None:
    """The command, for the same board; for one that forgets, behind the task that is to be done `again`."""
    if outcome.outcome == "erased":
        if not outcome.whole or not asked.profile_name:
            return None
        task = "flash"
    elif outcome.outcome == "verified":
        task = "boot"
    elif outcome.outcome not in _RUNNING:
        return None
    elif outcome.files:
        task = "files"
    else:
        is_nodemcu = outcome.verdict.kind == "prompt" or (plan is not None and plan.firmware.family == "nodemcu")
        task = "node" if is_nodemcu else "monitor"
    given = asked.variables.given
    variables = {name: given[name] for name in ("profile", "port", *ABOUT) if name in given}
    if again:
        if again == task:
            return None
        task = f"{again} {task}"
        variables = {name: text for name, text in given.items() if name not in _ONCE - {"port"}}
    words = " ".join(("flashpipe", task, *_said(variables)))
    return NextStep(
        task, tuple(variables.items()), f"press RESET, then: {words}" if outcome.in_loader and not again else words
    )
