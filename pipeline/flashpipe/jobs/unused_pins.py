"""Entries of the lock file that no profile of the project names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flashpipe.profile.load import available_profiles
from flashpipe.profile.model import Profile
from flashpipe.sources.lock_file import layout_name, read_lock, source_name


def unused_pins(project: Path, lock: Path) -> Iterator[str]:
    """Entries of the lock file that no profile names; told, not dropped: a command line may name them.

    Raises:
        LockError: the lock file is damaged.
    """
    named = set[str]()
    for entry in available_profiles(project):
        if not isinstance(entry.profile, Profile):
            return  # what it names is not known
        named |= {
            layout_name({at: source_name(text, base, project) for at, (text, base) in layout.items()})
            for layout in _layouts(entry.profile)
            if layout
        }
    for name in read_lock(lock):
        if name not in named:
            yield f"unused     {name}: no profile names it; remove it if no image= does"


def _layouts(profile: Profile) -> Iterator[dict[int, tuple[str, Path]]]:
    """What a profile can have pinned: address to source text and base folder."""
    yield {source.address: (source.text, source.base) for source in profile.sources}
    for _, text, base in profile.parts:
        yield {0: (text, base)}
    if profile.init_data.is_file:
        yield {0: (profile.init_data.source, profile.init_data.base)}
    if profile.build:
        yield {address: (text, profile.build.folder) for address, text in profile.build.outputs}
