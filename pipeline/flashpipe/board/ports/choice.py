"""Which serial ports there are, which one is meant, and what they are called. Nothing here opens or resets one.

Opening and locking stand in `serialport` and `portlock`, what is remembered in `portmemory`; they are offered here too.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

from flashpipe import files
from flashpipe.board.ports.adapters import (
    MEANINGLESS_SERIALS,
    HostFacts,
    adapter_name,
    look_at_host,
    missing_port_advice,
)
from flashpipe.board.ports.lock import canonical, find_owners, lock_port
from flashpipe.board.ports.memory import PortMemory, Seen
from flashpipe.board.ports.open import open_port
from flashpipe.errors import NoPortError, PortAmbiguousError
from flashpipe.values import dataclass

__all__ = [
    "PortInfo",
    "PortMemory",
    "Seen",
    "canonical",
    "choose_port",
    "find_owners",
    "is_url",
    "is_virtual",
    "list_ports",
    "lock_port",
    "open_port",
    "port_slug",
]

_SKIPPED: Final = re.compile(r"Bluetooth|wlan-debug|debug-console|/dev/tty\.", re.IGNORECASE)
"""macOS ports that are no boards, and the twin of every cu.* port (facts: usb-nodemcu §8.1)."""
_SLUG_LENGTH: Final = 60
_PLAIN_PORT: Final = re.compile(r"(?:\w+://)?[A-Za-z0-9.+-]+")
"""Ports whose slug needs no digest to stay different from others."""


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port of this machine, as its system describes it."""

    device: str
    vid: int | None = None
    pid: int | None = None
    serial: str = ""
    location: str = ""
    """The physical socket, such as `1-1.2`."""
    description: str = ""
    by_id: str = ""
    by_path: str = ""
    """Links below /dev/serial (Linux); `by_path` names the socket and is unique, `by_id` of two CH340s is the same."""

    def usb(self) -> str:
        """`1a86:7523`, empty where it is not on USB."""
        return f"{self.vid:04x}:{self.pid:04x}" if self.vid is not None and self.pid is not None else ""

    def adapter(self) -> str:
        """Name of the bridge: `CH340`."""
        return adapter_name(self.vid, self.pid)

    def key(self) -> str:
        """What stays the same when the board is plugged in again; for adapters without a serial number the socket."""
        if not self.usb():
            return self.device
        if self.serial.strip().lower() not in MEANINGLESS_SERIALS:
            return f"{self.usb()}:{self.serial}"
        return f"{self.usb()}@{self.location or self.device}"


class PortPattern(Protocol):
    """What a profile's `serial.port` may ask of a port; empty fields fit any."""

    @property
    def usb(self) -> str: ...
    @property
    def serial(self) -> str: ...
    @property
    def location(self) -> str: ...


# --- what there is ---------------------------------------------------------------------------------------------------


def list_ports(scan: Callable[[], Iterable[Any]] | None = None) -> list[PortInfo]:
    """The ports of this machine, USB adapters first, in the order of their names.

    Args:
        scan: Gives objects like pyserial's ListPortInfo; pyserial's own scan if None.
    """
    if scan is None:
        from serial.tools.list_ports import comports  # noqa: PLC0415

        scan = comports
    links = _links()
    found = [_info(port, links) for port in scan() if not _SKIPPED.search(port.device)]
    return sorted(found, key=lambda info: (info.vid is None, _natural(info.device)))


def _info(port: Any, links: dict[str, dict[str, str]]) -> PortInfo:
    device = str(port.device)
    names = links.get(os.path.realpath(device), {})
    return PortInfo(
        device,
        port.vid,
        port.pid,
        str(port.serial_number or ""),
        str(port.location or ""),
        str(port.description or ""),
        names.get("by-id", ""),
        names.get("by-path", ""),
    )


def _links(folder: Path = Path("/dev/serial")) -> dict[str, dict[str, str]]:
    links: dict[str, dict[str, str]] = {}
    for kind in ("by-id", "by-path"):
        for link in sorted((folder / kind).glob("*")):
            links.setdefault(os.path.realpath(link), {}).setdefault(kind, str(link))
    return links


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


# --- which one is meant ----------------------------------------------------------------------------------------------


def choose_port(
    wanted: str | PortPattern,
    candidates: Sequence[PortInfo],
    remembered: str | None = None,
    *,
    memory: PortMemory | None = None,
    facts: HostFacts | None = None,
) -> PortInfo:
    """The one port that is meant.

    Args:
        wanted: `auto`, a device name or URL, or a match.
        candidates: What there is; `auto` and matches consider USB adapters only.
        remembered: Key of the port used last time for the same purpose.
        memory: For the list in the error; the user's own if None.
        facts: For the advice in the error; this machine's if None.

    Raises:
        NoPortError: none fits.
        PortAmbiguousError: several do, and none of them is the remembered one.
    """
    if isinstance(wanted, str) and wanted != "auto":
        return _named(wanted, candidates)
    on_usb = [info for info in candidates if info.vid is not None]
    fitting = on_usb if isinstance(wanted, str) else [info for info in on_usb if _fits(info, wanted)]
    if len(fitting) == 1:
        return fitting[0]
    known = [info for info in fitting if info.key() == remembered]
    if len(known) == 1:
        return known[0]
    memory = memory or PortMemory()
    if fitting:
        raise PortAmbiguousError(
            f"{len(fitting)} ports fit, choose one:\n{_table(fitting, memory)}",
            f"port={fitting[0].device}, for instance",
        )
    if on_usb and not isinstance(wanted, str):
        what = ", ".join(f"{name} {text}" for name, text in _asked(wanted) if text)
        raise NoPortError(
            f"no port with {what}; there is:\n{_table(on_usb, memory)}", "plug that one in, or say port=NAME"
        )
    others = ", ".join(info.device for info in candidates)
    also = f" ({others} is not on USB: name it with port= if it is meant)" if others else ""
    raise NoPortError(f"no USB serial port found{also}", missing_port_advice(facts or look_at_host()))


def _named(wanted: str, candidates: Sequence[PortInfo]) -> PortInfo:
    if not is_url(wanted):
        for info in candidates:
            if canonical(wanted) == canonical(info.device):
                return info
    return PortInfo(wanted)


def _asked(match: PortPattern) -> tuple[tuple[str, str], ...]:
    return (("usb", match.usb), ("serial", match.serial), ("location", match.location))


def _fits(info: PortInfo, match: PortPattern) -> bool:
    has = {"usb": info.usb(), "serial": info.serial, "location": info.location}
    return all(not text or has[name].lower() == text.lower() for name, text in _asked(match))


def _table(ports: Sequence[PortInfo], memory: PortMemory) -> str:
    rows = []
    for info in ports:
        serial = f"serial {info.serial}" if info.serial else "no serial number"
        words = [
            info.device,
            f"{info.adapter()} {info.usb()}",
            serial,
            f"at {info.location}",
            memory.describe(info.key()),
        ]
        rows.append("  " + "  ".join(filter(None, words)))
    return "\n".join(rows)


# --- names -----------------------------------------------------------------------------------------------------------


def is_url(port: str) -> bool:
    """Whether it is opened by a pyserial URL handler rather than by name."""
    return "://" in port


def is_virtual(port: str) -> bool:
    """Whether a virtual board is behind it: a `sim` URL, or a port that one living on this machine offers."""
    if port.lower().startswith(("sim://", "sim+attach://")):
        return True
    names = {port, canonical(port)}
    for path in files.virtual_ports_folder().glob("*.json"):
        try:
            record = json.loads(path.read_bytes())
            pid, offered = int(record["pid"]), {str(name) for name in record["ports"]}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if names & (offered | {canonical(name) for name in offered}) and _is_alive(pid):
            return True
    return False


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
    """A name for sub-tasks and files: no `=`, `*`, `?`, spaces or slashes; different ports give different names."""
    short = port.removeprefix("/dev/")
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "_", short).strip("_")
    if len(plain) <= _SLUG_LENGTH and _PLAIN_PORT.fullmatch(short):
        return plain
    return f"{plain[:_SLUG_LENGTH]}-{sha256(port.encode()).hexdigest()[:6]}"
