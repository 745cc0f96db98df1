"""The words of a boot log: what the ROM, the SDK, boot loaders and firmwares print, as patterns. Data only.

Messages and their meaning: facts esp8266 §2.1 to §2.6, and the captures in tests/board/data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from flashpipe.values import dataclass

# --- what the ROM and the SDK say ------------------------------------------------------------------------------------

ROM: Final = re.compile(r"rst cause: ?(?P<cause>\d{1,10}), ?boot mode: ?\((?P<mode>\d),\s*(?P<extra>\d)\)")
LOADED: Final = re.compile(r"^csum 0x[0-9a-f]{2}(?![0-9a-f])(?!\s*csum err)", re.MULTILINE)
"""The last line of a ROM log that found a good image; the ROM jumps into it at once. A loader may speak behind it."""
LOADING: Final = re.compile(r"^(?:load 0x|tail \d|chksum 0x|ho \d)", re.MULTILINE)
"""What the ROM says while it loads an image."""
_LINE_START: Final = r"^(?:csum 0x[0-9a-f]{2})?(?:\x1b?\[[\d;]*m)?[ \t]*"
"""Where a loader's line begins: behind the ROM's last one, which has no end then, and a colour, whole or torn."""
_LOADER_TAG: Final = r"[EWIDV] \([\d:.]+\) (?:boot[\w.]*|esp_image|qio_mode|flash_parts|flash_encrypt|secure_boot\w*)"
"""How the boot loader of RTOS SDK and ESP-IDF begins its lines; other tags are the application's."""
LOADER: Final = re.compile(
    _LINE_START
    + rf"""(?:
    {_LOADER_TAG.replace(" ", "[ ]")}:
    |2nd[ ]boot[ ]version|jump[ ]to[ ]run|user[ ]code[ ]done|error[ ]magic|(?:first|backup)[ ]boot[ ]failed
    |SPI[ ](?:Speed[ ]*:[ ]*[\d.]+MHz|Mode[ ]*:[ ]*[QD](?:IO|OUT)|Flash[ ]Size)|boot[ ]not[ ]set|ota\d[ ]not[ ]set
    |get[ ]flash_addr[ ]error|into[ ]test[ ]mode|test[ ](?:bin[ ]is[ ]not|mode,)
    |enhance[ ]boot|error[ ]user[ ]bin|no[ ]GPIO[ ]select|don't[ ]use[ ]rtc|slot[ ]boot
    |rBoot[ ](?:v\d|Option)|Booting[ ](?:temp[ ])?rom|(?:Temp[ ]boot[ ])?[Rr]om[ ]\(?-?\d+\)?(?:[ ]at[ ]\w+)?[ ]is[ ]bad
    |No[ ]good[ ]rom
    |Flash[ ](?:Size:[ ]+(?:\d+[ ]Mbit|unknown)|Mode:[ ]+[QD](?:IO|OUT)|Speed:[ ]+[\d.]+[ ]MHz)
    |(?:Writing[ ]default|Resetting)[ ]boot|Invalid[ ](?:temp[ ])?rom[ ]selected
    |v[0-9a-f]{{8}}\s*$|~?ld\s*$|@cp:
    )""",
    re.MULTILINE | re.VERBOSE,
)
"""Lines of second-stage boot loaders: the SDK's, RTOS SDK's, rBoot, eboot. They prove that the loader runs, no more."""
LOADER_BEGINS: Final = re.compile(
    _LINE_START + r"(?:[EWIDV] \([\d:.]+\) boot[\w.]*: ESP-IDF|2nd boot version|rBoot v\d|~?ld\s*$)", re.MULTILINE
)
"""What a loader says once in each start."""
HANDS_OVER: Final = re.compile(
    r"jump to run|Booting (?:temp )?rom|boot[\w.]*: (?:Loaded app|Disabling RNG)|~?ld\s*$|@cp:", re.MULTILINE
)
"""What a loader says last, before it starts an application."""


def loader_is_busy(text: str) -> bool:
    """Whether the last words are a boot loader's, and it has not said yet that it starts something."""
    *_, last = text.rstrip().rpartition("\n")
    return LOADER.match(last) is not None and HANDS_OVER.search(last) is None


STAMP: Final = re.compile(r"(?<=[EWIDV] )\([\d:.]+\)")
"""Milliseconds in a line of RTOS SDK: two starts are alike whatever they say."""
BOOT_LINE: Final = re.compile(
    r"""\s*(?:
    ets\s|.*rst\ cause:|load\ 0x|tail\ \d|chksum\ 0x|csum\ |ho\ \d|wdt\ reset|ets_main|waiting\ for\ host|flash\ read
    |ver:\ [0-9a-f]|rf\ cal\ sector|rf_cal|freq\ trace|rf\[\d+\]|SDK\ ver|phy\ ver|pp\ ver|system\ SPI
    |sleep\ (?:en|dis)able|WPA2\ ENTERPRISE|w_flash\s*$
    |system\ param|Writing\ Init|RTC\ MEM\ CHECK
    |mismatch\ map|system_partition|(?:[0-9a-f]{2}\s+){8}|(?:[0-9a-f]{2}\ ){3,}[0-9a-f]{0,2}\s*$
    |mode\ :\ |add\ if|del\ if|usl$|sul\ |pm\ open|bcn\ |dhcp\ server|scandone|state:
    |w_flash$|\#\d+\ ets_task\(|force\ slp\ enable|E:M\ -?\d+$
    |Restore\ init\ data|Self\ adjust|\.+$
    )""",
    re.VERBOSE,
)
"""Lines of the ROM and the SDK: they do not show that an application runs, nor do those of `LOADER`."""

# --- failures --------------------------------------------------------------------------------------------------------

_RAM: Final = (range(0x3FFE0000, 0x40000000 + 1), range(0x40100000, 0x40110000 + 1))
"""Data and instruction RAM, with all that belongs to the ROM and the cache: where a segment can begin, and end (facts:
image-flashmap §4.1)."""


def impossible_load(match: re.Match[str]) -> bool:
    """Whether the ROM was told to load a segment to where no RAM is.

    Erased flash (address and length all ones) is another fault, and so are zeros.
    """
    start, size = int(match["at"], 16), int(match["length"])
    if start in {0, 0xFFFFFFFF}:
        return False
    return not any(start in ram and size >= 0 and start + size in ram for ram in _RAM)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a log names a failure."""

    kind: str
    pattern: re.Pattern[str]
    summary: str
    """For people; `{name}` stands for a group of the pattern, `{crash}` for what `crash.read_crash` finds."""
    warns: bool = False
    """The firmware may go on all the same: no failure where something lives behind it, or until it comes again."""
    weak: bool = False
    """It shows that something failed, not what: any other fault of the log tells more."""
    lasts: bool = False
    """What the firmware says behind it is no proof that it is over: another start has to come first."""
    holds: Callable[[re.Match[str]], bool] = bool
    """Whether a match of the pattern is this fault."""


def _fault(
    kind: str,
    pattern: str,
    summary: str,
    *,
    warns: bool = False,
    weak: bool = False,
    lasts: bool = False,
    anywhere: bool = False,
    holds: Callable[[re.Match[str]], bool] = bool,
) -> Fault:
    """A fault whose words begin a line, or stand behind a prompt, which has no line end; or `anywhere` in one."""
    start = "" if anywhere else r"^(?:>{1,3} ?)*[ \t]*"
    return Fault(kind, re.compile(f"{start}(?:{pattern})", re.MULTILINE), summary, warns, weak, lasts, holds)


SAFE_MODE: Final = r"\[E\]\[(?:safe_mode|ota)[\w.]*:\d+\]: Boot loop detected"
"""What ESPHome says of itself where its program has ended at each of its last starts, ten by default: it keeps Wi-Fi
and updates alive then, and nothing else."""
_CRASHED: Final = "the firmware crashed: {crash}"
_STOPPED: Final = "the firmware stopped itself: {what}"
FAULTS: Final = (
    _fault(
        "wrong-mode",
        r"load 0x00000000, len 0, room|chksum 0xef\s*csum 0xef\s*csum err",
        "the ROM reads nothing but zeros behind the first 16 bytes: the flash cannot do the mode in its header",
    ),
    _fault(
        "wrong-mode",
        r"load 0x(?P<at>[0-9a-f]{8}), len (?P<length>-?\d{1,10}), room",
        "the ROM reads a segment of {length} bytes for {at}, where no RAM is: it misreads the flash, or it is no image",
        holds=impossible_load,
    ),
    _fault("bad-checksum", r"csum err", "the image in flash has a bad checksum"),
    _fault(
        "bad-checksum",
        r"load 0xffffffff, len -1",
        "the image in flash is cut short: a segment reads as erased",
    ),
    _fault("no-image", r"flash read err", "the ROM cannot read the flash"),
    _fault(
        "no-image",
        r"(?:\A|boot mode:\(3,\s*\d\))\s*(?:wdt reset\s*)?^ets_main\.c",
        "no image at 0x00000: the flash is empty there, or unreadable in this flash mode",
        anywhere=True,
    ),
    _fault(
        "nothing-found",
        r"\S*[EW] \([\d:.]+\) flash_parts: .*|\S*E \([\d:.]+\) boot[\w.]*: (?:Failed to verify|load) partition table.*",
        "the boot loader finds no valid partition table",
    ),
    _fault(
        "nothing-found",
        r"\S*E \([\d:.]+\) boot[\w.]*: [Nn]o bootable.*",
        "the boot loader finds no application to start",
    ),
    _fault(
        "nothing-found",
        r"\S*E \([\d:.]+\) (?:esp_image|boot[\w.]*): .*",
        "the boot loader cannot use the application that it finds",
        warns=True,
    ),
    _fault(
        "nothing-found",
        r"backup boot failed|error user bin flag|get flash_addr error|test bin is not pass"
        r"|No (?:good|valid|bootable) (?:rom|image|app)",
        "the boot loader finds no application to start",
    ),
    _fault(
        "nothing-found",
        r"error magic|(?:Temp boot )?[Rr]om \(?-?\d+\)?(?: at \w+)? is bad|first boot failed",
        "the boot loader finds no valid application where it looked",
        warns=True,
    ),
    _fault(
        "nothing-found",
        r"(?:~?ld|@cp:\S*)\s*\n\s*e:(?P<number>\d{1,10})\s*$",
        "eboot could not copy or load the application (its error {number})",
    ),
    _fault("nothing-found", r"user code done", "the boot loader came back: it has started no application", weak=True),
    _fault(
        "rf-cal",
        r"rf_cal\[0\] ?!= ?0x05, ?is 0x(?P<value>[0-9A-Fa-f]{2})",
        "the SDK's init data is missing or damaged (first byte {value}, want 05)",
        anywhere=True,
    ),
    _fault("system-params", r"system param error", "the SDK cannot use its system parameters", warns=True),
    # Three in a row: the SDK tries again for ever, as executed from its version 3.0.1 with a flash that stays busy.
    _fault(
        "flash-refuses",
        r"sec (?P<sector>[0-9a-f]{1,4}) error\n(?:sec [0-9a-f]{1,4} error\n){2,}",
        "the SDK cannot erase or write sector {sector} of the flash, and tries it again and again",
    ),
    _fault("exception", r"Fatal exception ?\(?(?P<cause>\d{1,10})(?:\((?P<name>\w+)\))?", _CRASHED, anywhere=True),
    _fault("exception", r"(?<!\d)\((?P<name>\w+Cause)\):\s*\n\s*epc1=0x", _CRASHED, anywhere=True),
    _fault("exception", r"Exception \((?P<cause>\d{1,10})\)|Exception (?P<number>\d{1,10}) ?[@:]", _CRASHED),
    _fault("exception", r"Trap (?P<cause>\d{1,10}): ?pc=", _CRASHED),
    _fault("exception", r"Guru Meditation.*\((?!unknown)(?P<name>\w+)\)", _CRASHED),
    _fault("exception", r"Guru Meditation.*\(unknown\)", "the firmware crashed; the log does not say why", weak=True),
    _fault("exception", r"(?P<what>(?:Unhandled|User) (?:C\+\+ )?exception\b.*)", _STOPPED),
    _fault(
        "exception", r"(?P<what>Panic \S.*:\d+ .*|NLR jump failed.*|FATAL: uncaught .*|Generic [Rr]eset\b.*)", _STOPPED
    ),
    _fault("exception", r"(?P<what>[Aa]bort called.*|abort\(\)(?: was called)?.*)", _STOPPED),
    _fault("exception", r"(?P<what>[Aa]ssert(?:ion)?(?: *[\"'(].{0,120})? *\bfail(?:ed|ure)\b.*)", _STOPPED),
    _fault("exception", r"(?P<what>(?:\*+ERROR\*+ )?(?:A )?[Ss]tack (?:overflow|smash)\w*\b.*)", _STOPPED),
    _fault(
        "exception",
        r"-+ ?CUT HERE FOR EXCEPTION DECODER|>>>stack>>>|Core +\d register dump|Dumping core to",
        "the firmware crashed; the log does not say why",
        weak=True,
        anywhere=True,
    ),
    _fault("watchdog", r"Soft WDT reset", "the software watchdog stopped the firmware"),
    _fault("watchdog", r"Hardware WDT reset", "the hardware watchdog stopped the firmware"),
    _fault("watchdog", r"\S*(?:E \(\d+\) \w+: )?Task watchdog got triggered", "the task watchdog stopped the firmware"),
    _fault(
        "boot-loop",
        SAFE_MODE,
        "ESPHome is in its safe mode: its program has died at each of its last starts, and is not run",
        lasts=True,
        anywhere=True,
    ),
    _fault(
        "other-chip",
        r"(?P<what>rst:0x[0-9a-f]{1,2} \(\w+\),boot:0x[0-9a-f]{1,2})",
        "the log is of another chip, an ESP32 or a later one: {what}",
        lasts=True,
        anywhere=True,
    ),
    _fault("panic", r"PANIC: (?P<what>.*)", "Lua panic: {what}"),
    _fault(
        "wrong-size",
        r"Flash size \(?(?P<size>\w+)\)? too small to support NodeMCU",
        "the firmware refuses the flash size in its header ({size} bytes)",
    ),
    _fault("wrong-size", r"system_partition_table_regist fail", "the build's flash size is not the header's"),
    _fault("bad-partitions", r"Invalid system partition table", "the partition table is invalid"),
    _fault("bad-partitions", r"invalid alignment$", "the partition table is invalid", anywhere=True),
)
"""What proves that a start failed; of several, the one that the log says last (but see `weak` and `EXPLAINS`)."""

EXPLAINS: Final = {"wrong-mode": "bad-checksum", "rf-cal": "system-params", "wrong-size": "rf-cal"}
"""The cause, and what it makes the log say too."""

REMARKS: Final = (
    (
        re.compile(r'^  File "_boot\.py", line \d+', re.MULTILINE),
        "its _boot.py failed: it has no file system, as a build for 512 KB has none",
    ),
    (
        re.compile(r"^Running in safe mode! ", re.MULTILINE),
        "it is in its safe mode, and does not run its program: it crashed, or somebody has asked for that",
    ),
    (
        re.compile(r"\b(?:FRC|APP): Some settings have been reset \(\d+\)"),
        "it has put settings back, as it died at each of its last starts",
    ),
)
"""What a firmware that runs all the same says of itself, and what that means."""

# --- who is there ----------------------------------------------------------------------------------------------------

NODEMCU: Final = re.compile(
    r"^\s*NodeMCU (?:(?P<version>\d+\.[\w.\-]+)|custom build|.*\bbuil[td]\b)"
    r"|(?:^[ \t]*|\bbuil[td]\b.*|\b\d{8} +)powered by Lua 5|powered by Lua 5[\d.]* on SDK"
    r"|^(?:lua: )?cannot open init\.lua",
    re.MULTILINE,
)
"""Its builder may have given it another name. `LuaOS beta 0.1 powered by Lua 5.3.2` is none (seen executed)."""
FORMATS: Final = "file system. Please wait"
"""NodeMCU makes its file system; the first letters may be lost while the rate is changed."""
PYTHON_FORMATS: Final = re.compile(r"^Performing initial setup[ \t]*$", re.MULTILINE)
"""MicroPython makes its own, when it first runs; CircuitPython says the same (executed 1.9.4, 3.0.0)."""
FORMAT_DOTS: Final = re.compile(r"^\.{3,}[ \t]*\Z", re.MULTILINE)
"""NodeMCU 3.x prints a dot for each sector meanwhile; its words before them may be lost altogether."""
DEBUG_FORMATS: Final = re.compile(r"^\.*flash_erase_sector\(\d+\)[ \t]*(?:\n[.\w(]*)?\Z", re.MULTILINE)
"""A debug build of it says so instead; the next line may just be coming (executed 3.0, a debug build of 2022)."""
NODEMCU_3X: Final = "system SPI FI size:"
"""Begins what NodeMCU 3.x says at the ROM's rate."""
SDK_STARTS: Final = re.compile(r"^SDK ver: \S+ compiled @ ", re.MULTILINE)
"""What Espressif's SDK says at the ROM's rate, before a firmware may choose its own."""
OLD_SDK: Final = re.compile(r"^SDK ver: (?:0\.9|1\.[01])\.", re.MULTILINE)
"""Those that NodeMCU 0.9 was built with (facts: usb-nodemcu §9.3)."""
NODEMCU_SDK: Final = re.compile(r"powered by Lua [\d.]+ on SDK (?P<version>[^\s(]+)")
NODE_INFO: Final = re.compile(r"^(?P<version>\d+\t\d+\t\d+)(?:\t-?\d+){5}\s*$", re.MULTILINE)
"""What `=node.info()` prints: three numbers of the version, chip, flash, its size, mode and speed (facts §9.4)."""
LUA_PROMPT: Final = re.compile(r"^(?:> ){1,2}(?=$|\n)", re.MULTILINE)
"""A line of nothing but a prompt, which CR and LF may repeat; more of them on a line are a flood."""
LUA_PROMPT_LOOSE: Final = re.compile(r"^> (?!(?:> ){2})", re.MULTILINE)
"""Enough behind a NodeMCU banner, where a timer may already have printed something after the prompt."""
FLOOD: Final = 20
"""So many prompts are none: nobody has pressed a key so often."""

PYTHONS: Final = frozenset({"MicroPython", "CircuitPython"})
"""Those that end with a prompt of their own, which tells more than their greeting."""
PYTHON_PROMPT: Final = re.compile(r"^>>>(?=\n)|^>>> (?!\w+>>>)", re.MULTILINE)
"""Without its blank, and the line still growing, it may become the `>>>stack>>>` of a crash."""
OTHERS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (name, re.compile(pattern, re.MULTILINE))
    for name, pattern in (
        ("CircuitPython", r"CircuitPython v?(?P<version>\d[\w.\-]*)"),
        ("MicroPython", r"MicroPython v?(?P<version>\d[\w.\-]*)|^>>> ?(?=\n|\Z)"),
        ("Espruino", r"espruino\.com|Espruino (?P<version>[12]v\d\d(?:\.\d+)*)"),
        ("Tasmota", r"Project .*\b(?:[Tt]asmota|[Ss]onoff)\b.*Version (?P<version>\d[\w.]*)"),
        ("ESPHome", r"ESPHome version (?P<version>\d[\w.\-]*)|^\[?(?:\d\d:\d\d:\d\d\]\[)?[EWICDV]\]\[[\w.]+:\d+\]"),
        ("ESP Easy", r"INIT : Booting (?:version|Build nr)\S* ?(?P<version>[^\r\n]*)"),
        ("Mongoose OS", r"\bmgos_\w+|Mongoose OS (?P<version>\d[\w.]*)"),
        ("Lua RTOS", r"^Lua RTOS (?:beta |v)?(?P<version>\d[\w.]*)"),
        ("LuaOS", r"^LuaOS (?:beta |v)?(?P<version>\d[\w.]*)"),
        ("AT firmware", r"^AT version:(?P<version>\d[\d.]*\d)|Ai-Thinker Technology|ai-thinker\.com"),
    )
)


def is_known(line: str) -> bool:
    """Whether a line has words that no accident makes: of the ROM, a loader, the SDK, a failure or a named firmware."""
    if ROM.search(line) or BOOT_LINE.match(line) or LOADER.match(line) or NODEMCU.search(line):
        return bool(line.strip(". \t\r\n"))
    faults = any(fault.pattern.search(line) for fault in FAULTS)
    return faults or "epc1=0x" in line or any(pattern.search(line) for _, pattern in OTHERS)
