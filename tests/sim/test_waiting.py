from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.sim.memory import IRAM_START
from flashpipe.sim.waiting import CALM_SHARE, LONGEST_NAP_S, LONGEST_WATCH_S, SHORTEST_NAP_S, Naps

from tests.sim.executed import image
from tests.sim.test_board import Wall, build
from tests.sim.test_executed import echoing


@pytest.mark.parametrize(
    ("quiet_s", "due_s", "nap_s"),
    [
        (0.0, 0.001, 0.001),
        (0.1, 0.001, 0.1 * CALM_SHARE),
        (0.1, 0.2, 0.2),
        (100.0, 0.001, LONGEST_NAP_S),
        (100.0, 100.0, LONGEST_NAP_S),
        (0.0, 0.0, SHORTEST_NAP_S),
    ],
)
def test_a_calm_board_is_left_alone_for_a_share_of_its_silence(quiet_s: float, due_s: float, nap_s: float) -> None:
    naps = Naps(10.0)
    naps.stir(20.0)
    assert naps.until(due_s, 20.0 + quiet_s, calm=True) == pytest.approx(nap_s)
    assert naps.until(due_s, 20.0 + quiet_s, calm=False) == max(SHORTEST_NAP_S, min(due_s, LONGEST_NAP_S))


def test_where_more_than_the_firmware_goes_by_the_clock_naps_are_short() -> None:
    naps = Naps(0.0)
    assert naps.until(0.001, 100.0, calm=False, watched=True) == 0.001
    assert naps.until(0.001, 100.0, calm=True, watched=True) == LONGEST_WATCH_S
    assert naps.until(100.0, 100.0, calm=False, watched=True) == LONGEST_WATCH_S


def test_a_silent_firmware_is_looked_at_seldom_and_answers_at_once(tmp_path: Path) -> None:
    flash, wall = tmp_path / "flash", Wall()
    flash.write_bytes(image({IRAM_START: echoing()}, IRAM_START + 8).ljust(1 << 20, b"\xff"))
    line = build(f"sim://esp01-1m?flash={flash}&time=real&wiring=devkit&start=app", wall)
    line.set_baud(74880)
    looks = 0
    while wall.seconds < 10.0:
        wall.seconds += line.nap_s()
        looks += wall.seconds > 6.0
        line.take()
    assert looks <= 6
    line.write(b"x")
    asked, heard = wall.seconds, b""
    while not heard:
        wall.seconds += line.nap_s()
        heard = line.take()
    assert heard == b"x"
    assert wall.seconds - asked < 0.002, "a byte takes 0.13 ms each way"
    line.close()


def test_a_fault_begins_by_the_clock_though_the_firmware_is_silent(tmp_path: Path) -> None:
    flash, wall = tmp_path / "flash", Wall()
    flash.write_bytes(image({IRAM_START: echoing()}, IRAM_START + 8).ljust(1 << 20, b"\xff"))
    line = build(f"sim://esp01-1m?flash={flash}&time=real&wiring=devkit&start=app&fault=deaf@time:20", wall)
    while line.faults.waiting:
        wall.seconds += line.nap_s()
        line.take()
    assert 20.0 <= wall.seconds < 20.0 + 2 * LONGEST_WATCH_S
    line.close()
