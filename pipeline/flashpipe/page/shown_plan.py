"""A plan as the page shows it: lanes of a map to scale, rows of a table, what is kept and lost, bytes and seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from flashpipe.firmware.flash_map import WHAT, Area
from flashpipe.firmware.survey import BoardContents
from flashpipe.flash import Region
from flashpipe.jobs.preview import Preview
from flashpipe.next_steps import steps_of
from flashpipe.page.buttons import buttons_for
from flashpipe.page.words import on_page
from flashpipe.plan.table import PlanRow
from flashpipe.text.plan import describe_first_boot, describe_kept, describe_lua_policy, describe_plan, marked
from flashpipe.units import format_address, format_size

WIDTH: Final = 1000
"""Units of the map's width, whatever the size of the flash."""
THIN: Final = 3
"""Units of the thinnest piece: a sector of 4 MB would be one, and nobody would see it."""
HUES: Final = 4
"""Colours of areas (`area-0` and so on in style.css)."""
WORDS: Final = {
    "write": "will be written",
    "skip": "is there already",
    "erase": "will be erased",
    "keep": "stays as it is",
    "volatile": "the firmware's own",
    "lost": "will be lost",
}
"""What becomes of a piece of the flash."""


def shown(preview: Preview, *, sized: bool = False) -> dict[str, object]:
    """A preview for the templates: texts and numbers, no objects of ours. `sized`: for the flash of this very board."""
    plan, capacity = preview.plan, preview.plan.settings.capacity
    unsized = plan.size_from_board and not preview.port and not sized  # where the flash ends, the board says
    rows = marked(preview.rows, preview.decision) if preview.decision is not None else list(preview.rows)
    nodemcu = preview.areas if plan.firmware.family == "nodemcu" else ()
    rows = [row for row in rows if not unsized or row.wire_bytes]
    lanes = [("what happens, piece by piece", [] if unsized else _pieces(rows, capacity))]
    if preview.decision is not None:
        contents = preview.decision.contents
        lanes.insert(0, (f"what the board held: {contents.title or contents.kind}", _contents(contents, capacity)))
    if nodemcu and not unsized:
        lanes.append(("what the firmware keeps where", _areas(nodemcu, capacity)))
    words = (
        preview.build,
        describe_kept(plan, preview.keep),
        "" if preview.firmware_owned else describe_first_boot(plan),
        describe_lua_policy(preview.lua),
    )
    return {
        "title": plan.firmware.title(),
        "text": "\n".join(filter(None, (describe_plan(plan), *words))),
        "on_board": bool(preview.port),
        "unsized": unsized,
        "size_from_board": plan.size_from_board,
        "of_run": "",
        "reason": preview.reason,
        "would_write": preview.would_write,
        "decided": [
            {
                "text": on_page(line.text),
                "lost": line.lost,
                "buttons": buttons_for(steps_of(line.text), "", touched=False),
            }
            for line in preview.decided
        ],
        "lanes": [{"name": name, "pieces": pieces} for name, pieces in lanes if pieces],
        "used": [action for action in WORDS if any(row.action == action for row in rows)],
        "words": WORDS,
        "end": format_address(capacity),
        "size": format_size(capacity),
        "rows": [_row(row) for row in rows],
        "wire": sum(row.wire_bytes for row in rows),
        "seconds": sum(row.seconds for row in rows),
        "baud": preview.line.baud,
    }


def _row(row: PlanRow) -> dict[str, object]:
    return {
        "start": format_address(row.region.start),
        "end": format_address(row.region.end),
        "size": format_size(row.region.size) if row.region.size % 1024 == 0 else f"{row.region.size:,} B",
        "action": row.action,
        "word": WORDS[row.action],
        "wire": row.wire_bytes,
        "seconds": row.seconds,
        "what": row.what,
    }


def _pieces(rows: Sequence[PlanRow], capacity: int) -> list[dict[str, object]]:
    return [_piece(row.region, row.action, f"{WORDS[row.action]}: {row.what}", capacity) for row in rows]


def _contents(contents: BoardContents, capacity: int) -> list[dict[str, object]]:
    whole = _piece(Region(0, capacity), "quiet", contents.title or f"{contents.kind}: no firmware known", capacity)
    pieces = [{**whole, "listed": True}]
    areas = [area for area in contents.areas if not area.blank]
    return pieces + [_area(number, area.region, WHAT[area.name], capacity) for number, area in enumerate(areas)]


def _areas(areas: Iterable[Area], capacity: int) -> list[dict[str, object]]:
    return [_area(number, area.region, area.what, capacity) for number, area in enumerate(areas)]


def _area(number: int, region: Region, what: str, capacity: int) -> dict[str, object]:
    """A piece that the list below the map names; its colour is one of a few, so that neighbours differ."""
    return {**_piece(region, f"area-{number % HUES}", what, capacity), "listed": True}


def _piece(region: Region, kind: str, what: str, capacity: int) -> dict[str, object]:
    """A rectangle; one that would be too thin to see is drawn a little wider, inside the map."""
    width = max(THIN, round(region.size * WIDTH / capacity))
    x = min(round(region.start * WIDTH / capacity), WIDTH - width)
    return {"x": x, "width": width, "kind": kind, "text": f"{region}  {what}", "listed": False}
