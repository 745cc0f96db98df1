"""The images of a command line, held against the project's lock file: checked before they are used, pinned after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flashpipe import terminal
from flashpipe.errors import FetchMismatchError, NotLockedError
from flashpipe.locks import exclusive
from flashpipe.next_steps import Advice, command
from flashpipe.sources.lock_file import (
    LOCK_NAME,
    Pin,
    check_pin,
    describe_changes,
    describe_pin,
    has_queries,
    layout_name,
    pin_of,
    read_lock,
    source_name,
    write_pin,
)
from flashpipe.sources.registry import Resolved
from flashpipe.sources.resolve import resolve_source
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.firmware.image import Image
    from flashpipe.sources.build import Build
    from flashpipe.sources.fetch import Access

GUARD_S: Final = 20.0
"""Longest wait for another process that writes the lock file: it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock file of one project."""

    project: Path
    guard: Path
    """A file that keeps two writers apart; made when first needed."""
    again: str
    """The command that pins new bytes, for messages."""

    @property
    def path(self) -> Path:
        """Where it is, or would be."""
        return self.project / LOCK_NAME


@dataclass(frozen=True, slots=True)
class Loaded:
    """Images by flash address, and what a lock file has to do with them."""

    images: Mapping[int, Image]
    name: str
    """Key in the lock file."""
    old: Pin | None
    """What was pinned, if anything."""
    remote: bool
    """Others decide what the source holds."""


def load(
    sources: Mapping[int, tuple[str, Path]],
    lock: Lock,
    access: Access,
    *,
    anew: bool = False,
    build: Build | None = None,
) -> Loaded:
    """Have the images of `sources` (flash address to text and base folder); with `anew` whatever was pinned.

    What a `build` makes is pinned under the outputs as they are declared: a pattern that fits another file name after
    each build remains one entry.

    Raises:
        LockMismatchError: a source gives other bytes than those pinned.
        LockError: the lock file is damaged.
        SourceError: an image cannot be had.
    """
    pins = read_lock(lock.path)
    declared = {at: (text, build.folder) for at, text in build.outputs} if build else sources
    name = layout_name({at: source_name(text, base, lock.project) for at, (text, base) in declared.items()})
    old = pins.get(name)
    wanted = {} if anew or old is None else {at: file.sha256 for at, file in old.files.items()}
    files = {at: _resolve(text, base, access, wanted.get(at, "")) for at, (text, base) in sorted(sources.items())}
    images = {at: one.image() for at, one in files.items()}
    if old is not None and not anew:
        check_pin(name, old, pin_of(images) if _differs(old, files) else old, again=lock.again)
    return Loaded(images, name, old, any(one.remote for one in files.values()))


def _resolve(text: str, base: Path, access: Access, pinned: str) -> Resolved:
    try:
        return resolve_source(text, base, access, pinned_sha256=pinned)
    except FetchMismatchError as error:
        # Bytes that the source's own `#sha256=` refuses are refused as that; ours are explained by what is inside.
        if isinstance(error.actual, Resolved) and pinned and error.actual.sha256 != pinned and "#" not in text:
            return error.actual
        raise


def _differs(old: Pin, files: Mapping[int, Resolved]) -> bool:
    return {at: (file.sha256, file.size) for at, file in old.files.items()} != {
        at: (one.sha256, one.size) for at, one in files.items()
    }


def require_pin(loaded: Loaded) -> None:
    """Go on only with images that are pinned already.

    Raises:
        NotLockedError: these are not.
    """
    if loaded.old is None:
        raise NotLockedError(
            f"{loaded.name}: {LOCK_NAME} does not pin it, and locked=1 forbids to change that file",
            Advice("run ", command("lock"), " with the same words but without locked=1, and commit the file"),
        )


def pin(loaded: Loaded, lock: Lock) -> None:
    """Pin what was had for the first time; says so on standard error.

    Raises:
        LockMismatchError: another process has pinned other bytes meanwhile.
        LockError: the lock file is damaged.
        RecordError: it cannot be written.
    """
    new = pin_of(loaded.images)
    with exclusive(lock.guard, str(lock.path), GUARD_S):
        known = read_lock(lock.path).get(loaded.name)
        if known is not None:
            check_pin(loaded.name, known, new, again=lock.again)
            return
        write_pin(lock.path, loaded.name, new)
    terminal.remark(f"locked   {loaded.name} in {LOCK_NAME}")


def pin_again(loaded: Loaded, lock: Lock) -> str:
    """Pin these images whatever was pinned before; returns what that changed, for people.

    Raises:
        LockError: the lock file is damaged.
        RecordError: it cannot be written.
    """
    new = pin_of(loaded.images)
    with exclusive(lock.guard, str(lock.path), GUARD_S):
        old = read_lock(lock.path).get(loaded.name)
        if old is not None and dict(old.files) == dict(new.files) and not has_queries(lock.path):
            return f"unchanged  {loaded.name}"
        write_pin(lock.path, loaded.name, new)
    changes = describe_changes(old, new) if old is not None else describe_pin(new)
    return f"locked     {loaded.name}\n           {changes}"
