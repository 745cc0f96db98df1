"""Names of packed files: what is an archive, and which member of it is meant."""

from __future__ import annotations

import re
from typing import Final

from flashpipe.lazy import lazy_pattern

_ENDINGS: Final = r"\.(?:zip|tar|tgz|tbz2?|txz|tar\.(?:gz|bz2|xz))"
_MEMBER: Final = lazy_pattern(rf"(.+?{_ENDINGS}|https?://[^!]+{_ENDINGS}[^!]*)!(.+)", re.IGNORECASE | re.DOTALL)
_ARCHIVE: Final = lazy_pattern(rf".+{_ENDINGS}", re.IGNORECASE | re.DOTALL)


def split_member(text: str) -> tuple[str, str]:
    """Archive and member of `ARCHIVE!MEMBER`; the member is empty where the text names a whole file.

    >>> split_member("fw/pair.zip!bin/0x00000.bin")
    ('fw/pair.zip', 'bin/0x00000.bin')
    >>> split_member("what!a.bin")
    ('what!a.bin', '')
    """
    match = _MEMBER.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")


def is_archive_name(name: str) -> bool:
    """Whether a file of that name is an archive.

    >>> is_archive_name("fw.ZIP"), is_archive_name("fw.bin.gz")
    (True, False)
    """
    return _ARCHIVE.fullmatch(name) is not None


def is_gzip_name(name: str) -> bool:
    """Whether a file of that name is one packed file, such as `firmware.bin.gz`."""
    lower = name.lower()
    return lower.endswith(".gz") and not lower.endswith(".tar.gz")
