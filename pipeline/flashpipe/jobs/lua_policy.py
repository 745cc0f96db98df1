"""What a profile wants of a running NodeMCU, its files read: what is missing is named before a port is opened."""

from __future__ import annotations

from pathlib import Path

from flashpipe.board.lua.acceptance import Acceptance, LuaPolicy
from flashpipe.jobs.lua_files import Compile, load_files
from flashpipe.profile.model import Profile


def lua_policy(profile: Profile, project: Path, compiling: Compile | None = None) -> LuaPolicy:
    """The demands and files of a profile; templates are rendered for each board (`LuaPolicy.for_board`).

    Raises:
        LuaFileMissingError: naming every file that cannot be read.
        PipelineError: a name that the board cannot have, a value that nothing has, or secrets that are not safe.
    """
    demands = profile.acceptance
    files, test = load_files(profile, project, compiling)
    acceptance = Acceptance(
        version=demands.version,
        modules=demands.modules,
        floats=demands.floats,
        lfs=demands.lfs,
        flash_size=demands.flash_size,
        run=test,
        prints=demands.prints,
        timeout_s=demands.timeout_s,
    )
    return LuaPolicy(acceptance, tuple(files), profile.mirror.spared if profile.mirror else None)
