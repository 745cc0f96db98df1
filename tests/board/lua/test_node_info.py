"""What NodeMCU says of itself where its banner was not seen; test_executed.py asks every line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flashpipe.board.lua.console import find_console
from flashpipe.board.lua.node_info import NodeInfo, read_node
from flashpipe.board.session.session import Session
from flashpipe.sim.ports import registry

from tests.nodemcu import IN_PACKAGE, NodeMcu

Reader = Callable[..., NodeInfo]


@pytest.fixture
def read(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    made: list[Session] = []

    def run(name: str, *, wanted: tuple[str, ...] = ()) -> NodeInfo:
        made.append(Session(NodeMcu.of(name, tmp_path / "flash.bin", request).url))
        return read_node(find_console(made[-1]), "", wanted=wanted)

    yield run
    for session in made:
        session.close()
    registry.forget_boards()


@pytest.mark.images
def test_3x_tells_its_build_without_a_banner(read: Reader) -> None:
    info = read("3.0")
    assert info.modules is not None
    assert set(info.modules) > {"file", "mqtt", "node", "tmr"}
    assert info.modules_found == "firmware"
    assert (info.branch, info.release) == ("master", "3.0-master_20200610")
    assert info.commit.startswith("8d091c47")
    assert (info.number_type, info.ssl, info.lfs_size) == ("float", False, 0)


def test_a_firmware_without_node_info_tells_what_it_can(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """As NodeMCU 0.9.2 and 0.9.4 have it."""
    session = Session(NodeMcu.of(IN_PACKAGE, tmp_path / "flash.bin", request).url)
    console = find_console(session)
    console.ask_secret("(function()local n=node node={chipid=n.chipid,heap=n.heap}end)()")
    info = read_node(console)
    assert (info.version, info.flash_id) == ("", None)
    assert info.chip_id is not None
    assert info.has("file")
    session.close()
    registry.forget_boards()


@pytest.mark.images
def test_a_wanted_module_that_is_not_named_is_tried(read: Reader) -> None:
    info = read("3.0", wanted=("mdns", "string", "tmr"))
    assert info.has("string")
    assert info.has("tmr")
    assert not info.has("mdns")


def test_without_a_banner_modules_are_tried(read: Reader) -> None:
    info = read(IN_PACKAGE)
    assert info.modules is not None
    assert " ".join(info.modules) == "adc bit file gpio http i2c net node ow pwm spi tmr uart wifi ws2801 ws2812"
    assert info.modules_found == "tried"
    assert (info.ssl, info.lfs_size) == (None, None)
