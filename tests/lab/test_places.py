"""What a URL of a place means, and what labgrid-client prints of places."""

from __future__ import annotations

from contextlib import suppress

import pytest
from flashpipe.board.ports.places import (
    LabPlace,
    Resource,
    is_place,
    parse_place_url,
    parse_places,
    place_port,
    serial_address,
)
from flashpipe.errors import BadValueError, ExporterGoneError, LabError, PipelineError, PlaceUnfitError
from hypothesis import example, given
from hypothesis import strategies as st

SHOWN = """\
Place 'p1':
  aliases: me:desk, window
  comment: a comment: with colons
  tags: chip=esp8266, row=a
  matches:
    hosta/board1/NetworkSerialPort
  acquired: ci1/alice
  acquired resources:
    hosta/board1/NetworkSerialPort/NetworkSerialPort
  created: 2026-11-30 03:36:20.561387
  changed: 2026-11-30 03:36:31.250008
Acquired resource 'NetworkSerialPort' (hosta/board1/NetworkSerialPort/NetworkSerialPort):
  {'acquired': 'p1',
   'avail': True,
   'cls': 'NetworkSerialPort',
   'params': {'extra': {'proxy': 'localhost', 'proxy_required': False},
              'host': '127.0.0.1',
              'port': 7130,
              'protocol': 'rfc2217',
              'speed': 115200}}
Place 'p2':
  matches:
  acquired: None
  acquired resources:
  reservation: YMHEN5MTT2
  created: 2026-11-30 03:36:20
  changed: 2026-11-30 03:36:21
"""


def test_what_is_printed_is_understood() -> None:
    first, second = parse_places(SHOWN)
    assert (first.name, first.holder, first.changed) == ("p1", "ci1/alice", "2026-11-30 03:36:31.250008")
    assert first.tags == {"chip": "esp8266", "row": "a"}
    assert first.aliases == ("desk", "window")
    assert serial_address(first, "") == "rfc2217://127.0.0.1:7130"
    assert (second.holder, second.is_reserved, second.tags) == ("", True, {})
    assert not first.is_reserved


def test_of_several_ports_of_one_name_each_has_another_one() -> None:
    first = SHOWN[: SHOWN.index("Place 'p2'")]
    second = first[first.index("Acquired resource") :].replace("board1", "board2").replace("7130", "7131")
    (place,) = parse_places(first + second)
    with pytest.raises(PlaceUnfitError, match="board1, board2"):
        serial_address(place, "")
    assert serial_address(place, "board2") == "rfc2217://127.0.0.1:7131"
    assert serial_address(place, "hosta/board1/NetworkSerialPort/NetworkSerialPort") == "rfc2217://127.0.0.1:7130"


def test_other_words_are_refused() -> None:
    with pytest.raises(LabError):
        parse_places("Hello\n  there\n")
    assert parse_places("") == []


@example("{}")
@given(st.text(max_size=300))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for shown in (text, f"Place 'x':\n{text}", SHOWN.replace("'params'", text)):
        with suppress(PipelineError):
            for place in parse_places(shown):
                serial_address(place, "")


@pytest.mark.parametrize(
    ("url", "name", "resource", "tags"),
    [
        ("labgrid://p1", "p1", "", ()),
        ("LABGRID://Bench-1.a/usb2", "Bench-1.a", "usb2", ()),
        ("labgrid://?chip=esp8266&row=a", "", "", (("chip", "esp8266"), ("row", "a"))),
        ("labgrid://rack*?row=a", "rack*", "", (("row", "a"),)),
        ("labgrid://a%20b", "a b", "", ()),
        ("labgrid://p[12]?row=a", "p[12]", "", (("row", "a"),)),
    ],
)
def test_a_url_names_a_place_or_its_tags(url: str, name: str, resource: str, tags: tuple[tuple[str, str], ...]) -> None:
    request = parse_place_url(url)
    assert (request.name, request.resource, request.tags) == (name, resource, tags)
    assert is_place(url)
    assert request.is_pattern == bool({"*", "["} & set(name))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "labgrid://",
            "labgrid:///x",
            "labgrid://?",
            "labgrid://?row",
            "labgrid://+TOKEN",
            "labgrid://-x",
            "labgrid://[x",
        ),
        *("labgrid://p1?row=b", "labgrid://p1/usb?row=b"),
    ],
)
def test_a_url_that_names_nothing_is_refused(url: str) -> None:
    with pytest.raises(BadValueError):
        parse_place_url(url)


def test_the_place_of_a_port_is_what_is_locked() -> None:
    assert place_port("labgrid://p1/usb?row=a") == "labgrid://p1"
    assert place_port("labgrid://?row=a") == ""
    assert place_port("/dev/ttyUSB0") == ""


def resource(name: str = "one", *, there: bool = True, avail: bool = True, **parameters: object) -> Resource:
    about = {"avail": avail, "cls": "NetworkSerialPort", "params": {"host": "h", "port": 7, **parameters}}
    return Resource(name, f"host/g/NetworkSerialPort/{name}", about, there)


@pytest.mark.parametrize(
    ("resources", "wanted", "address"),
    [
        ((resource(),), "", "rfc2217://h:7"),
        ((resource(protocol="raw"),), "", "socket://h:7"),
        ((resource(host="::1"),), "", "rfc2217://[::1]:7"),
        ((resource(), resource("two", port=8)), "two", "rfc2217://h:8"),
        ((resource(), Resource("power", "host/g/NetworkPowerPort/power", {}, is_there=True)), "", "rfc2217://h:7"),
    ],
)
def test_the_serial_port_of_a_place_is_found(resources: tuple[Resource, ...], wanted: str, address: str) -> None:
    assert serial_address(LabPlace("p", {}, resources), wanted) == address


@pytest.mark.parametrize(
    ("resources", "wanted", "error"),
    [
        ((), "", PlaceUnfitError),
        ((resource(),), "two", PlaceUnfitError),
        ((resource(), resource("two")), "", PlaceUnfitError),
        ((resource(there=False),), "", ExporterGoneError),
        ((resource(avail=False),), "", ExporterGoneError),
        ((resource(host=None),), "", PlaceUnfitError),
        ((resource(port=None),), "", PlaceUnfitError),
        ((resource(protocol="quic"),), "", PlaceUnfitError),
        ((resource(extra={"proxy": "hosta", "proxy_required": True}),), "", PlaceUnfitError),
    ],
)
def test_a_place_without_a_clear_serial_port_is_refused(
    resources: tuple[Resource, ...], wanted: str, error: type[PipelineError]
) -> None:
    with pytest.raises(error):
        serial_address(LabPlace("p", {}, resources), wanted)
