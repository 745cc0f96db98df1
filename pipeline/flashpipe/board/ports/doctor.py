"""What on this machine keeps a board from being flashed: each check says ok, warn or fail, and the exact command.

Nothing is changed, no port is opened. The checks are functions over a `Host`, so each runs on a machine made of files.
Those of Windows and macOS were not yet seen on Windows or macOS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from flashpipe.board.ports.adapters import MASK_BRLTTY, missing_port_advice
from flashpipe.board.ports.baud_rates import LIMIT_PERCENT, MAXIMUM, error_percent
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.host import Host
from flashpipe.board.ports.lock import find_owners
from flashpipe.board.ports.names import is_virtual
from flashpipe.installing import install_command
from flashpipe.next_steps import Advice, setting
from flashpipe.values import dataclass

State = Literal["ok", "warn", "fail"]
_LINUX: Final = "linux"
_WORLD: Final = 0o006
_GROUP: Final = 0o060
_OWNER: Final = 0o600
_BRLTTY_CLAIMS: Final = frozenset({"1a86:7523", "10c4:ea60", "0403:6001"})
"""Adapters that brltty's udev rules have claimed on Ubuntu (users' reports: esp-idf#9372, pop-os/pop#2475)."""
_ESPTOOL: Final = (5, 6), (6, 0)
"""Releases that fit: from, and below (pyproject.toml)."""
_FORK: Final = "pyserial-labgrid"
_DRIVERS: Final = {"1a86": "ch341", "4348": "ch341", "10c4": "cp210x", "0403": "ftdi_sio", "067b": "pl2303"}
_SLOW_MS: Final = 16
"""FTDI's default; each answer of the loader waits for it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    state: State
    text: str
    command: str = ""
    """What to type, where something is to be done."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the checks are about."""

    host: Host
    ports: Sequence[PortInfo]
    """Adapters of this machine, or those that are meant."""
    baud: int = 460800
    missing: Sequence[str] = ()
    """Names of ports that are meant, and are not there."""
    elsewhere: Sequence[str] = ()
    """URLs that are meant: what is behind them is not this machine's."""

    @property
    def lacks_all(self) -> bool:
        """Whether a port of this machine is wanted, and there is none."""
        return not self.ports and (bool(self.missing) or not self.elsewhere)


def examine(question: Question) -> list[Check]:
    """All checks, in a fixed order."""
    return [finding for name in NAMES for finding in CHECKS[name](question)]


def worst(findings: Iterable[Check]) -> State:
    """The worst state among them."""
    states = {finding.state for finding in findings}
    return "fail" if "fail" in states else "warn" if "warn" in states else "ok"


# --- is there a port -------------------------------------------------------------------------------------------------


def _adapters(question: Question) -> Iterator[Check]:
    host, facts = question.host, question.host.facts()
    if question.ports:
        names = ", ".join(f"{info.device} ({info.adapter()})" for info in question.ports)
        yield Check("adapter", "ok", f"serial ports: {names}")
    for url in question.elsewhere:
        what = "a virtual board, which needs no port" if is_virtual(url) else "behind a server, and not looked at"
        yield Check("adapter", "ok", f"{url}: {what}")
    lack = f"there is no {', '.join(question.missing)}" if question.missing else "no USB serial port"
    if question.lacks_all and (facts.wsl or facts.container):
        yield Check("adapter", "fail", lack)
    elif question.missing or question.lacks_all:
        advice = missing_port_advice(facts)
        yield Check("adapter", "fail", f"{lack}: {advice.text}", advice.command)
    if question.lacks_all and facts.wsl and not facts.unbound:
        yield Check(
            "wsl",
            "fail",
            "this is WSL, which has no USB of its own: usbipd passes an adapter on, in an administrator's PowerShell",
            "usbipd list; usbipd bind --busid N-N; usbipd attach --wsl --busid N-N --auto-attach",
        )
    if question.lacks_all and facts.container:
        yield Check("container", "fail", "this is a container without the device", "docker run --device=/dev/ttyUSB0 …")
    if host.system == _LINUX:
        yield from _drivers(question)


def _drivers(question: Question) -> Iterator[Check]:
    for adapter in question.host.facts().unbound:
        vendor = adapter.rpartition("(")[2][:4]
        driver = _DRIVERS.get(vendor, "ch341")
        loaded = re.search(rf"^{driver} ", question.host.read("/proc/modules"), re.MULTILINE) is not None
        why = "its driver is loaded, something else has taken it" if loaded else f"its driver {driver} is not loaded"
        command = MASK_BRLTTY if loaded else f"sudo modprobe {driver}"
        yield Check("driver", "fail", f"{adapter} is plugged in without a port: {why}", command)


# --- may it be opened ------------------------------------------------------------------------------------------------


def _rights(question: Question) -> Iterator[Check]:
    host = question.host
    if host.system == "win32":
        return
    for info in question.ports:
        node = host.node(info.device)
        if node is not None:
            yield _right(host, info.device, node.owner, node.group, node.mode)


def _right(host: Host, device: str, owner: int, group: int, mode: int) -> Check:
    name, members = host.group_of(group)
    if host.uid == 0 or mode & _WORLD == _WORLD or (host.uid == owner and mode & _OWNER == _OWNER):
        return Check("rights", "ok", f"{device} may be opened")
    if mode & _GROUP != _GROUP or name == "root":
        text = f"{device} belongs to group {name}, which may not use it either"
        return Check("rights", "fail", text, f"sudo chmod a+rw {device}")
    if group in host.groups:
        return Check("rights", "ok", f"{device} may be opened, through group {name}")
    if host.user in members:
        text = (
            f"{device}: {host.user} has joined group {name}, but this login is older: your group change needs a new one"
        )
        return Check("rights", "fail", text, f"newgrp {name}")
    text = f"{device} belongs to group {name}, and {host.user} is not in it; log out and in again afterwards"
    return Check("rights", "fail", text, f"sudo usermod -aG {name} {host.user}")


def _holders(question: Question) -> Iterator[Check]:
    if question.host.system != _LINUX:
        return
    for info in question.ports:
        holders = find_owners(info.device, question.host.root / "proc")
        if holders:
            who = ", ".join(map(str, holders))
            command = "kill " + " ".join(str(holder.pid) for holder in holders)
            yield Check("holders", "fail", f"{info.device} is in use by {who}: close it", command)
        else:
            yield Check("holders", "ok", f"nobody holds {info.device}")


# --- who takes it away -----------------------------------------------------------------------------------------------


def _brltty(question: Question) -> Iterator[Check]:
    host = question.host
    if host.system != _LINUX:
        return
    masked = host.exists("/etc/systemd/system/brltty-udev.service") and not host.read(
        "/etc/systemd/system/brltty-udev.service"
    )
    if not host.facts().brltty or masked:
        yield Check("brltty", "ok", "brltty does not take adapters" if masked else "brltty is not installed")
        return
    claimed = [info.device for info in question.ports if info.usb() in _BRLTTY_CLAIMS]
    runs = "brltty" in host.programs()
    state: State = "fail" if runs and (claimed or question.lacks_all) else "warn"
    text = (
        "brltty " + ("runs" if runs else "is installed") + ": it takes CH340 and CP210x adapters for braille displays"
    )
    yield Check("brltty", state, text, MASK_BRLTTY)


def _modem_manager(question: Question) -> Iterator[Check]:
    host = question.host
    if host.system != _LINUX:
        return
    if "ModemManager" not in host.programs():
        yield Check("modem-manager", "ok", "ModemManager does not run")
        return
    rules = [*host.glob("/etc/udev/rules.d/*.rules"), *host.glob("/lib/udev/rules.d/*.rules")]
    ignored = {
        vendor.lower()
        for path in rules
        for line in host.read(path).splitlines()
        if "ID_MM_DEVICE_IGNORE" in line
        for vendor in re.findall(r'ATTRS\{idVendor\}=="(\w{4})"', line)
    }
    left = [info for info in question.ports if info.usb() and info.usb()[:4] not in ignored]
    if question.ports and not left:
        yield Check("modem-manager", "ok", "ModemManager runs and leaves these adapters alone")
        return
    text = "ModemManager runs and talks to every new port for some seconds, as to a modem"
    yield Check("modem-manager", "warn", text, "sudo systemctl mask --now ModemManager")


# --- how well it works -----------------------------------------------------------------------------------------------


def _baud(question: Question) -> Iterator[Check]:
    for info in question.ports:
        error = error_percent(info.usb(), question.baud)
        limit = MAXIMUM.get(info.usb())
        if limit is not None and question.baud > limit:
            text = f"{info.device}: a {info.adapter()} does {limit} baud at most, {question.baud} was asked for"
            yield Check("baud", "warn", text, Advice(setting(baud=f"{limit}")))
        elif error is not None and error > LIMIT_PERCENT:
            text = f"{info.device}: at {question.baud} baud adapter and chip are {error:.1f} % apart"
            yield Check("baud", "warn", text, Advice(setting(baud="460800")))
        elif error is not None:
            text = (
                f"{info.device}: at {question.baud} baud adapter and chip are {error:.1f} % apart (by their dividers)"
            )
            yield Check("baud", "ok", text)


def _latency(question: Question) -> Iterator[Check]:
    if question.host.system != _LINUX:
        return
    for info in question.ports:
        path = f"/sys/bus/usb-serial/devices/{Path(info.device).name}/latency_timer"
        value = question.host.read(path)
        if info.usb().startswith("0403:") and value.isdigit():
            slow = int(value) >= _SLOW_MS
            text = f"{info.device}: the FTDI's latency timer is {value} ms" + (
                ": each answer waits for it" if slow else ""
            )
            yield Check("latency", "warn" if slow else "ok", text, f"echo 1 | sudo tee {path}" if slow else "")


# --- our own tools ---------------------------------------------------------------------------------------------------


def _versions(question: Question) -> Iterator[Check]:
    packages = question.host.packages
    esptool = packages.get("esptool", "")
    numbers = tuple(int(part) for part in re.findall(r"\d+", esptool)[:2])
    lowest, below = _ESPTOOL
    if not esptool:
        yield Check("versions", "fail", "esptool is not installed", install_command("esptool>=5.6,<6"))
    elif not lowest <= numbers < below:
        text = f"esptool {esptool} is not of the releases this works with (5.6 and newer, below 6)"
        yield Check("versions", "fail", text, install_command("esptool>=5.6,<6"))
    else:
        others = ", ".join(f"{name} {version}" for name, version in packages.items() if name != "esptool")
        yield Check("versions", "ok", f"esptool {esptool}, {others}")


def _pyserial(question: Question) -> Iterator[Check]:
    """Two packages that own the same files: pip knows nothing of it (measured: fleet §1)."""
    packages, version = question.host.packages, question.host.serial_version
    repair = install_command("--force-reinstall", "--no-deps", "pyserial==3.5")
    if not version:
        broken = "`serial` cannot be imported" + (
            ", as after pip uninstall of a fork" if "pyserial" in packages else ""
        )
        yield Check("pyserial", "fail", broken, repair)
    elif "serial" in packages:
        text = "the package `serial` is installed, which is another one and hides pyserial"
        yield Check("pyserial", "fail", text, f"pip uninstall -y serial; {repair}")
    elif _FORK in packages:
        text = f"{_FORK} and pyserial own the same files; {version} won. Both work; uninstalling one breaks the other"
        yield Check("pyserial", "warn", text, f"pip uninstall -y {_FORK}; {repair}")
    else:
        yield Check("pyserial", "ok", f"pyserial {version}")


CHECKS: Final[dict[str, Callable[[Question], Iterator[Check]]]] = {
    "adapter": _adapters,
    "rights": _rights,
    "holders": _holders,
    "brltty": _brltty,
    "modem-manager": _modem_manager,
    "baud": _baud,
    "latency": _latency,
    "versions": _versions,
    "pyserial": _pyserial,
}
"""Name to check."""
NAMES: Final = tuple(CHECKS)
