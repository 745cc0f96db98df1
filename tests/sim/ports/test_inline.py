"""A board in the process that opens its port, where tests can look behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import BadValueError
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


def test_the_modem_lines_of_an_open_port_leave_the_board_alone(opener: Any) -> None:
    with opener("sim://esp12") as port:
        assert (port.dtr, port.rts) == (True, True)
        assert port.link.board.mode == "app"
