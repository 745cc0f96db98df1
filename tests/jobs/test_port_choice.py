"""Which ports `port=` names, where it names several."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.board.ports import discovery
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.errors import BadValueError, NoPortError
from flashpipe.jobs.port_choice import named_ports

USB = [PortInfo(f"/dev/ttyUSB{number}", 0x1A86, 0x7523) for number in (0, 1)]
BUILT_IN = PortInfo("/dev/ttyS0")


@pytest.fixture(autouse=True)
def there(monkeypatch: pytest.MonkeyPatch) -> list[PortInfo]:
    found = [*USB, BUILT_IN]
    monkeypatch.setattr(discovery, "list_ports", lambda: found)
    return found


def test_all_are_those_of_usb_and_a_pattern_may_name_any() -> None:
    assert list(named_ports("all").values()) == ["/dev/ttyUSB0", "/dev/ttyUSB1"]
    assert list(named_ports("/dev/tty*").values()) == ["/dev/ttyUSB0", "/dev/ttyUSB1", "/dev/ttyS0"]
    assert list(named_ports("all,/dev/ttyS0").values())[-1] == "/dev/ttyS0"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sim://esp12,sim://esp12", "sim://esp12 is there twice"),
        ("COM3,com3", "COM3 and com3 are the same port"),
        ("all,/dev/ttyS0,/dev/ttyUSB0", "/dev/ttyUSB0 (all) and /dev/ttyUSB0 are the same port"),
        ("/dev/ttyU*,all", "/dev/ttyUSB0 (/dev/ttyU*) and /dev/ttyUSB0 (all) are the same port"),
    ],
)
def test_a_port_that_is_named_twice_is_refused(text: str, told: str) -> None:
    with pytest.raises(BadValueError) as refused:
        named_ports(text)
    assert refused.value.message == f"port={text}: {told}"


def test_a_link_to_a_port_and_the_port_are_one(tmp_path: Path) -> None:
    port, link = tmp_path / "ttyACM0", tmp_path / "bench-left"
    port.touch()
    link.symlink_to(port)
    with pytest.raises(BadValueError, match="the same port"):
        named_ports(f"{port},{link}")


def test_all_of_none_is_refused_though_there_is_another_port(there: list[PortInfo]) -> None:
    del there[:2]
    with pytest.raises(NoPortError, match="no USB"):
        named_ports("all")


@pytest.mark.parametrize("text", [",", "sim://esp12,", ",COM3", " "])
def test_an_empty_entry_is_refused_wherever_a_list_comes_from(text: str) -> None:
    with pytest.raises(BadValueError, match="port="):
        named_ports(text)
