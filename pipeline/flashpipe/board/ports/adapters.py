"""USB serial adapters by their identity, and why the one that is plugged in does not show up as a port."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from flashpipe.values import dataclass

ADAPTERS: Final[dict[tuple[int, int], str]] = {
    (0x10C4, 0xEA60): "CP210x",
    (0x10C4, 0xEA64): "CP2102C",
    (0x1A86, 0x7523): "CH340",
    (0x1A86, 0x5523): "CH341A",
    (0x4348, 0x5523): "CH341A",
    (0x1A86, 0x55D4): "CH9102",
    (0x1A86, 0x55D3): "CH343",
    (0x0403, 0x6001): "FT232R",
    (0x0403, 0x6015): "FT231X",
}
"""Bridges met on and beside ESP8266 boards (facts: usb-nodemcu §8)."""
_MAKERS: Final = {0x10C4: "Silicon Labs", 0x1A86: "WCH", 0x0403: "FTDI", 0x067B: "PL2303"}
"""By vendor alone; Prolific sells nothing but PL2303 under 067B:23xx (facts: usb-nodemcu §8)."""

MEANINGLESS_SERIALS: Final = frozenset({"", "0", "0001", "0000", "n/a", "none"})
"""Serial numbers that many adapters share: CP2102 ships with 0001, CH340 has none (facts: usb-nodemcu §8)."""


def adapter_name(vid: int | None, pid: int | None) -> str:
    """`CH340`, the maker's name, `USB serial`, or `serial port` where it is not on USB."""
    if vid is None or pid is None:
        return "serial port"
    return ADAPTERS.get((vid, pid)) or _MAKERS.get(vid, "USB serial")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What this machine shows about missing ports."""

    system: str
    """`linux`, `darwin` or `win32`, as `sys.platform`."""
    wsl: bool = False
    container: bool = False
    brltty: bool = False
    """Whether brltty is installed or runs: it takes CH340 and CP210x adapters for braille displays."""
    unbound: tuple[str, ...] = ()
    """Known adapters, such as `CH340 (1a86:7523)`, that are on the bus without a serial port."""


def look_at_host(root: Path = Path("/"), system: str = sys.platform) -> HostFacts:
    """Collect the facts from `/proc`, `/sys` and `/etc` below `root`; nothing is changed or opened for writing."""
    if system != "linux":
        return HostFacts(system)
    version = _read(root / "proc/version").lower()
    container = (root / ".dockerenv").exists() or (root / "run/.containerenv").exists() or "container" in os.environ
    return HostFacts(
        system,
        wsl="microsoft" in version,
        container=container,
        brltty=_has_brltty(root),
        unbound=tuple(_unbound_adapters(root)),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _has_brltty(root: Path) -> bool:
    rules = ("lib/udev/rules.d", "usr/lib/udev/rules.d", "etc/udev/rules.d")
    if any(any((root / folder).glob("*brltty*.rules")) for folder in rules):
        return True
    return any(_read(name) == "brltty" for name in (root / "proc").glob("[0-9]*/comm"))


def _unbound_adapters(root: Path) -> Iterable[str]:
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        vendor, product = _read(device / "idVendor"), _read(device / "idProduct")
        if not vendor or not product:
            continue
        name = ADAPTERS.get((int(vendor, 16), int(product, 16)))
        has_port = any(device.glob("*:*/tty*")) or any(device.glob("*:*/tty/tty*"))
        if name and not has_port:
            yield f"{name} ({vendor}:{product})"


@dataclass(frozen=True, slots=True)
class PortAdvice:
    """What to do where no serial port is found."""

    text: str
    """One line for people."""
    command: str = ""
    """What of it is to be typed first; empty where nothing is."""


def missing_port_advice(facts: HostFacts) -> PortAdvice:
    """The likeliest cause on this machine, and what to do."""
    if facts.unbound:
        return _unbound_advice(facts)
    if facts.wsl:
        listed = f"WSL sees no USB by itself: in an administrator's PowerShell, `{_USBIPD_LIST}`, then {_USBIPD}"
        return PortAdvice(listed, _USBIPD_LIST)
    if facts.container:
        return PortAdvice(
            "this is a container: start it with --device=/dev/ttyUSB0 (Docker on macOS and Windows has no USB)"
        )
    if facts.brltty:
        return PortAdvice(
            f"plug the board in with a data cable; if its port appears and vanishes, brltty takes it: {NO_BRLTTY}",
            MASK_BRLTTY,
        )
    more, command = _SYSTEM_ADVICE.get(facts.system, ("", ""))
    return PortAdvice(f"plug the board in with a data cable (many cables only charge){more}", command)


_DMESG: Final = "sudo dmesg -w"
_SYSTEM_ADVICE: Final = {
    "linux": (f"; `{_DMESG}` shows whether it is seen", _DMESG),
    "darwin": ("; CH9102 and old CH340 need WCH's driver, CP2102 Silicon Labs' one", ""),
    "win32": ("; a yellow sign in the Device Manager means no driver (CP210x: Silicon Labs, CH340: WCH)", ""),
}
"""What people read, and what is to be typed."""
MASK_BRLTTY: Final = "sudo systemctl mask brltty-udev.service brltty.service"
NO_BRLTTY: Final = f"`{MASK_BRLTTY}` and plug it in again"
_USBIPD_LIST: Final = "usbipd list"
_USBIPD: Final = "`usbipd bind --busid N-N` and `usbipd attach --wsl --busid N-N --auto-attach`"
_MODPROBE: Final = "sudo modprobe ch341"


def _unbound_advice(facts: HostFacts) -> PortAdvice:
    devices = ", ".join(facts.unbound)
    if facts.brltty:
        return PortAdvice(f"{devices} is plugged in but brltty has taken it: {NO_BRLTTY}", MASK_BRLTTY)
    if facts.container:
        return PortAdvice(
            f"{devices} is plugged in, but not passed into this container: start it with --device=/dev/ttyUSB0"
        )
    return PortAdvice(
        f"{devices} is plugged in without a port: `{_MODPROBE}` (or cp210x, ftdi_sio) loads its driver", _MODPROBE
    )
