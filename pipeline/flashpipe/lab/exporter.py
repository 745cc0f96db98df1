"""What a host's boards are called in a lab: the configuration of labgrid's exporter.

The ports are named as static ones (`NetworkSerialPort`): acquiring such a place takes the exporter 16 ms, where one
whose device the exporter serves itself takes 0.5 s, one after the other, through a ser2net whose resets the network
may spoil (measured with labgrid 26.0.1). The exporter reads its file as a template of Jinja's, to which a line that
begins with one `#` is a statement, and one with two a comment.
"""

from __future__ import annotations

import ipaddress
import socket

from flashpipe.lab.host_plan import HostPlan

SPEED = 115200
"""What a terminal of labgrid's begins with."""


def exporter_yaml(plan: HostPlan, host: str = "") -> str:
    """The configuration; `host` is what clients call this machine, empty: the address that it listens at."""
    address = host or clients_address(plan)
    lines = [
        "## For labgrid-exporter 26: the boards that `flashpipe host` serves on this machine.",
        *(["## Only this machine can reach them: it listens at loopback."] if plan.is_local and not host else []),
    ]
    for port in plan.ports:
        lines += [
            f"{port.name}:",
            "  NetworkSerialPort:",
            f"    host: '{address}'",
            f"    port: {port.tcp}",
            f"    speed: {SPEED}",
            "    protocol: rfc2217",
        ]
    return "\n".join(lines) + "\n"


def clients_address(plan: HostPlan) -> str:
    """Where clients find the host: the address that it listens at, or its name where it listens at all of them."""
    return socket.gethostname() if ipaddress.ip_address(plan.listen).is_unspecified else plan.listen


def place_commands(plan: HostPlan, exporter: str) -> list[str]:
    """The commands that make a place of each board, once, on any machine of the lab."""
    return [
        f"labgrid-client -p {port.name} create && labgrid-client -p {port.name} add-match "
        f"{exporter}/{port.name}/NetworkSerialPort && labgrid-client -p {port.name} set-tags chip=esp8266"
        for port in plan.ports
    ]
