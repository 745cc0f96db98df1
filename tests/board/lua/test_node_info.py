"""What each generation of NodeMCU says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flashpipe.board.lua.console import find_console
from flashpipe.board.lua.node_info import NodeInfo, read_node
from flashpipe.board.session.session import Session
from flashpipe.errors import LuaFailedError

from tests.nodemcus import board, image

Reader = Callable[..., NodeInfo]


@pytest.fixture
def read(tmp_path: Path, own_state: Path) -> Iterator[Reader]:
    del own_state
    made: list[Session] = []

    def run(line: str, *, banner: bool = True, wanted: tuple[str, ...] = (), **options: str) -> NodeInfo:
        session = Session(board(tmp_path, image(line, **options)))
        made.append(session)
        find_console(session, limit_s=120.0)  # it formats its flash first
        session.restart(74_880)
        console = find_console(session, limit_s=120.0)
        return read_node(console, console.before if banner else "", wanted=wanted)

    yield run
    for session in made:
        session.close()


@pytest.mark.parametrize(
    ("line", "version", "baud"),
    [("0.9", "0.9.5", 9600), ("1.5", "1.5.4.1", 115200), ("2.2", "2.2.1", 115200), ("3.0", "3.0.0.0", 115200)],
)
def test_every_generation_tells_version_and_hardware(line: str, version: str, baud: int, read: Reader) -> None:
    info = read(line)
    assert (info.version, info.baud) == (version, baud)
    assert info.chip_id == 0x00000A
    assert info.flash_id == 0x1640EF
    assert info.flash_size == 4 * 1024 * 1024
    assert (info.flash_mode, info.flash_speed) == ("dio", 40_000_000)
    assert info.number_type == "float"
    assert info.heap == 40_000
    assert info.room is not None
    assert sum(info.room[:2]) == info.room[2] > 3_000_000


def test_3x_tells_its_build_without_a_banner(read: Reader) -> None:
    info = read("3.0", banner=False, kind="integer", lfs="0x10000", modules="file,mqtt,node,tmr")
    assert info.modules == ("file", "mqtt", "node", "tmr")
    assert info.modules_found == "firmware"
    assert (info.branch, info.commit, info.release) == ("release", "0123456789abcdef", "3.0.0-release_20210201")
    assert (info.number_type, info.ssl) == ("integer", False)
    assert info.lfs_size is not None


def test_before_3x_the_banner_tells_the_modules(read: Reader) -> None:
    info = read("2.2", modules="file,mqtt,node,tmr,wifi")
    assert info.modules == ("file", "mqtt", "node", "tmr", "wifi")
    assert (info.modules_found, info.ssl, info.branch, info.lfs_size) == ("banner", True, "master", None)


def test_without_a_banner_modules_are_tried(read: Reader) -> None:
    info = read("2.2", banner=False, modules="file,mqtt,node,tmr,wifi")
    assert info.modules == ("file", "mqtt", "node", "tmr", "wifi")
    assert info.modules_found == "tried"
    assert info.ssl is None


def test_a_wanted_module_that_is_not_named_is_tried(read: Reader) -> None:
    info = read("3.0", wanted=("mqtt", "string", "tmr"))
    assert info.has("string")
    assert info.has("tmr")
    assert not info.has("mqtt")


@pytest.fixture(params=["0.9", "1.5", "2.2", "3.0"])
def session(request: pytest.FixtureRequest, tmp_path: Path, own_state: Path) -> Iterator[Session]:
    del own_state
    made = Session(board(tmp_path, image(request.param)))
    yield made
    made.close()


def test_each_generation_is_found_and_answers(session: Session, request: pytest.FixtureRequest) -> None:
    found = find_console(session, limit_s=120.0)
    assert found.baud == (9600 if "0.9" in request.node.name else 115200)
    assert found.ask('"a".."b"') == "ab"
    assert found.lines("for i=1,3 do p(i)end") == ["1", "2", "3"]
    with pytest.raises(LuaFailedError, match="nothing"):
        found.ask("nothing.here")
    assert found.ask("1+1") == "2"
