"""At which rate a monitor listens, from bytes and times alone."""

from __future__ import annotations

import random

import pytest
from flashpipe.board.boot.follower import AGAIN_S, PAUSE_S, ROM_BAUD, SILENCE_S, START_BYTES, RateFollower

FIRMWARE = 115200
BANNER = b"\r\nNodeMCU 3.0.0.0\r\n> "


def noise(count: int) -> bytes:
    """What a UART makes of the wrong rate: more than half of it is not printable."""
    chance = random.Random(count)
    return bytes(chance.choice((0x81, 0xFE, 0x1F, 0xA5, 0xC1, 0x39)) for _ in range(count))


def test_a_start_and_what_its_firmware_says_are_heard_at_the_firmwares_rate() -> None:
    rates = RateFollower(FIRMWARE)
    for start in range(5):
        rates.hear(noise(400), start * 10.0)
        rates.hear(noise(130), start * 10.0 + 0.3)
        rates.hear(BANNER, start * 10.0 + 0.6)
        assert rates.baud == FIRMWARE


def started_again(rates: RateFollower) -> float:
    """Two starts without a word; the time."""
    rates.hear(noise(400), 0.0)
    rates.hear(noise(400), 2.0)
    return 2.0


def test_a_board_that_starts_again_without_a_word_is_heard_at_the_roms_rate() -> None:
    rates = RateFollower(FIRMWARE)
    now = started_again(rates)
    assert rates.baud == ROM_BAUD
    rates.hear(noise(60), now + 0.01)
    assert rates.baud == ROM_BAUD, "these were sampled before"
    for second in range(3):
        rates.hear(b"Fatal exception (28):\r\n", now + second + 1)
    assert rates.baud == ROM_BAUD


def test_so_is_one_that_starts_again_without_a_pause() -> None:
    rates = RateFollower(FIRMWARE)
    for piece in range(START_BYTES // 100):
        assert rates.baud == FIRMWARE
        rates.hear(noise(100), piece * PAUSE_S / 2)
    assert rates.baud == ROM_BAUD


def test_garbage_there_is_the_firmware() -> None:
    rates = RateFollower(FIRMWARE)
    now = started_again(rates)
    rates.hear(noise(40), now + 1)
    assert rates.baud == FIRMWARE


def test_a_rate_that_is_neither_is_not_looked_for_without_end() -> None:
    rates = RateFollower(FIRMWARE)
    now, turns = started_again(rates), 0
    for step in range(100):
        before = rates.baud
        rates.hear(noise(40), now + 1 + step * AGAIN_S / 10)
        turns += rates.baud != before
    assert turns <= 2 + 2 * 10
    assert (rates.any_text, rates.any_garbage) == (False, True)


@pytest.mark.parametrize("typed", [True, False])
def test_who_types_and_a_long_silence_bring_it_back(*, typed: bool) -> None:
    rates = RateFollower(FIRMWARE)
    now = started_again(rates)
    rates.look(now + SILENCE_S / 2)
    assert rates.baud == ROM_BAUD
    if typed:
        rates.typed(now + SILENCE_S / 2)
    else:
        rates.look(now + SILENCE_S)
    assert rates.baud == FIRMWARE


def test_at_the_roms_rate_there_is_nothing_to_follow() -> None:
    rates = RateFollower(ROM_BAUD)
    started_again(rates)
    assert rates.baud == ROM_BAUD
