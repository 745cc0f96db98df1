"""The files that a profile names for its board: patterns and folders looked up, templates given their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flashpipe.errors import (
    BuildDueError,
    LuaFileMissingError,
    LuaFileNameError,
    LuaSyntaxError,
    PipelineError,
    TemplateError,
)
from flashpipe.files import no_file, shortest
from flashpipe.jobs.secrets import PREFIX, secret, secret_files
from flashpipe.lender import Lender, read_named
from flashpipe.profile.lua import OF_BOARDS, bad_name
from flashpipe.profile.model import FileSource, Profile
from flashpipe.sources.file_patterns import files_below, matching_files
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.lua.files import LuaFile

LARGEST: Final = 4 * 1024 * 1024
"""Bytes: no file system on a supported board is so large in one file that sending it line by line made sense."""
_MAGIC: Final = "*?["
_LISTED: Final = 6
_ANY_MAC: Final = "00:00:00:00:00:00"
NO_UNIT: Final[Mapping[str, str]] = {}
"""Of a board that no list of units speaks of."""


Compile = Callable[[str, bytes], bytes]
"""Name and text of a Lua file, to what luac.cross makes of it; raises BuildDueError where that was not done yet."""


def uncompiled(_name: str, text: bytes) -> bytes:
    """In place of a compiler, where no file is sent."""
    return text


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file that a profile means."""

    name: str
    """On the board."""
    path: Path
    template: bool = False
    compiled: bool = False


def listed_files(profile: Profile) -> list[ListedFile]:
    """Every file, sorted by its name on the board.

    Raises:
        LuaFileMissingError: a pattern or folder without files, or a pattern with several where one is wanted.
        LuaFileNameError: a name that the board cannot have, or two files of one name.
    """
    listed: dict[str, ListedFile] = {}
    for source in profile.files:
        for name, path in _expand(source):
            problem = bad_name(name)
            if problem:
                raise LuaFileNameError(
                    f"{path} would be called {name!r} on the board: {problem}", LuaFileNameError.remedy
                )
            if name in listed and listed[name].path != path:
                raise LuaFileNameError(
                    f"{listed[name].path} and {path} would both be called {name}", "rename one of them"
                )
            listed[name] = ListedFile(name, path, source.template, source.compiled)
    return [listed[name] for name in sorted(listed)]


def load_files(
    profile: Profile,
    project: Path,
    compiling: Compile | None = None,
    unit: Mapping[str, str] = NO_UNIT,
    standing: Path | None = None,
) -> tuple[list[LuaFile], LuaFile | None]:
    """Every file of a profile, read, and the one that decides about acceptance.

    Templates have all values but those of the board; `unit` are values of its unit, which come before the profile's.
    `standing` is the folder from which people read the paths of messages: that of the project, if it is not named.

    Raises:
        LuaFileMissingError: naming every file that cannot be read.
        TemplateError: a value that nothing has.
        PipelineError: as `listed_files`, or secrets.yaml cannot be used.
    """
    listed, run = listed_files(profile), profile.acceptance.run
    lender = profile.lender("files")
    standing = standing or project
    read = [_attempt(one.path, one.name, standing, lender) for one in listed]
    read += [_attempt(run, run.name, standing, profile.lender("acceptance.run"))] if run else []
    problems = [problem for problem in read if isinstance(problem, str)]
    if problems:
        raise LuaFileMissingError(f"profile {profile.name}: {'; '.join(problems)}", LuaFileMissingError.remedy)
    files = [file for file in read if not isinstance(file, str)]
    test = files.pop() if run else None
    made = []
    for file, one in zip(files, listed, strict=True):
        valued = _with_values(file, profile, project, unit) if one.template else file
        made.append(_compiled(valued, one, compiling) if one.compiled else valued)
    return made, test


def read_lua_file(path: Path, name: str, standing: Path, lender: Lender | None = None) -> LuaFile:
    """A local file as the board shall know it.

    Args:
        path: Of the file.
        name: On the board.
        standing: The folder from which people read its path.
        lender: Whose profile names it, where it is not the user's own.

    Raises:
        LuaFileMissingError: it cannot be read, or is too large to be one.
        NotTrustedError: it is not the lender's to give.
    """
    from flashpipe.board.lua.files import LuaFile  # noqa: PLC0415  28 ms, and only where a profile names files

    try:
        data = read_named(path, LARGEST, lender)
    except OSError as error:
        raise LuaFileMissingError(f"{shortest(path, standing)}: {error.strerror or error}", "check the path") from error
    return LuaFile(name, data, shortest(path, standing))


def _attempt(path: Path, name: str, standing: Path, lender: Lender | None) -> LuaFile | str:
    """The file, or what is wrong with it."""
    try:
        return read_lua_file(path, name, standing, lender)
    except LuaFileMissingError as error:
        return error.message


def _compiled(file: LuaFile, one: ListedFile, compiling: Compile | None) -> LuaFile:
    from flashpipe.board.lua.files import LuaFile  # noqa: PLC0415  28 ms, and only where a profile names files

    if file.values is not None and any(f"@{name}@".encode() in file.data for name in OF_BOARDS):
        raise TemplateError(
            f"{file.source}: is compiled here, for all boards: @mac@ and @chipid@ are not known yet",
            "leave out `compile:`",
        )
    if compiling is None:
        raise BuildDueError(f"files: {one.path.name} is to be compiled first", BuildDueError.remedy)
    text = file.for_board(_ANY_MAC).data
    try:
        return LuaFile(file.name, compiling(one.path.name, text), file.source)
    except LuaSyntaxError as error:
        raise LuaSyntaxError.of_file(str(file.source), error.mistake) from error


def files_at(path: Path, standing: Path) -> list[tuple[str, Path]]:
    """Files that a path, a folder or a pattern means, with the names that they get on a board.

    A file is called as here; those of a folder or a pattern by their path in it. `standing` is the folder from which
    people read paths.

    Raises:
        LuaFileMissingError: none.
    """
    if path.is_file():
        return [(path.name, path)]
    if not path.is_dir() and not set(path.name) & set(_MAGIC):
        raise LuaFileMissingError(f"{shortest(path, standing)}: {no_file(path)}", "check the path")
    try:
        return list(_expand(FileSource("/", str(path), path)))
    except LuaFileMissingError as error:
        raise LuaFileMissingError(f"{shortest(path, standing)}: means no file", "check the path") from error


# --- names -----------------------------------------------------------------------------------------------------------


def _expand(source: FileSource) -> Iterator[tuple[str, Path]]:
    path = source.path
    if not source.name.endswith("/"):
        yield source.name, _one(source, path)
        return
    prefix = source.name.lstrip("/")
    if path.is_dir():
        root, paths = path, files_below(path)
    else:
        root, paths = _fixed(path), _matches(path)
    shown = [one for one in paths if not _hidden(one.relative_to(root))]
    if not shown:
        raise LuaFileMissingError(f"files: {source.name}: {source.text} means no file", LuaFileMissingError.remedy)
    for one in sorted(shown):
        name = prefix + one.relative_to(root).as_posix()
        yield (f"{name.removesuffix('.lua')}.lc" if source.compiled else name), one


def _one(source: FileSource, path: Path) -> Path:
    if path.exists() or not set(source.text) & set(_MAGIC):
        return path
    matches = _matches(path)
    if len(matches) == 1:
        return matches[0]
    names = ", ".join(one.name for one in matches[:_LISTED]) or "none"
    raise LuaFileMissingError(
        f"files: {source.name}: {source.text} means {len(matches)} files: {names}",
        f"name one of them, or all of them for a folder: {source.name}/",
    )


def _matches(pattern: Path) -> list[Path]:
    return [Path(name) for name in matching_files(str(pattern), pattern)]  # it is absolute


def _fixed(pattern: Path) -> Path:
    """The folder before the first part with a wildcard: names count from there."""
    parts = pattern.parts
    magic = next((at for at, part in enumerate(parts) if set(part) & set(_MAGIC)), len(parts) - 1)
    return Path(*parts[:magic])


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.name.endswith("~")


# --- values ----------------------------------------------------------------------------------------------------------


def _with_values(file: LuaFile, profile: Profile, project: Path, unit: Mapping[str, str]) -> LuaFile:
    from flashpipe.board.lua.files import LuaFile  # noqa: PLC0415  28 ms, and only where a profile names files
    from flashpipe.board.lua.templates import names_in  # noqa: PLC0415  only where it names templates

    values = _Values({**dict(profile.values), **unit}, profile, project, file.source)
    wanted = {
        name: values.find(name, line)
        for name, line in names_in(file.data, file.source).items()
        if name not in OF_BOARDS
    }
    filled = LuaFile(file.name, file.data, file.source, wanted)
    filled.for_board(_ANY_MAC)  # what is wrong is said before a port is opened
    return filled


class _Values:
    """Where values of one template come from."""

    def __init__(self, stated: Mapping[str, str], profile: Profile, project: Path, file: str) -> None:
        self._stated, self._project, self._file, self._lender = stated, project, file, profile.lender("files")
        self._secrets = secret_files(profile.path, project)

    def find(self, name: str, line: int) -> str:
        """The value.

        Raises:
            TemplateError: nothing has one.
            SecretsError: secrets.yaml cannot be used.
            NotTrustedError: somebody else's template wants one of the user's secrets.
        """
        if name in self._stated:
            return self._stated[name]
        if self._lender is not None:
            raise self._lender.refusal(f"wants your secret {name}, in {self._file}:{line}")
        try:
            value = secret(name, self._secrets, self._project)
        except PipelineError as error:
            error.add_hint(f"@{name}@ in {self._file}:{line} is looked for there")
            raise
        if value is None:
            raise TemplateError(
                f"{self._file}:{line}: nothing has a value for @{name}@",
                f"say it in `values:` of the profile, a secret in {' or '.join(map(str, self._secrets))},"
                f" or as {PREFIX}{name} in the environment",
            )
        return value
