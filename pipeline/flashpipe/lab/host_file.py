"""The file that says which boards a host serves: `host.yaml`, read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from flashpipe.errors import BadValueError, HostFileError, ProfileError
from flashpipe.lab.host_plan import (
    FIRST,
    HIGHEST,
    LOOPBACK,
    OWN,
    HostPlan,
    HostPort,
    Network,
    allowed,
    checked_address,
    checked_network,
)
from flashpipe.profile.yaml_reader import FileKind, Report, YamlEntry, closest, read_yaml

T = TypeVar("T")
FILE: Final = "host.yaml"
_FILE: Final = FileKind("a file of boards", "ports: {board1: {device: /dev/ttyUSB0, tcp: 7101}}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_KEYS: Final = frozenset({"listen", "allow", "ports"})
_PORT_KEYS: Final = frozenset({"device", "tcp", "allow"})


def read_plan(path: Path) -> HostPlan:
    """The boards that a file names.

    Raises:
        HostFileError: it has mistakes; each is named with its line.
    """
    report = Report(_FILE)
    top = read_yaml(path, path.name, report)
    plan = _plan(top, report) if top else None
    try:
        report.check()
    except ProfileError as error:
        raise HostFileError(error.message, HostFileError.remedy) from None
    assert plan is not None
    return plan


def _plan(top: YamlEntry, report: Report) -> HostPlan | None:
    entries = _mapping(top, "", _KEYS, report)
    address = LOOPBACK
    if "listen" in entries:
        address = _checked(entries["listen"], "listen", checked_address, report) or LOOPBACK
    networks = _networks(entries.get("allow"), "allow", report)
    if "ports" not in entries or entries["ports"].kind != "mapping":
        report.wrong(entries.get("ports", top), "ports", "names of boards, and each one's `device` and `tcp`")
        return None
    if not list(entries["ports"].items()):
        report.add(entries["ports"], "ports", "names no board")
    ports = []
    for key, value in entries["ports"].items():
        name = f"ports.{key.text}"
        if not _NAME.fullmatch(key.text):
            report.add(key, name, "want a name of letters, digits, `-`, `_` and `.`")
        else:
            ports.append(_port(key, value, networks, address, report))
    _refuse_doubles(entries["ports"], ports, report)
    return HostPlan(address, tuple(port for port in ports if port is not None))


def _port(
    key: YamlEntry, entry: YamlEntry, networks: Sequence[Network], address: str, report: Report
) -> HostPort | None:
    name = f"ports.{key.text}"
    if entry.kind != "mapping":
        report.wrong(entry, name, "a mapping such as `{device: /dev/ttyUSB0, tcp: 7101}`")
        return None
    entries = _mapping(entry, f"{name}.", _PORT_KEYS, report)
    own = _networks(entries.get("allow"), f"{name}.allow", report) or networks
    admitted: tuple[Network, ...] = ()
    try:
        admitted = allowed(own, address)
    except BadValueError as error:
        report.add(entry, f"{name}.allow", f"{error.message}; {error.hint}")
    device = entries.get("device")
    if device is None or device.kind != "text" or not device.text:
        report.add(device or entry, f"{name}.device", "want a device or URL, such as /dev/ttyUSB0")
    number = entries.get("tcp")
    tcp = _checked(number, f"{name}.tcp", _tcp, report) if number else None
    if number is None:
        report.add(entry, f"{name}.tcp", f"is missing, want a TCP port such as {FIRST}")
    if device is None or tcp is None:
        return None
    return HostPort(key.text, device.text, tcp, admitted)


def _tcp(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= HIGHEST:
        raise BadValueError(f"want a TCP port from 1 to {HIGHEST}")
    return int(text)


def _mapping(entry: YamlEntry, prefix: str, known: frozenset[str], report: Report) -> dict[str, YamlEntry]:
    entries = dict[str, YamlEntry]()
    for key, value in entry.items():
        if key.text not in known:
            near = closest(key.text, known)
            report.add(
                key,
                prefix + key.text,
                f"is no key here; known: {', '.join(sorted(known))}"
                if near is None
                else f"is no key here; did you mean {near!r}?",
            )
        elif key.text in entries:
            report.add(key, prefix + key.text, "is there twice")
        else:
            entries[key.text] = value
    return entries


def _checked(entry: YamlEntry, key: str, read: Callable[[str], T], report: Report) -> T | None:
    if entry.kind != "text":
        report.wrong(entry, key, "one word")
        return None
    try:
        return read(entry.text)
    except BadValueError as error:
        report.add(entry, key, f"got {entry}, {error.message}")
        return None


def _networks(entry: YamlEntry | None, key: str, report: Report) -> tuple[Network, ...]:
    if entry is None or entry.kind == "nothing":
        return ()
    parts: Iterable[YamlEntry] = entry.elements() if entry.kind == "list" else (entry,)
    networks = (_checked(part, key, checked_network, report) for part in parts)
    return tuple(network for network in networks if network is not None)


def _refuse_doubles(entry: YamlEntry, ports: Sequence[HostPort | None], report: Report) -> None:
    there = [port for port in ports if port is not None]
    for what in ("name", "device", "tcp"):
        known = dict[object, str]()
        for port in there:
            value = getattr(port, what)
            if value in known:
                report.add(entry, f"ports.{port.name}", f"{what} {value} is that of {known[value]}, too")
            known.setdefault(value, port.name)


def file_text(plan: HostPlan) -> str:
    """The file that says so."""
    lines = [
        "# Boards of this machine for others: `flashpipe host` serves them.",
        f"listen: {_quoted(plan.listen)}",
    ]
    networks = {port.allow for port in plan.ports}
    shared = networks.pop() if len(networks) == 1 else ()
    if shared and shared != OWN:
        lines.append(f"allow: {_list(shared)}")
    lines.append("ports:")
    for port in plan.ports:
        own = f", allow: {_list(port.allow)}" if port.allow != shared else ""
        lines.append(f"  {port.name}: {{device: {_quoted(port.device)}, tcp: {port.tcp}{own}}}")
    return "\n".join(lines) + "\n"


def _list(networks: Iterable[Network]) -> str:
    return f"[{', '.join(_quoted(str(network)) for network in networks)}]"


def _quoted(text: str) -> str:
    """As YAML takes it, whatever is in it."""
    if re.fullmatch(r"[A-Za-z0-9_./-]+", text):
        return text
    return "'" + text.replace("'", "''") + "'"
