"""Seals of records: this user has written them, nobody else.

A seal is an HMAC with a key that lies in the user's state folder, readable by its owner only. Records from before there
was a key are taken, and sealed when they are first read; what has no seal later, or another one, is foreign.

A key that others may read, as after a copy, is made its owner's again; one that is damaged, or that others may have
written, is put aside, and a new one made.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Final

from flashpipe.errors import RecordError
from flashpipe.files import STATE_VARIABLE, is_there, read_regular, state_folder, write_atomic
from flashpipe.ownership import TRUST_VARIABLE, Standing, described, look
from flashpipe.values import dataclass

FIELD: Final = "seal"
_NAME: Final = "key"
_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class Key:
    """The user's key."""

    secret: bytes
    made: float
    """When, in seconds since 1970 by the clock of the file system."""


def sealed(record: Mapping[str, object]) -> dict[str, object]:
    """The record with the user's seal; without one where no key can be kept."""
    plain = {name: value for name, value in record.items() if name != FIELD}
    key = user_key(make=True)
    return {**plain, FIELD: _seal(plain, key)} if key else plain


def is_own(record: Mapping[str, object], path: Path) -> bool:
    """Whether the user has written a record that was read from `path`; one from before the key is sealed now."""
    key = user_key()
    plain = {name: value for name, value in record.items() if name != FIELD}
    if key is not None and hmac.compare_digest(str(record.get(FIELD, "")), _seal(plain, key)):
        return True
    if FIELD in record or look(path).standing is not Standing.OWN:
        return False
    with suppress(OSError, RecordError):
        status = path.stat()
        if key is not None and status.st_mtime >= key.made:
            return False
        text = json.dumps(sealed(plain), indent=1) + "\n"
        write_atomic(path, text.encode(), mode=status.st_mode & 0o777)
        os.utime(path, (status.st_atime, status.st_mtime))  # records are sorted and removed by their age
    return True


def _seal(plain: Mapping[str, object], key: Key) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(key.secret, text.encode(), hashlib.sha256).hexdigest()


def user_key(*, make: bool = False) -> Key | None:
    """The user's key; with `make` it is made where there is none. None where none can be kept from others' eyes."""
    path = state_folder() / _NAME
    key = _read_key(path) or (_make_key(path) if make else None)
    if key is None and make:
        _tell_why(path)
    return key


@lru_cache
def _tell_why(path: Path) -> None:
    """Say, once, that others can write the state folder: then nobody knows who has written what lies there."""
    finding = look(path)
    if finding.standing is Standing.OWN:
        return
    cure = f"`chmod go-w {finding.path}`" if finding.standing is Standing.FOREIGN else f"{TRUST_VARIABLE}={path.parent}"
    _log(
        "%s: what is kept there of boards and ports counts for nothing, for %s: %s, or set %s=DIR to keep it elsewhere",
        path.parent, described(path.parent, finding), cure, STATE_VARIABLE,
    )  # fmt: skip


def _log(text: str, *values: object) -> None:
    import_module("logging").getLogger(__name__).warning(text, *values)


def _read_key(path: Path) -> Key | None:
    try:
        status = path.lstat()
        if _is_readable_by_others(status):
            path.chmod(0o600)
            status = path.stat()
    except OSError:
        return None
    return _known_key(path, status.st_ctime_ns, status.st_size)


def _is_readable_by_others(status: os.stat_result) -> bool:
    mode = status.st_mode
    own = os.name == "posix" and stat.S_ISREG(mode) and status.st_uid == os.getuid()
    return own and bool(mode & 0o077) and not mode & 0o022


@lru_cache(maxsize=4)
def _known_key(path: Path, _changed: int, _size: int) -> Key | None:
    with suppress(OSError):
        status = path.stat()
        secret = read_regular(path, _SIZE)
        private = os.name != "posix" or not status.st_mode & 0o077
        if len(secret) == _SIZE and private and look(path).standing is Standing.OWN:
            return Key(secret, status.st_mtime)
    return None


def _make_key(path: Path) -> Key | None:
    """Another process may make one at the same time: whose file is there first, is taken by both."""
    if is_there(path):
        _put_aside(path)
    if is_there(path) or look(path).standing is not Standing.OWN:
        return None
    with suppress(OSError, RecordError):
        temporary = path.with_name(f".{_NAME}.{os.getpid()}.{os.urandom(4).hex()}")
        write_atomic(temporary, os.urandom(_SIZE))
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            temporary.replace(path)
        temporary.unlink(missing_ok=True)
    return _read_key(path)


def _put_aside(path: Path) -> None:
    """Give up a key of one's own that cannot be used; what it has sealed counts for nothing from now on."""
    with suppress(OSError):
        status = path.lstat()
        foreign = os.name == "posix" and status.st_uid != os.getuid()
        if foreign or not stat.S_ISREG(status.st_mode) or look(path.parent).standing is not Standing.OWN:
            return
        aside = path.with_name(f"{_NAME}.unusable")
        path.replace(aside)
        _log(
            "%s cannot be used (%d bytes, mode %o): kept as %s, a new one is made; records that it has sealed count as "
            "not written by you",
            path, status.st_size, status.st_mode & 0o777, aside.name,
        )  # fmt: skip
