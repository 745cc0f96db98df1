"""Where profiles are found: the project's folder, its `profiles` folder, then those shipped with the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import flashpipe
from flashpipe.errors import UnknownProfileError
from flashpipe.profile.yaml_reader import closest

SUFFIX: Final = ".yaml"
# A project's folder holds other YAML too. A first look without the parser (this runs for every listing) tells a
# profile by a key that only profiles have at the left margin.
_LOOKS_LIKE_PROFILE: Final = re.compile(rb"^(extends|flash|firmware|serial|chip|boards)[ \t]*:", re.MULTILINE)
_LOOK: Final = 64 * 1024


def shipped_folder() -> Path:
    """The folder of the shipped profiles: inside the package in a wheel, beside the source root in a checkout.

    It is not found by importing `flashpipe.profiles`: an editable install would load a finder for it at each start.
    """
    package = Path(flashpipe.__file__).resolve().parent
    installed = package / "profiles"
    return installed if installed.is_dir() else package.parent.parent / "profiles"


def search_folders(project: Path) -> tuple[Path, ...]:
    """Folders in the order in which a name is looked up."""
    return (project, project / "profiles", shipped_folder())


def find_profile(name: str, project: Path, *, caller: Path | None = None) -> Path:
    """The file of a profile, by exact name or by path; a relative path starts from `caller` (the current folder).

    Raises:
        UnknownProfileError: there is none; the message suggests the nearest name.
    """
    if is_path(name):
        path = _expand(name, caller or Path.cwd())
        if is_file(path):
            return path.resolve()
        raise UnknownProfileError(f"profile {name!r}: no such file ({path})", "`flashpipe profiles` lists the profiles")
    for folder in dict.fromkeys((project, project / "profiles", caller or project, shipped_folder())):
        found = named_in(folder, name)
        if found:
            return found
    known = profile_names(project)
    near = closest(name, known)
    other = next((f"{name}{end}" for end in (".yml", ".YAML") if is_file(project / f"{name}{end}")), "")
    raise UnknownProfileError(
        f"unknown profile {name!r}"
        + (f"; did you mean {near!r}?" if near else "")
        + (f"; {other} is there, but a profile's name ends in {SUFFIX}" if other else ""),
        f"one of {', '.join(known)}; or `flashpipe init` writes a new one",
    )


def _expand(name: str, caller: Path) -> Path:
    try:
        return caller / Path(name).expanduser()
    except RuntimeError:  # `~somebody` whom this system does not know
        return caller / name


def is_path(name: str) -> bool:
    """Whether a profile is named by its file instead of by its name."""
    return "/" in name or "\\" in name or name.endswith((SUFFIX, ".yml"))


def is_file(path: Path) -> bool:
    """Whether a file is there, also for names that the system cannot even ask about."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def named_in(folder: Path, name: str) -> Path | None:
    """The profile of that name in one folder; upper and lower case differ on every system."""
    wanted = name + SUFFIX
    return next((path.resolve() for path in _listing(folder) if path.name == wanted and is_file(path)), None)


def profile_names(project: Path) -> list[str]:
    """Every name that can be given, sorted."""
    return sorted({path.stem for path in profile_files(project)})


def profile_files(project: Path) -> list[Path]:
    """Every profile once, in the order of search; a name found earlier hides a later one."""
    found: dict[str, Path] = {}
    for folder in search_folders(project):
        for path in sorted(_listing(folder), key=lambda path: path.stem):
            if path.stem in found or path.suffix != SUFFIX or path.name.startswith("."):
                continue
            if is_file(path) and (folder != project or _looks_like_profile(path)):
                found[path.stem] = path.resolve()
    return list(found.values())


def _looks_like_profile(path: Path) -> bool:
    if path.name.endswith(f".lock{SUFFIX}"):
        return False
    try:
        with path.open("rb") as stream:
            return bool(_LOOKS_LIKE_PROFILE.search(stream.read(_LOOK)))
    except OSError:
        return False


def _listing(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return
