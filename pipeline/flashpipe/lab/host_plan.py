"""Which boards a host serves, where, and to whom, as the words of a command line say it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias

from flashpipe.board.ports import discovery
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.names import is_url
from flashpipe.errors import BadValueError
from flashpipe.jobs.port_choice import named_ports
from flashpipe.values import dataclass

LOOPBACK: Final = "127.0.0.1"
FIRST: Final = 7101
"""TCP port of the first board."""
HIGHEST: Final = 0xFFFF
MOST: Final = 256
"""Boards of one host."""
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
OWN: Final[tuple[Network, ...]] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
"""This machine alone."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """A board, and who may use it."""

    name: str
    """What it is called in the lab."""
    device: str
    """Device or URL; best a link that names the USB socket."""
    tcp: int
    """0: any that is free."""
    allow: tuple[Network, ...]

    def admits(self, address: str) -> bool:
        """Whether a client with this address may use it."""
        there = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(there, "ipv4_mapped", None) or there
        return any(mapped.version == network.version and mapped in network for network in self.allow)


@dataclass(frozen=True, slots=True)
class HostPlan:
    """All boards of a host."""

    listen: str
    """An address of this machine."""
    ports: tuple[HostPort, ...]

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach them."""
        return ipaddress.ip_address(self.listen).is_loopback


def url(address: str, tcp: int) -> str:
    """What a client calls it."""
    return f"rfc2217://[{address}]:{tcp}" if ":" in address else f"rfc2217://{address}:{tcp}"


# --- words -----------------------------------------------------------------------------------------------------------


def plan_of_words(port: str, listen: str = "", allow: str = "") -> HostPlan:
    """The boards that a command line names; of USB adapters the link that names their socket.

    Args:
        port: Several with commas, a pattern, or `all` on USB, which is also what an empty text means.
        listen: ADDRESS, or ADDRESS:TCP with the TCP port of the first board; empty for this machine alone.
        allow: Addresses and networks of clients, with commas.

    Raises:
        BadValueError: an address or network that is none, or one that would let in everybody; a port named twice.
        NoPortError: a pattern or `all` fits nothing.
    """
    address, first = _listen(listen or LOOPBACK)
    networks = tuple(checked_network(word, f"allow={allow}: ") for word in _words(allow))
    links = {info.device: _lasting(info) for info in discovery.list_ports()}
    devices = [links.get(device, device) for device in named_ports(port or "all").values()]
    admitted = allowed(networks, address)
    ports = tuple(
        HostPort(f"board{number + 1}", device, first + number if first else 0, admitted)
        for number, device in enumerate(devices)
    )
    if len(ports) > MOST or (ports and ports[-1].tcp > HIGHEST):
        raise BadValueError(f"port={port}: {len(ports)} boards from TCP port {first} on are too many", "name fewer")
    return HostPlan(address, ports)


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _lasting(info: PortInfo) -> str:
    """A name that stays with the socket when another adapter is plugged in."""
    return info.by_path or info.by_id or info.device


def _listen(text: str) -> tuple[str, int]:
    bare, _, number = text.rpartition(":")
    address, tcp = (bare, number) if bare and (":" not in bare or bare.endswith("]")) else (text, str(FIRST))
    address = address.removeprefix("[").removesuffix("]")
    if not tcp.isdecimal() or int(tcp) > HIGHEST:
        raise BadValueError(f"listen={text}: {tcp} is no TCP port", f"such as listen={LOOPBACK}:{FIRST}")
    return checked_address(address, f"listen={text}: "), int(tcp)


def checked_address(text: str, where: str = "") -> str:
    """An address that one can listen at; `where` is what a message begins with.

    Raises:
        BadValueError: it is none.
    """
    try:
        return str(ipaddress.ip_address({"localhost": LOOPBACK}.get(text, text)))
    except ValueError:
        raise BadValueError(
            f"{where}want an address of this machine, in digits",
            f"such as listen={LOOPBACK}; `ip address` lists them",
        ) from None


def checked_network(text: str, where: str = "") -> Network:
    """An address or network of clients; `where` is what a message begins with.

    Raises:
        BadValueError: it is none.
    """
    try:
        return ipaddress.ip_network({"localhost": LOOPBACK}.get(text, text), strict=False)
    except ValueError:
        raise BadValueError(f"{where}{text!r} is no address and no network", "such as allow=10.0.5.0/24") from None


def allowed(networks: Sequence[Network], address: str) -> tuple[Network, ...]:
    """Who may come: RFC 2217 knows no password, so whoever listens beyond this machine has to say to whom.

    Raises:
        BadValueError: nobody was said.
    """
    if networks:
        return tuple(networks)
    if ipaddress.ip_address(address).is_loopback:
        return OWN
    raise BadValueError(
        f"listen={address}: other machines can reach it, and RFC 2217 asks for no password",
        "name who may use the boards: allow=10.0.5.0/24, or a list of addresses",
    )


def is_stable(port: HostPort) -> bool:
    """Whether the name of its device stays when something else is plugged in."""
    return is_url(port.device) or port.device.startswith("/dev/serial/")
