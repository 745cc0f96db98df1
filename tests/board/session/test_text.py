from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from flashpipe.board.boot.verdict import classify
from flashpipe.board.session.text import garbage_bytes, readable, untorn
from flashpipe.masking import mask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROM_LOG = (
    b"\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\nload 0x40100000, len 28740, room 16 \r\ntail 4\r\n"
    b"chksum 0xe7\r\nload 0x3ffe8000, len 2888, room 4 \r\ntail 4\r\nchksum 0xd6\r\ncsum 0xd6\r\n"
)
BANNER = (
    b"\r\n\r\nNodeMCU 3.0.0.0 \r\n\tbranch: release\r\n\tSSL: false\r\n\tmodules: file,gpio,net,node,tmr,uart,wifi\r\n"
    b" build 2024-03-01 12:00 powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\r\ncannot open init.lua: \r\n> "
)
RATES = (9600, 19200, 38400, 57600, 74880, 115200, 230400, 460800)
Sampler = Callable[[bytes, int, int], bytes]


@pytest.mark.parametrize(("sent_at", "read_at"), list(itertools.permutations(RATES, 2)))
def test_text_read_at_a_wrong_rate_is_not_shown(sampled: Sampler, sent_at: int, read_at: int) -> None:
    for text in (ROM_LOG, BANNER):
        noise = sampled(text, sent_at, read_at)
        shown = readable(noise)
        assert len("".join(shown.split())) <= 10, shown
        assert classify(shown).kind == "silence"


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=70), max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ascii_lines_come_through_unchanged(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert readable(text.replace("\n", "\r\n").encode()) == text


def test_text_behind_garbage_begins_at_its_line(sampled: Sampler) -> None:
    noise = sampled(ROM_LOG, 74880, 115200)
    assert readable(noise + BANNER) == BANNER.decode().replace("\r", "").lstrip("\n") or readable(
        noise + BANNER
    ).endswith(BANNER.decode().replace("\r", "").strip("\n"))


def test_text_before_garbage_stays(sampled: Sampler) -> None:
    shown = readable(ROM_LOG + sampled(BANNER, 115200, 74880))
    assert shown.strip().endswith("csum 0xd6")


def test_utf8_letters_stay_and_colours_go() -> None:
    assert readable("\x1b[0;32m[I] Küche: 21 °C\x1b[0m\r\n".encode()) == "[I] Küche: 21 °C\n"


def test_one_damaged_byte_costs_one_byte() -> None:
    assert readable(b"\x00\r\n ets Jan  8 2013") == "\n ets Jan  8 2013"


def test_garbage_is_counted(sampled: Sampler) -> None:
    noise = sampled(ROM_LOG, 74880, 115200)
    assert garbage_bytes(noise) > len(noise) * 0.9
    assert garbage_bytes(ROM_LOG) == 0


def test_lone_carriage_returns_end_lines() -> None:
    assert readable(b"one\rtwo\r") == "one\ntwo\n"


@pytest.mark.parametrize(
    "said",
    [
        b'wifi_password="hunter2"', b'pwd="hunter2" x', b'rd="hunter2"', b"psk: hunter2", b"psk hunter2, x",
        b"='hunter2'",
        b'pwd="a hunter2 b"', b'"a hunter2 b"', b'wd="hunter2 b', b'{"psk":"hunter2"}', b"psk -> hunter2",
        b'\\"psk\\": \\"hunter2\\"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("noise", [b"\xc9\xd3\xea", bytes(range(128, 160)), b"\xaa\x9d\x061\xdf\x00O\x95\xbdm\x05"])
def test_no_value_whose_name_was_lost_in_garbage_is_kept(said: bytes, noise: bytes) -> None:
    for cut in range(len(said) - len(b"hunter2")):
        torn = said[cut:]
        if b"hunter2" in torn:
            assert "hunter2" not in mask(untorn(b"load 0x40100000\n" + noise + torn + b"\nok\n")), torn
    assert untorn(b"load 0x40100000\n" + noise + said + b"\nits own line\n").endswith("\nits own line\n")
