"""The words of a boot log: what the ROM, the SDK, boot loaders and firmwares print, as patterns. Data only.

Messages and their meaning: facts esp8266 §2.1 to §2.6, and the captures in tests/board/data.
"""

from __future__ import annotations

import re
from typing import Final

from flashpipe.values import dataclass

# --- what the ROM and the SDK say ------------------------------------------------------------------------------------

ROM: Final = re.compile(r"rst cause: ?(?P<cause>\d+), ?boot mode: ?\((?P<mode>\d),\s*(?P<extra>\d)\)")
LOADED: Final = re.compile(r"^csum 0x[0-9a-f]{2}\s*$(?!\s*csum err)", re.MULTILINE)
"""The last line of a ROM log that found a good image; the ROM jumps into it at once."""
LOADING: Final = re.compile(r"^(?:load 0x|tail \d|chksum 0x|ho \d)", re.MULTILINE)
"""What the ROM says while it loads an image."""
BOOT_LINE: Final = re.compile(
    r"""\s*(?:
    ets\s|.*rst\ cause:|load\ 0x|tail\ \d|chksum\ 0x|csum\ |ho\ \d|wdt\ reset|ets_main|waiting\ for\ host|flash\ read
    |ver:\ [0-9a-f]|rf\ cal\ sector|rf_cal|freq\ trace|rf\[\d+\]|SDK\ ver|phy\ ver|pp\ ver|system\ SPI
    |system\ param|Writing\ Init
    |mismatch\ map|system_partition|(?:[0-9a-f]{2}\s+){8}
    |2nd\ boot|\s*SPI\ (?:Speed|Mode|Flash)|jump\ to\ run|user\ code\ done|don't\ use\ rtc|slot\ boot|rBoot
    |v[0-9a-f]{8}\s*$|~ld|@cp|mode\ :\ |add\ if|del\ if|usl$|sul\ |pm\ open|bcn\ |dhcp\ server|scandone|state:
    |Restore\ init\ data|Self\ adjust|boot\ not\ set|ota\d\ not\ set|error\ magic|backup\ boot|\.+$
    )""",
    re.VERBOSE,
)
"""Lines of the ROM, the SDK and the usual boot loaders: they do not show that an application runs."""

# --- failures --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a log names a failure."""

    kind: str
    pattern: re.Pattern[str]
    summary: str
    """For people; `{name}` stands for a group of the pattern, `{crash}` for what `crash.read_crash` finds."""
    warns: bool = False
    """The firmware may go on all the same: no failure where something lives behind it, or until it comes again."""


def _fault(kind: str, pattern: str, summary: str, *, warns: bool = False) -> Fault:
    return Fault(kind, re.compile(pattern, re.MULTILINE), summary, warns)


FAULTS: Final = (
    _fault(
        "wrong-mode",
        r"^load 0x00000000, len 0, room|^chksum 0xef\s*csum 0xef\s*csum err",
        "the ROM reads nothing but zeros behind the first 16 bytes: the flash cannot do the mode in its header",
    ),
    _fault("bad-checksum", r"^csum err", "the image in flash has a bad checksum"),
    _fault(
        "bad-checksum",
        r"^load 0xffffffff, len -1",
        "the image in flash is cut short: a segment reads as erased",
    ),
    _fault("no-image", r"^flash read err", "the ROM cannot read the flash"),
    _fault(
        "no-image",
        r"(?:\A|boot mode:\(3,\s*\d\))\s*(?:wdt reset\s*)?^ets_main\.c",
        "no image at 0x00000: the flash is empty there, or unreadable in this flash mode",
    ),
    _fault(
        "no-image",
        r"^E \(\d+\) \w+: (?:[Nn]o bootable|image at \S+ has invalid|load partition table error)",
        "the boot loader found no application",
    ),
    _fault("no-image", r"^backup boot failed", "the boot loader found no application"),
    _fault(
        "rf-cal",
        r"rf_cal\[0\] ?!= ?0x05, ?is 0x(?P<value>[0-9A-Fa-f]{2})",
        "the SDK's init data is missing or damaged (first byte {value}, want 05)",
    ),
    _fault("system-params", r"^system param error", "the SDK cannot use its system parameters", warns=True),
    _fault("exception", r"Fatal exception ?\(?(?P<cause>\d+)(?:\((?P<name>\w+)\))?", "the firmware crashed: {crash}"),
    _fault("exception", r"(?<!\d)\((?P<name>\w+Cause)\):\s*\n\s*epc1=0x", "the firmware crashed: {crash}"),
    _fault("exception", r"^Exception \((?P<cause>\d+)\)", "the firmware crashed: {crash}"),
    _fault("exception", r"^Guru Meditation.*\((?P<name>\w+)\)", "the firmware crashed: {crash}"),
    _fault("exception", r"^(?:User exception|Panic |abort\(\)|NLR jump failed)", "the firmware stopped itself"),
    _fault("watchdog", r"^\s*Soft WDT reset", "the software watchdog stopped the firmware"),
    _fault("watchdog", r"^Task watchdog got triggered", "the task watchdog stopped the firmware"),
    _fault("panic", r"^PANIC: (?P<what>.*)", "Lua panic: {what}"),
    _fault(
        "wrong-size",
        r"^Flash size \(?(?P<size>\w+)\)? too small to support NodeMCU",
        "the firmware refuses the flash size in its header ({size} bytes)",
    ),
    _fault("wrong-size", r"^system_partition_table_regist fail", "the build's flash size is not the header's"),
    _fault("bad-partitions", r"^Invalid system partition table|invalid alignment$", "the partition table is invalid"),
)
"""What proves that a start failed; of several, the one that the log says last (but see `EXPLAINS`)."""

EXPLAINS: Final = {"wrong-mode": "bad-checksum", "rf-cal": "system-params"}
"""The cause, and what it makes the log say too."""

# --- who is there ----------------------------------------------------------------------------------------------------

NODEMCU: Final = re.compile(
    r"^\s*NodeMCU (?:(?P<version>\d+\.[\w.\-]+)|custom build|.*\bbuil[td]\b)|powered by Lua 5"
    r"|^(?:lua: )?cannot open init\.lua",
    re.MULTILINE,
)
NODEMCU_SDK: Final = re.compile(r"powered by Lua [\d.]+ on SDK (?P<version>[^\s(]+)")
NODE_INFO: Final = re.compile(r"^(?P<version>\d+\t\d+\t\d+)(?:\t-?\d+){5}\s*$", re.MULTILINE)
"""What `=node.info()` prints: three numbers of the version, chip, flash, its size, mode and speed (facts §9.4)."""
LUA_PROMPT: Final = re.compile(r"^(?:> )+(?=$|\n)", re.MULTILINE)
LUA_PROMPT_LOOSE: Final = re.compile(r"^> ", re.MULTILINE)
"""Enough behind a NodeMCU banner, where something may already stand after the prompt."""

PYTHONS: Final = frozenset({"MicroPython", "CircuitPython"})
"""Those that end with a prompt of their own, which tells more than their greeting."""
PYTHON_PROMPT: Final = re.compile(r"^>>> ?$|^>>> (?!\w+>>>)", re.MULTILINE)
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
