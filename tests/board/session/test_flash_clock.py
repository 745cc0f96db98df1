"""The faster clock of the flash: where it is used, what proves it, and what happens where it fails."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from flashpipe.board.loader.spi_clock import HALF, QUARTER, SPI_CONTROL, divider
from flashpipe.board.session import flash_clock
from flashpipe.board.session.auto_rate import REFUSED_S, USUAL, AutoRate
from flashpipe.board.session.flash_clock import SAMPLES, FlashClock
from flashpipe.errors import WireDamage, WireError
from flashpipe.flash import Region

pytestmark = pytest.mark.usefixtures("own_state")
MAC = "5c:cf:7f:00:00:01"
OTHER_BITS = 0x00288000
"""Of the register: read mode and cache."""


@dataclass
class Link:
    """A loader whose flash reads rightly up to a clock."""

    register: int = OTHER_BITS | QUARTER
    slowest: int = 2
    """Smallest divider at which the flash is read rightly."""
    silent: bool = False
    """It does not answer at all below that."""
    cells: dict[int, int] = field(default_factory=lambda: dict.fromkeys((part.start for part in SAMPLES), 7))
    asked: list[int] = field(default_factory=list)

    def read_register(self, address: int) -> int:
        assert address == SPI_CONTROL
        return self.register

    def write_registers(self, *values: tuple[int, int]) -> None:
        ((address, self.register),) = values
        assert address == SPI_CONTROL

    def md5(self, region: Region) -> bytes:
        self.asked.append(region.start)
        byte = self.cells[region.start]
        if divider(self.register) < self.slowest:
            if self.silent:
                raise WireError("no answer", "")
            byte ^= 1
        return hashlib.md5(bytes([byte]) * region.size).digest()


@dataclass
class Bench:
    """As much of a session as a clock needs."""

    link: Link
    auto: AutoRate | None
    baud: int = 1500000
    crystal: int = 26
    resets_by_wire: bool = True
    flash_mhz: int = 0
    notes: list[str] = field(default_factory=list)
    begun: int = 0

    def connected(self) -> Any:
        return type("Device", (), {"crystal_mhz": self.crystal})

    def notify(self, text: str) -> None:
        self.notes.append(text)

    def begin_anew(self, _baud: int) -> None:
        self.begun += 1
        self.link.register = OTHER_BITS | QUARTER


def bench(link: Link | None = None, now: float = 1e9, **words: Any) -> Bench:
    auto = AutoRate("socket://board", "esp12", lambda: now)
    auto.begin(MAC)
    return replace(Bench(link or Link(), auto), **words)


def clock(session: Bench, mhz: int = 40) -> FlashClock:
    return FlashClock(cast("Any", session), mhz)


def test_a_flash_that_follows_is_clocked_at_half_the_bus_and_back() -> None:
    session = bench()
    made = clock(session)
    assert made.raise_() is False, "a sector has told"
    assert (session.link.register, session.flash_mhz) == (OTHER_BITS | HALF, 26)
    assert session.link.asked == [0, 0]
    made.lower()
    assert session.link.register == OTHER_BITS | QUARTER
    assert session.flash_mhz == 26, "as it was written, for the receipt"


def _no_auto(session: Bench) -> None:
    session.auto = None


def _fast_already(session: Bench) -> None:
    session.link.register = OTHER_BITS | 0x101


def _unknown_register(session: Bench) -> None:
    session.link.register = 0


def _refused(session: Bench) -> None:
    assert session.auto
    session.auto.clock_failed()


def _fast_crystal(session: Bench) -> None:
    session.crystal = 52


@pytest.mark.parametrize("why", [_no_auto, _fast_already, _unknown_register, _refused, _fast_crystal])
def test_elsewhere_nothing_is_touched(why: Callable[[Bench], None]) -> None:
    session = bench()
    why(session)
    before = session.link.register
    assert clock(session).raise_() is False
    assert (session.link.register, session.link.asked, session.flash_mhz) == (before, [], 0)


def test_a_flash_whose_header_says_less_is_not_clocked_faster() -> None:
    session = bench()
    assert clock(session, 20).raise_() is False
    assert session.link.register == OTHER_BITS | QUARTER
    assert clock(session, 26).raise_() is False
    assert session.link.register == OTHER_BITS | HALF


def test_blank_sectors_tell_nothing() -> None:
    session = bench(Link(cells={0x0: 0xFF, 0x1000: 0x00, 0x10000: 7, 0x20000: 7}))
    assert clock(session).raise_() is False
    assert session.link.asked == [0x0, 0x1000, 0x10000, 0x10000]


def test_on_a_blank_flash_what_is_written_first_has_to_tell() -> None:
    session = bench(Link(cells=dict.fromkeys((part.start for part in SAMPLES), 0xFF)))
    assert clock(session).raise_() is True
    assert session.link.register == OTHER_BITS | HALF


def test_a_flash_that_is_read_wrongly_is_left_at_the_usual_clock_for_a_month() -> None:
    session = bench(Link(slowest=4))
    made = clock(session)
    assert made.raise_() is False
    assert (session.link.register, session.flash_mhz, made.fast) == (OTHER_BITS | QUARTER, 0, False)
    assert len(session.notes) == 1
    assert clock(later := bench(now=1e9 + REFUSED_S - 1)).raise_() is False
    assert later.link.register == OTHER_BITS | QUARTER
    clock(later := bench(now=1e9 + REFUSED_S + 1)).raise_()
    assert later.link.register == OTHER_BITS | HALF


def test_a_board_that_falls_silent_is_reset_and_its_rate_is_not_blamed() -> None:
    session = bench(Link(slowest=4, silent=True))
    assert clock(session).raise_() is False
    assert (session.begun, session.link.register) == (1, OTHER_BITS | QUARTER)
    assert session.auto
    assert (session.auto.failures, session.auto.clock_refused()) == (0, True)


def test_a_board_that_falls_silent_and_that_no_wire_resets_is_lost() -> None:
    session = bench(Link(slowest=4, silent=True), resets_by_wire=False)
    with pytest.raises(WireError):
        clock(session).raise_()


def test_after_a_doubt_it_is_not_used_again_in_this_run_and_not_held_against_the_board() -> None:
    session = bench()
    made = clock(session)
    made.raise_()
    made.doubt()
    assert (session.link.register, session.flash_mhz) == (OTHER_BITS | QUARTER, 0)
    assert made.raise_() is False
    assert session.link.register == OTHER_BITS | QUARTER
    assert clock(session).raise_() is False
    assert session.link.register == OTHER_BITS | HALF, "another run"


@pytest.mark.parametrize(
    ("baud", "damage", "refused"),
    [(USUAL, WireDamage.NONE, True), (USUAL, WireDamage.BYTES, False), (1500000, WireDamage.NONE, False)],
)
def test_a_broken_conversation_is_the_clocks_fault_only_at_a_rate_that_anything_carries_and_without_damage(
    *, baud: int, damage: WireDamage, refused: bool
) -> None:
    session = bench(baud=baud)
    made = clock(session)
    made.raise_()
    made.line_failed(WireError("no answer", damage=damage))
    assert session.auto
    assert session.auto.clock_refused() is refused
    session.begin_anew(USUAL)
    made.raise_()
    assert made.fast is not refused, "the board was reset, and shows again that it follows"


def test_what_is_known_of_rates_outlives_what_is_learnt_of_the_clock_and_the_other_way_round() -> None:
    auto = AutoRate("socket://board", "esp12", lambda: 1e9)
    auto.begin(MAC)
    auto.held(1500000)
    auto.clock_failed()
    again = AutoRate("socket://board", "esp12", lambda: 1e9)
    assert (again.begin(MAC), again.clock_refused()) == (1500000, True)
    again.failed(1500000)
    assert again.clock_refused()


def test_a_sample_lies_on_every_flash() -> None:
    assert all(part.end <= 256 * 1024 for part in flash_clock.SAMPLES)
