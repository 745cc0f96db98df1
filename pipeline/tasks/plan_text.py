"""A plan for people: what it is, a table of the whole flash, and a map drawn to scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.flash import Region
from pipeline.plan import FlashPlan, Row
from pipeline.units import format_address, format_size

MAP_WIDTH: Final = 64
MARKS: Final = {"write": "#", "skip": "=", "erase": "x", "volatile": "~", "keep": "."}
"""One character for each action; the same in every console."""


def describe_plan(plan: FlashPlan) -> str:
    """Which firmware goes where, and with which header: a few lines."""
    lines = [f"image    {plan.firmware.title()}"]
    lines += [
        f"         {format_address(segment.address)}  {segment.size:>9,} B  {segment.name}" for segment in plan.segments
    ]
    size = "size from the board" if plan.size_from_board else plan.settings.size
    lines.append(f"header   {size}, {plan.settings.mode}, {plan.settings.frequency[:-1]} MHz")
    return "\n".join(lines)


def table(rows: Sequence[Row], baud: int) -> str:
    """The plan as a table: address, size, what, action, bytes on the wire, seconds."""
    lines = [f"{'from':<10}{'to':<10}{'size':>11}  {'action':<9}{'wire':>11}{'about':>8}  what"]
    for row in rows:
        wire = f"{row.wire_bytes:,} B" if row.wire_bytes else ""
        seconds = f"{row.seconds:.1f} s" if row.seconds else ""
        lines.append(
            f"{format_address(row.region.start):<10}{format_address(row.region.end):<10}{_size(row.region):>11}  "
            f"{row.action:<9}{wire:>11}{seconds:>8}  {row.what}"
        )
    total = sum(row.seconds for row in rows)
    wire_bytes = sum(row.wire_bytes for row in rows)
    lines.append(f"{'':<31}  {'in all':<9}{f'{wire_bytes:,} B':>11}{f'{total:.1f} s':>8}  at {baud} baud")
    return "\n".join(lines)


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
