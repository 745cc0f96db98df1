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
    found = preview(inputs)
    if put("plan", _facts(found)):
        return found.would_write
    if terminal.quiet:
        print_result(_brief(found), stream)
        return found.would_write
    _print(found, stream)
    print_result(
        "\nno board was asked: with port= the real difference is shown, and what the board keeps and loses", stream
    )
    return found.would_write


def show_board(board: BoardRun, stream: TextIO) -> bool:
    """What `flash` would do on this board; whether it would write."""
    found = preview_board(board)
    if put("plan", _facts(found), found.port):
        return found.would_write
    if terminal.quiet:
        print_result(f"{_brief(found)}; {found.reason}", stream)
        return found.would_write
    print_result(found.port, stream)
    if not _is_same(stream, sys.stderr):  # where the step `probe` has just said so
        print_result(f"         {found.reason}", stream)
    for line in found.decided:
        print_result(f"         {line}", stream)
    _print(found, stream)
    return found.would_write


def _is_same(one: TextIO, other: TextIO) -> bool:
    """Whether what is written to either stands in the same place: a terminal, or one pipe or file for both."""
    try:
        return (one.isatty() and other.isatty()) or os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError):  # no real file
        return False


def _brief(found: Preview) -> str:
    """The plan in one line."""
    wire, seconds = (sum(getattr(row, name) for row in found.rows) for name in ("wire_bytes", "seconds"))
    does = f"would send {wire:,} bytes in {seconds:.1f} s" if wire else "would write nothing"
    does = f"builds first; of the last build it {does}" if found.build_due else does
    return f"OK  {found.plan.firmware.title()}{f' on {found.port}' if found.port else ''}: flash {does}"


def _facts(found: Preview) -> dict[str, object]:
    """The same for programs; places are numbers of bytes, ends are exclusive."""
    return {
        **plan_facts(found.plan),
        "would_write": found.would_write,
        "reason": found.reason or None,
        "rows": [
            {
                "start": row.region.start,
                "end": row.region.end,
                "action": row.action,
                "what": row.what,
                "wire_bytes": row.wire_bytes,
                "seconds": round(row.seconds, 3),
            }
            for row in found.rows
        ],
        "areas": [{"name": area.name, "start": area.region.start, "end": area.region.end} for area in found.areas],
        "kept_and_lost": [line.text for line in found.decided],
        "keep": list(found.keep),
        "build": found.build or None,
    }


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
