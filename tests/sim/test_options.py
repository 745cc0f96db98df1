"""What a URL says about a board, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.cli import _setup, build_parser
from flashpipe.sim.kinds import BOARDS
from flashpipe.sim.options import OPTIONS, SINGLE, parse_url

PROFILES = Path(__file__).resolve().parents[2] / "profiles"


@pytest.mark.skipif(not list(PROFILES.glob("*.yaml")), reason="no shipped profiles yet")
def test_every_shipped_profile_has_a_board() -> None:
    assert {path.stem for path in PROFILES.glob("*.yaml")} <= set(BOARDS)


def test_options_reach_the_board() -> None:
    setup = parse_url(
        "sim://esp12?size=2MB&mac=5C-CF-7F-0A-0B-0C&part=gd25q16b&chip=esp8285h16&crystal=40&wiring=none&start=stub-v1"
        "&gpio0=low&security_info=drain&fill=ff&time=0.5&usb=1A86:7523&param.se_us=100&app.bad-mode=csum"
    )
    spec = setup.spec
    assert (spec.size, spec.mac, spec.part, spec.chip) == (2 << 20, "5c:cf:7f:0a:0b:0c", "GD25Q16B", "ESP8285H16")
    assert (spec.crystal_mhz, spec.wired, spec.start, spec.gpio0_low, spec.drain) == (40, False, "stub-v1", True, True)
    assert (setup.factor, setup.usb, spec.costs.se_us) == (0.5, "1a86:7523", 100.0)
    assert parse_url("sim://esp12?flash_id=0x1540c8").spec.size == 2 << 20
    assert parse_url("sim://esp12?flash_id=0x1440aa").spec.size == 4 << 20
    assert parse_url("sim://esp12?time=real").spec.drain


BAD = {
    "sim://esp99": "esp99", "sim://": "", "sim://esp12?colour=red": "colour", "sim://esp12?size=3MB": "3MB",
    "sim://esp12?size=x": "x", "sim://esp12?mac=1": "1", "sim://esp12?flash_id=zz": "zz", "sim://esp12?part=foo": "foo",
    "sim://esp12?chip=esp32": "esp32", "sim://esp12?crystal=25": "25", "sim://esp12?wiring=usb": "usb",
    "sim://esp12?start=later": "later", "sim://esp12?gpio0=mid": "mid", "sim://esp12?security_info=1": "1",
    "sim://esp12?fill=zero": "zero", "sim://esp12?time=0": "0", "sim://esp12?usb=abc": "abc",
    "sim://esp12?flash=": "flash",
    "sim://esp12?param.foo=1": "foo", "sim://esp12?param.se_us=-1": "-1", "sim://esp12?fault=bang": "bang",
    "sim://esp12?mac": "mac", "sim://esp12?fault=stuck-sector:zz": "zz", "sim://esp12?adc=much": "much",
    "sim://esp12?app.zz=1": "zz", "sim://esp12?execute=off&app.trouble=zz": "zz",
    "sim://esp12?execute=off&unmapped=warn": "unmapped", "sim://esp12?flash=/dev/null": "bytes",
}  # fmt: skip


@pytest.mark.parametrize("url", BAD)
def test_bad_urls_name_the_value_and_those_accepted(url: str, either: Any) -> None:
    with pytest.raises(BadValueError) as caught:
        either(url)
    assert BAD[url] in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_an_unknown_option_lists_all_of_them() -> None:
    with pytest.raises(BadValueError) as caught:
        parse_url("sim://esp12?colour=red")
    assert all(name in caught.value.hint for name in OPTIONS)


def test_an_option_is_the_same_in_a_url_and_as_an_argument() -> None:
    arguments = build_parser().parse_args(["esp12", "--execute", "off", "--bad-mode", "csum", "--flash-id", "0x1640ef"])
    setup = _setup(arguments, 0)
    assert setup.spec == parse_url("sim://esp12?start=rom&execute=off&bad-mode=csum&flash_id=0x1640ef").spec
    assert setup.spec.app_options == {"bad-mode": "csum"}
    known = {action.dest.removeprefix("option_") for action in build_parser()._actions}
    assert set(SINGLE) - {"inline"} <= known
