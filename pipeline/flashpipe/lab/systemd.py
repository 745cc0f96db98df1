"""Units for systemd: the host of the boards, and labgrid's exporter beside it, each with no more rights than it needs.

Both are started again whenever they end. The exporter has to be: it ends when its coordinator does (seen with labgrid
26.0.1). What a unit may reach on the network is what the plan lets in, and nothing else.
"""

from __future__ import annotations

import shlex
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from flashpipe.lab.host_plan import OWN, HostPlan

HOST: Final = "flashpipe-host.service"
EXPORTER: Final = "labgrid-exporter.service"
PROGRAM: Final = Path("/opt/labgrid/bin/labgrid-exporter")
"""Where the exporter is expected: in an environment that its unit's own user can read."""
_HARDENING: Final = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077"""
"""systemd.exec(5). Homes stay readable: an environment of Python may be in one."""


def units(plan: HostPlan, file: Path, *, coordinator: str = "", exporter_file: Path | None = None) -> dict[str, str]:
    """Texts of the units by their names: the host's, and the exporter's where a coordinator is named.

    Args:
        plan: What is served.
        file: The host's file, absolute.
        coordinator: HOST:PORT of the lab's; empty: no exporter is wanted.
        exporter_file: Where the exporter's configuration is, absolute.
    """
    texts = {HOST: _host(plan, file)}
    if coordinator and exporter_file is not None:
        texts[EXPORTER] = _exporter(coordinator, exporter_file)
    return texts


def hidden(paths: Iterable[Path]) -> list[str]:
    """What the user of a unit cannot read, a line for each; many homes are closed, and a unit has a `/tmp` of its own.

    Args:
        paths: Absolute; links are followed.
    """
    lines = dict[str, None]()
    for path in paths:
        real = path.resolve()
        for shown in dict.fromkeys((path, real)):
            if shown.is_relative_to("/tmp") or shown.is_relative_to("/var/tmp"):  # noqa: S108  nothing is made there
                lines[f"{shown}: a unit has a /tmp of its own; move it, such as to /opt or /etc"] = None
        closed = [part for part in reversed(real.parents) if not part.stat().st_mode & stat.S_IXOTH]
        if closed or not real.stat().st_mode & stat.S_IROTH:
            where = closed[0] if closed else real
            lines[f"{path}: the unit's own user cannot read what is in {where}; move it, such as to /opt or /etc"] = (
                None
            )
    return list(lines)


def how_to_install_exporter() -> str:
    """What to do where the exporter is not there; empty where it is."""
    if PROGRAM.exists():
        return ""
    place = PROGRAM.parent.parent.as_posix()
    return (
        f"{PROGRAM.as_posix()} is not there: `sudo python3 -m venv {place}` and"
        f" `sudo {place}/bin/pip install 'labgrid>=26,<27'`, or change the unit's ExecStart"
    )


def _host(plan: HostPlan, file: Path) -> str:
    allowed = dict.fromkeys(str(network) for port in plan.ports for network in (*OWN, *port.allow))
    return f"""\
[Unit]
Description=ESP8266 boards of this machine, over RFC 2217 (flashpipe host)
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={_command(sys.executable, "-m", "flashpipe", "host", f"file={file}")}
Restart=always
RestartSec=2
DynamicUser=yes
SupplementaryGroups=dialout
StateDirectory=flashpipe-host
CacheDirectory=flashpipe-host
Environment=FLASHPIPE_STATE=%S/flashpipe-host FLASHPIPE_CACHE=%C/flashpipe-host PYTHONUNBUFFERED=1
WorkingDirectory=%S/flashpipe-host
DevicePolicy=closed
DeviceAllow=char-ttyUSB rw
DeviceAllow=char-ttyACM rw
IPAddressDeny=any
IPAddressAllow={" ".join(allowed)}
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
{_HARDENING}

[Install]
WantedBy=multi-user.target
"""


def _exporter(coordinator: str, file: Path) -> str:
    return f"""\
[Unit]
Description=What the labgrid coordinator at {coordinator} is told of this machine's boards
After=network-online.target {HOST}
Wants=network-online.target

[Service]
# The path of labgrid's own environment: it must not be that of flashpipe.
ExecStart={PROGRAM.as_posix()} {_command("-c", coordinator, str(file))}
Restart=always
RestartSec=5
DynamicUser=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
{_HARDENING}

[Install]
WantedBy=multi-user.target
"""


def _command(*words: str) -> str:
    """A command line as systemd reads one: `%` and `$` stand twice."""
    return shlex.join(words).replace("%", "%%").replace("$", "$$")


def install_commands(names: Iterable[str], folder: Path) -> list[str]:
    """What an administrator types to install them."""
    named = list(names)
    files = " ".join(shlex.quote(str(folder / name)) for name in named)
    return [f"sudo cp {files} /etc/systemd/system/", f"sudo systemctl enable --now {' '.join(named)}"]
