"""Places of a labgrid coordinator: what `port=labgrid://…` names, and what `labgrid-client` says of them.

labgrid is used by its command line alone, in an environment of its own: its package brings a pyserial that overwrites
the one that esptool needs. What it prints for people is read here, as labgrid 26.0 prints it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from flashpipe.errors import BadValueError, ExporterGoneError, LabError, PlaceUnfitError
from flashpipe.lazy import lazy_pattern
from flashpipe.values import dataclass

SCHEME: Final = "labgrid://"
SERIAL: Final = "NetworkSerialPort"
"""The class of a serial port in labgrid, whichever way its exporter got it."""
_PROTOCOLS: Final = {"rfc2217": "rfc2217", "raw": "socket"}
_PLACE: Final = lazy_pattern(r"Place '(.*)':")
_RESOURCE: Final = lazy_pattern(r"(Acquired|Matching|Orphaned) resource '(.*)' \((.*)\):?")
_HINT: Final = 'such as labgrid://PLACE, labgrid://PLACE/RESOURCE, labgrid://?chip=esp8266, "labgrid://rack1-*"'


def is_place(port: str) -> bool:
    """Whether a port is a place of a lab."""
    return port.lower().startswith(SCHEME)


def place_port(port: str) -> str:
    """The place that a port names, without what else stands there; empty where it names none."""
    name = port[len(SCHEME) :].partition("?")[0].partition("/")[0] if is_place(port) else ""
    return SCHEME + name if name else ""


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """What a URL asks for."""

    name: str
    """Of the place, or a pattern; empty: any that has the tags."""
    resource: str
    """Which of its serial ports; empty: the only one."""
    tags: tuple[tuple[str, str], ...]

    @property
    def is_pattern(self) -> bool:
        """Whether it means several places."""
        return bool(set(self.name) & set("*?["))

    def fits(self, place: LabPlace) -> bool:
        """Whether it means this place."""
        named = not self.name or fnmatchcase(place.name, self.name)
        return named and all(place.tags.get(key) == value for key, value in self.tags)


def parse_place_url(url: str) -> PlaceRequest:
    """What a URL of a place asks for.

    Raises:
        BadValueError: it names neither place nor tags, or one place and tags.
    """
    named, _, query = url[len(SCHEME) :].partition("?") if is_place(url) else ("", "", "")
    try:
        tags = tuple(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError:
        raise BadValueError(f"port={url}: is no place of a lab", _HINT) from None
    name, _, resource = (unquote(part) for part in named.partition("/"))
    if not name and not tags:
        raise BadValueError(f"port={url}: names neither a place nor tags", _HINT)
    unclosed = name.count("[") != name.count("]")
    if unclosed or name.startswith(("+", "-")) or "=" in name or any("=" in value or not value for _, value in tags):
        raise BadValueError(f"port={url}: is no place of a lab", _HINT)
    request = PlaceRequest(name, resource, tags)
    if name and tags and not request.is_pattern:  # whoever has typed both relies on both
        told = "&".join(f"{key}={value}" for key, value in tags)
        raise BadValueError(
            f"port={url}: names a place and tags",
            f"say {SCHEME}{name}, or {SCHEME}?{told} for any place with these tags",
        )
    return request


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that belongs to a place."""

    name: str
    path: str
    """EXPORTER/GROUP/CLASS/NAME."""
    about: Mapping[str, Any]
    is_there: bool
    """Whether its exporter still tells of it."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be asked for by: its own name, which several of a place may share, its group's, its path."""
        parts = self.path.split("/")
        return self.name, *parts[1:2], self.path

    @property
    def is_serial(self) -> bool:
        """Whether it is a serial port."""
        return SERIAL in self.path.split("/") or self.about.get("cls") == SERIAL


@dataclass(frozen=True, slots=True)
class LabPlace:
    """What the coordinator knows of a place."""

    name: str
    fields: Mapping[str, str]
    resources: tuple[Resource, ...] = ()

    @property
    def holder(self) -> str:
        """HOST/USER of whoever has it; empty where nobody does."""
        return self._field("acquired")

    @property
    def is_reserved(self) -> bool:
        """Whether a reservation has been given it."""
        return bool(self._field("reservation"))

    @property
    def changed(self) -> str:
        """When it was taken or given back last, as its coordinator writes it."""
        return self._field("changed")

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names of it."""
        return tuple(part.strip().rpartition(":")[2] for part in self._field("aliases").split(",") if part.strip())

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        pairs = (part.strip().partition("=") for part in self._field("tags").split(","))
        return {key: value for key, _, value in pairs if key}

    def _field(self, name: str) -> str:
        text = self.fields.get(name, "")
        return "" if text == "None" else text


def parse_places(text: str) -> list[LabPlace]:
    """The places that `labgrid-client -v places`, or `show`, has printed.

    Raises:
        LabError: it is something else.
    """
    places, fields = list[LabPlace](), dict[str, str]()
    resources = list[Resource]()
    for head, body in _blocks(text):
        if match := _PLACE.fullmatch(head):
            fields, resources = {}, []
            places.append(LabPlace(match[1], fields))
            for line in body:
                name, colon, value = line.strip().partition(":")
                if colon and name not in fields and " resources" not in name:
                    fields[name] = value.strip()
        elif places and (match := _RESOURCE.fullmatch(head)):
            resources.append(_resource(match[1], match[2], match[3], "\n".join(body)))
            places[-1] = LabPlace(places[-1].name, places[-1].fields, tuple(resources))
    if text.strip() and not places:
        raise LabError(f"labgrid-client says {text.strip().splitlines()[0]!r}, which is no place", LabError.remedy)
    return places


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Lines that begin at the margin, each with those below it that do not."""
    head, body = "", list[str]()
    for line in text.splitlines():
        if line[:1].isspace():
            body.append(line)
        elif line:
            if head:
                yield head, body
            head, body = line, []
    if head:
        yield head, body


def _resource(state: str, name: str, path: str, text: str) -> Resource:
    try:
        about = ast.literal_eval(text.strip() or "{}")
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        about = {}
    return Resource(name, path, about if isinstance(about, dict) else {}, state != "Orphaned")


def serial_address(place: LabPlace, wanted: str) -> str:
    """The URL under which the serial port of a place is opened.

    Raises:
        ExporterGoneError: its exporter has gone, or says that it is not there.
        PlaceUnfitError: it has none, or several and none of them was named, or it takes a tunnel to reach it.
    """
    every = [one for one in place.resources if one.is_serial]
    serial = [one for one in every if not wanted or wanted in one.names]
    if not serial:
        has = ", ".join(one.name for one in place.resources) or "nothing"
        what = f"no serial port {wanted}" if wanted else "no serial port"
        raise PlaceUnfitError(f"place {place.name} has {what}; it has {has}", PlaceUnfitError.remedy)
    if len(serial) > 1:
        names = [next((name for name in one.names if _is_of_one(name, every)), one.path) for one in serial]
        raise PlaceUnfitError(
            f"place {place.name} has {len(serial)} serial ports: {', '.join(names)}",
            f"port={SCHEME}{place.name}/{names[0]}, for instance",
        )
    (one,) = serial
    if not one.is_there or one.about.get("avail") is False:
        raise ExporterGoneError(f"place {place.name}: {one.path} is not there", ExporterGoneError.remedy)
    return _address(place, one)


def _is_of_one(name: str, resources: Iterable[Resource]) -> bool:
    return sum(name in one.names for one in resources) == 1


def _address(place: LabPlace, one: Resource) -> str:
    parameters = one.about.get("params") or {}
    host, port = str(parameters.get("host") or ""), parameters.get("port")
    scheme = _PROTOCOLS.get(str(parameters.get("protocol", "rfc2217")))
    extra = parameters.get("extra") or {}
    if extra.get("proxy_required"):
        tunnel = f"ssh -N -L {port}:{host}:{port} {extra.get('proxy')}"
        raise PlaceUnfitError(
            f"place {place.name}: its exporter is isolated, and reached through {extra.get('proxy')} only",
            f"acquire it by hand, `{tunnel}`, and port=rfc2217://127.0.0.1:{port}",
        )
    if not host or not isinstance(port, int) or scheme is None:
        raise PlaceUnfitError(f"place {place.name}: {one.path} tells no address that can be opened", LabError.remedy)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
