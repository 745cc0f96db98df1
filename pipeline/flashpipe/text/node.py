"""What a running NodeMCU says of itself, for people."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from flashpipe.board.loader import chips
from flashpipe.board.lua.acceptance import chip_size
from flashpipe.flash import SIZE_BYTES
from flashpipe.foreign_names import shown
from flashpipe.units import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flashpipe.board.lua.acceptance import AcceptanceFinding
    from flashpipe.board.lua.node_info import NodeInfo

_HOW = {"banner": "from its banner", "tried": "tried by name", "firmware": ""}


def describe(info: NodeInfo, profile_size: str = "") -> str:
    """Version, build, modules, flash, heap and file system; `profile_size` is the profile's `flash.size`, or empty."""
    rows = [
        ("firmware", _firmware(info)),
        ("Lua", ", ".join(part for part in (info.lua, f"{info.number_type} numbers", _ssl(info)) if part)),
        ("console", f"{info.baud} baud"),
        ("modules", _modules(info)),
        ("LFS", _lfs(info)),
        ("flash", _flash(info)),
        ("", _sizes(info, profile_size)),
        ("chip ID", f"{info.chip_id:#08x}, the end of the MAC" if info.chip_id is not None else "unknown"),
        ("heap", f"{info.heap:,} bytes free" if info.heap is not None else "unknown"),
        ("files", _room(info)),
    ]
    return "\n".join(_row(name, text) for name, text in rows if text)


def _row(name: str, text: str) -> str:
    return textwrap.fill(f"{name:<9}{text}", 110, subsequent_indent=" " * 9, break_long_words=False)


def _firmware(info: NodeInfo) -> str:
    parts = [f"NodeMCU {info.version or 'of unknown version'}"]
    parts += [f"branch {info.branch}"] if info.branch else []
    parts += [f"commit {info.commit}"] if info.commit else []
    parts += [f"release {info.release}"] if info.release else []
    parts += [f"SDK {info.sdk}"] if info.sdk else []
    return ", ".join(parts)


def _ssl(info: NodeInfo) -> str:
    return "" if info.ssl is None else "SSL" if info.ssl else "no SSL"


def _modules(info: NodeInfo) -> str:
    how = _HOW.get(info.modules_found, "")
    return f"{' '.join(info.modules or ('unknown',))}{f'  ({how})' if how else ''}"


def _lfs(info: NodeInfo) -> str:
    if info.lfs_size is None:
        return "unknown"
    used = f", {format_size(info.lfs_used)} used" if info.lfs_used else ""
    return f"{format_size(info.lfs_size)}{used}" if info.lfs_size else "none"


def _flash(info: NodeInfo) -> str:
    speed = f"{info.flash_speed / 1e6:g} MHz" if info.flash_speed else ""
    part = chips.describe_flash(info.flash_id) if info.flash_id else None
    name = f"{part.manufacturer} {part.part}".strip() + f", ID {part.jedec}" if part else ""
    return ", ".join(text for text in (name, info.flash_mode, speed) if text) or "unknown"


def _sizes(info: NodeInfo, profile_size: str) -> str:
    """The three opinions about the size of the flash."""
    named = SIZE_BYTES.get(profile_size)
    sizes = {"image header": info.flash_size, "chip": chip_size(info), "profile": named}
    known = {who: size for who, size in sizes.items() if size is not None}
    opinions = ", ".join(f"{format_size(size)} by the {who}" for who, size in known.items())
    return opinions + (
        "  (they disagree: flash again with the right `flash.size`)" if len(set(known.values())) > 1 else ""
    )


def _room(info: NodeInfo) -> str:
    if info.room is None:
        return "no file system, or none that this firmware tells of"
    remaining, _, total = info.room
    return f"{remaining:,} of {total:,} bytes free" if total else "no file system"


def describe_findings(findings: Sequence[AcceptanceFinding]) -> str:
    """Each demand of the profile and what was found."""
    rows = [f"{'ok' if finding.passed else 'FAILED':<9}{finding}" for finding in findings]
    return "\nacceptance\n" + "\n".join(rows)


def describe_files(there: Mapping[str, int], states: Mapping[str, str], room: tuple[int, int, int] | None) -> str:
    """Names, bytes and how the board stands to the profile; `states` are those of the profile's files."""
    names = sorted({*there, *states})
    width = max((len(shown(name)) for name in names), default=0) + 2
    rows = []
    for name in names:
        state = states.get(name, "not in the profile" if states else "")
        size = f"{there[name]:,} B" if name in there else "-"
        rows.append(f"{shown(name):<{width}}{size:>12}  {state}".rstrip())
    rows = rows or ["no files"]
    free = f"{room[0]:,} of {room[2]:,} bytes free" if room else "this firmware does not tell what is free"
    return "\n".join([*rows, free])
