"""Proof that each port of a host works, from where a client would stand: it is opened, reset, and asked what it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from flashpipe.board.session.session import Session
from flashpipe.errors import PipelineError, PortBusyError
from flashpipe.lab.host_plan import HostPlan, HostPort, url
from flashpipe.values import dataclass

AT_ONCE: Final = 16
"""Ports that are tried side by side."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found of one port."""

    port: HostPort
    url: str
    text: str
    """For people."""
    works: bool
    error: PipelineError | None = None


def check(plan: HostPlan, address: str, *, reset: bool) -> list[Proof]:
    """Try all ports.

    Args:
        plan: Which there are.
        address: Where the host is, as seen from here.
        reset: Whether boards may be reset, to see that they answer; else a port only has to open.
    """
    with ThreadPoolExecutor(min(AT_ONCE, max(1, len(plan.ports)))) as pool:
        return list(pool.map(lambda port: _proof(port, url(address, port.tcp), reset=reset), plan.ports))


def _proof(port: HostPort, address: str, *, reset: bool) -> Proof:
    session = Session(address)
    try:
        session.open()
        if not reset:
            return Proof(port, address, "opens", works=True)
        device = session.connected()
        session.leave()
        virtual = ", virtual" * device.virtual
        return Proof(port, address, f"{device.chip}, MAC {device.mac}, {device.flash_part}{virtual}", works=True)
    except PortBusyError as error:  # somebody has it: then it can be had
        return Proof(port, address, f"answers: {error.message}", works=True)
    except PipelineError as error:
        return Proof(port, address, f"{error.message} [code: {error.code}]", works=False, error=error)
    finally:
        session.close()
