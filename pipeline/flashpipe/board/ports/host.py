"""This machine as the doctor sees it: files, environment, the user and installed packages. Reads only.

Everything goes through here, so that a test can show a machine that is not there: a folder with `/etc`, `/proc`, `/sys`
and `/dev` in it, and facts that no file of it could hold.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

if sys.platform != "win32":
    import pwd

from flashpipe.board.ports.adapters import HostFacts, look_at_host
from flashpipe.values import dataclass


class DeviceNode(NamedTuple):
    """Who may do what with a device."""

    owner: int
    group: int
    mode: int


@dataclass(frozen=True)
class Host:
    """One machine and the user on it."""

    root: Path = Path("/")
    system: str = sys.platform
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    user: str = ""
    uid: int = 0
    groups: frozenset[int] = frozenset()
    """Of this process, and so of this login."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed distributions and their versions, names in lower case."""
    serial_version: str = ""
    """What `import serial` gives; empty: it cannot be imported."""
    nodes: Mapping[str, DeviceNode] = field(default_factory=dict)
    """Overrides what the file system says of a device."""

    def read(self, path: str) -> str:
        """Text of a file, empty where it cannot be read."""
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        """Whether something is there."""
        return (self.root / path.lstrip("/")).exists()

    def glob(self, pattern: str) -> list[str]:
        """Paths that fit, absolute on that machine."""
        return ["/" + str(path.relative_to(self.root)) for path in sorted(self.root.glob(pattern.lstrip("/")))]

    def node(self, path: str) -> DeviceNode | None:
        """Rights of a device; None where there is none."""
        if path in self.nodes:
            return self.nodes[path]
        try:
            status = (self.root / path.lstrip("/")).stat()
        except OSError:
            return None
        if not stat.S_ISCHR(status.st_mode):
            return None
        return DeviceNode(status.st_uid, status.st_gid, status.st_mode & 0o777)

    def group_of(self, number: int) -> tuple[str, tuple[str, ...]]:
        """Name and members of a group, from /etc/group."""
        for line in self.read("/etc/group").splitlines():
            name, _, rest = line.partition(":")
            fields = rest.split(":")
            if len(fields) >= 3 and fields[1] == str(number):  # noqa: PLR2004  password, number, members
                return name, tuple(filter(None, fields[2].split(",")))
        return str(number), ()

    def programs(self) -> Iterator[str]:
        """Names of all processes."""
        for path in self.glob("/proc/[0-9]*/comm"):
            yield self.read(path)

    def facts(self) -> HostFacts:
        """WSL, container, brltty, adapters without a port."""
        return look_at_host(self.root, self.system)


def this_host() -> Host:
    """The machine and login of this process."""
    uid, groups, user = 0, frozenset[int](), os.environ.get("USERNAME", "")
    if sys.platform != "win32":
        uid, groups = os.getuid(), frozenset(os.getgroups()) | {os.getegid()}
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:  # a container may run as a number
            user = str(uid)
    return Host(user=user, uid=uid, groups=groups, packages=_packages(), serial_version=_serial_version())


def _packages() -> dict[str, str]:
    from importlib import metadata  # noqa: PLC0415  18 ms, and only the doctor and bundles need it

    names = {"flashpipe", "esptool", "doit", "pyserial", "pyserial-labgrid", "serial"}
    packages = ((str(one.metadata["Name"]).lower(), one.version) for one in metadata.distributions())
    return {name: version for name, version in packages if name in names}


def _serial_version() -> str:
    try:
        import serial  # noqa: PLC0415  6 ms; and one that is broken is what the doctor looks for
    except ImportError:
        return ""
    return str(getattr(serial, "__version__", ""))
