"""What a chip does after reset: banner, strapping, watchdog loops, wrong modes, speeds, restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.boot import OPTION_NAMES, Strap, rom_banner

Maker = Callable[..., bytes]


@pytest.mark.parametrize(
    ("gpio15", "gpio0", "gpio2", "mode"),
    [(0, 0, 0, 0), (0, 0, 1, 1), (0, 1, 0, 2), (0, 1, 1, 3), (1, 0, 0, 4), (1, 0, 1, 5), (1, 1, 0, 6), (1, 1, 1, 7)],
)
def test_boot_mode_digit_is_that_of_the_pins(gpio15: int, gpio0: int, gpio2: int, mode: int) -> None:
    strap = Strap(gpio0=bool(gpio0), gpio2=bool(gpio2), gpio15=bool(gpio15))
    expected = f"\r\n ets Jan  8 2013,rst cause:2, boot mode:({mode},6)\r\n\r\n"
    assert rom_banner(strap, 2).decode() == expected + ("waiting for host\r\n" if gpio15 else "")


def test_watchdog_reset_is_named() -> None:
    assert rom_banner(Strap(), 4, 7) == b"\r\n ets Jan  8 2013,rst cause:4, boot mode:(3,7)\r\n\r\nwdt reset\r\n"


def test_no_program_starts_unless_the_pins_say_flash(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    heard = boot(cells(nodemcu_3x()), strap=Strap(gpio15=True))
    assert heard.text().endswith("waiting for host\r\n")
    assert heard.application.wake_at() is None
    assert heard.application.reset_request is None


def test_blank_flash_is_reset_by_the_watchdog(boot: Any, cells: Any) -> None:
    heard = boot(cells(), watchdog_s="2.5")
    assert heard.text().endswith("boot mode:(3,6)\r\n\r\nets_main.c \r\n")
    assert heard.application.reset_request == 4
    assert heard.application.wake_at() is None
    assert heard.now == pytest.approx(2.5, abs=0.1)


def test_damaged_image_is_reset_by_the_watchdog(boot: Any, cells: Any, make_image: Maker) -> None:
    heard = boot(cells(make_image([(0x40100000, bytes(64))], checksum=1)))
    assert heard.text().endswith("csum 0xef\r\ncsum err\r\nets_main.c \r\n")
    assert heard.application.reset_request == 4


def test_mode_the_part_cannot_do(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x())
    assert boot(flash, modes={3}).text().endswith("ets_main.c \r\n")
    zeros = boot(flash, modes={3}, bad_mode="csum")
    assert (
        "load 0x40100000, len 1024, room 16 \r\ntail 0\r\nchksum 0xef\r\nload 0x00000000, len 0, room 8" in zeros.text()
    )
    assert zeros.application.reset_request == 4


def test_mode_the_part_cannot_do_may_crash_for_ever(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    heard = boot(cells(nodemcu_3x()), modes={3}, bad_mode="exception", until=5.0)
    assert heard.text().count("ets Jan") > 3
    assert heard.text().count("Fatal exception 0(IllegalInstructionCause):\r\nepc1=0x") > 3
    assert heard.application.reset_request is None


def test_crystal_sets_the_speed_of_the_rom(boot: Any, cells: Any) -> None:
    assert {said.baud for said in boot(cells()).said} == {74880}
    assert {said.baud for said in boot(cells(), crystal_mhz=40).said} == {115200}


def test_bytes_take_their_time_on_the_wire(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    heard = boot(cells(nodemcu_2x()))
    for before, after in zip(heard.said, heard.said[1:], strict=False):
        assert after.at_s >= before.at_s + len(before.data) * 10 / before.baud - 1e-9


def test_input_before_the_prompt_or_at_another_speed_is_lost(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    heard = boot(cells(nodemcu_2x()), until=0.2)
    heard.application.receive(b"print(1)\r\n", 74880, 0.2)
    heard.advance()
    assert heard.text().endswith("\r\n> ")
    heard.application.receive(b"print(1)\r\n", 9600, heard.now)
    assert heard.application.wake_at() is None
    assert heard.type("print(2)") == "> "


def test_steps_can_be_taken_one_by_one(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    heard = boot(cells(nodemcu_3x()), until=0.05)
    assert heard.text().startswith("\r\n ets Jan  8 2013")
    assert "NodeMCU" not in heard.text()
    assert heard.application.baud == 74880
    heard.advance()
    assert heard.application.baud == 115200


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("exception", "Fatal exception 29(StoreProhibitedCause):\r\nepc1=0x"),
        ("panic", "PANIC: unprotected error in call to Lua API (not enough memory)\r\n"),
    ],
)
def test_troubles_that_restart(trouble: str, says: str, boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    heard = boot(cells(nodemcu_2x(size_frequency=0), 0x80000), until=20.0, trouble=trouble)
    assert heard.text().count(says) > 3
    assert "rst cause:4" not in heard.text()


def test_troubles_that_say_nothing(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    flash = cells(nodemcu_2x())
    for trouble, cause in (("silence", None), ("watchdog", 4)):
        heard = boot(flash, trouble=trouble)
        assert heard.text().splitlines()[-1].startswith("csum 0x")
        assert heard.application.reset_request == cause


@pytest.mark.parametrize(
    "options",
    [
        {"colour": "red"},
        {"rom_s": "soon"},
        {"rom_s": "-1"},
        {"bad_mode": "x"},
        {"trouble": "x"},
        {"boot_mode_b": "9"},
        {"sdk_s": "nan"},
    ],
)
def test_unknown_options_are_refused_by_name(options: dict[str, str], boot: Any, cells: Any) -> None:
    with pytest.raises(BadValueError, match=next(iter(options))):
        boot(cells(), **options)
    assert "bad_mode" in OPTION_NAMES
