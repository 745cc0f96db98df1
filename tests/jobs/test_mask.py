"""Texts that may leave this machine."""

from __future__ import annotations

import pytest
from flashpipe.jobs.mask import Mask
from hypothesis import given
from hypothesis import strategies as st

MAC = "5c:cf:7f:d7:1c:89"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("MAC 5C:CF:7F:D7:1C:89, again 5c-cf-7f-d7-1c-89", "MAC board-1, again board-1"),
        ("on mac=5c:cf:7f:d7:1c:89: no answer, MAC:5c:cf:7f:d7:1c:89", "on mac=board-1: no answer, MAC:board-1"),
        ("mac_5c_cf_7f_d7_1c_89.json", "mac_board-1.json"),
        ("5c:cf:7f:00:00:01 and 5c:cf:7f:00:00:02", "board-1 and board-2"),
        ("/home/ada/x.bin on kitchen by ada, adapter", "~/x.bin on machine by user, adapter"),
        ('wifi.sta.config{ssid="n", pwd="p"}', "wifi.sta.config{ssid=***, pwd=***}"),
        ("SSID is HomeNet", "SSID is ***"),
        ("connected with HomeNet, channel 6", "connected with ***, channel 6"),
        (
            "version 3.0.0.0, SDK 2.2.1, region 0x010000..0x011000",
            "version 3.0.0.0, SDK 2.2.1, region 0x010000..0x011000",
        ),
        ("ip 10.0.0.8 port 80", "ip *** port 80"),
    ],
)
def test_what_is_replaced(text: str, masked: str) -> None:
    assert Mask("/home/ada", "ada", "kitchen")(text) == masked


@given(st.binary(min_size=6, max_size=6), st.text(max_size=40), st.text(max_size=40))
def test_no_mac_survives(raw: bytes, before: str, after: str) -> None:
    mac = raw.hex(":")
    mask = Mask()
    mask.know(mac)
    masked = mask(f"{before} {mac} {after} NODE-{mac[9:].replace(':', '').upper()}").lower()
    assert mac not in masked
    assert f"node-{mac[9:].replace(':', '')}" not in masked


def test_records_are_masked_to_their_depth() -> None:
    mask = Mask()
    record = {"device": {"mac": MAC, "sizes": [1, None, True]}, MAC: [MAC]}
    assert mask.mapping(record) == {"device": {"mac": "board-1", "sizes": [1, None, True]}, "board-1": ["board-1"]}
