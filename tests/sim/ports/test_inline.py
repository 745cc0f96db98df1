"""A board in the process that opens its port, where tests can look behind it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import serial
from flashpipe.errors import BadValueError, PipelineError
from flashpipe.sim.chip.factory import factory_contents
from flashpipe.sim.kinds import BOARDS
from flashpipe.sim.options import parse_url


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
