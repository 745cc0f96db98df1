"""Where profiles are found: the project's folder, its `profiles` folder, then those shipped with the program.

A file that others could have put there is no profile: one that a search finds is passed over, one that is named is
refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import flashpipe
from flashpipe.errors import NotTrustedError, UnknownProfileError
from flashpipe.files import expanded, no_file, read_regular
from flashpipe.lazy import lazy_pattern
from flashpipe.next_steps import Advice, command
from flashpipe.ownership import Finding, Standing, look, refusal
from flashpipe.profile.names import is_taken
from flashpipe.profile.yaml_reader import closest

SUFFIX: Final = ".yaml"
# A project's folder holds other YAML too. A first look without the parser (this runs for every listing, and for files
# that are no YAML by a mistake) tells a profile by a key that only profiles have, as far to the left as the first one.
_FIRST: Final = lazy_pattern(r"^([ \t]*)(?!---|[#%\s])", re.MULTILINE)
_KEY: Final = r"(?:\{[ \t]*)?[\"']?(?:extends|flash|firmware|serial|chip|boards)[\"']?[ \t]*:"
_LOOK: Final = 64 * 1024
_LARGEST: Final = 16 * _LOOK
"""Bytes of a file that may be a profile."""


@cache
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


def find_profile(
    name: str, project: Path, *, caller: Path | None = None, note: Callable[[str], None] = lambda _text: None
) -> Path:
    """The file of a profile, by exact name or by path; a relative path starts from `caller` (the current folder).

    `note` is told of a profile that hides a shipped one, and of one that is passed over.

    Raises:
        UnknownProfileError: there is none; the message suggests the nearest name.
        NotTrustedError: there is one, but others can change it.
    """
    if is_path(name):
        path = _expand(name, caller or Path.cwd())
        if not is_file(path):
            raise UnknownProfileError(
                f"profile {name!r}: {no_file(path)} ({path})", Advice(command("profiles"), " lists the profiles")
            )
        _refuse_foreign(path, project)
        return path.resolve()
    refused: list[NotTrustedError] = []
    dead: Path | None = None
    for folder in dict.fromkeys((project, project / "profiles", caller or project, shipped_folder())):
        file = _file_of(folder, name)
        if file is None:
            link = folder / (name + SUFFIX)
            dead = dead or (link if _is_dead(link) else None)
            continue
        if is_foreign(file, project):
            refused.append(refusal(file, _finding(file, project)))
            continue
        for passed_over in refused:
            note(passed_over.message)
        if hides_shipped(file):
            note(hiding(file))
        return file.resolve()
    if refused:
        raise refused[0]
    if dead is not None:
        raise UnknownProfileError(
            f"profile {name!r}: {dead} is a link to {os.readlink(dead)}, which is not there",  # noqa: PTH115  as it is
            Advice("mend the link; ", command("profiles"), " lists the profiles"),
        )
    known = profile_names(project)
    near = closest(name, known)
    other = next((f"{name}{end}" for end in (".yml", ".YAML") if is_file(project / f"{name}{end}")), "")
    raise UnknownProfileError(
        f"unknown profile {name!r}"
        + (f"; did you mean {near!r}?" if near else "")
        + (f"; {other} is there, but a profile's name ends in {SUFFIX}" if other else ""),
        Advice(f"one of {', '.join(known)}; or ", command("init"), " writes a new one"),
    )


def hides_shipped(path: Path) -> bool:
    """Whether a profile has the name of one that comes along, which is therefore not used."""
    return path.parent != shipped_folder() and _file_of(shipped_folder(), path.stem) is not None


def hiding(path: Path) -> str:
    """What is said of a profile that hides one."""
    return f"profile {path.stem} is {path}, not the one of that name that comes along"


def own_profiles(project: Path) -> list[str]:
    """Names of the profiles that did not come along with the program, sorted."""
    shipped = shipped_folder()
    return sorted(name for name, path in profile_files(project).items() if path.parent != shipped)


def no_profile(project: Path) -> UnknownProfileError:
    """The refusal where a profile is needed and none was named; the project's own are."""
    own = own_profiles(project)
    if not own:
        advice = Advice("say profile=NAME; ", command("profiles"), " lists them, ", command("init"), " writes one")
        return UnknownProfileError("no profile was named", advice)
    said = f"profile={own[0]}" if len(own) == 1 else f"profile=NAME, one of {', '.join(own)}"
    return UnknownProfileError("no profile was named", Advice(f"say {said}; ", command("profiles"), " lists others"))


def _expand(name: str, caller: Path) -> Path:
    return caller / expanded(name)


def is_path(name: str) -> bool:
    """Whether a profile is named by its file instead of by its name."""
    return "/" in name or "\\" in name or name.endswith((SUFFIX, ".yml"))


def is_file(path: Path) -> bool:
    """Whether a file is there, also for names that the system cannot even ask about."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def name_of(given: str) -> str:
    """The name of a profile that is named, or whose file is; a link has its own."""
    return Path(given).stem if is_path(given) else given


def _is_dead(path: Path) -> bool:
    """Whether a link leads to nothing."""
    try:
        return path.is_symlink() and not path.exists()
    except (OSError, ValueError, RuntimeError):  # what no system can ask about, or a link to itself
        return False


def named_in(folder: Path, name: str, project: Path) -> Path | None:
    """The profile of that name in one folder, unless others can change it."""
    path = _file_of(folder, name)
    return path.resolve() if path is not None and not is_foreign(path, project) else None


def _file_of(folder: Path, name: str) -> Path | None:
    """The file of that name; upper and lower case differ on every system."""
    path = folder / (name + SUFFIX)
    if not is_file(path):
        return None
    with suppress(OSError):
        return path if path.name in os.listdir(folder) else None  # noqa: PTH208  names are all that is wanted
    return None


def _refuse_foreign(path: Path, project: Path) -> None:
    """Raises NotTrustedError where others than its owner can have put the file there."""
    finding = _finding(path, project)
    if finding.standing is Standing.FOREIGN:
        raise refusal(path, finding)


def is_foreign(path: Path, project: Path) -> bool:
    """Whether others than its owner can have put a file there."""
    return _finding(path, project).standing is Standing.FOREIGN


def _finding(path: Path, project: Path) -> Finding:
    if path.parent == shipped_folder():
        return Finding(Standing.OWN, path)
    return look(path, project if path.is_relative_to(project) else None)


def foreign_profiles(project: Path) -> list[str]:
    """What would be a profile of the project if others could not change it; why not, one line each."""
    return [
        refusal(path, _finding(path, project)).message
        for folder in search_folders(project)[:-1]
        for path in sorted(_listing(folder))
        if _is_profile(path, folder, project) and is_foreign(path, project)
    ]


def profile_names(project: Path) -> list[str]:
    """Every name that can be given, sorted."""
    return sorted(profile_files(project))


def profile_files(project: Path) -> dict[str, Path]:
    """Every profile by its name, in the order of search; a name found earlier hides a later one.

    A link has its own name, whatever it leads to.
    """
    profiles: dict[str, Path] = {}
    for folder in search_folders(project):
        for path in sorted(_listing(folder), key=lambda path: path.stem):
            if path.stem not in profiles and _is_profile(path, folder, project) and not is_foreign(path, project):
                profiles[path.stem] = path
    return profiles


def _is_profile(path: Path, folder: Path, project: Path) -> bool:
    if path.suffix != SUFFIX or path.name.startswith(".") or not is_file(path):
        return False
    return folder != project or _looks_like_profile(path)


def _looks_like_profile(path: Path) -> bool:
    if is_taken(path.stem):
        return False
    try:
        data = read_regular(path, _LARGEST)[:_LOOK]
    except OSError:
        return False
    text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", "replace")
    first = _FIRST.search(text)
    return first is not None and re.search(f"^{first[1]}{_KEY}", text, re.MULTILINE) is not None


def _listing(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return
