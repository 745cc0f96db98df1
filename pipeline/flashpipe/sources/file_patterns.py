"""Names of files by a pattern such as `build/**/*.bin`: as `glob` has it, with a bound on what is looked through."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flashpipe.errors import SourceError
from flashpipe.files import sayable
from flashpipe.next_steps import Advice, name_file

MOST: Final = 100_000
"""Names that are looked at; a whole system has millions."""
_MAGIC: Final = frozenset("*?[")


def matching_files(pattern: str, base: Path, *, hidden: bool = False) -> list[str]:
    """The files that a pattern fits, sorted; relative ones start from `base` and stay relative.

    `**` is any number of folders. Names that begin with a dot are fitted by patterns that do, too, or by all
    if `hidden`. Links to folders are not followed by `**`: they may lead round in a circle.

    Raises:
        SourceError: there is too much to look through.
        SystemLimitError: no file can have such a name here.
    """
    path = Path(sayable(pattern))
    walk = _Walk(pattern, base, hidden=hidden)
    return sorted(
        {
            name
            for name in walk.find(path.anchor, path.parts[1:] if path.anchor else path.parts)
            if os.path.isfile(base / name)  # noqa: PTH113  pathlib's raises where a folder may not be looked into
        }
    )


def fits(pattern: str, base: Path, path: str) -> bool:
    """Whether a pattern would fit the file at `path` (absolute, without `..`) once it is there.

    >>> fits("src/**/*.h", Path("/p"), "/p/src/made/a.h"), fits("*.h", Path("/p"), "/p/src/a.h")
    (True, False)
    """
    return _fits(Path(os.path.normpath(base.absolute() / pattern)).parts, Path(path).parts)


def _fits(wanted: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if not wanted or not parts:
        return not wanted and not parts
    if wanted[0] == "**":
        rest = wanted[1:] or ("*",)
        return any(_fits(rest, parts[at:]) for at in range(len(parts)))
    return fnmatch.fnmatch(parts[0], wanted[0]) and _fits(wanted[1:], parts[1:])


def files_below(folder: Path) -> list[Path]:
    """Every file in a folder and those in it, sorted; what is hidden, and what an editor has left (`*~`), stays out.

    Raises:
        SourceError: there is too much to look through.
    """
    return [folder / name for name in matching_files("**/*", folder) if not name.endswith("~")]


class _Walk:
    def __init__(self, pattern: str, base: Path, *, hidden: bool) -> None:
        self._pattern, self._base, self._hidden, self._left = pattern, base, hidden, MOST

    def find(self, above: str, parts: tuple[str, ...]) -> Iterator[str]:
        """Whatever the rest of the pattern fits below a folder."""
        if not parts:
            yield above
            return
        first, rest = parts[0], parts[1:]
        if first == "**":
            yield from self._at_any_depth(above, rest)
        elif not set(first) & _MAGIC:
            yield from self.find(_join(above, first), rest)
        else:
            for name, is_folder, _ in self._names(above):
                admitted = self._hidden or first.startswith(".") or not name.startswith(".")
                if admitted and fnmatch.fnmatch(name, first) and (is_folder or not rest):
                    yield from self.find(_join(above, name), rest)

    def _at_any_depth(self, above: str, rest: tuple[str, ...]) -> Iterator[str]:
        while rest[:1] == ("**",):  # one is as good as many, and much faster
            rest = rest[1:]
        if rest:
            yield from self.find(above, rest)
        for name, is_folder, is_link in self._names(above):
            if name.startswith(".") and not self._hidden:
                continue
            if is_folder and not is_link:
                yield from self._at_any_depth(_join(above, name), rest)
            elif not rest:
                yield _join(above, name)

    def _names(self, folder: str) -> list[tuple[str, bool, bool]]:
        """Name, whether it is a folder, and whether a link."""
        names = []
        try:
            with os.scandir(self._base / folder) as entries:
                for entry in entries:
                    self._left -= 1
                    if not self._left:
                        raise SourceError(
                            f"{self._pattern}: more than {MOST:,} files and folders to look through",
                            Advice(name_file("the file"), ", or begin the pattern with a folder closer to it"),
                        )
                    names.append((entry.name, _is_folder(entry), entry.is_symlink()))
        except OSError:
            return []
        return names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link into a folder that may not be looked into
        return False


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118  texts, and thousands of them
