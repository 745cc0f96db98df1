"""A plan for people: what it is, a table of the whole flash, and a map drawn to scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.flash import SECTOR_SIZE, Region, merge
from pipeline.plan import FlashPlan, Row
from pipeline.units import format_address, format_size

MAP_WIDTH: Final = 64
LINE: Final = "{:<8}  {:<8}  {:>9}  {:<8}  {:>10}  {:>7}  {}"
"""From, to, size, action, bytes on the wire, seconds, what."""
WHAT_WIDTH: Final = 36
"""Longest text of the last column: a line then has 98 characters."""
MARKS: Final = {"write": "#", "erase": "x", "volatile": "~", "skip": "=", "keep": "."}
"""One character for each action, the boldest first; the same in every console."""


def describe_plan(plan: FlashPlan) -> str:
    """Which firmware goes where, and with which header: a few lines."""
    lines = [f"image    {plan.firmware.title()}"]
    lines += [
        f"         {format_address(segment.address)}  {segment.size:>9,} B  {segment.name}" for segment in plan.segments
    ]
    size = "size from the board" if plan.size_from_board else plan.settings.size
    lines.append(f"header   {size}, {plan.settings.mode}, {plan.settings.frequency[:-1]} MHz")
    lines += [f"allowed  {override.code}: {override.message}" for override in plan.overridden]
    return "\n".join(lines)


def table(rows: Sequence[Row], baud: int) -> str:
    """The plan as a table: addresses, size, action, bytes on the wire, seconds, what."""
    lines = [LINE.format("from", "to", "size", "action", "wire bytes", "seconds", "what")]
    for row in rows:
        wire = f"{row.wire_bytes:,}" if row.action == "write" else ""
        seconds = f"{row.seconds:.1f}" if row.action == "write" else ""
        start, end = format_address(row.region.start), format_address(row.region.end)
        lines.append(LINE.format(start, end, _size(row.region), row.action, wire, seconds, _short(row.what)))
    wire, seconds = f"{sum(row.wire_bytes for row in rows):,}", f"{sum(row.seconds for row in rows):.1f}"
    lines.append(LINE.format("", "", "", "in all", wire, seconds, f"at {baud} baud"))
    return "\n".join(lines)


def _short(text: str) -> str:
    """The text without its middle where a line of the table would grow too long; whole names stand above it."""
    return text if len(text) <= WHAT_WIDTH else f"{text[: WHAT_WIDTH // 2 - 3]}...{text[-WHAT_WIDTH // 2 :]}"


def describe_first_boot(plan: FlashPlan) -> str:
    """What the firmware will change in its own segments once it runs, in one line; empty where nothing."""
    regions = [region for region in merge(plan.volatile_regions()) if region.size >= SECTOR_SIZE]
    return f"then     the firmware makes {', '.join(map(str, regions))} its own when it first runs" if regions else ""


def draw_map(rows: Sequence[Row], capacity: int) -> str:
    """The flash to scale, one character for equal parts; where several actions share one, the boldest shows."""
    step = capacity / MAP_WIDTH
    order = list(MARKS)
    cells = []
    for number in range(MAP_WIDTH):
        cell = Region(int(number * step), max(int(number * step) + 1, int((number + 1) * step)))
        actions = [row.action for row in rows if row.region.overlaps(cell)]
        cells.append(MARKS[min(actions, key=order.index)] if actions else MARKS["keep"])
    used = [action for action in MARKS if MARKS[action] in cells]
    legend = "  ".join(f"{MARKS[action]} {action}" for action in used)
    return (
        f"|{''.join(cells)}|\n {format_address(0):<{MAP_WIDTH // 2}}{format_address(capacity):>{MAP_WIDTH // 2}}\n"
        f" {legend}   (one character: {format_size(int(step))})"
    )


def _size(region: Region) -> str:
    return format_size(region.size) if region.size % 1024 == 0 else f"{region.size:,} B"
