from __future__ import annotations

import pytest
from flashpipe.sim.devices.interrupts import Line

from tests.sim.executed import MS, Bench

CTRL, FIRST, SECOND, STAGE, FEED = (0x60000900 + at for at in (0x00, 0x04, 0x08, 0x10, 0x14))


class Dog(Bench):
    """A bench that counts bites."""

    def __init__(self) -> None:
        super().__init__()
        self.bites: list[int] = []
        self.devices.watchdog._bite = lambda: self.bites.append(self.state.cycles)


@pytest.fixture
def bench() -> Dog:
    return Dog()


def as_the_sdk(bench: Dog) -> None:
    for address, value in ((FIRST, 11), (SECOND, 13), (CTRL, 0x38), (CTRL, 0x39)):
        bench.devices.watchdog.write(address, value)


def later(bench: Dog, seconds: float) -> None:
    for _ in range(100):
        bench.state.cycles += round(seconds * 10 * MS)
        bench.devices.agenda.run_due()


def test_bites_after_two_stages(bench: Dog) -> None:
    """1.68 s and 6.71 s (mongoose-os.com/blog/esp8266-watchdog-timer)."""
    as_the_sdk(bench)
    later(bench, 1.6)
    assert not bench.state.interrupt
    later(bench, 0.1)
    assert bench.state.interrupt == 1 << Line.WATCHDOG
    assert bench.devices.watchdog.read(STAGE) == 1
    later(bench, 6.6)
    assert bench.bites == []
    later(bench, 0.2)
    assert len(bench.bites) == 1


def test_a_fed_dog_does_not_bite(bench: Dog) -> None:
    as_the_sdk(bench)
    for _ in range(5):
        later(bench, 4)
        bench.devices.watchdog.write(FEED, 0x73)
    assert bench.bites == []
    assert bench.devices.watchdog.read(STAGE) == 0


def test_other_food_is_refused(bench: Dog) -> None:
    as_the_sdk(bench)
    for _ in range(3):
        later(bench, 4)
        bench.devices.watchdog.write(FEED, 1)
    assert len(bench.bites) == 1


def test_one_stage(bench: Dog) -> None:
    bench.devices.watchdog.write(FIRST, 12)
    bench.devices.watchdog.write(CTRL, 0x3D)
    later(bench, 3.3)
    assert bench.bites == []
    later(bench, 0.1)
    assert len(bench.bites) == 1


def test_switched_off(bench: Dog) -> None:
    as_the_sdk(bench)
    bench.devices.watchdog.write(CTRL, 0x38)
    later(bench, 20)
    assert bench.bites == []


def test_after_a_reset_it_is_off_and_zero(bench: Dog) -> None:
    """bootloaders/eboot/eboot.c of the Arduino core."""
    as_the_sdk(bench)
    bench.devices.reset(pll=False)
    assert [bench.devices.watchdog.read(address) for address in (CTRL, FIRST, SECOND)] == [0, 0, 0]
