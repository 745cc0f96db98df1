"""The command `plan`."""

from __future__ import annotations

from functools import partial
from typing import TextIO

from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.preview import Preview, preview, preview_board
from flashpipe.text.lines import print_result
from flashpipe.text.plan import (
    describe_first_boot,
    describe_kept,
    describe_lua_policy,
    describe_plan,
    draw_map,
    marked,
    table,
)


def show(inputs: RunInputs, stream: TextIO) -> None:
    """What `flash` would do on any board."""
    _print(preview(inputs), stream)
    print_result(
        "\nno board was asked: with port= the real difference is shown, and what the board keeps and loses", stream
    )


def show_board(board: BoardRun, stream: TextIO) -> None:
    """What `flash` would do on this board."""
    found = preview_board(board)
    print_result(f"{found.port}\n         {found.reason}", stream)
    for line in found.decided:
        print_result(f"         {line}", stream)
    _print(found, stream)


def _print(found: Preview, stream: TextIO) -> None:
    say = partial(print_result, stream=stream)
    plan = found.plan
    rows = marked(found.rows, found.decision) if found.decision is not None else list(found.rows)
    say(describe_plan(plan))
    later = "" if found.firmware_owned else describe_first_boot(plan)
    for text in filter(None, (found.build, describe_kept(plan, found.keep), later, describe_lua_policy(found.lua))):
        say(text)
    say("\n" + table(rows, found.baud))
    say("\n" + draw_map(rows, plan.settings.capacity, found.areas if plan.firmware.family == "nodemcu" else ()))
