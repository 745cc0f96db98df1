"""What a profile wants of a running NodeMCU, its files read: what is missing is named before a port is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from flashpipe.board.lua.acceptance import Acceptance, LuaPolicy
from flashpipe.jobs.lua_files import NO_UNIT, Compile, load_files
from flashpipe.profile.model import Profile


def lua_policy(
    profile: Profile,
    project: Path,
    compiling: Compile | None = None,
    unit: Mapping[str, str] = NO_UNIT,
    standing: Path | None = None,
) -> LuaPolicy:
    """The demands and files of a profile; templates are rendered for each board (`LuaPolicy.for_board`).

    The arguments are those of `load_files`.

    Raises:
        LuaFileMissingError: naming every file that cannot be read.
        PipelineError: a name that the board cannot have, a value that nothing has, or secrets that are not safe.
    """
    demands = profile.acceptance
    files, test = load_files(profile, project, compiling, unit, standing)
    acceptance = Acceptance(
        version=demands.version,
        modules=demands.modules,
        floats=demands.floats,
        lfs=demands.lfs,
        flash_size=demands.flash_size,
        run=test,
        prints=with_unit(demands.prints, unit),
        timeout_s=demands.timeout_s,
    )
    return LuaPolicy(acceptance, tuple(files), profile.mirror.spared if profile.mirror else None)


def with_unit(prints: str, unit: Mapping[str, str]) -> str:
    r"""What a Lua file must print, with the values of this board's unit in place of `@COLUMN@`.

    >>> with_unit("SN @serial@ ok", {"serial": "A.1"}), with_unit("/^@serial@$/", {"serial": "A.1"})
    ('SN A.1 ok', '/^A\\.1$/')
    """
    is_expression = len(prints) > 1 and prints.startswith("/") and prints.endswith("/")
    for name, value in unit.items():
        prints = prints.replace(f"@{name}@", re.escape(value) if is_expression else value)
    return prints
