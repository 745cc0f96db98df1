"""The words of a boot log: what the ROM, the SDK, boot loaders and firmwares print, as patterns. Data only.

Messages and their meaning: facts esp8266 §2.1 to §2.6, and the captures in tests/board/data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# --- what the ROM and the SDK say ------------------------------------------------------------------------------------

ROM: Final = re.compile(r"rst cause:(?P<cause>\d+), ?boot mode:\((?P<mode>\d),\s*(?P<extra>\d)\)")
LOADED: Final = re.compile(r"^csum 0x[0-9a-f]{2}\s*$(?!\s*csum err)", re.MULTILINE)
"""The last line of a ROM log that found a good image; the ROM jumps into it at once."""
BOOT_LINE: Final = re.compile(
    r"""\s*(?:
    ets\s|.*rst\ cause:|load\ 0x|tail\ \d|chksum\ 0x|csum\ |ho\ \d|wdt\ reset|ets_main|waiting\ for\ host|flash\ read
    |ver:\ [0-9a-f]|rf\ cal\ sector|rf_cal|freq\ trace|rf\[\d+\]|SDK\ ver|phy\ ver|pp\ ver|system\ SPI
    |system\ param|Writing\ Init
    |2nd\ boot|\s*SPI\ (?:Speed|Mode|Flash)|jump\ to\ run|user\ code\ done|don't\ use\ rtc|slot\ boot|rBoot
    |v[0-9a-f]{8}\s*$|~ld|@cp|mode\ :\ |add\ if|del\ if|usl$|sul\ |pm\ open|bcn\ |dhcp\ server|scandone|state:
    |Restore\ init\ data|Self\ adjust|boot\ not\ set|ota\d\ not\ set|error\ magic|backup\ boot|\.+$
    )""",
    re.VERBOSE,
)
"""Lines of the ROM, the SDK and the usual boot loaders: they do not show that an application runs."""

# --- failures --------------------------------------------------------------------------------------------------------

EXCEPTIONS: Final = {
    0: "illegal instruction",
    2: "instruction fetch error",
    3: "load or store error",
    4: "level-1 interrupt",
    6: "division by zero",
    9: "unaligned load or store",
    20: "instruction fetch prohibited",
    28: "load prohibited",
    29: "store prohibited",
}
"""Xtensa exception causes (facts: esp8266 §2.5)."""


def _exception(found: re.Match[str]) -> str:
    cause = int(found["cause"])
    return f"the firmware crashed: exception {cause} ({EXCEPTIONS.get(cause, 'unknown cause')})"


def _say(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


FAULTS: Final[tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = tuple(
    (kind, re.compile(pattern, re.MULTILINE), summary)
    for kind, pattern, summary in (
        ("bad-checksum", r"^csum err", _say("the image in flash has a bad checksum")),
        (
            "bad-checksum",
            r"^load 0xffffffff, len -1",
            _say("the image in flash is cut short: a segment reads as erased"),
        ),
        ("no-image", r"^flash read err", _say("the ROM cannot read the flash")),
        (
            "no-image",
            r"boot mode:\(3,\d\)\s*(?:wdt reset\s*)?^ets_main\.c",
            _say("no image at 0x00000: the flash is empty there, or unreadable in this flash mode"),
        ),
        ("no-image", r"^backup boot failed", _say("the boot loader found no application")),
        (
            "rf-cal",
            r"^rf_cal\[0\] ?!=0x05,is 0x(?P<value>[0-9A-Fa-f]{2})",
            lambda found: f"the SDK's init data is missing or damaged (first byte {found['value']}, want 05)",
        ),
        ("exception", r"Fatal exception ?\(?(?P<cause>\d+)", _exception),
        (
            "exception",
            r"(?<!\d)\((?P<name>\w+)Cause\):\s*\n\s*epc1=0x",
            lambda found: f"the firmware crashed: {found['name']}",
        ),
        ("exception", r"^Exception \((?P<cause>\d+)\)", _exception),
        ("exception", r"^\s*Soft WDT reset", _say("the software watchdog stopped the firmware")),
        ("exception", r"^(?:User exception|Panic |abort\(\)|Guru Meditation)", _say("the firmware stopped itself")),
        ("panic", r"^PANIC: (?P<what>.*)", lambda found: f"Lua panic: {found['what'].strip()}"),
        (
            "boot-loop",
            r"^Flash size \(?\S+\)? too small to support NodeMCU",
            _say("the firmware refuses the flash size in its header"),
        ),
        ("boot-loop", r"^Invalid system partition table|invalid alignment$", _say("the partition table is invalid")),
    )
)

# --- who is there ----------------------------------------------------------------------------------------------------

NODEMCU: Final = re.compile(
    r"^\s*NodeMCU (?:(?P<version>\d+\.[\w.\-]+)|custom build|.*\bbuil[td]\b)|powered by Lua 5"
    r"|^(?:lua: )?cannot open init\.lua",
    re.MULTILINE,
)
NODEMCU_SDK: Final = re.compile(r"powered by Lua [\d.]+ on SDK (?P<version>[^\s(]+)")
LUA_PROMPT: Final = re.compile(r"^(?:> )+(?=$|\n)", re.MULTILINE)
LUA_PROMPT_LOOSE: Final = re.compile(r"^> ", re.MULTILINE)
"""Enough behind a NodeMCU banner, where something may already stand after the prompt."""

OTHERS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (name, re.compile(pattern, re.MULTILINE))
    for name, pattern in (
        ("CircuitPython", r"CircuitPython v?(?P<version>\d[\w.\-]*)"),
        ("MicroPython", r"MicroPython v?(?P<version>\d[\w.\-]*)|^>>> (?!\w+>>>)|^>>>$"),
        ("Espruino", r"espruino\.com|Espruino (?P<version>[12]v\d\d(?:\.\d+)*)"),
        ("Tasmota", r"Project .*\b(?:[Tt]asmota|[Ss]onoff)\b.*Version (?P<version>\d[\w.]*)"),
        ("ESPHome", r"ESPHome version (?P<version>\d[\w.\-]*)|^\[?(?:\d\d:\d\d:\d\d\]\[)?[EWICDV]\]\[[\w.]+:\d+\]"),
        ("ESP Easy", r"INIT : Booting (?:version|Build nr)\S* ?(?P<version>[^\r\n]*)"),
        ("Mongoose OS", r"\bmgos_\w+|Mongoose OS (?P<version>\d[\w.]*)"),
        ("AT firmware", r"^AT version:(?P<version>\d[\d.]*\d)|Ai-Thinker Technology|ai-thinker\.com|^ready\s*$"),
    )
)
