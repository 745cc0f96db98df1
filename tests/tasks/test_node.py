"""`doit node`: what a running firmware says of itself; tests/board/lua asks NodeMCU of every line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flashpipe.sim.ports import registry

from tests.harness import Done, Project
from tests.nodemcu import IN_PACKAGE, NodeMcu

Command = Callable[..., Done]


@pytest.fixture(autouse=True, scope="module")
def predicted() -> None:
    """Not here: in this module the firmware is executed."""


@pytest.fixture
def board(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[NodeMcu]:
    yield NodeMcu.of(IN_PACKAGE, tmp_path / "flash.bin", request)
    registry.forget_boards()


def test_node_says_what_runs_and_what_the_flash_is(board: NodeMcu, command: Command, project: Project) -> None:
    done = command("node", f"port={board.url}&part=GD25Q80B", "profile=esp01-1m").ok()
    for words in (
        "NodeMCU 1.5.4, branch 1.5.4.1-final",
        "Lua 5.1.4, float numbers, SSL",
        "console  115200 baud",
        "adc bit file gpio http i2c net node ow pwm spi tls tmr uart wifi ws2801 ws2812",
        "ID c8/4014, dio, 40 MHz",
        "1 MB by the image header, 1 MB by the chip, 1 MB by the profile\n",
        "0x00000a, the end of the MAC",
    ):
        assert words in done.out
    assert not project.receipts()


def test_sizes_that_disagree_are_named(board: NodeMcu, command: Command) -> None:
    done = command("node", f"port={board.url}&part=GD25Q32C", "profile=nodemcu-devkit").ok()
    assert "1 MB by the image header, 4 MB by the chip, 4 MB by the profile  (they disagree" in done.out


@pytest.mark.parametrize("reset", ["auto", "none"])
def test_a_board_that_is_still_in_its_loader_wants_its_reset_pressed(
    tmp_path: Path, command: Command, reset: str
) -> None:
    url = f"sim://esp12?flash={tmp_path}/blank.bin&fill=ff&wiring=none"
    failed = command("node", f"port={url}", f"reset={reset}").failed("no-lua-prompt")
    assert "in its loader" in failed.text
    assert "next: press RESET yourself, and run the same command again" in failed.text


def test_a_board_without_lua_is_told_as_such(tmp_path: Path, command: Command) -> None:
    url = f"sim://nodemcu-devkit?flash={tmp_path}/blank.bin&fill=ff"
    failed = command("node", f"port={url}").failed("no-lua-prompt")
    assert failed.status == 36
    assert "no image" in failed.text
