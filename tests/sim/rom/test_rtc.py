from __future__ import annotations

import pytest

from tests.sim.executed import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("reason", [1, 2, 4])
def test_the_reason_of_the_reset(bench: Bench, reason: int) -> None:
    bench.devices.rtc.reason = reason
    assert bench.call("rtc_get_reset_reason") == reason


def test_the_watchdog_of_the_rom(bench: Bench) -> None:
    """Nobody has set a mode: all ones (bootloaders/eboot/eboot.c of the Arduino core)."""
    assert bench.call("ets_wdt_get_mode") == 0xFFFFFFFF
    assert bench.call("ets_wdt_disable") == 0xFFFFFFFF
    bench.call("ets_wdt_enable", 4, 12, 12)
    assert bench.devices.watchdog.running
    assert bench.call("ets_wdt_disable") == 4
    assert not bench.devices.watchdog.running
    bench.call("ets_wdt_restore", 3)
    assert bench.devices.watchdog.running
    bench.call("ets_wdt_init")
    assert not bench.devices.watchdog.running


def test_modes_that_feed_themselves_never_bite(bench: Bench) -> None:
    bench.call("ets_wdt_enable", 2, 3, 3)
    assert not bench.devices.watchdog.running


def test_jumping_to_the_start_is_a_restart(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="did not return"):
        bench.call("_ResetVector")
    assert bench.machine.log.resets[0].kind == "restart"
    assert "rst cause:1" in bench.said()
