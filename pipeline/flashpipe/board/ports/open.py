"""Opening a port: any device or pyserial URL, without resetting the board, with errors that say what to do.

Opening must not reset: Linux raises DTR and RTS together when a port is opened, which the two transistors of a devkit
ignore (facts: esp8266 §2.3), and both are let go in one step. One after the other, DTR first, would pull EN low.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flashpipe.board.ports import discovery
from flashpipe.board.ports.adapters import look_at_host, missing_port_advice
from flashpipe.board.ports.lock import PortOwner, find_owners
from flashpipe.board.ports.names import check_address, is_pseudo_terminal, is_url
from flashpipe.errors import BadValueError, NoPortError, PipelineError, PortBusyError, PortDeniedError, PortError
from flashpipe.limits import limit_reached
from flashpipe.next_steps import Advice, command

if sys.platform != "win32":
    import grp
    import pwd

if TYPE_CHECKING:
    import serial

HANDLERS: Final = "flashpipe.sim"
"""Package of the virtual board's URL handlers, known here by name only."""
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM})
_BUSY: Final = frozenset({errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK})
_MISSING: Final = frozenset({errno.ENOENT, errno.ENAMETOOLONG, errno.ENODEV, errno.ENXIO, errno.ENOTDIR})
_NO_TELNET: Final = "does not seem to support RFC2217"
"""Words of pyserial 3.5 about a server that has said nothing of telnet's (`rfc2217.Serial.open`)."""
_MEMORY_MAJOR: Final = 1
"""Linux: major number of /dev/null and its like (Documentation/admin-guide/devices.txt)."""
_WINDOWS_MISSING: Final = 2
_WINDOWS_DENIED: Final = 5


def open_port(port: str, baud: int) -> serial.SerialBase:
    """Open a device or URL for this process alone, DTR and RTS released, 8N1.

    Raises:
        NoPortError: there is no such port; says which there are.
        PortDeniedError: this user may not open it; says how to change that.
        PortBusyError: somebody else has it; says who.
        BadValueError: the URL is of an unknown kind or malformed.
        PortError: the system refused for another reason.
    """
    check_address(port)
    _refuse_held(port)
    try:
        made = _make(port)
        made.baudrate = baud
        made.dtr = False
        made.rts = False
        made.open()
    except PipelineError:
        raise
    except (OSError, ValueError) as error:
        raise _translate(port, error) from error
    except (AttributeError, TypeError) as error:  # what pyserial's `alt://` makes of a class that is no port
        raise _translate(port, ValueError(str(error))) from error
    opened: serial.SerialBase = made
    return opened


def _make(port: str) -> Any:
    """The port, not yet opened."""
    kind = port.split("://", 1)[0].lower() if is_url(port) else ""
    if not kind:
        from flashpipe.board.ports.local import LocalPort  # noqa: PLC0415  2 ms, and not for a URL

        made = LocalPort(None)
        made.port = port
        made.exclusive = True if os.name == "posix" else None
        return made
    if kind == "rfc2217":
        from flashpipe.board.ports.rfc2217 import RemotePort  # noqa: PLC0415  5 ms, and only for ports of other machines

        made = RemotePort(None)
        made.port = port
        return made
    import serial  # noqa: PLC0415  6 ms, and not for those who touch no port

    if HANDLERS not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(HANDLERS)
    return serial.serial_for_url(port, do_not_open=True)


# --- errors ----------------------------------------------------------------------------------------------------------


def _refuse_held(port: str) -> None:
    """Linux lets two programs open one line and gives each half of the bytes; a pty is held by the board behind it."""
    if is_url(port) or not sys.platform.startswith("linux") or is_pseudo_terminal(port):
        return
    if _is_memory_device(port):  # half of all processes hold /dev/null
        return
    holders = find_owners(port)
    if holders:
        raise _busy(port, holders)


def _is_memory_device(port: str) -> bool:
    try:
        status = Path(port).stat()
    except OSError:
        return False
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == _MEMORY_MAJOR


def _busy(port: str, holders: list[PortOwner]) -> PortBusyError:
    who = ", ".join(map(str, holders)) or "another program"
    return PortBusyError(f"{port}: in use by {who}", "close it (a serial monitor, mostly) and run this again")


def _translate(port: str, error: OSError | ValueError) -> PipelineError:
    reached = limit_reached(error)
    if reached is not None and _code(error) != errno.ENAMETOOLONG:
        return reached
    code = _code(error)
    if is_url(port):
        return _url_error(port, error)
    if code in _DENIED and sys.platform != "win32":
        return denied(port)
    if code in _BUSY or (sys.platform == "win32" and code == _WINDOWS_DENIED):
        return _busy(port, find_owners(port) if sys.platform.startswith("linux") else [])
    if code in _MISSING or (sys.platform == "win32" and code == _WINDOWS_MISSING):
        return missing(port)
    return PortError(
        f"{port}: cannot be opened: {error}", Advice("is it a serial port? ", command("ports"), " lists them")
    )


def _code(error: OSError | ValueError) -> int | None:
    """The system's error number; on Windows pyserial keeps it in the text only, where Python's names stand too."""
    number = getattr(error, "errno", None)
    if isinstance(number, int):
        return number
    text = str(error)
    if "PermissionError" in text:
        return _WINDOWS_DENIED
    return _WINDOWS_MISSING if "FileNotFoundError" in text else None


def _url_error(port: str, error: OSError | ValueError) -> PipelineError:
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return BadValueError(
            f"{port}: {error}", "known kinds: sim://, rfc2217://host:port, socket://host:port, labgrid://PLACE"
        )
    if _code(error) in _BUSY:
        return _busy(port, [])
    if _code(error) in _DENIED:
        return PortDeniedError(f"{port}: permission denied", "ask whoever runs that port for access to it")
    if _NO_TELNET in str(error):
        return PortBusyError(
            f"{port}: something listens there, and does not answer as RFC 2217 does",
            "another client may have it: close that, or say port_wait=5m; or it is another kind of server (socket://)",
        )
    kind = port.split("://", 1)[0]
    hint = (
        "is the server running there, and no other client connected?"
        if kind in {"rfc2217", "socket"}
        else Advice(command("ports"), " lists what is there")
    )
    return NoPortError(f"{port}: cannot be opened: {error}", hint)


def missing(port: str) -> NoPortError:
    """The error for a device that does not exist; says which there are."""
    ports = [f"{info.device} ({info.adapter()})" for info in discovery.list_ports() if info.vid is not None]
    if ports:
        return NoPortError(f"{port}: no such port; there is {', '.join(ports)}", f"port={ports[0].split(' ', 1)[0]}")
    return NoPortError(f"{port}: no such port, nor any other USB serial port", missing_port_advice(look_at_host()).text)


def denied(port: str) -> PortDeniedError:
    """The error for a device this user may not open; names its group and whether a new login is enough."""
    try:
        status = Path(port).stat()
        group = grp.getgrgid(status.st_gid)
        user = pwd.getpwuid(os.getuid()).pw_name
    except (OSError, KeyError):
        return PortDeniedError(f"{port}: permission denied", "ask the administrator for access to serial ports")
    return _denied(port, group.gr_name, user, listed=user in group.gr_mem, mode=status.st_mode)


def _denied(port: str, group: str, user: str, *, listed: bool, mode: int) -> PortDeniedError:
    message = f"{port}: permission denied; it belongs to group {group}"
    if listed:
        return PortDeniedError(
            f"{message}, which {user} has joined, but not in this session",
            f"log out and in again, or run this command under `sg {group} -c '…'` (`newgrp {group}`)",
        )
    if group == "root" or not mode & 0o060:
        return PortDeniedError(message, f"give it to a group with a udev rule, or for now: `sudo chmod a+rw {port}`")
    return PortDeniedError(message, f"`sudo usermod -aG {group} {user}`, then log out and in again")
