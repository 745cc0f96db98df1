"""Which firmware the bytes are: family, version, and what NodeMCU's banner tells.

Names are given only on a firmware's own banner or version text. A file with the banners of two families (a flash dump
in which the rest of an older firmware survives) is "unknown": whichever is right, the other would be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from flashpipe.errors import ImageError
from flashpipe.firmware.arduino import SKETCH_ADDRESS, read_sketch
from flashpipe.firmware.content_type import BOOT_MAGIC, other_chip
from flashpipe.firmware.partition_table import PHY_DATA, RF_CAL, TABLE_ADDRESS, PartitionTable, parse_partitions
from flashpipe.firmware.spiffs import MarkRule, mark_rule
from flashpipe.lazy import lazy_pattern
from flashpipe.units import format_size
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class Firmware:
    """What is known of a firmware; an empty text, None or 0 where the bytes do not tell."""

    family: str
    """`nodemcu`, `esplua`, `micropython`, `circuitpython`, `espruino`, `at`, `tasmota`, `esphome`, `arduino`,
    `punyforth`, `esp-link`, `esp-open-rtos`, `esp_wifi_repeater`, `lua-rtos`, `bootloader`, `rboot` or `unknown`."""
    version: str = ""
    """As the firmware writes it; for NodeMCU without one in its banner, the number of its SDK up to 2.2 and `3.0` after
    that: its releases bear those (facts: usb-nodemcu §9.3)."""
    sdk: str = ""
    """The SDK's own version text, such as `2.2.1(cfd48f3)`."""
    sdk_line: str = ""
    """`1.5.4.1`, `2.x`, `3.x`; older ones by their first two numbers, such as `0.9` or `1.5`."""
    layout: str = ""
    """Of NodeMCU: `2.x` (1.5.4.1 too), `3.x-old` or `3.x-new` (facts: image-flashmap §5)."""
    adjusts_size: bool = False
    """Rewrites byte 3 of the image header when it first boots (facts: image-flashmap §4.3)."""
    branch: str = ""
    commit: str = ""
    release: str = ""
    build_date: str = ""
    lua: str = ""
    number_type: str = ""
    """`float`, `integer` or `double`."""
    modules: tuple[str, ...] = ()
    ssl: bool | None = None
    lfs_size: int | None = None
    """Bytes reserved for the Lua flash store at build time."""
    table: PartitionTable | None = None
    """NodeMCU 3.x: the partition table in the image."""
    code_end: int = 0
    """Flash address after the last byte of code, where it is known."""
    marks: MarkRule | None = None
    """Of NodeMCU since 1.5.4.1: how it marks the blocks of its file system; None where its code does not tell."""

    def title(self) -> str:
        """One line for people: `NodeMCU 3.0.0.0 (SDK 3.0.1-dev, float, 17 modules)`."""
        name = " ".join(word for word in (_TITLES.get(self.family, self.family), self.version) if word)
        details = [
            f"SDK {self.sdk.partition('(')[0]}" if self.sdk else "",
            self.number_type,
            "SSL" if self.ssl else "",
            f"{len(self.modules)} modules" if self.modules else "",
            f"LFS {format_size(self.lfs_size)}" if self.lfs_size else "",
        ]
        details_text = ", ".join(detail for detail in details if detail)
        return f"{name} ({details_text})" if details_text else name


_TITLES: Final = {
    "nodemcu": "NodeMCU",
    "esplua": "EspLua",
    "micropython": "MicroPython",
    "circuitpython": "CircuitPython",
    "espruino": "Espruino",
    "at": "AT firmware",
    "tasmota": "Tasmota",
    "esphome": "ESPHome",
    "arduino": "Arduino sketch",
    "punyforth": "Punyforth",
    "esp-link": "esp-link",
    "esp-open-rtos": "esp-open-rtos application",
    "esp_wifi_repeater": "esp_wifi_repeater",
    "lua-rtos": "Lua RTOS",
    "bootloader": "boot loader",
    "rboot": "rBoot",
    "unknown": "unknown firmware",
}
_OLD_SDKS: Final = lazy_pattern(rb"\0(0\.9\.[2-5]|1\.0\.[01]|1\.1\.[0-2]|1\.2\.0|1\.3\.0|1\.4\.[01]|1\.5\.0)\0")
"""What SDKs before 1.5.1 answer for their version: a number alone. Only those that were released count, for libraries
have such texts too (axTLS is 1.4.9 in many images)."""
_SDK_LINE_TEXT: Final = b"SDK ver: %s compiled @ "
_SDK_COMMIT: Final = lazy_pattern(rb"\([0-9a-f]{7,8}\)(?=[\0\xff])")
_SDK_NUMBER: Final = lazy_pattern(rb"(?<![\w.])\d\.\d\.\d(?:\.\d)?(?:-dev)?$")
"""The SDK's version text, `2.2.1(cfd48f3)`, as it stands in every image at hand since SDK 1.5. It is looked for by its
rarer second half: a pattern that begins with a digit takes a hundred times as long."""
_BANNER: Final = lazy_pattern(rb"NodeM(?:CU|cu) [^\0]{0,4000}?powered by Lua \d[^\0]{0,80}")
"""NodeMCU's start-up text is one C string (facts: esp8266 §2.6); until January 2015 it spelled itself `NodeMcu`."""
_POWERED: Final = lazy_pattern(rb"powered by Lua \d[^\0]{0,80}")
_NODEMCU_TEXTS: Final = (b"Can't list ap in SOFTAP mode", b"too small to support NodeMCU")
"""What its own code says, whatever its builder calls it: the first stands in all 57 builds of 0.9.2 to 3.0 at hand, the
second in each of 3.x; in no other of 87 firmwares; EspLua, which grew out of it, may have the first."""
_MICROPYTHON: Final = lazy_pattern(rb"MicroPython v([^\s\0]{1,40}) on \d{4}-\d\d-\d\d(?:; [^\0]{0,60}ESP8266|(?=\0))")
"""Up to 1.12 or so the banner is one text; later ones keep the version, as part of `sys.version`, and the machine
apart (seen in 1.19.1)."""
_CIRCUITPYTHON: Final = lazy_pattern(rb"Adafruit CircuitPython ([^\s\0]{1,40}) on \d{4}-\d\d-\d\d; [^\0]{0,60}ESP8266")
_ESPRUINO: Final = (
    lazy_pattern(rb"User-Agent: Espruino (\dv\d+(?:\.\d+)?)"),
    lazy_pattern(rb"espruino\.com\r?\n (\dv\d+(?:\.\d+)?) Copyright"),
)
"""Two patterns: each begins with a text, which is found fast; an alternation is not."""
_ESPLUA: Final = lazy_pattern(rb"EspLua(?:\.ru)? (\d+(?:\.\d+)+)[^\0]{0,80}?powered by Lua ")
_ESP_LINK: Final = lazy_pattern(rb"esp-link v?(\d+\.\d+[\w.-]*)")
_REPEATER: Final = lazy_pattern(rb"WiFi Repeater V(\d+(?:\.\d+)+)")
_LUA_RTOS: Final = lazy_pattern(rb"Lua RTOS (?:beta |v)?(\d[\w.]*)")
_AT_COMMANDS: Final = (b"\0+GMR\0", b"\0+CWMODE", b"\0+CIPSTART")
"""The firmware's own table of commands; whoever talks to an AT modem writes `AT+GMR` (seen in all 100 at hand)."""
_AT: Final = lazy_pattern(rb"(?:AT version:|Bin version\([^)\0]{1,20}\):)(\d+(?:\.\d+){1,3})(?=[(\0\r\n])")
_ESPHOME: Final = lazy_pattern(rb"ESPHome version (\d{4}\.\d+\.\d+[\w.-]*)")
_SECOND_BOOT: Final = lazy_pattern(rb"2nd boot version : (\d\.\d)")
_RBOOT: Final = lazy_pattern(rb"rBoot v(\d+\.\d+\.\d+) - richardaburton")
_ARDUINO_START: Final = lazy_pattern(rb"\xe9[\x01-\x10].{6}\x10\x10\x20\x40", re.DOTALL)
"""A sketch at 0x1000 has its flash-mapped code first, loaded at 0x40201010 (seen in the images at hand)."""
_EBOOT: Final = b"\x00\xf0\x10\x40"
"""Load address of the Arduino core's boot loader, little-endian 0x4010F000 (seen in the images at hand)."""


def identify_firmware(parts: Mapping[int, bytes]) -> Firmware:
    """What runs when these bytes stand at these flash addresses."""
    if other_chip(parts.get(0, b"")):
        return Firmware("unknown")
    sketch = _is_sketch(parts)
    if sketch:
        parts = _without_rest(parts)
    finders = (*_FINDERS, *_SKETCH_FINDERS) if sketch else _FINDERS
    candidates = [firmware for finder in finders for firmware in _search(finder, parts)]
    firmware = candidates[0] if len(candidates) == 1 else Firmware("unknown")
    if not candidates:
        firmware = Firmware("arduino") if sketch else _renamed_nodemcu(parts) or _boot_loader(parts)
    return _with_layout(_with_sdk(firmware, parts), parts)


def _search(finder: Callable[[bytes], Firmware | None], parts: Mapping[int, bytes]) -> list[Firmware]:
    # The same banner in several parts, or twice in one, is one finding.
    return list(dict.fromkeys(firmware for data in parts.values() if (firmware := finder(data))))


def _nodemcu(data: bytes) -> Firmware | None:
    banners = list(dict.fromkeys(match[0] for match in _BANNER.finditer(data)))
    if len(banners) != 1:
        return Firmware("unknown") if banners else None
    return _nodemcu_of(banners[0], data)


def _renamed_nodemcu(parts: Mapping[int, bytes]) -> Firmware | None:
    """NodeMCU whose banner begins with a name of its builder's, or was left out (DISABLE_STARTUP_BANNER)."""
    own = [data for data in parts.values() if any(text in data for text in _NODEMCU_TEXTS)]
    if not own:
        return None
    banners = {banner: data for data in parts.values() for banner in _banners(data)}
    if len(banners) > 1:
        return Firmware("unknown")
    return _nodemcu_of(*next(iter(banners.items()), (b"", own[0])))


def _banners(data: bytes) -> Iterator[bytes]:
    for end in _POWERED.finditer(data):
        start = data.rfind(b"\0", max(0, end.start() - 4000), end.start()) + 1
        yield data[start : end.end()] if start else end[0]


def _nodemcu_of(raw_banner: bytes, data: bytes) -> Firmware:
    banner = raw_banner.decode("utf-8", "replace")

    def field(pattern: str) -> str:
        match = re.search(pattern, banner)
        return match[1].strip() if match else ""

    modules, ssl = field(r"\n\tmodules: ([^\n]*)"), field(r"\n\tSSL: (\w+)")
    lfs = field(r"\n\tLFS: (0x[0-9a-fA-F]{1,8}|[1-9]\d{0,8}|0)\b")
    return Firmware(
        "nodemcu",
        version=field(r"^NodeM(?:CU|cu) (\d+(?:\.\d+)+)"),
        branch=field(r"\n\tbranch: ([^\n]*)"),
        commit=field(r"\n\tcommit: ([0-9a-f]+)"),
        release=field(r"\n\trelease: ([^\n]*)"),
        build_date=field(r" build (?:created on |\s*built on: )?(\d[\d/-]+(?: \d\d:\d\d)?)"),
        lua=field(r"powered by Lua (\d+(?:\.\d+)+)"),
        number_type=field(r"(?i)\n\tbuild type: (\w+)") or _number_type(data),
        modules=tuple(name.strip() for name in modules.split(",") if name.strip()),
        ssl={"true": True, "false": False}.get(ssl),
        lfs_size=int(lfs, 0) if lfs else None,
        adjusts_size=b"Self adjust flash size" in data,
    )


def _number_type(data: bytes) -> str:
    """By the messages of Lua 5.1's core that only one kind of number can cause: NaN, or a division by zero."""
    nan, zero = b"\0table index is NaN\0" in data, b"\0modulo by zero\0" in data
    return {(True, False): "float", (False, True): "integer"}.get((nan, zero), "")


def _finder(family: str, pattern: re.Pattern[bytes]) -> Callable[[bytes], Firmware | None]:
    def find(data: bytes) -> Firmware | None:
        versions = {match[1] for match in pattern.finditer(data)}
        if len(versions) > 1:
            return Firmware(family)
        return Firmware(family, version=versions.pop().decode()) if versions else None

    return find


def _tasmota(data: bytes) -> Firmware | None:
    # Up to release 8 the link in the footer of its pages and its list of Sonoff devices are the only sure signs.
    older = b"://bit.ly/tasmota" in data and b"Sonoff Basic" in data
    named = b"Tasmota Version}2" in data or b"ota.tasmota.com/tasmota" in data
    return Firmware("tasmota") if named or older else None


def _micropython(data: bytes) -> Firmware | None:
    return _finder("micropython", _MICROPYTHON)(data) if b" with ESP8266" in data else None


def _espruino(data: bytes) -> Firmware | None:
    return next((firmware for pattern in _ESPRUINO if (firmware := _finder("espruino", pattern)(data))), None)


def _at(data: bytes) -> Firmware | None:
    asks_version = b"+GMR\0" in data and _AT_COMMANDS[0] in data  # a text that begins with \0 is looked for slowly
    firmware = _finder("at", _AT)(data) if asks_version or b"AT version:" in data else None
    return firmware or (Firmware("at") if asks_version and all(one in data for one in _AT_COMMANDS) else None)


def _punyforth(data: bytes) -> Firmware | None:
    return Firmware("punyforth") if b"punyforth" in data and b"ESP-Open-SDK ver" in data else None


def _open_rtos(data: bytes) -> Firmware | None:
    """What is built with esp-open-rtos: paths of its sources stand in its messages, or its own name of the SDK does."""
    named = b"ESP-Open-SDK ver: %s compiled @ " in data or b"/esp-open-rtos/" in data
    return Firmware("esp-open-rtos") if named and b"punyforth" not in data else None


_FINDERS: Final = (
    _nodemcu,
    _micropython,
    _finder("circuitpython", _CIRCUITPYTHON),
    _espruino,
    _finder("esplua", _ESPLUA),
    _finder("esp-link", _ESP_LINK),
    _finder("esp_wifi_repeater", _REPEATER),
    _finder("lua-rtos", _LUA_RTOS),
    _at,
    _punyforth,
    _open_rtos,
)
_SKETCH_FINDERS: Final = (_finder("esphome", _ESPHOME), _tasmota)
"""Firmware built with the Arduino core, for several chips: its name alone does not make it an ESP8266's."""


def _is_sketch(parts: Mapping[int, bytes]) -> bool:
    start = parts.get(0, b"")
    loader = start[:1] == bytes((BOOT_MAGIC,)) and start[8:12] == _EBOOT
    return loader and any(
        _ARDUINO_START.match(data, SKETCH_ADDRESS - at) for at, data in parts.items() if at <= SKETCH_ADDRESS
    )


def _without_rest(parts: Mapping[int, bytes]) -> Mapping[int, bytes]:
    """The parts without what stands after the sketch: in a dump of a whole flash, an older firmware's rest."""
    try:
        end = read_sketch(parts[0], name="").image.end
    except ImageError:
        return parts
    return {**parts, 0: parts[0][:end]}


def _boot_loader(parts: Mapping[int, bytes]) -> Firmware:
    start = parts.get(0, b"")[:SKETCH_ADDRESS]
    if set(parts) == {0} and len(parts[0]) <= SKETCH_ADDRESS:  # alone: it stands before the image at 0x1000 or 0x2000
        for family, pattern in (("bootloader", _SECOND_BOOT), ("rboot", _RBOOT)):
            version = pattern.search(start)
            if version:
                return Firmware(family, version=version[1].decode())
    return Firmware("unknown")


def _with_sdk(firmware: Firmware, parts: Mapping[int, bytes]) -> Firmware:
    texts = {text for data in parts.values() for text in _sdk_texts(data)}
    if not texts and any(_SDK_LINE_TEXT in data for data in parts.values()):
        texts = {match[1] for data in parts.values() for match in _OLD_SDKS.finditer(data)}
    sdk = texts.pop().decode() if len(texts) == 1 else ""
    number = sdk.partition("(")[0]
    version = firmware.version
    line = _sdk_line(number or (version if firmware.family == "nodemcu" else ""))
    if firmware.family == "nodemcu" and not version:
        version = "3.0" if line == "3.x" else number
    return replace(firmware, version=version, sdk=sdk, sdk_line=line)


def _sdk_texts(data: bytes) -> Iterator[bytes]:
    for commit in _SDK_COMMIT.finditer(data):
        number = _SDK_NUMBER.search(data[max(0, commit.start() - 16) : commit.start()])
        if number:
            yield number[0] + commit[0]


def _sdk_line(number: str) -> str:
    if number.startswith("1.5.4.1"):
        return "1.5.4.1"
    return f"{number[0]}.x" if number[:2] in ("2.", "3.") else number[:3]


def _with_layout(firmware: Firmware, parts: Mapping[int, bytes]) -> Firmware:
    if firmware.family != "nodemcu":
        return firmware
    sector = next(
        (data[TABLE_ADDRESS - at :] for at, data in parts.items() if at <= TABLE_ADDRESS < at + len(data)), b""
    )
    table = parse_partitions(sector)
    end = max((at + len(data) for at, data in parts.items() if at <= TABLE_ADDRESS), default=0)
    if firmware.sdk_line in ("1.5.4.1", "2.x"):
        return replace(firmware, layout="2.x", code_end=end, marks=mark_rule(parts.values()))
    if firmware.sdk_line != "3.x" or table is None:
        return firmware
    cal, phy = table.find(RF_CAL), table.find(PHY_DATA)
    starts = (cal.address if cal else 0, phy.address if phy else 0)
    layout = {(0xB000, 0xC000): "3.x-old", (0xD000, 0xF000): "3.x-new"}.get(starts, "")
    return replace(firmware, layout=layout, table=table, code_end=table.code_end, marks="usual")
