from __future__ import annotations

import pytest
from flashpipe.sim.devices.interrupts import Line
from flashpipe.sim.devices.mac import SEND_STATUS, SENDS, SENT_EVENT

from tests.sim.executed import DATA, MS, Bench

TIME, EVENTS, CLEAR, RANDOM, COUNT, CONTROL, LOW, HIGH = (
    0x3FF20C00, 0x3FF20C20, 0x3FF20C24, 0x3FF20E44, 0x3FF21048, 0x3FF210C8, 0x3FF210CC, 0x3FF210D0,
)  # fmt: skip


@pytest.fixture
def bench() -> Bench:
    return Bench()


def later(bench: Bench, cycles: int) -> None:
    bench.state.cycles += cycles
    bench.devices.agenda.run_due()


def test_microseconds(bench: Bench) -> None:
    before = bench.devices.mac.read(TIME)
    later(bench, 5 * MS)
    assert bench.devices.mac.read(TIME) - before == 5000
    assert bench.devices.mac.read(COUNT) == bench.devices.mac.read(TIME)


def test_the_alarm_of_the_software_watchdog(bench: Bench) -> None:
    mac = bench.devices.mac
    mac.write(LOW, mac.read(COUNT) + 1600)
    mac.write(HIGH, 0)
    mac.write(CONTROL, 1 << 31)
    later(bench, MS)
    assert not bench.state.interrupt
    later(bench, MS)
    assert bench.state.interrupt == 1 << Line.MAC
    assert mac.read(EVENTS) == 1 << 26
    mac.write(CLEAR, 1 << 26)
    assert not bench.state.interrupt
    later(bench, 100 * MS)
    assert not bench.state.interrupt


def test_an_alarm_is_moved(bench: Bench) -> None:
    mac = bench.devices.mac
    mac.write(CONTROL, 1 << 31)
    mac.write(CLEAR, 1 << 26)
    for _ in range(3):
        mac.write(LOW, mac.read(COUNT) + 1600)
        mac.write(HIGH, 0)
        later(bench, MS)
    assert not bench.state.interrupt


def test_noise_repeats_with_its_seed() -> None:
    series = [[Bench(seed=seed).devices.mac.random() for _ in range(3)] for seed in (1, 1, 2)]
    assert series[0] == series[1] != series[2]
    bench = Bench(seed=7)
    words = {bench.devices.bus.read(RANDOM, 4) for _ in range(100)}
    assert len(words) == 100


def ask_until(bench: Bench, microseconds: int) -> int:
    """A loop that waits by asking for the time; how often it asks."""
    start = bench.devices.bus.read(TIME, 4)
    count = 0
    while bench.devices.bus.read(TIME, 4) - start < microseconds:
        bench.state.cycles += 20
        bench.devices.agenda.run_due()
        count += 1
    return count


@pytest.mark.parametrize("microseconds", [100_000, 1_000_000, 30_000_000])
def test_a_program_that_waits_by_the_clock_is_idle(bench: Bench, microseconds: int) -> None:
    bench.devices.note_activity()
    before = bench.state.cycles
    assert ask_until(bench, microseconds) < 30_000
    passed = (bench.state.cycles - before) / 80
    assert microseconds <= passed <= microseconds * 1.02 + 100


def test_soon_after_something_happened_nothing_is_skipped(bench: Bench) -> None:
    bench.devices.note_activity()
    assert ask_until(bench, 1000) > 2000


def test_no_event_is_passed(bench: Bench) -> None:
    seen: list[int] = []
    event = bench.devices.agenda.event(lambda at: seen.append(bench.state.cycles - at))
    event.schedule(bench.state.cycles + 3000 * MS)
    ask_until(bench, 5_000_000)
    assert seen
    assert seen[0] < 100


def test_the_macs_interrupt_can_be_the_nmi_as_well(bench: Bench) -> None:
    mac, state = bench.devices.mac, bench.state
    bench.devices.bus.write(0x3FF00000, 4, 1)
    mac.write(LOW, mac.read(COUNT) + 1600)
    mac.write(CONTROL, 1 << 31)
    later(bench, 2 * MS)
    assert state.interrupt == 1 << Line.MAC | 1 << Line.NMI
    state.interrupt &= ~(1 << Line.NMI)  # as the core does when it takes it
    bench.devices.bus.write(0x3FF00000, 4, 0)
    assert state.interrupt == 1 << Line.MAC
    bench.devices.bus.write(0x3FF00000, 4, 1)
    assert state.interrupt == 1 << Line.MAC | 1 << Line.NMI
    state.interrupt &= ~(1 << Line.NMI)
    mac.write(CLEAR, 1 << 26)
    bench.devices.bus.write(0x3FF00000, 4, 0)
    bench.devices.bus.write(0x3FF00000, 4, 1)
    assert not state.interrupt


# --- frames ----------------------------------------------------------------------------------------------------------

NOW = 3 << 30


def frame(bench: Bench, to: bytes, length: int = 100) -> int:
    """Put a frame into memory; what its queue's register holds then."""
    content = bench.put(bytes(4) + to)
    at = bench.put((length << 12).to_bytes(4, "little") + content.to_bytes(4, "little"))
    return at & 0x3FFFF


def test_a_frame_to_anybody_goes_out_in_its_time(bench: Bench) -> None:
    mac = bench.devices.mac
    mac.write(SENDS[2], frame(bench, b"\xff" * 6) | NOW)
    later(bench, 990 * 80)
    assert not bench.state.interrupt
    later(bench, 2 * 80)
    assert bench.state.interrupt == 1 << Line.MAC
    assert (mac.read(EVENTS), mac.read(SEND_STATUS)) == (SENT_EVENT, 2 << 12)
    assert not mac.read(SENDS[2]) & NOW
    mac.write(CLEAR, SENT_EVENT)
    assert not bench.state.interrupt


def test_a_frame_to_somebody_is_not_acknowledged(bench: Bench) -> None:
    mac = bench.devices.mac
    mac.write(SENDS[0], frame(bench, bytes.fromhex("5ccf7f000002")) | NOW)
    later(bench, MS)
    assert mac.read(SEND_STATUS) >> 28 == 5


def test_the_next_frame_waits_until_the_program_knows_of_the_last(bench: Bench) -> None:
    mac = bench.devices.mac
    for queue in (0, 3):
        mac.write(SENDS[queue], frame(bench, b"\xff" * 6) | NOW)
    later(bench, 10 * MS)
    assert (mac.sending, mac.read(SEND_STATUS)) == ([3], 0)
    mac.write(CLEAR, SENT_EVENT)
    later(bench, MS)
    assert (mac.sending, mac.read(SEND_STATUS)) == ([], 3 << 12)


def test_a_frame_that_is_taken_back_is_not_sent(bench: Bench) -> None:
    mac = bench.devices.mac
    mac.write(SENDS[0], NOW | DATA & 0x3FFFF)
    mac.write(SENDS[0], 0)
    later(bench, 10 * MS)
    assert not bench.state.interrupt


def test_where_no_frame_lies_nothing_breaks(bench: Bench) -> None:
    bench.devices.mac.write(SENDS[0], NOW)
    later(bench, MS)
    assert bench.devices.mac.read(EVENTS) == SENT_EVENT
