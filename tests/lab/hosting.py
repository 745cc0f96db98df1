"""Hosts of virtual boards in this process."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from flashpipe.lab.board_host import BoardHost
from flashpipe.lab.host_plan import LOOPBACK, OWN, HostPlan, HostPort, Network

_numbers = itertools.count(1)


def virtual(kind: str = "nodemcu-devkit") -> str:
    """A board that nobody else has."""
    number = next(_numbers)
    return f"sim://{kind}?fill=ff&execute=off&board=host{number}&mac=5c:cf:7f:01:00:{number:02x}"


def plan(*devices: str, allow: tuple[Network, ...] = OWN) -> HostPlan:
    return HostPlan(LOOPBACK, tuple(HostPort(f"b{at}", device, 0, allow) for at, device in enumerate(devices)))


@contextmanager
def serving(served: HostPlan) -> Iterator[tuple[BoardHost, list[str]]]:
    """The host, and what it notes."""
    notes: list[str] = []
    host = BoardHost(served, notes.append)
    try:
        host.start()
        yield host, notes
    finally:
        host.stop()
