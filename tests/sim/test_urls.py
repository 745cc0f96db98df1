from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import serial
from flashpipe.errors import BadValueError, PipelineError
from flashpipe.sim.chip.factory import factory_contents
from flashpipe.sim.kinds import BOARDS
from flashpipe.sim.options import OPTIONS, parse_url

PROFILES = Path(__file__).resolve().parents[2] / "profiles"


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_opens_with_a_mac_of_its_own(name: str, opener: Any, monkeypatch: pytest.MonkeyPatch,
                                                 tmp_path: Path) -> None:  # fmt: skip
    monkeypatch.setenv("FLASHPIPE_STATE", str(tmp_path))
    with opener(f"sim://{name}") as port:
        assert port.link.board.nor.size == BOARDS[name].size
        assert port.name.startswith("rfc2217:")
    macs = [parse_url(f"sim://{other}").spec.mac for other in BOARDS]
    assert len(set(macs)) == len(macs)
    assert parse_url(f"sim://{name}").spec.mac == parse_url(f"sim://{name}").spec.mac


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
    "sim://esp12?mac": "mac", "sim://esp12?fault=stuck-sector:zz": "zz",
}  # fmt: skip


@pytest.mark.parametrize("url", BAD)
def test_bad_urls_name_the_value_and_those_accepted(url: str, opener: Any) -> None:
    with pytest.raises(BadValueError) as caught:
        opener(url)
    assert BAD[url] in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_an_unknown_option_lists_all_of_them() -> None:
    with pytest.raises(BadValueError) as caught:
        parse_url("sim://esp12?colour=red")
    assert all(name in caught.value.hint for name in OPTIONS)


def test_a_board_is_open_once(opener: Any) -> None:
    with opener("sim://esp12") as _port, pytest.raises(serial.SerialException) as caught:
        opener("sim://esp12")
    assert caught.value.errno == errno.EBUSY
    opener("sim://esp12").close()
    with opener("sim://esp12?board=a"), opener("sim://esp12?board=b"):
        pass


def test_contents_last_as_long_as_the_port_object(opener: Any) -> None:
    port = opener("sim://esp12")
    port.link.board.nor.erase_chip()
    port.close()
    port.open()
    assert port.link.board.nor.is_blank(0, 0x1000)
    port.close()
    with opener("sim://esp12") as other:
        assert not other.link.board.nor.is_blank(0, 0x1000)


def test_a_named_board_lasts_as_long_as_the_process(opener: Any) -> None:
    with opener("sim://esp12?board=x") as port:
        port.link.board.nor.erase_chip()
        board = port.link.board
    with opener("sim://esp12?board=x") as port:
        assert port.link.board is board


def test_flash_file(opener: Any, tmp_path: Path) -> None:
    file = tmp_path / "new" / "flash.bin"
    url = f"sim://wroom-02?flash={file}"
    with opener(url) as port:
        assert file.read_bytes()[:0x1000] == factory_contents(2 << 20)[:0x1000]
        port.link.board.nor.erase_sector(0)
        assert file.read_bytes()[:0x1000] == b"\xff" * 0x1000, "mapped: programmed means written"
        with pytest.raises(BadValueError, match="another virtual board"):
            opener(f"sim://wroom-02?flash={file}&board=other")
    with opener(url) as port:
        assert port.link.board.nor.is_blank(0, 0x1000)
    assert [path.name for path in file.parent.iterdir()] == ["flash.bin"]


def test_flash_file_of_the_wrong_size(opener: Any, tmp_path: Path) -> None:
    file = tmp_path / "flash.bin"
    file.write_bytes(bytes(1000))
    with pytest.raises(BadValueError) as caught:
        opener(f"sim://esp12?flash={file}")
    assert "1000 bytes" in caught.value.message
    assert file.read_bytes() == bytes(1000)


def test_flash_file_that_cannot_be_made(opener: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PipelineError):
        opener(f"sim://esp12?flash={tmp_path / 'file' / 'flash.bin'}")


def test_sparse_file(opener: Any, tmp_path: Path) -> None:
    file = tmp_path / "flash.bin"
    with file.open("wb") as stream:
        stream.truncate(4 << 20)
    with opener(f"sim://esp12?flash={file}") as port:
        assert port.link.board.nor.read(0, 16) == bytes(16)


def test_demo_keeps_its_flash_in_the_state_folder(opener: Any, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("FLASHPIPE_STATE", str(tmp_path))
    with opener("sim://demo") as port:
        assert port.link.clock.factor == 0.25
    assert (tmp_path / "boards" / "demo.flash").stat().st_size == 4 << 20


def test_modem_ioctls_are_refused_as_by_a_pty(opener: Any) -> None:
    with opener("sim://esp12") as port, pytest.raises(OSError, match="descriptor") as caught:
        port.fileno()
    assert caught.value.errno == errno.ENOTTY


def test_the_modem_lines_of_an_open_port_leave_the_board_alone(opener: Any) -> None:
    with opener("sim://esp12") as port:
        assert (port.dtr, port.rts) == (True, True)
        assert port.link.board.mode == "app"


def test_reading_waits_no_longer_than_asked(opener: Any) -> None:
    with opener("sim://esp12?start=rom", timeout=0.01) as port:
        assert port.read(1) == b""
        port.timeout = 0
        assert port.read(10) == b""


def test_closed_ports_say_so(opener: Any) -> None:
    port = opener("sim://esp12", do_not_open=True)
    for use in (lambda: port.read(1), lambda: port.write(b"x"), lambda: port.in_waiting, port.reset_input_buffer):
        with pytest.raises(serial.SerialException):
            use()
    port.close()
    with pytest.raises(serial.SerialException):
        opener("sim://esp12").open()
