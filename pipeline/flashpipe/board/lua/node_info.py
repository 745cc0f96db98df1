"""What a running NodeMCU says of itself, in the forms of its generations (facts: usb-nodemcu §9.4, esp8266 §2.6).

3.x has `node.info` with groups (hw, sw_version, build_config, lfs). Before it, `node.info()` gives eight numbers, and
the rest stands in the banner only. What neither tells is tried out: numbers by dividing, modules by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from flashpipe.board.lua.console import Console
from flashpipe.errors import ConsoleError
from flashpipe.values import dataclass

KNOWN_MODULES: Final = (
    "adc", "ads1115", "adxl345", "am2320", "apa102", "bit", "bloom", "bme280", "bme680", "bmp085", "cjson", "coap",
    "color_utils", "cron", "crypto", "dcc", "dht", "ds18b20", "encoder", "enduser_setup", "file", "gdbstub", "gpio",
    "gpio_pulse", "hdc1080", "hmc5883l", "http", "hx711", "i2c", "l3g4200d", "mcp4725", "mdns", "mqtt", "net", "node",
    "ow", "pcm", "perf", "pipe", "pixbuf", "pwm", "pwm2", "rc", "rfswitch", "rotary", "rtcfifo", "rtcmem", "rtctime",
    "si7021", "sigma_delta", "sjson", "sntp", "softuart", "somfy", "spi", "spi_master", "sqlite3", "struct", "switec",
    "tcs34725", "tls", "tm1829", "tmr", "tsl2561", "u8g", "u8g2", "uart", "ucg", "websocket", "wiegand", "wifi",
    "wps", "ws2801", "ws2812", "ws2812_effects", "xpt2046",
)  # fmt: skip
"""Modules of the lines up to 3.0 (nodemcu-firmware docs/modules), to try where the banner names none."""
MODES: Final = {0: "qio", 1: "qout", 2: "dio", 3: "dout"}
_GROUP: Final = '(function()local s=""for k,v in pairs({})do s=s..k.."="..tostring(v).."\\n"end return s end)()'
_NUMBERS: Final = (
    '(function(...)local s=""for i=1,select("#",...)do s=s..tostring((select(i,...))).." "end return s end)'
)
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_BANNER_LINE: Final = re.compile(r"^\s+([A-Za-z ]+):[ \t]*(.*)$", re.MULTILINE)
_BANNER_VERSION: Final = re.compile(r"NodeMCU (\d+(?:\.\d+)+)")
_BANNER_LUA: Final = re.compile(r"powered by (Lua [\d.]+)(?: on SDK (\S+))?")


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A firmware's own words about itself and its board. None or empty: it does not say."""

    version: str
    """Of NodeMCU, such as 3.0.0; in 0.9.x to 2.x also that of the SDK."""
    baud: int
    lua: str = ""
    sdk: str = ""
    branch: str = ""
    commit: str = ""
    release: str = ""
    built: str = ""
    number_type: str = ""
    """float, integer, or what 5.3 builds say."""
    ssl: bool | None = None
    modules: tuple[str, ...] | None = None
    modules_found: str = ""
    """How the modules are known: `firmware`, `banner` or `tried`."""
    lfs_size: int | None = None
    """Bytes of the LFS partition."""
    lfs_used: int | None = None
    chip_id: int | None = None
    """Low 24 bits of the MAC."""
    flash_id: int | None = None
    """As the flash answers RDID: manufacturer | type << 8 | capacity << 16."""
    flash_size: int | None = None
    """Bytes that the firmware believes in: the image header's, not the chip's."""
    flash_mode: str = ""
    flash_speed: int | None = None
    """Hz."""
    heap: int | None = None
    """Bytes free."""
    room: tuple[int, int, int] | None = None
    """Bytes of the file system: remaining, used, total."""

    def has(self, module: str) -> bool:
        """Whether a module is in the firmware."""
        return module in (self.modules or ())


def read_node(console: Console, banner: str = "", *, wanted: Iterable[str] = ()) -> NodeInfo:
    """Ask for everything. `banner`: a boot log, for what only that tells; `wanted`: modules to try in any case.

    Raises:
        ConsoleError: the console does not answer.
    """
    grouped = console.ask('type((node.info or type)("hw"))') == "table"  # 0.9.4 has none
    info = _read_new(console) if grouped else _read_old(console)
    info = _with_banner(info, banner)
    if not info.number_type:
        info = replace(info, number_type="integer" if console.ask("tostring(7/2)") == "3" else "float")
    if info.modules is None or any(name not in info.modules for name in wanted):
        tried = _try_modules(console, dict.fromkeys((*(info.modules or KNOWN_MODULES), *wanted)))
        info = replace(info, modules=tried, modules_found=info.modules_found or "tried")
    return replace(
        info,
        baud=console.baud,
        lua=info.lua or _optional(console, "_VERSION"),
        heap=_whole(_optional(console, "node.heap()")),
        room=read_room(console),
    )


def told_mac(console: Console) -> str:
    """The board's MAC by its firmware, in lower case with colons; empty where that does not say."""
    match = _MAC.fullmatch(_optional(console, "wifi.sta.getmac()").lower().replace("-", ":"))
    return match[0] if match else ""


def read_room(console: Console) -> tuple[int, int, int] | None:
    """Bytes of the file system, remaining, used and total; None where there is none or the firmware cannot tell."""
    numbers = [_whole(word) for word in _optional(console, f"{_NUMBERS}(file.fsinfo())").split()]
    if len(numbers) != 3 or None in numbers:  # noqa: PLR2004  remaining, used, total
        return None
    remaining, used, total = (number or 0 for number in numbers)
    return remaining, used, total


def _read_new(console: Console) -> NodeInfo:
    hardware = _group(console, 'node.info("hw")')
    software = _group(console, 'node.info("sw_version")')
    build = _group(console, 'node.info("build_config")')
    lfs = _group(console, 'node.info("lfs")')
    version = ".".join(software.get(f"node_version_{part}", "") for part in ("major", "minor", "revision"))
    modules = build.get("modules")
    size = _whole(hardware.get("flash_size"))
    return NodeInfo(
        version=version.strip("."),
        baud=console.baud,
        branch=software.get("git_branch", ""),
        commit=software.get("git_commit_id", ""),
        release=software.get("git_release", ""),
        built=software.get("git_commit_dts", ""),
        number_type=build.get("number_type", ""),
        ssl=_yes(build.get("ssl")),
        modules=_names(modules) if modules else None,
        modules_found="firmware" if modules else "",
        lfs_size=_first(_whole(lfs.get("lfs_size")), _whole(build.get("lfs_size"))),
        lfs_used=_whole(lfs.get("lfs_used")),
        chip_id=_whole(hardware.get("chip_id")),
        flash_id=_whole(hardware.get("flash_id")),
        flash_size=size * 1024 if size is not None else None,
        flash_mode=_mode(hardware.get("flash_mode")),
        flash_speed=_whole(hardware.get("flash_speed")),
    )


def _read_old(console: Console) -> NodeInfo:
    words = [*_optional(console, f"{_NUMBERS}(node.info())").split(), *[""] * 8]
    size = _whole(words[5])
    return NodeInfo(
        version=".".join(word for word in words[:3] if word),
        baud=console.baud,
        chip_id=_whole(words[3] or _optional(console, "node.chipid()")),
        flash_id=_whole(words[4]),
        flash_size=size * 1024 if size is not None else None,
        flash_mode=_mode(words[6]),
        flash_speed=_whole(words[7]),
    )


def _with_banner(info: NodeInfo, banner: str) -> NodeInfo:
    """Fill what the firmware did not answer from the last banner of a boot log."""
    at = banner.rfind("NodeMCU ")
    text = banner[at:] if at >= 0 else ""
    lines = {key.strip().lower(): value.strip() for key, value in _BANNER_LINE.findall(text)}
    version, lua = _BANNER_VERSION.search(text), _BANNER_LUA.search(text)
    named = version[1] if version else ""
    values: dict[str, Any] = {
        # The banner has four numbers where node.info has three.
        "version": named if named.startswith(info.version) and info.version else info.version or named,
        "lua": lua[1] if lua else "",
        "sdk": (lua[2] or "") if lua else "",
        "branch": info.branch or lines.get("branch", ""),
        "commit": info.commit or lines.get("commit", ""),
        "release": info.release or lines.get("release", ""),
        "number_type": info.number_type or lines.get("build type", ""),
        "ssl": info.ssl if info.ssl is not None else _yes(lines.get("ssl")),
    }
    if info.modules is None and lines.get("modules"):
        values |= {"modules": _names(lines["modules"]), "modules_found": "banner"}
    size = re.match(r"0x[0-9a-fA-F]{1,8}", lines.get("lfs", ""))
    if info.lfs_size is None and size:
        values["lfs_size"] = int(size[0], 16)
    return replace(info, **values)


def _try_modules(console: Console, names: Iterable[str]) -> tuple[str, ...]:
    """Those names that are a module: a dozen in each line that is asked."""
    listed, present = list(names), list[str]()
    for at in range(0, len(listed), 8):
        part = listed[at : at + 8]
        pairs = "..".join(f'type({name}).." "' for name in part)
        kinds = console.ask(pairs).split() if len(pairs) < _ROOM else [console.ask(f"type({name})") for name in part]
        present += [name for name, kind in zip(part, kinds, strict=False) if kind != "nil"]
    return tuple(present)


_ROOM: Final = 150
"""Characters of an expression that fit into a line of `Console.ask`."""


def _group(console: Console, source: str) -> dict[str, str]:
    """A table of `node.info`; empty where this build has no such group."""
    lines = _optional(console, _GROUP.replace("{}", source)).splitlines()
    return {key: value for key, equals, value in (line.partition("=") for line in lines) if equals}


def _optional(console: Console, expression: str) -> str:
    """The answer, or nothing where this firmware knows no such thing."""
    try:
        value = console.ask(expression)
    except ConsoleError as error:
        if error.code == "lua-error":
            return ""
        raise
    return "" if value == "nil" else value


def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted(name for name in re.split(r"[\s,]+", text) if name))


def _mode(text: str | None) -> str:
    number = _whole(text)
    return MODES.get(number, str(number)) if number is not None else ""


def _yes(text: str | None) -> bool | None:
    return {"true": True, "false": False}.get(text or "")


def _whole(text: str | None) -> int | None:
    match = re.fullmatch(r"(-?\d{1,15})(?:\.0)?", (text or "").strip())  # 5.3 shows whole floats as 4096.0
    return int(match[1]) if match else None


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
