"""Another user's profile is used, not run: the files that it names are read only where they are that user's to give.

A profile says which files go to a board. One of another user, in a folder that the user can read, could name the
user's own: a key, or notes in a home that is closed to everybody else, and the board would hold them. So what such a
profile names is read if it belongs to whoever wrote the profile, or is open to everybody as the system's files are, or
stands in the profile's own folder. It is the opened file that is looked at: a link may lead elsewhere a moment later.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from flashpipe.errors import NotTrustedError
from flashpipe.files import read_regular
from flashpipe.ownership import TRUST_VARIABLE, Standing, look, trusted_owners, user_name
from flashpipe.values import dataclass

_ROOT: Final = 0


@dataclass(frozen=True, slots=True)
class Lender:
    """Whoever a profile is from that is not the user's own."""

    profile: Path
    uid: int
    folder: Path
    """What stands in it is the lender's, whoever has written it: a build that the user has run there, for instance."""

    def admit(self, path: Path, status: os.stat_result) -> None:
        """Go on only with a file that is the lender's to give; `status` is that of the opened file.

        Raises:
            NotTrustedError: it is somebody else's.
        """
        if status.st_uid == self.uid or _is_everybodys(path, status) or _stands_in(self.folder, path, status):
            return
        raise self.refusal(f"names {path}, a file of {user_name(status.st_uid)}: it is not read")

    def refusal(self, what: str) -> NotTrustedError:
        """What of the profile is not done without trust."""
        folder = self.profile.parent
        return NotTrustedError(
            f"profile {self.profile} is {user_name(self.uid)}'s and {what}",
            f"if you trust whoever can change the profile: `flashpipe trust {folder}` ({TRUST_VARIABLE}={folder} on a "
            "build server)",
        )


def lender_of(profile: Path, project: Path) -> Lender | None:
    """Whose profile that is; None where it is the user's own, or trusted."""
    inside = profile.is_relative_to(project)
    finding = look(profile, project if inside else None)
    if finding.standing is Standing.OWN:
        return None
    uid = profile.stat().st_uid
    if uid in trusted_owners():  # it stands in somebody's folder, who can replace it
        uid = finding.path.lstat().st_uid
    whole = inside and project.stat().st_uid == uid
    return Lender(profile, uid, project if whole else profile.parent)


def read_named(path: Path, limit: int, lender: Lender | None) -> bytes:
    """The bytes of a regular file that a profile names; `lender`: whose profile, if it is not the user's own.

    Raises:
        OSError: as `read_regular`.
        NotTrustedError: as `Lender.admit`.
    """
    return read_regular(path, limit, (lambda status: lender.admit(path, status)) if lender else None)


def _is_everybodys(path: Path, status: os.stat_result) -> bool:
    """Whether it is a file of the system that all users can read."""
    if status.st_uid != _ROOT or os.getuid() == _ROOT or not status.st_mode & stat.S_IROTH:
        return False
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)


def _stands_in(folder: Path, path: Path, status: os.stat_result) -> bool:
    """Whether the opened file is the one that stands there below a folder, and only there, with no link on the way."""
    if status.st_nlink > 1:  # whoever may write there could have given a file of the user's a second name
        return False
    with suppress(OSError, ValueError):
        *above, name = path.resolve().relative_to(folder.resolve()).parts
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in above:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                os.close(here)
                here = below
            return os.path.samestat(status, os.stat(name, dir_fd=here, follow_symlinks=False))
        finally:
            os.close(here)
    return False
