"""Whose is this file or folder? What others could have put there steers no run.

A path is the user's own if it, and every folder above it, can be changed by nobody but the user, root, and whoever
called sudo: each belongs to one of them and none is writable by all, or by a group other than its owner's private one.
Above the root of a project a folder may be writable by all if it is sticky, as /tmp is: there nobody can replace what
belongs to somebody else. Links count where they stand and where they lead. A folder that the user has trusted
(`flashpipe trust DIR`, or FLASHPIPE_TRUST=DIR:DIR) is the user's own with all that is below it.

Where the system has no owners (Windows), nothing is checked; where a file system has owners but no rights of its own
(the drives of Windows below WSL, SMB, FAT), owners alone are, as git does it.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import NotTrustedError
from flashpipe.files import read_json, state_folder, write_atomic
from flashpipe.values import dataclass

with suppress(ImportError):  # Windows has neither, nor the owners that they name
    import grp
    import pwd

TRUST_VARIABLE: Final = "FLASHPIPE_TRUST"
"""Environment variable with trusted folders; for containers and build servers, where a checkout has another owner."""
_LIST: Final = "trusted.json"
_FORMAT: Final = "flashpipe-trusted/1"
_WITHOUT_RIGHTS: Final = frozenset(
    {"cifs", "drvfs", "exfat", "fuse.vmhgfs-fuse", "fuseblk", "msdos", "ntfs", "ntfs3", "prl_fs", "smb3", "smbfs"}
    | {"vboxsf", "vfat"}
)
"""File systems whose modes say how they were mounted, nothing about a file."""


class Standing(Enum):
    """Who can change a path."""

    OWN = "own"
    """The user, or root; or the user has said that it is trusted."""
    SHARED = "shared"
    """One other user, and nobody else: its data may be used, nothing of it is run."""
    FOREIGN = "foreign"
    """Others."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a path."""

    standing: Standing
    path: Path
    """What decides: the path itself, or a folder above it."""
    why: str = ""
    """Completes "PATH …"; empty where it is the user's own."""


def look(path: Path, root: Path | None = None) -> Finding:
    """Who can change `path`; `root` is the folder of the project it belongs to, itself if None."""
    if os.name != "posix":
        return Finding(Standing.OWN, path)
    lexical = Path(os.path.abspath(path))  # noqa: PTH100  links stay: they are looked at themselves
    resolved = path.resolve()
    if any(resolved.is_relative_to(folder) for folder in trusted_folders()):
        return Finding(Standing.OWN, path)
    top = len(Path(os.path.abspath(root)).parts) if root is not None else None  # noqa: PTH100  as above
    findings = [*_chain(lexical, top)]
    if resolved != lexical:
        real_top = len(root.resolve().parts) if root is not None else None
        findings += _chain(resolved, real_top)
    worst = max(findings, key=lambda one: list(Standing).index(one.standing), default=None)
    return worst if worst is not None else Finding(Standing.OWN, path)


def read_own_json(path: Path) -> Any:
    """What a file of JSON holds that nobody else can have written.

    Raises:
        OSError, ValueError: as `read_json`; it cannot be read, or others can write it.
    """
    finding = look(path)
    if finding.standing is not Standing.OWN:
        raise PermissionError(errno.EACCES, finding.why, str(path))
    return read_json(path)


def require_own(path: Path, root: Path | None = None) -> Path:
    """Go on only with what nobody else can change; returns it.

    Raises:
        NotTrustedError: naming what decides, its owner and the command that trusts it.
    """
    finding = look(path, root)
    if finding.standing is not Standing.OWN:
        raise refusal(path, finding)
    return path


def require_owners(path: Path, root: Path) -> None:
    """Go on only with what is the user's own, or, in a project that is one other user's as a whole, that user's.

    Raises:
        NotTrustedError: as `require_own`.
    """
    finding = look(path, root)
    if finding.standing is Standing.SHARED:
        try:
            status = path.lstat()
        except FileNotFoundError:
            return
        if status.st_uid == root.stat().st_uid and not stat.S_ISLNK(status.st_mode):
            return
    if finding.standing is not Standing.OWN:
        raise refusal(path, finding)


def refusal(path: Path, finding: Finding) -> NotTrustedError:
    """Why a path is not used, and the command that trusts it."""
    real = path.resolve()  # what is trusted is what links lead to
    folder = real if real.is_dir() else real.parent
    return NotTrustedError(
        f"{path} is not used: {described(path, finding)}",
        f"if you trust all who can change it: `flashpipe trust {folder}` ({TRUST_VARIABLE}={folder} on a build server)",
    )


def described(path: Path, finding: Finding) -> str:
    """What decides, in words."""
    return f"it {finding.why}" if finding.path == path else f"{finding.path} {finding.why}"


def _chain(path: Path, top: int | None) -> list[Finding]:
    """Everything from the root of the file system to `path` that somebody else could change."""
    findings = []
    for depth in range(1, len(path.parts) + 1):
        part = Path(*path.parts[:depth])
        try:
            status = part.lstat()
        except OSError:
            break  # what is not there nobody has put there
        finding = _judge(part, status, above=depth < (top if top is not None else len(path.parts)))
        if finding is not None:
            findings.append(finding)
    return findings


def _judge(path: Path, status: os.stat_result, *, above: bool) -> Finding | None:
    others = _writers(path, status)
    sticky = above and bool(status.st_mode & stat.S_ISVTX)
    if others and not sticky and not stat.S_ISLNK(status.st_mode):
        return Finding(Standing.FOREIGN, path, f"can be written by {others}")
    if status.st_uid not in trusted_owners():
        return Finding(Standing.SHARED, path, f"belongs to {user_name(status.st_uid)}")
    return None


def _has_access_list(path: Path) -> bool:
    """Whether a path has a list of users and groups beside its mode; Linux shows it as an attribute."""
    try:
        return bool(os.getxattr(path, "system.posix_acl_access", follow_symlinks=False))
    except (AttributeError, OSError):
        return False


def _writers(path: Path, status: os.stat_result) -> str:
    """Who else than its owner can write; empty where nobody."""
    if not status.st_mode & (stat.S_IWOTH | stat.S_IWGRP) or _has_no_rights(status.st_dev):
        return ""
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    if _has_access_list(path):  # the rights of the group are then those of whoever it names
        return "those in its access list"
    return "" if _is_private(status.st_gid, status.st_uid) else f"the group {_group(status.st_gid)}"


def trusted_owners() -> frozenset[int]:
    """The user, root, and whoever called sudo."""
    own = {os.getuid(), 0}
    if not os.getuid():
        with suppress(KeyError, ValueError):
            own.add(int(os.environ["SUDO_UID"]))
    return frozenset(own)


# --- users and groups ------------------------------------------------------------------------------------------------


def user_name(uid: int) -> str:
    """Whom a number stands for."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except (KeyError, NameError):
        return f"uid {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, NameError):
        return str(gid)


@lru_cache
def _is_private(gid: int, uid: int) -> bool:
    """Whether a group is nobody's but one user's, as systems make one for each."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid).pw_name
    except (KeyError, NameError):  # a container has no names for what is mounted into it
        return gid == uid
    return group.gr_name == user and set(group.gr_mem) <= {user}


@lru_cache
def _has_no_rights(device: int) -> bool:
    """Whether a file system shows modes that are not a file's own; Linux alone says what it is."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError, IndexError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            fields, _, kind = line.partition(" - ")
            if fields.split()[2] == number:
                name, options = kind.split()[0], kind.split()[-1]
                return name in _WITHOUT_RIGHTS or (name == "9p" and "aname=drvfs" in options)
    return False


# --- trust -----------------------------------------------------------------------------------------------------------


def trusted_folders() -> tuple[Path, ...]:
    """What the user has trusted, on this machine or in this environment."""
    named = os.environ.get(TRUST_VARIABLE, "")
    return tuple(Path(text).resolve() for text in named.split(os.pathsep) if text) + kept_trust()


def kept_trust() -> tuple[Path, ...]:
    """What `flashpipe trust` keeps; nothing where others can write that list."""
    path = state_folder() / _LIST
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        if path.stat().st_size and not _chain(Path(os.path.abspath(path)), None):  # noqa: PTH100  as above
            record = read_json(path)
            if record["format"] == _FORMAT:
                return tuple(Path(str(text)) for text in record["folders"])
    return ()


def keep_trust(folders: tuple[Path, ...]) -> None:
    """Replace the list of trusted folders.

    Raises:
        RecordError: it cannot be written.
    """
    record = {"format": _FORMAT, "folders": sorted({str(folder) for folder in folders})}
    write_atomic(state_folder() / _LIST, (json.dumps(record, indent=1) + "\n").encode())
