"""What a port is called: one name for it, whether it is a URL, whether it is virtual, a name for files."""

from __future__ import annotations

import os
import re
import sys
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from flashpipe import files
from flashpipe.errors import BadValueError
from flashpipe.lazy import lazy_pattern
from flashpipe.masking import without_login

_SLUG_LENGTH: Final = 60
_PLAIN_PORT: Final = lazy_pattern(r"(?:\w+://)?[A-Za-z0-9.+-]+")
"""Ports whose slug needs no digest to stay different from others."""

_LOCALHOST: Final = lazy_pattern(r"^((?:rfc2217|socket)://)localhost(?=[:/?#]|$)", re.IGNORECASE)
_BY_ADDRESS: Final = frozenset({"rfc2217", "socket"})
"""Kinds of URL that name a host and a TCP port, and no more."""

_known_virtual: Final = set[str]()
"""Ports whose server has said that its board is a virtual one."""


def canonical(port: str) -> str:
    """One name for a port, whatever link leads to it; of a URL all but the login, and this machine by one name."""
    if "://" in port:
        return _LOCALHOST.sub(r"\g<1>127.0.0.1", without_login(port))
    if re.fullmatch(r"(\\\\\.\\)?com\d+", port, re.IGNORECASE):
        return port.upper().removeprefix("\\\\.\\")
    return os.path.realpath(port)


def is_pseudo_terminal(port: str) -> bool:
    """Whether the port, or what a link of that name leads to, is a pty of Linux: no wire is behind it."""
    return canonical(port).startswith("/dev/pts/")


def is_url(port: str) -> bool:
    """Whether it is opened by a pyserial URL handler rather than by name."""
    return "://" in port


def check_address(port: str) -> None:
    """Refuse the URL of another machine's port that lacks its host or number; other ports are not looked at.

    Raises:
        BadValueError: it does.
    """
    kind = port.partition("://")[0].lower() if is_url(port) else ""
    if kind not in _BY_ADDRESS:
        return
    try:
        parts = urlsplit(port)
        whole = bool(parts.hostname and parts.port)
    except ValueError:  # no number, one that is too large, or brackets that do not match
        whole = False
    if not whole:
        raise BadValueError(f"{without_login(port)}: want {kind}://HOST:PORT", f"such as {kind}://lab.local:4000")


def names_a_file(port: str) -> bool:
    """Whether to open a port may write a file that its URL names: by options of virtual boards, or pyserial's `spy`."""
    return is_url(port) and re.search(r"^(?:spy|alt)://|[?&](?:file|flash|record)=", port, re.IGNORECASE) is not None


def is_virtual(port: str) -> bool:
    """Whether a virtual board is behind it: a `sim` URL, a port that one living on this machine offers, or whose server
    has said so.
    """
    if port.lower().startswith(("sim://", "sim+attach://")) or port in _known_virtual:
        return True
    names = {port, canonical(port)}
    for path in files.virtual_ports_folder().glob("*.json"):
        try:
            record = files.read_json(path)
            pid, offered = int(record["pid"]), {str(name) for name in record["ports"]}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if names & (offered | {canonical(name) for name in offered}) and _is_alive(pid):
            return True
    return False


def note_virtual(port: str) -> None:
    """The server of a port has said that its board is a virtual one; holds as long as this process lives."""
    _known_virtual.add(port)


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # os.kill would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def port_slug(port: str) -> str:
    """A name for sub-tasks and files: no `=`, `*`, `?`, spaces or slashes; different ports give different names.

    Of a URL the login has no part in it.
    """
    port = without_login(port)
    short = port.removeprefix("/dev/")
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "_", short).strip("_")
    if len(plain) <= _SLUG_LENGTH and _PLAIN_PORT.fullmatch(short):
        return plain
    return f"{plain[:_SLUG_LENGTH]}-{sha256(port.encode()).hexdigest()[:6]}"
