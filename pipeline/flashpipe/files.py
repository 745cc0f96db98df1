"""Where our own files live, and how they are written: whole or not at all, readable by their owner only."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

from flashpipe.errors import RecordError, SystemLimitError
from flashpipe.lazy import lazy_pattern

STATE_VARIABLE: Final = "FLASHPIPE_STATE"
"""Environment variable that moves the state folder; tests and build servers set it."""
CACHE_VARIABLE: Final = "FLASHPIPE_CACHE"
"""Environment variable that moves the cache folder."""
RECORDS_VARIABLE: Final = "FLASHPIPE_RECORDS"
"""Environment variable that moves the records of all projects, where a checkout is read-only for instance."""
RECORDS_FOLDER: Final = ".pipeline"
"""Where they are else, in the project."""
NO_RECORD: Final = frozenset({errno.EINVAL, errno.EFBIG, errno.EISDIR, errno.ENXIO, errno.ELOOP, errno.ENOENT})
"""Errors of reading what lies in a record's place and cannot be one."""
RECORD_LIMIT: Final = 16 * 1024 * 1024
"""Bytes that no record of ours has."""
PRIVATE: Final = 0o600
"""Backups, receipts and logs can hold Wi-Fi credentials."""


def state_folder() -> Path:
    """The user's state folder, shared by all projects; it is made by whoever writes there."""
    return Path(os.environ.get(STATE_VARIABLE) or _user_folder("user_state_dir"))


def cache_folder() -> Path:
    """The user's cache folder, shared by all projects: what lies there can be had again, from where it came."""
    return Path(os.environ.get(CACHE_VARIABLE) or _user_folder("user_cache_dir"))


def _user_folder(kind: str) -> Path:
    import platformdirs  # noqa: PLC0415  2 ms, and commands that keep no records need none

    folder = Path(getattr(platformdirs, kind)("flashpipe", appauthor=False))
    # Without a home it is `~/…`, and would come to be in whatever folder the user is in.
    return folder if folder.is_absolute() else Path(os.devnull, "flashpipe")


def next_step(path: Path) -> str:
    """What to do where a file of ours cannot be written, and which variable moves those that can lie elsewhere."""
    for variable, folder in ((STATE_VARIABLE, state_folder()), (CACHE_VARIABLE, cache_folder())):
        if path.is_relative_to(folder):
            home = (
                ""
                if os.environ.get(variable)
                else f"; it is below HOME, {os.environ.get('HOME') or 'which is not set'}"
            )
            return f"fix the permissions or free disk space, or set {variable}=DIR to keep it elsewhere{home}"
    elsewhere = f", or keep records elsewhere: {RECORDS_VARIABLE}=DIR" if RECORDS_FOLDER in path.parts else ""
    return f"free disk space or fix the permissions{elsewhere}"


def virtual_ports_folder() -> Path:
    """Where a running virtual board leaves one file per process, `PID.json`: {"pid": int, "ports": [str, …]}.

    A pty or a TCP port does not show that the board behind it is a virtual one; this does, on the same machine.
    """
    return state_folder() / "virtual-ports"


def read_regular(path: Path, limit: int = RECORD_LIMIT, admit: Callable[[os.stat_result], None] | None = None) -> bytes:
    """The bytes of a regular file of at most `limit` bytes: a pipe may never end, a device neither.

    `admit` may raise where the opened file is none to be read.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger; its `strerror` says so.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        if admit is not None:
            admit(status)
        data: bytes | None = stream.read(min(status.st_size, limit) + 1)  # as much as is asked for is allocated
        if data is None:  # /proc/kmsg calls itself regular, and has nothing at the moment
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        if status.st_size < len(data) <= limit:  # it grows, or has no size, as in /proc
            data += stream.read(limit + 1 - len(data))
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"is larger than {limit:,} bytes", str(path))
    return data


def read_json(path: Path, limit: int = RECORD_LIMIT) -> Any:
    """What a file of JSON holds.

    Raises:
        OSError: as `read_regular`.
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(read_regular(path, limit))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def expanded(text: str) -> Path:
    """A path that somebody wrote, its `~` resolved; a `~name` that this system does not know stays as it is.

    Raises:
        SystemLimitError: no file can have that name here.
    """
    return Path(os.path.expanduser(sayable(text)))  # noqa: PTH111  pathlib's raises


def sayable(text: str) -> str:
    """The text, a name out of a profile, once it is sure that the system can be asked for it.

    Python takes UTF-8 wherever it may; `PYTHONUTF8=0` or a locale such as ISO 8859 forbids that. Whoever asks whether
    such a file is there would be told that it is not.

    Raises:
        SystemLimitError: it has letters that the encoding of file names lacks.
    """
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise unsayable(error) from error
    return text


def unsayable(error: UnicodeEncodeError) -> SystemLimitError:
    """What it means that a name cannot be encoded as one of a file."""
    what = (
        f"{error.object}: a file of that name cannot be asked for: the encoding of file names is {error.encoding} here"
    )
    if error.encoding == "utf-8":  # half a letter, from an escape of YAML's
        return SystemLimitError(what, "give it another name")
    return SystemLimitError(what, "set a locale with UTF-8, such as LC_ALL=C.UTF-8, and leave PYTHONUTF8 alone")


def is_there(path: Path) -> bool:
    """Whether something has that name; where this user may not even ask, nothing has."""
    return os.path.exists(path)  # noqa: PTH110  pathlib's raises


def no_file(path: Path) -> str:
    """Why nothing can be read at a path, in words that follow its name."""
    if os.path.isdir(path):  # noqa: PTH112  pathlib's raises
        return "is a folder, not a file"
    return "is no regular file" if is_there(path) else "there is no such file"


def is_replaceable(path: Path) -> bool:
    """Whether a file can take this place: nothing is there, or a regular file; a device or pipe stays what it is."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False


def open_output(path: Path, *, append: bool = False, mode: int = 0o666) -> IO[bytes]:
    """A file that somebody has named, to be written while a run goes on; a pipe only where somebody reads from it.

    `mode`: of a file that is not there yet, less what the umask takes.

    Raises:
        OSError: it cannot be written, or nobody reads.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0), mode)
    if os.name == "posix":
        os.set_blocking(handle, True)
    return os.fdopen(handle, "ab" if append else "wb")


def make_private(*folders: Path) -> None:
    """Make folders that only their owner can enter, in this order; those that exist keep their rights.

    Raises:
        RecordError: one cannot be made.
    """
    try:
        for folder in folders:
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise RecordError(
            f"{error.filename}: cannot be made: {error.strerror or error}", next_step(Path(error.filename or "/"))
        ) from error


def make_parents(path: Path) -> None:
    """Make the folders above a file that only its owner shall read; those that exist keep their rights.

    Raises:
        OSError: one cannot be made.
    """
    missing = []
    for folder in path.parents:
        if folder.is_dir():
            break
        missing.append(folder)
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def private_opener(path: str, flags: int) -> int:
    """For `open(…, opener=)`: a file that is made is its owner's alone."""
    return os.open(path, flags, PRIVATE)


ROOM: Final = 64 * 1024
"""Bytes that are kept free for a record: some ten times what a receipt has."""


def check_writable(folder: Path) -> None:
    """Make a folder of records, and make sure that one can be written there: a file system may be read-only, or full.

    Raises:
        RecordError: it cannot.
    """
    take_room(folder).close()


def take_room(folder: Path) -> IO[bytes]:
    """Keep room for a record in its folder, which is made, until the file that is given is closed.

    The file has no name: whoever is killed leaves nothing.

    Raises:
        RecordError: nothing can be written there, or the disk is full.
    """
    make_private(folder)
    try:
        room = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  whoever takes it closes it
    except OSError as error:
        raise _not_writable(folder, error) from error
    try:
        left = ROOM
        while left:
            left -= room.write(bytes(left)) or 0
    except OSError as error:
        room.close()
        raise _not_writable(folder, error) from error
    return room


def _not_writable(path: Path, error: OSError) -> RecordError:
    return RecordError(f"{path}: cannot be written: {error.strerror or error}", next_step(path))


_STAMP: Final = lazy_pattern(r"\d{8}T\d{9}(?!\d)")
_LAST: Final = "990000000"
"""No time of day, however often it was counted on, comes so far."""


HORIZON: Final = "2200"
"""A year that no clock of ours shows: a name that is later was not given by one. Not reckoned from now, for that may be
1970: a small computer without a battery."""


def stamp_of(now: float) -> str:
    """A time, UTC to the millisecond, as it stands in names of records; they sort by age."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f"{int(now * 1000) % 1000:03d}"


def later_stamp(names: Iterable[str], now: float | None = None) -> str:
    """A time for the name of a new record: later than every name of `names`, those of a far future excepted.

    A clock that jumps back would otherwise make the newest record look old.
    """
    now = time.time() if now is None else now
    stamp = stamp_of(now)
    stamps = (name[: len(stamp)] for name in names if _STAMP.match(name))
    last = max((one for one in stamps if one[9:] < _LAST and one < HORIZON), default="")
    if stamp > last:
        return stamp
    whole = f"{int(last[9:]) + 1:09d}"  # the digits of one day cannot run over: a thousand records in its last second
    return last[:9] + whole


def by_age(names: Iterable[str]) -> list[str]:
    """Names that begin with a stamp, the oldest first; of one that no clock has given, the age is not known: first."""
    return sorted(names, key=lambda name: (name < HORIZON, name))


def is_copy(name: str, written: str, names: Iterable[str]) -> bool:
    """Whether a record has this name as well as another of `names`, of stamp, hyphen and digest each.

    `written`: when that was, as it says itself (ISO 8601, UTC): the name that says the same is its own.
    """
    given = name.startswith(re.sub("[-:Z]", "", written))
    return not given and any(other != name and other[-8:] == name[-8:] for other in names)


def write_atomic(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Replace `path` by `data`, durably, or leave it as it was.

    Raises:
        RecordError: the folder cannot be written or the disk is full.
    """
    temporary: Path | None = None
    if not is_replaceable(path):
        raise RecordError(f"{path}: is no regular file, and stays what it is", "name another file")
    try:
        if mode == PRIVATE:
            make_parents(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _not_writable(path, error) from error
    finally:
        # Nothing is left there once it has been renamed; an interrupt, too, leaves no rest.
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder durable; Windows can neither open a folder nor needs it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def shortest(path: Path, standing: Path) -> str:
    """The shortest path that leads there for whoever stands in that folder."""
    paths = [str(path)]
    with suppress(ValueError):  # on another drive
        paths.append(os.path.relpath(path, standing))
    with suppress(RuntimeError, ValueError):  # nobody's home, or not in it
        if os.name == "posix":  # cmd.exe knows no ~
            paths.append(f"~/{path.relative_to(Path.home()).as_posix()}")
    return min(paths, key=len)
