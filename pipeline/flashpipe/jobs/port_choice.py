"""Which port: the command line's, the environment's, the profile's, the one remembered, or the only one there."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from importlib import import_module
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from flashpipe.board.ports import discovery
from flashpipe.board.ports.choice import choose_port
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.memory import PortMemory
from flashpipe.board.ports.names import canonical, check_address, is_url, port_slug
from flashpipe.board.ports.places import SCHEME, is_place, parse_place_url
from flashpipe.errors import BadValueError, NoPlaceError, NoPortError, RecordError
from flashpipe.jobs.empty_texts import check_text
from flashpipe.jobs.variables import Variables
from flashpipe.next_steps import Advice, command
from flashpipe.virtual_options import ABOUT

if TYPE_CHECKING:
    from flashpipe.jobs.inputs import RunInputs


ONCE: Final = "name each port once"
"""What to do where one is named twice."""
VIRTUAL: Final = "sim://"
"""How the URL of a virtual board begins that is begun by whoever opens it, and takes options."""


def choose(inputs: RunInputs, named: str) -> tuple[str, str]:
    """Port name or URL, and why that one, for a person; empty where the user named it.

    Raises:
        PortError: nothing fits, or several do.
    """
    command = inputs.command
    text = named or command.variables.text("port")
    if text and text != "auto":
        where = command.variables.origin.get("port")
        return text, f"port {text} (from {where})" if where else ""
    declared = "auto" if text == "auto" or not command.profile_name else inputs.serial().port
    if isinstance(declared, str) and declared != "auto":
        return declared, f"port {declared} (from profile {command.profile_name})"
    memory = PortMemory()
    remembered = memory.key_for(command.profile_name)
    info = choose_port(declared, discovery.list_ports(), remembered)
    because = "remembered for this profile" if info.key() == remembered else "the only one that fits"
    return info.device, f"port {info.device} ({info.adapter()}, {because})"


def with_options(port: str, variables: Variables) -> str:
    """The URL of a virtual board, with the options that the command line says; another port as it is.

    Raises:
        BadValueError: the port is no virtual board's, or its URL says the option already.
    """
    given = {name: variables.given[name] for name in ABOUT if name in variables.given}
    if given and not port.startswith(VIRTUAL):
        raise BadValueError(
            f"{', '.join(f'{name}=' for name in given)}: {port} is no virtual board of {VIRTUAL}", "leave it out"
        )
    _, mark, query = port.partition("?")
    there = {word.partition("=")[0] for word in query.split("&")}
    for name in given:
        if name in there:
            raise BadValueError(f"{name}= is given twice: {port} says it, too", "give it once")
    more = "&".join(f"{name}={quote(text, safe='')}" for name, text in given.items())
    return f"{port}{'&' if mark else '?'}{more}" if more else port


def check_virtual(port: str) -> None:
    """Refuse a URL that leads to no board, before it is opened: a virtual board's, or one of another machine's port.

    Raises:
        BadValueError: an unknown virtual board or option, a value that cannot be read, no host or number.
    """
    check_address(port)
    if port.lower().startswith(VIRTUAL):
        import_module("flashpipe.sim.options").parse_url(port)


def check_one(port: str) -> None:
    """Refuse what is no name of one port: words for several, or for one that is to be looked for.

    Raises:
        BadValueError: it is such a word, a place of a lab with a pattern, or a virtual board's URL as above.
    """
    words = port_words(port)
    several = port in {"all", "auto"} or len(words) != 1 or is_pattern(port)
    if several or (is_place(port) and parse_place_url(port).is_pattern):
        raise BadValueError(
            f"{port} is no name of one port",
            Advice("name one, such as /dev/ttyUSB0: ", command("ports"), " lists them"),
        )
    check_virtual(port)


def named_ports(text: str) -> dict[str, str]:
    """The ports that `port=` names: several with commas, a pattern, or `all` on USB; by names for tasks.

    Raises:
        BadValueError: two of the words mean the same port, under whatever names.
        NoPortError: a pattern or `all` fits nothing.
    """
    named = dict[str, tuple[int, str]]()
    """Canonical name to which word means it, and the name by which it does."""
    words = port_words(text)
    for at, word in enumerate(words):
        for port in _ports_meant(word):
            known_at, known = named.setdefault(canonical(port), (at, port))
            if known_at != at:
                raise BadValueError(f"port={text}: {_said_twice(words[known_at], known, word, port)}", ONCE)
    return {port_slug(port): port for _, port in named.values()}


def _ports_meant(word: str) -> list[str]:
    """The ports that one word of `port=` means."""
    if is_place(word):
        return places_meant(word)
    if word != "all" and not is_pattern(word):
        return [word]
    fitting = [info.device for info in discovery.list_ports() if _fits(info, word)]
    if not fitting:
        what = "no USB serial port is there" if word == "all" else "no serial port here fits"
        raise NoPortError(f"port={word}: {what}", Advice(command("ports"), " lists them"))
    return fitting


def is_pattern(word: str) -> bool:
    """Whether a word of `port=` is a pattern for ports of this machine."""
    return bool(set(word) & set("*[")) and not is_url(word)


def _said_twice(word: str, port: str, again: str, same: str) -> str:
    """That two words mean the same port, and which."""
    if (word, port) == (again, same):
        return f"{port} is there twice"
    first, second = (name if name == of else f"{name} ({of})" for of, name in ((word, port), (again, same)))
    return f"{first} and {second} are the same port"


def port_words(text: str) -> list[str]:
    """The ports of a list; a bare name behind a place of a lab is another place: `labgrid://p1,p2`.

    Raises:
        BadValueError: an entry of the list is empty.
    """
    if text:
        check_text("list", text, "port")
    words = list[str]()
    for word in filter(None, (part.strip() for part in text.split(","))):
        bare = word != "all" and not is_url(word) and "/" not in word and re.fullmatch(r"(?i)COM\d+", word) is None
        words.append(SCHEME + word if bare and words and is_place(words[-1]) else word)
    return words


def places_meant(word: str) -> list[str]:
    """The places that a URL means: itself, or all that its pattern and tags fit.

    Raises:
        BadValueError: it names no place.
        LabError: the coordinator knows none.
    """
    request = parse_place_url(word)
    if not request.is_pattern:
        return [word]
    from flashpipe.board.ports.lab_client import LabClient  # noqa: PLC0415  3 ms, and only for a lab
    from flashpipe.board.ports.lease import places_of  # noqa: PLC0415  with it

    fitting = [SCHEME + place.name for place in places_of(LabClient.here()) if request.fits(place)]
    if not fitting:
        raise NoPlaceError(f"port={word}: no place of the lab fits", NoPlaceError.remedy)
    return fitting


def _fits(info: PortInfo, word: str) -> bool:
    """Whether a pattern, or `all`, means a port: a board can be on any of USB, and a modem or console on others."""
    return info.vid is not None if word == "all" else fnmatch(info.device, word)


def adapter_of(port: str) -> dict[str, str]:
    """What the system says of the adapter behind a port, for receipts; empty where it is no device of this machine."""
    if is_url(port):
        return {}
    info = discovery.find_port(port)
    if info is None:
        return {}
    return {"usb": info.usb(), "name": info.adapter(), "serial": info.serial, "location": info.location}


def remember(port: str, mac: str, profile: str) -> None:
    """Note which board was last seen on a device; what cannot be noted is no failure."""
    if is_url(port):
        return
    info = discovery.find_port(port)
    if info is None:
        return
    try:
        PortMemory().remember(info.key(), mac, profile)
    except RecordError:
        return
