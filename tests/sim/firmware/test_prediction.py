"""What is predicted of a program that is not executed: banner and prompt, and nothing that only executing tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flashpipe.sim.chip import factory, image
from flashpipe.sim.firmware import identify as firmware

from tests.sim.chips import MB

Maker = Callable[..., bytes]


def other(text: bytes, make_image: Maker, *, checks: bool = True) -> bytes:
    body = b"\0" * 32 + text + b"\0" + (b"rf_cal[0] !=0x05,is 0x%02X\n\0" if checks else b"")
    return make_image([(0x40100000, bytes(64))], size_frequency=0x40).ljust(0x10000, b"\xff") + body


def test_nodemcu_greets_with_the_texts_of_its_image(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x())
    heard = boot(flash)
    assert heard.text(115200) == (
        "\r\nNodeMCU 3.0.0.0 \r\n\tbranch: release\r\n\tcommit: 4567\r\n"
        "\trelease: 3.0.0-release_x\r\n\trelease DTS: 202402250804\r\n"
        "\tSSL: false\r\n\tbuild type: float\r\n\tLFS: 0x0 bytes total capacity\r\n\tmodules: file,node,wifi\r\n"
        " build 2024-03-01 12:00 powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\r\n> "
    )
    assert heard.type("print(1)") == "> ", "it echoes, and evaluates nothing"
    assert flash.erased == [0xF000], "that of the init data"


def test_where_the_banner_ends_the_sdk_is_named(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    assert boot(cells(nodemcu_2x())).text(115200).endswith("powered by Lua 5.1.4 on SDK 2.2.1(cfd48f3)\r\n> ")


@pytest.mark.parametrize(("found", "named"), [(b"\xff", "0xFF"), (b"\0", "0x00"), (b"\x31", "0x31")])
def test_without_init_data_an_sdk_restarts_for_ever(
    found: bytes, named: str, boot: Any, cells: Any, nodemcu_2x: Maker
) -> None:
    flash = cells(nodemcu_2x(init_data=found != b"\xff"))
    flash.program(4 * MB - 0x4000, found)
    assert boot(flash, until=4.0).text().count(f"rf_cal[0] !=0x05,is {named}\r\n") > 2


def test_09x_speaks_9600(boot: Any, cells: Any, make_image: Maker) -> None:
    banner = b"NodeMCU 0.9.6 build 20150704  powered by Lua 5.1.4\n"
    heard = boot(cells(other(banner, make_image, checks=False)))
    assert heard.text(9600) == "\r\nNodeMCU 0.9.6 build 20150704  powered by Lua 5.1.4\r\n> "
    assert heard.application.baud == 9600


def test_micropython_prompt_only_echoes(boot: Any, cells: Any, make_image: Maker) -> None:
    text = b"MicroPython v1.9.4 on 2018-05-11; ESP module with ESP8266"
    heard = boot(cells(other(text, make_image, checks=False)))
    assert heard.text(115200) == "\r\nMicroPython v1.9.4 on 2018-05-11; ESP module with ESP8266\r\n>>> "
    assert heard.type("1+1") == ">>> "


def test_unknown_program_is_silent_after_the_rom(boot: Any, cells: Any, make_image: Maker) -> None:
    heard = boot(cells(other(b"hello", make_image)))
    assert heard.text().endswith("csum 0xef\r\n")
    assert heard.application.wake_at() is None
    assert heard.application.reset_request is None


def test_lower_program_hides_remains_of_an_older_one(cells: Any, make_image: Maker, nodemcu_2x: Maker) -> None:
    old, new = bytearray(nodemcu_2x(code=0x30000)), other(b"MicroPython v9 on 2030-01-01; x", make_image)
    old[: len(new)] = new
    texts = b"\nNodeMCU custom build by remains\0"
    old[0x20000 : 0x20000 + len(texts)] = texts
    flash = cells(bytes(old))
    assert firmware.identify(flash.read, image.walk(flash.read)).prompt == b">>> "


def test_factory_flash_is_ready(boot: Any, cells: Any) -> None:
    heard = boot(cells(factory.factory_contents(MB), MB))
    assert heard.text(115200) == "\r\nready\r\n"
