"""Which serial ports this machine has, as its system describes them. Nothing is opened."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from flashpipe.board.ports.adapters import MEANINGLESS_SERIALS, adapter_name
from flashpipe.values import dataclass

_SKIPPED: Final = re.compile(r"Bluetooth|wlan-debug|debug-console|/dev/tty\.", re.IGNORECASE)
"""macOS ports that are no boards, and the twin of every cu.* port (facts: usb-nodemcu §8.1)."""


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


def list_ports(scan: Callable[[], Iterable[Any]] | None = None) -> list[PortInfo]:
    """The ports of this machine, USB adapters first, in the order of their names.

    Args:
        scan: Gives objects like pyserial's ListPortInfo; pyserial's own scan if None.
    """
    if scan is None:
        from serial.tools.list_ports import comports  # noqa: PLC0415  11 ms, and a port that is named needs no list

        scan = comports
    links = _links()
    ports = [_info(port, links) for port in scan() if not _SKIPPED.search(port.device)]
    return sorted(ports, key=lambda info: (info.vid is None, _natural(info.device)))


def find_port(device: str) -> PortInfo | None:
    """The port of that name, None where the system lists none; Linux is asked for this one alone."""
    name = device.removeprefix("/dev/")
    if sys.platform.startswith("linux"):
        if name.startswith("pts/"):  # some program's, and not the system's
            return None
        if "/" not in name and os.path.exists(f"/sys/class/tty/{name}/device"):  # noqa: PTH110  a fifth of the time
            from serial.tools.list_ports_linux import SysFS  # noqa: PLC0415  as above

            port = SysFS(device)
            return next(iter(list_ports(lambda: [port] if port.subsystem != "platform" else [])), None)
    return next((info for info in list_ports() if info.device == device), None)


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
