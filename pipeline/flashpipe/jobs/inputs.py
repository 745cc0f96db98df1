"""Files that a profile names beside its images: by the same doors, and held against the same lock file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flashpipe.sources import pinned as locking

if TYPE_CHECKING:
    from flashpipe.firmware.image import Image
    from flashpipe.firmware.init_data import InitDataPolicy
    from flashpipe.jobs.request import Request


def _named(request: Request) -> dict[str, tuple[str, Path]]:
    """Key of the profile to source text and base folder."""
    profile = request.profile()
    wish = profile.init_data
    named = {"init_data": (wish.source, wish.base)} if wish.is_file else {}
    if not request.variables.text("image"):  # which replaces the whole of `firmware:`
        named |= {area: (text, base) for area, text, base in profile.parts}
    return named


def load_extra(request: Request, key: str, check: Callable[[Image], object]) -> Image | None:
    """The file that the profile's `key` names, None where it names none; had, and checked, once.

    Raises:
        PipelineError: `check` refuses it.
        SourceError: it cannot be had.
        LockError: it is not what was pinned, or not pinned and locked=1.
    """
    with request.guard:
        source = _named(request).get(key)
        if source is not None and key not in request.extras:
            loaded = locking.load({0: source}, request.lock_file(), request.access())
            if request.variables.flag("locked"):
                locking.require_pin(loaded)
            check(loaded.images[0])  # what is refused must not become what the project insists on
            if loaded.old is None and request.writes_lock and (loaded.remote or request.profile().lock):
                locking.pin(loaded, request.lock_file(make=True))
            request.extras[key] = loaded.images[0]
        return request.extras.get(key)


def pin_extras(request: Request) -> Iterator[str]:
    """Pin what these files' sources give now, whatever was pinned; what that changed, for people.

    Raises:
        SourceError: one cannot be had.
        LockError: the lock file is damaged.
    """
    for source in _named(request).values():
        loaded = locking.load({0: source}, request.lock_file(), request.access(), anew=True)
        yield locking.pin_again(loaded, request.lock_file(make=True))
    yield from _unused(request)


def _unused(request: Request) -> Iterator[str]:
    """Entries of the lock file that no profile names; told, not dropped: a command line may name them."""
    from flashpipe.profile.load import Profile, available_profiles  # noqa: PLC0415
    from flashpipe.sources.lock_file import layout_name, read_lock, source_name  # noqa: PLC0415

    project, known = request.project, set[str]()
    for entry in available_profiles(project):
        profile = entry.profile
        if not isinstance(profile, Profile):
            return  # what it names is not known
        named = [{source.address: (source.text, source.base) for source in profile.sources}]
        named += [{0: (text, base)} for _, text, base in profile.parts]
        named += [{0: (profile.init_data.source, profile.init_data.base)}] if profile.init_data.is_file else []
        build = profile.build
        named += [{address: (text, build.folder) for address, text in build.outputs}] if build else []
        known |= {
            layout_name({at: source_name(text, base, project) for at, (text, base) in layout.items()})
            for layout in named
            if layout
        }
    given = request.variables.text("image")
    for name in read_lock(request.lock_file().path):
        if name not in known and not given:
            yield f"unused     {name}: no profile names it; remove it if no image= does"


def load_parts(request: Request) -> dict[str, Image]:
    """The LFS and SPIFFS images of the profile, by area; what they are is judged where they are placed.

    Raises:
        SourceError, LockError: as `load_extra`.
    """
    found = {area: load_extra(request, area, lambda _image: None) for area in ("lfs", "spiffs")}
    return {area: image for area, image in found.items() if image is not None}


def init_wish(request: Request) -> InitDataPolicy:
    """What shall be done about SDK init data, with the file that the profile names.

    Raises:
        InitDataError: that file holds none.
        SourceError, LockError: as `load_extra`.
    """
    from flashpipe.firmware.init_data import InitDataPolicy, read_file  # noqa: PLC0415

    wish = request.profile().init_data
    image = load_extra(request, "init_data", lambda image: read_file(image.name, image.data))
    return InitDataPolicy(wish.source, read_file(image.name, image.data) if image else b"", wish.settings)
