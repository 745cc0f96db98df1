"""The command `plan`."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TextIO

from flashpipe import terminal
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.plan_facts import plan_facts
from flashpipe.jobs.preview import Preview, preview, preview_board
from flashpipe.text.documents import put
from flashpipe.text.lines import print_result
from flashpipe.text.plan import (
    AUTO,
    describe_first_boot,
    describe_kept,
    describe_lua_policy,
    describe_plan,
    draw_map,
    marked,
    table,
)


def show(inputs: RunInputs, stream: TextIO) -> bool:
    """What `flash` would do on any board; whether it would write."""
    flash = preview(inputs)
    if put("plan", _facts(flash)):
        return flash.would_write
    if terminal.quiet:
        print_result(_brief(flash), stream)
        return flash.would_write
    _print(flash, stream)
    print_result(
        "\nno board was asked: with port= the real difference is shown, and what the board keeps and loses", stream
    )
    return flash.would_write


def show_board(board: BoardRun, stream: TextIO) -> bool:
    """What `flash` would do on this board; whether it would write."""
    flash = preview_board(board)
    if put("plan", _facts(flash), flash.port):
        return flash.would_write
    if terminal.quiet:
        print_result(f"{_brief(flash)}; {flash.reason}", stream)
        return flash.would_write
    print_result(flash.port, stream)
    if not _is_same(stream, sys.stderr):  # where the step `probe` has just said so
        print_result(f"         {flash.reason}", stream)
    for line in flash.decided:
        print_result(f"         {line}", stream)
    _print(flash, stream)
    return flash.would_write


def _is_same(one: TextIO, other: TextIO) -> bool:
    """Whether what is written to either stands in the same place: a terminal, or one pipe or file for both."""
    try:
        return (one.isatty() and other.isatty()) or os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError):  # no real file
        return False


def _brief(flash: Preview) -> str:
    """The plan in one line."""
    wire, seconds = (sum(getattr(row, name) for row in flash.rows) for name in ("wire_bytes", "seconds"))
    does = f"would send {wire:,} bytes in {seconds:.1f} s" if wire else "would write nothing"
    does = f"builds first; of the last build it {does}" if flash.build_due else does
    return f"OK  {flash.plan.firmware.title()}{f' on {flash.port}' if flash.port else ''}: flash {does}"


def _facts(flash: Preview) -> dict[str, object]:
    """The same for programs; places are numbers of bytes, ends are exclusive."""
    return {
        **plan_facts(flash.plan),
        "would_write": flash.would_write,
        "reason": flash.reason or None,
        "rows": [
            {
                "start": row.region.start,
                "end": row.region.end,
                "action": row.action,
                "what": row.what,
                "wire_bytes": row.wire_bytes,
                "seconds": round(row.seconds, 3),
            }
            for row in flash.rows
        ],
        "areas": [{"name": area.name, "start": area.region.start, "end": area.region.end} for area in flash.areas],
        "kept_and_lost": [line.text for line in flash.decided],
        "keep": list(flash.keep),
        "build": flash.build or None,
    }


def _print(flash: Preview, stream: TextIO) -> None:
    say = partial(print_result, stream=stream)
    plan = flash.plan
    rows = marked(flash.rows, flash.decision) if flash.decision is not None else list(flash.rows)
    say(describe_plan(plan))
    later = "" if flash.firmware_owned else describe_first_boot(plan)
    for text in filter(None, (flash.build, describe_kept(plan, flash.keep), later, describe_lua_policy(flash.lua))):
        say(text)
    say("\n" + table(rows, flash.line.baud))
    if flash.line.auto_baud:
        say(AUTO)
    say("\n" + draw_map(rows, plan.settings.capacity, flash.areas if plan.firmware.family == "nodemcu" else ()))
