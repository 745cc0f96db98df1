"""A plan for people: what it is, a table of the whole flash, and a map drawn to scale."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flashpipe.firmware.flash_map import Area
from flashpipe.flash import SECTOR_SIZE, Region, merge
from flashpipe.plan.area_decisions import covering
from flashpipe.plan.keep import KeepDecision
from flashpipe.plan.model import KEPT_AREAS, FlashPlan
from flashpipe.plan.table import Action, PlanRow
from flashpipe.text.to_scale import AREA_MARKS, drawn
from flashpipe.units import format_address, format_size

if TYPE_CHECKING:
    from flashpipe.board.lua.acceptance import LuaPolicy

MAP_WIDTH: Final = 64
LINE: Final = "{:<8} {:<8} {:>8}  {:<8} {:>9} {:>7}  {}"
"""From, to, size, action, bytes on the wire, seconds, what."""
WHAT_WIDTH: Final = 23
"""Longest text of the last column: a line then has 79 characters."""
AUTO: Final = "baud=auto: sooner, at the fastest rate and flash clock that are found to hold on the board"
"""Below a table whose seconds are those of the usual rate."""
MARKS: Final = {"lost": "!", "write": "#", "erase": "x", "volatile": "~", "skip": "=", "keep": "."}
"""One character for each action, the boldest first; the same in every console."""


def describe_plan(plan: FlashPlan) -> str:
    """Which firmware goes where, and with which header: a few lines."""
    lines = [f"image    {plan.firmware.title()}"]
    lines += [
        f"         {format_address(segment.address)}  {segment.size:>9,} B  {segment.name}" for segment in plan.segments
    ]
    size = "size from the board" if plan.size_from_board else plan.header.name or plan.settings.size
    lines.append(f"header   {size}, {plan.settings.mode}, {plan.settings.frequency[:-1]} MHz")
    if plan.header.why and not plan.size_from_board:
        lines.append(f"         not {plan.settings.size} as the flash: {plan.header.why}")
    lines += [f"allowed  {override.code}: {override.message}" for override in plan.overridden]
    return "\n".join(lines)


def describe_lua_policy(policy: LuaPolicy) -> str:
    """What is asked of, and sent to, the running firmware: a line or two, or nothing."""
    demands = policy.acceptance
    asked = [
        f"version {demands.version}" if demands.version else "",
        f"modules {' '.join(demands.modules)}" if demands.modules else "",
        "" if demands.floats is None else "float numbers" if demands.floats else "integer numbers",
        f"LFS of {format_size(demands.lfs)} or more" if demands.lfs is not None else "",
        f"{format_size(demands.flash_size)} of flash" if demands.flash_size is not None else "",
        f"{demands.run.name} is run" if demands.run else "",
        f"prints {demands.prints}" if demands.prints else "",
    ]
    sent = ", ".join(f"{file.name} ({len(file.data):,} B)" for file in policy.files)
    files = f"{sent}, each if it differs" if sent else ""
    lines = [("accept", ", ".join(filter(None, asked))), ("files", files)]
    return "\n".join(f"{name:<9}{text}" for name, text in lines if text)


def table(rows: Sequence[PlanRow], baud: int) -> str:
    """The plan as a table: addresses, size, action, bytes on the wire, seconds, what."""
    lines = [LINE.format("from", "to", "size", "action", "wire", "seconds", "what")]
    for row in rows:
        wire = f"{row.wire_bytes:,}" if row.wire_bytes else ""
        seconds = f"{row.seconds:.1f}" if row.wire_bytes else ""
        start, end = format_address(row.region.start), format_address(row.region.end)
        first, *more = textwrap.wrap(_short(row.what), WHAT_WIDTH, break_on_hyphens=False) or [""]
        lines.append(LINE.format(start, end, _size(row.region), row.action, wire, seconds, first))
        lines += [LINE.format("", "", "", "", "", "", part) for part in more]
    wire, seconds = f"{sum(row.wire_bytes for row in rows):,}", f"{sum(row.seconds for row in rows):.1f}"
    lines.append(LINE.format("", "", "", "in all", wire, seconds, f"at {baud} baud"))
    return "\n".join(lines)


def _short(text: str) -> str:
    """The text with each word that is too long for the column cut in its middle; whole names stand above the table."""
    half = WHAT_WIDTH // 2
    return " ".join(w if len(w) <= WHAT_WIDTH else f"{w[: half - 2]}...{w[-half:]}" for w in text.split())


def describe_first_boot(plan: FlashPlan) -> str:
    """What the firmware will change in its own segments once it runs, in one line; empty where nothing."""
    regions = [region for region in merge(plan.volatile_regions()) if region.size >= SECTOR_SIZE]
    return f"then     the firmware makes {', '.join(map(str, regions))} its own when it first runs" if regions else ""


def marked(rows: Sequence[PlanRow], decision: KeepDecision) -> list[PlanRow]:
    """The table with what a board loses, and with what is kept of it inside the images."""
    for area in decision.kept:
        rows = _recut(rows, area.region, "keep", area.what)
    for area in decision.lost:
        rows = _recut(rows, area.region, "lost", area.what)
    table = list(rows[:1])
    for row in rows[1:]:
        last = table[-1]
        if not row.wire_bytes and (row.action, row.what, 0) == (last.action, last.what, last.wire_bytes):
            table[-1] = replace(last, region=Region(last.region.start, row.region.end))
        else:
            table.append(row)
    return table


def _recut(rows: Sequence[PlanRow], region: Region, action: Action, what: str) -> list[PlanRow]:
    """What is written stays `write` where something is said to be kept: it is given its new place there."""
    table = []
    for row in rows:
        inside = row.region.common(region)
        if inside.size <= 0 or (action == "keep" and row.action == "write"):
            table.append(row)
        else:
            table += [_part(row, piece) for piece in row.region.without([region])]
            table.append(replace(_part(row, inside), action=action, what=what))
    return sorted(table, key=lambda row: row.region)


def _part(row: PlanRow, region: Region) -> PlanRow:
    share = region.size / row.region.size
    return replace(row, region=region, wire_bytes=round(row.wire_bytes * share), seconds=row.seconds * share)


def describe_kept(plan: FlashPlan, words: Iterable[str]) -> str:
    """What the image has FF for and a board may have data in, in one line; empty where nothing."""
    names = frozenset[str]().union(*(KEPT_AREAS[word] for word in words))
    gaps = merge(area.region for area in plan.areas if area.name in names and covering(plan, area.region) == "blank")
    kept = ", ".join(map(str, gaps)) if not plan.erase_all else ""
    return f"keep     {kept}, where the image has FF and the board has data" if kept else ""


def draw_map(rows: Sequence[PlanRow], capacity: int, areas: Sequence[Area] = ()) -> str:
    """The flash to scale, one character for equal parts; where several actions share one, the boldest shows.

    Below it, to the same scale, what the firmware keeps where.
    """
    step = capacity / MAP_WIDTH
    cells = drawn([(row.region, MARKS[row.action]) for row in rows], list(MARKS.values()), capacity)
    used = [action for action in MARKS if MARKS[action] in cells]
    lines = [
        f"|{cells}|",
        *_area_line(areas, capacity),
        f" {format_address(0):<{MAP_WIDTH // 2}}{format_address(capacity):>{MAP_WIDTH // 2}}",
        " "
        + "  ".join(f"{MARKS[action]} {action}" for action in used)
        + f"   (one character: {format_size(int(step))})",
    ]
    named = [f"{mark} {what}" for mark, what in AREA_MARKS.values() if areas and mark in lines[1]]
    return "\n".join([*lines, *([" " + "  ".join(named)] if named else [])])


def _area_line(areas: Sequence[Area], capacity: int) -> list[str]:
    pieces = [(area.region, AREA_MARKS[area.name][0]) for area in areas]
    return [f"|{drawn(pieces, [mark for mark, _ in AREA_MARKS.values()], capacity)}|"] if pieces else []


def _size(region: Region) -> str:
    return format_size(region.size) if region.size % 1024 == 0 else f"{region.size:,} B"
