"""Which files of this machine a command reads: so that whoever makes one of them can be run first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from flashpipe.errors import PipelineError
from flashpipe.jobs.inputs import RunInputs
from flashpipe.sources.archive_names import split_member
from flashpipe.sources.registry import kind_of
from flashpipe.sources.resolve import parse_image_argument


def needed_files(inputs: RunInputs) -> list[str]:
    """Absolute paths, and patterns of them, of all that the profile and the command line name.

    Nothing is looked up; of a profile that cannot be read nothing is known, and whoever reads it says why.
    """
    try:
        texts = list(_sources(inputs))
    except PipelineError:
        return []
    return list(dict.fromkeys(_absolute(base, text) for text, base in texts if _is_here(text)))


def made_by_others(needed: list[str], targets: dict[str, str]) -> list[str]:
    """Those of `targets` (absolute path to its spelling) that are needed, as they are spelled."""
    targets_of_others = [target for path, target in targets.items() if any(_means(text, path) for text in needed)]
    return list(dict.fromkeys(targets_of_others))


def _sources(inputs: RunInputs) -> Iterator[tuple[str, Path]]:
    """Text of each source, and the folder that a relative path starts from."""
    command = inputs.command
    if command.variables.text("file"):
        yield command.variables.text("file"), command.caller
    if command.image:
        yield from ((text, command.caller) for text in parse_image_argument(command.image).values())
    profile = inputs.named_profile()
    if profile is None:
        return
    if not command.image:
        yield from ((source.text, source.base) for source in profile.sources)
        yield from ((text, base) for _, text, base in profile.parts)
        if profile.lua_sources:
            yield from ((pattern, profile.lua_sources.base) for pattern in profile.lua_sources.patterns)
        if profile.spiffs_folder:
            yield "*", profile.spiffs_folder.folder
    if profile.init_data.is_file:
        yield profile.init_data.source, profile.init_data.base
    yield from ((source.text.rstrip("/") + "/*" * source.name.endswith("/"), source.base) for source in profile.files)
    yield from ((source.text, source.base) for source in profile.files if source.name.endswith("/"))
    yield from ((str(path), Path()) for path in (profile.elf, profile.acceptance.run) if path is not None)


def _is_here(text: str) -> bool:
    try:
        return kind_of(split_member(text)[0]) is None
    except PipelineError:
        return False


def _absolute(base: Path, text: str) -> str:
    return os.path.normpath(base.absolute() / os.path.expanduser(split_member(text)[0]))  # noqa: PTH111  as `local`


def _means(text: str, path: str) -> bool:
    return text == path or (any(char in text for char in "*?[") and fnmatch(path, text))
