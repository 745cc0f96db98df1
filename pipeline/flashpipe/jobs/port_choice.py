"""Which port: the command line's, the environment's, the profile's, the one remembered, or the only one there."""

from __future__ import annotations

from fnmatch import fnmatch

from flashpipe.board.ports import choice as ports
from flashpipe.errors import NoPortError, RecordError
from flashpipe.jobs.request import Request


def choose(request: Request, wanted: str) -> tuple[str, str]:
    """Port name or URL, and why that one, for a person; empty where the user named it.

    Raises:
        PortError: nothing fits, or several do.
    """
    text = wanted or request.variables.text("port")
    if text and text != "auto":
        where = request.variables.origin.get("port")
        return text, f"port {text} (from {where})" if where else ""
    declared = "auto" if text == "auto" or not request.profile_name else request.serial().port
    if isinstance(declared, str) and declared != "auto":
        return declared, f"port {declared} (from profile {request.profile_name})"
    memory = ports.PortMemory()
    remembered = memory.key_for(request.profile_name)
    info = ports.choose_port(declared, ports.list_ports(), remembered)
    because = "remembered for this profile" if info.key() == remembered else "the only one that fits"
    return info.device, f"port {info.device} ({info.adapter()}, {because})"


def expand(text: str) -> list[str]:
    """The ports that `port=` names: several with commas, a pattern, or `all`; empty text is the profile's port.

    A port under two names, such as a device and a link to it, counts once, by its first name.

    Raises:
        NoPortError: a pattern or `all` fits nothing.
    """
    if not text:
        return [""]
    found: list[str] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        if word != "all" and not (set(word) & set("*[") and not ports.is_url(word)):
            found.append(word)
            continue
        fitting = [info.device for info in ports.list_ports() if word == "all" or fnmatch(info.device, word)]
        if not fitting:
            raise NoPortError(f"port={word}: no serial port here fits", "`flashpipe ports` lists them")
        found += fitting
    named: dict[str, str] = {}
    for port in found:
        named.setdefault(ports.canonical(port), port)
    return list(named.values())


def adapter_of(port: str) -> dict[str, str]:
    """What the system says of the adapter behind a port, for receipts; empty where it is no device of this machine."""
    if ports.is_url(port):
        return {}
    info = next((info for info in ports.list_ports() if info.device == port), None)
    if info is None:
        return {}
    return {"usb": info.usb(), "name": info.adapter(), "serial": info.serial, "location": info.location}


def remember(port: str, mac: str, profile: str) -> None:
    """Note which board was last seen on a device; what cannot be noted is no failure."""
    if ports.is_url(port):
        return
    info = next((info for info in ports.list_ports() if info.device == port), None)
    if info is None:
        return
    try:
        ports.PortMemory().remember(info.key(), mac, profile)
    except RecordError:
        return
