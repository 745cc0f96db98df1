"""Which port is meant: one that is named, the remembered one, or the only one that fits. Nothing is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flashpipe.board.ports.adapters import HostFacts, look_at_host, missing_port_advice
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.memory import PortMemory
from flashpipe.board.ports.names import canonical, is_url
from flashpipe.errors import NoPortError, PortAmbiguousError


class PortPattern(Protocol):
    """What a profile's `serial.port` may ask of a port; empty fields fit any."""

    @property
    def usb(self) -> str:
        """`1a86:7523`."""

    @property
    def serial(self) -> str:
        """Serial number of the adapter."""

    @property
    def location(self) -> str:
        """The physical socket, such as `1-1.2`."""


def choose_port(
    port_request: str | PortPattern,
    candidates: Sequence[PortInfo],
    remembered: str | None = None,
    *,
    memory: PortMemory | None = None,
    facts: HostFacts | None = None,
) -> PortInfo:
    """The one port that is meant.

    Args:
        port_request: `auto`, a device name or URL, or a match.
        candidates: What there is; `auto` and matches consider USB adapters only.
        remembered: Key of the port used last time for the same purpose.
        memory: For the list in the error; the user's own if None.
        facts: For the advice in the error; this machine's if None.

    Raises:
        NoPortError: none fits.
        PortAmbiguousError: several do, and none of them is the remembered one.
    """
    if isinstance(port_request, str) and port_request != "auto":
        return _named(port_request, candidates)
    on_usb = [info for info in candidates if info.vid is not None]
    fitting = on_usb if isinstance(port_request, str) else [info for info in on_usb if fits(info, port_request)]
    if len(fitting) == 1:
        return fitting[0]
    known = [info for info in fitting if info.key() == remembered]
    if len(known) == 1:
        return known[0]
    memory = memory or PortMemory()
    if fitting:
        raise PortAmbiguousError(
            f"{len(fitting)} ports fit, choose one:\n{_table(fitting, memory)}",
            f"port={fitting[0].device}, for instance",
        )
    if on_usb and not isinstance(port_request, str):
        what = ", ".join(f"{name} {text}" for name, text in _criteria(port_request) if text)
        raise NoPortError(
            f"no port with {what}; there is:\n{_table(on_usb, memory)}", "plug that one in, or say port=NAME"
        )
    others = ", ".join(info.device for info in candidates)
    also = f" ({others} is not on USB: name it with port= if it is meant)" if others else ""
    raise NoPortError(f"no USB serial port found{also}", missing_port_advice(facts or look_at_host()).text)


def _named(port_request: str, candidates: Sequence[PortInfo]) -> PortInfo:
    if not is_url(port_request):
        for info in candidates:
            if canonical(port_request) == canonical(info.device):
                return info
    return PortInfo(port_request)


def _criteria(match: PortPattern) -> tuple[tuple[str, str], ...]:
    return (("usb", match.usb), ("serial", match.serial), ("location", match.location))


def fits(info: PortInfo, match: PortPattern) -> bool:
    """Whether a port is one that the profile means."""
    has = {"usb": info.usb(), "serial": info.serial, "location": info.location}
    return all(not text or has[name].lower() == text.lower() for name, text in _criteria(match))


def _table(ports: Sequence[PortInfo], memory: PortMemory) -> str:
    rows = []
    for info in ports:
        serial = f"serial {info.serial}" if info.serial else "no serial number"
        words = [
            info.device,
            f"{info.adapter()} {info.usb()}",
            serial,
            f"at {info.location}",
            memory.describe(info.key()),
        ]
        rows.append("  " + "  ".join(filter(None, words)))
    return "\n".join(rows)
