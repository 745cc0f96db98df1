from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flashpipe.firmware.identify import Firmware, identify_firmware

MICROPYTHON = b"\x00MicroPython v1.10-8-g8b7039d7d on 2019-01-26; ESP module with ESP8266\x00"


def test_nodemcu_3_tells_everything(build: Any) -> None:
    start, code = build.pair_3x()
    found = identify_firmware({0: start, 0x10000: code})
    assert found == identify_firmware({0: build.combine((start, code))})
    assert (found.family, found.version, found.sdk_line, found.layout) == ("nodemcu", "3.0.0.0", "3.x", "3.x-new")
    assert (found.branch, found.release, found.build_date) == ("release", "3.0-release_20201107", "2020-11-29 15:53")
    assert (found.lua, found.number_type, found.ssl, found.lfs_size) == ("5.1.4", "integer", True, 0x20000)
    assert found.modules == ("file", "gpio", "net", "node", "tmr", "uart", "wifi")
    assert found.code_end == 0x40000
    assert not found.adjusts_size
    assert found.title() == "NodeMCU 3.0.0.0 (SDK 3.0.1-dev, integer, SSL, 7 modules, LFS 128 KB)"


def test_old_layout_is_told_from_the_new(build: Any) -> None:
    start, code = build.pair_3x(layout="old")
    assert identify_firmware({0: start, 0x10000: code}).layout == "3.x-old"


def test_nodemcu_2_without_a_version_has_that_of_its_sdk(build: Any) -> None:
    found = identify_firmware({0: build.combine(build.pair_2x())})
    assert (found.version, found.sdk, found.sdk_line, found.layout) == ("2.2.1", "2.2.1(cfd48f3)", "2.x", "2.x")
    assert (found.branch, found.commit, found.build_date, found.ssl) == (
        "master",
        "89abcdef",
        "2018-07-11 14:43",
        False,
    )
    assert found.modules == ("adc", "file", "node")
    assert found.adjusts_size
    assert found.code_end == 0x40000


@pytest.mark.parametrize(
    ("message", "number"), [(b"\0table index is NaN\0", "float"), (b"\0modulo by zero\0", "integer"), (b"", "")]
)
def test_number_type_without_a_line_for_it(build: Any, message: bytes, number: str) -> None:
    start, code = build.pair_2x()
    assert identify_firmware({0: start, 0x10000: code + message}).number_type == number


@pytest.mark.parametrize(
    ("banner", "sdk", "version", "line"),
    [
        (b"\nNodeMcu 0.9.2  powered by Lua 5.1.4", b"", "0.9.2", "0.9"),
        (b"\nNodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4", b"", "0.9.5", "0.9"),
        (b"\nNodeMCU custom build\n build 1 powered by Lua 5.1.4 on SDK ", b"3.0.1-dev(fce080e)", "3.0", "3.x"),
        (b"\nNodeMCU 1.4.0 build unspecified powered by Lua 5.1.4 on SDK 1.4.0", b"", "1.4.0", "1.4"),
        (b"\nNodeMCU 1.5.4.1 build 08/01/17 powered by Lua 5.1.4 on SDK ", b"1.5.4.1(39cb9a32)", "1.5.4.1", "1.5.4.1"),
        (b"\nNodeMCU 1.5.1 build unspecified powered by Lua 5.1.4 on SDK ", b"1.5.1(e67da894)", "1.5.1", "1.5"),
    ],
)
def test_older_lines(build: Any, banner: bytes, sdk: bytes, version: str, line: str) -> None:
    found = identify_firmware({0: build.start(), 0x10000: build.code(banner=banner, sdk=sdk)})
    assert (found.family, found.version, found.sdk_line) == ("nodemcu", version, line)


@pytest.mark.parametrize(
    "banner",
    [
        b"\nKlingel 7.1 \n\tbranch: a\n\tSSL: true\n\tmodules: file,tls\n build 1 powered by Lua 5.1.4 on SDK %s\n",
        b"\nmein Haus build unspecified powered by Lua 5.3.5 on SDK %s\n",
        b"",  # built with DISABLE_STARTUP_BANNER
    ],
)
def test_nodemcu_under_a_name_of_its_builders_is_nodemcu(build: Any, banner: bytes) -> None:
    start, code = build.start(), build.pair_3x()[1][:0x1000]
    own = banner + b"\0Flash size (%u) too small to support NodeMCU\n\0"
    code += build.code(banner=own, sdk=b"3.0.1-dev(fce080e)")
    found = identify_firmware({0: start, 0x10000: code})
    assert (found.family, found.version, found.layout) == ("nodemcu", "3.0", "3.x-new")
    assert found == identify_firmware({0: build.combine((start, code))})
    assert (found.lua, found.modules, found.ssl) == {
        b"Kling": ("5.1.4", ("file", "tls"), True),
        b"mein ": ("5.3.5", (), None),
        b"": ("", (), None),
    }[banner[1:6]]


def test_an_older_nodemcu_under_another_name(build: Any) -> None:
    banner = b"\nKlingel 7.1 build 20170904 powered by Lua 5.1.4 on SDK \0\0Can't list ap in SOFTAP mode"
    found = identify_firmware({0: build.combine((build.start(), build.code(banner=banner, sdk=b"2.1.0(116b762)")))})
    assert (found.family, found.version, found.build_date) == ("nodemcu", "2.1.0", "20170904")


@pytest.mark.parametrize(
    ("text", "family", "version"),
    [
        (MICROPYTHON, "micropython", "1.10-8-g8b7039d7d"),
        (b"\x003.4.0; MicroPython v1.19.1 on 2022-06-18\0\0; ESP module (1M) with ESP8266\0", "micropython", "1.19.1"),
        (b"\x003.4.0; MicroPython v1.19.1 on 2022-06-18\0\0; ESP32 module with ESP32\0", "unknown", ""),
        (b"Adafruit CircuitPython 2.3.1 on 2018-05-07; ESP module with ESP8266\0", "circuitpython", "2.3.1"),
        (b"User-Agent: Espruino 1v99\r\n", "espruino", "1v99"),
        (b"\0\n |_| http://espruino.com\r\n 1v75 Copyright 2015 G.Williams\r\n\0", "espruino", "1v75"),
        (b"\0EspLua.ru 1.3.0 build 20150809  powered by Lua 5.1.4\0", "esplua", "1.3.0"),
        (b"\0EspLua.ru 1.3.0 powered by Lua 5.1.4\0Can't list ap in SOFTAP mode\0", "esplua", "1.3.0"),
        (b"\0LuaOS beta 0.1 powered by Lua 5.3.2\0", "unknown", ""),
        (b"\0A 1 powered by Lua 5.1.4\0B 2 powered by Lua 5.1.4\0Can't list ap in SOFTAP mode", "unknown", ""),
        (b"\0AT version:1.2.0.0(Jul  1 2016)\0", "at", "1.2.0.0"),
        (b"\0+RST\0+GMR\0+CWMODE_CUR\0+CIPSTART\0AT version:%d.%d.%d.%d(%s %s)\0", "at", ""),
        (b"AT+GMR\0AT+CWMODE=1\0AT+CIPSTART=\0", "unknown", ""),
        (b"\0Bin version(Wroom 02):1.7.6\r\n\0+GMR\0", "at", "1.7.6"),
        (b"MicroPython v1.10 on 2019-01-26; ESP32 module with ESP32\0", "unknown", ""),
        (b"see https://micropython.org, MicroPython!", "unknown", ""),
        (b"how to flash NodeMCU", "unknown", ""),
        (b"ESPHome version 2024.1.0", "unknown", ""),
    ],
)
def test_other_families_are_named_on_their_own_text(build: Any, text: bytes, family: str, version: str) -> None:
    found = identify_firmware({0: build.boot().ljust(0x9000, b"\xff") + text})
    assert (found.family, found.version) == (family, version)


def test_two_banners_are_unknown(build: Any) -> None:
    start, code = build.pair_2x()
    assert identify_firmware({0: start, 0x10000: code + MICROPYTHON}).family == "unknown"


@pytest.mark.parametrize(
    ("text", "family"),
    [
        (b"", "arduino"),
        (b"\0ESPHome version 2024.1.0\0", "esphome"),
        (b"{1}Tasmota Version}2", "tasmota"),
        (b"<a href='https://bit.ly/tasmota' target='_blank'>\0Sonoff Basic\0", "tasmota"),
        (b"<a href='https://bit.ly/tasmota' target='_blank'>", "arduino"),
    ],
)
def test_sketches(build: Any, text: bytes, family: str) -> None:
    assert identify_firmware({0: build.sketch(text=text)}).family == family


def test_what_a_dump_holds_after_the_sketch_is_not_the_firmware(build: Any) -> None:
    dump = build.sketch(text=b"\0ESPHome version 2024.1.0\0").ljust(0x20000, b"\xff") + MICROPYTHON
    assert identify_firmware({0: dump}).title() == "ESPHome 2024.1.0"


def test_rboot_alone(build: Any) -> None:
    loader = build.boot([(0x40100000, b"\r\nrBoot v1.2.1 - richardaburton@gmail.com\r\n\0\0\0\0")])
    assert identify_firmware({0: loader}).title() == "rBoot 1.2.1"


def test_boot_loader_alone(build: Any) -> None:
    loader = build.boot([(0x40100000, b"\n2nd boot version : 1.6\n\0")])
    assert identify_firmware({0: loader}).title() == "boot loader 1.6"
    assert identify_firmware({0: loader, 0x1000: bytes(100)}).family == "unknown"


def test_other_chips_and_nothing_are_unknown(build: Any) -> None:
    assert identify_firmware({0: build.newer_chip(0, 0x3FFF0030) + MICROPYTHON}) == Firmware("unknown")
    assert identify_firmware({}) == Firmware("unknown")
    assert Firmware("unknown").title() == "unknown firmware"


@pytest.mark.parametrize(
    ("text", "family", "version"),
    [
        (b"\0esp-link v3.0.14-g963ffbb - 2018-01-01\0", "esp-link", "3.0.14-g963ffbb"),
        (b"\0Welcome to WiFi Repeater V2.2.17 \0", "esp_wifi_repeater", "2.2.17"),
        (b"\0ESP-Open-SDK ver: %s compiled @ %s %s\0", "esp-open-rtos", ""),
        (b"\0/opt/esp-open-rtos/lwip/sys_arch.c\0", "esp-open-rtos", ""),
        (b"\0Lua RTOS beta 0.1 powered by whitecat\0", "lua-rtos", "0.1"),
        (b"\0EspLua.ru 2.0.1 build 20160101\n powered by Lua 5.1.4\0", "esplua", "2.0.1"),
        (b"\0EspLua 2.0.1\n\tbranch: x\n build 20160101  powered by Lua 5.1.4 on SDK %s\0", "esplua", "2.0.1"),
    ],
)
def test_more_firmware_is_known_by_its_own_text(text: bytes, family: str, version: str) -> None:
    found = identify_firmware({0x1000: bytes(64) + text + bytes(64)})
    assert (found.family, found.version) == (family, version)


@pytest.mark.parametrize(
    ("number", "known"), [(b"1.4.0", True), (b"0.9.5", True), (b"1.4.9", False), (b"1.9.0", False)]
)
def test_old_sdks_tell_a_bare_number(number: bytes, known: bool) -> None:  # noqa: FBT001
    texts = b"\0SDK ver: %s compiled @ Sep 18 2015 20:55:49\n\0phy\0" + number + b"\0"
    found = identify_firmware({0: bytes(64) + texts})
    assert (found.sdk, found.sdk_line) == ((number.decode(), number.decode()[:3]) if known else ("", ""))
    assert identify_firmware({0: bytes(64) + b"\0" + number + b"\0"}).sdk == ""


@pytest.mark.images
def test_what_the_published_layouts_are(images_folder: Path) -> None:
    titles = {
        "layouts/repeater-0x02000.bin": "esp_wifi_repeater 2.2.17 (SDK 3.0.0-dev)",
        "layouts/rboot-app-0x2000.bin": "esp-open-rtos application",
        "layouts/user2.1024.new.2.bin": "AT firmware 1.7.6 (SDK 3.0.6-dev)",
        "nodemcu-versions/1.4.0-float-20160102.bin": "NodeMCU 1.4.0 (SDK 1.4.0, float, 10 modules)",
    }
    for name, title in titles.items():
        assert identify_firmware({0: (images_folder / name).read_bytes()}).title() == title
