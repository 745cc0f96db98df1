"""The keys of a profile: what each takes, what it is checked for, and what a wrong one was probably meant to be.

A file becomes a flat table, dotted key to checked value (design §6). What the keys mean together is in `load`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Final

from flashpipe import reset_mode
from flashpipe.errors import BadValueError
from flashpipe.flash import FREQUENCY_CODES, MODE_CODES, SIZE_BYTES, SIZE_CODES, size_name
from flashpipe.lazy import lazy_pattern
from flashpipe.profile import lua as profile_lua
from flashpipe.profile import parts as profile_parts
from flashpipe.profile.init_data import byte_table, crystal
from flashpipe.profile.yaml_reader import Report, Value, YamlEntry, closest
from flashpipe.units import parse_address, parse_bool, parse_duration, parse_size

CHIPS: Final = ("esp8266", "esp8285")
KEEP: Final = ("spiffs", "lfs", "wifi", "rf")
MIN_BAUD: Final = 300
MAX_BOOT_S: Final = 3600.0
"""Formatting 16 MB takes about a minute (facts: esp8266 §2.5); beyond an hour it is a typing mistake."""
MAX_BAUD: Final = 6_000_000
"""The fastest USB bridge in the field, a CH343 (facts: usb-nodemcu §8; its figure is unconfirmed, so only typing
mistakes are caught here and the bridge has the last word)."""

_MAX_NUMBER: Final = 20
"""Characters of the longest number worth reading; Python refuses to convert thousands of digits."""
_CONTROL: Final = lazy_pattern(r"[\x00-\x1f]")
_RESET_STEPS: Final = lazy_pattern(
    r"(?:[DR][01]|U[01],[01]|W\d+(?:\.\d+)?)(?:\|(?:[DR][01]|U[01],[01]|W\d+(?:\.\d+)?))*"
)
_BOOT_OFF: Final = ("off", "false", "no", "0")
_BOOT_ON: Final = ("on", "true", "yes", "1")
BOOT_WORDS: Final = ("auto", "nodemcu", "any")
_USB: Final = lazy_pattern(r"(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4})")
_MAC: Final = lazy_pattern(r"[0-9a-f]{2}(?:([:-]?)[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}")
_GROUP_BIT: Final = 0x01

Check = Callable[[YamlEntry, str, Report], object]
"""Entry, its dotted key, the report: the value as the program uses it, or None after reporting a mistake."""


def read_keys(top: YamlEntry, base: Path, report: Report) -> dict[str, Value]:
    """Every key of one profile file, checked by itself; mistakes go to the report."""
    values: dict[str, Value] = {}
    _read_section(top, "", base, values, report)
    return values


def check_key(entry: YamlEntry, key: str, base: Path, report: Report) -> dict[str, Value]:
    """One value under its dotted key; empty if it is wrong."""
    if entry.kind == "nothing":
        report.wrong(entry, key, WANT.get(key, "a value"))
        return {}
    checked = CHECKS[key](entry, key, report)
    if checked is None:
        return {}
    if key == "init_data":  # short for {source: …}
        return {"init_data.source": Value(checked, entry, base)}
    if key == "boot" and checked in BOOT_WORDS:  # short for {expect: WORD}
        return {"boot": Value("on", entry, base), "boot.expect": Value(checked, entry, base)}
    return {key: Value(checked, entry, base)}


def _read_section(section: YamlEntry, prefix: str, base: Path, values: dict[str, Value], report: Report) -> None:
    entries: dict[str, YamlEntry] = {}
    for name, entry in section.items():
        key = f"{prefix}{name.text}"
        if name.kind != "text" or not name.text:
            report.add(name, prefix.rstrip("."), f"got {name} as a key, want a word")
        elif key in entries:
            report.add(name, key, f"stated twice, first at {entries[key].place}")
        elif key in SECTIONS and entry.kind == "mapping":
            _read_subsection(entry, key, base, values, report)
        elif key in CHECKS:
            values.update(check_key(entry, key, base, report))
        elif key in SECTIONS:
            report.wrong(entry, key, SECTIONS[key])
        else:
            _report_unknown(name, key, prefix, report)
        entries.setdefault(key, name)


def _read_subsection(section: YamlEntry, key: str, base: Path, values: dict[str, Value], report: Report) -> None:
    if not any(True for _ in section.items()):
        report.wrong(section, key, SECTIONS[key])
    if key == "boot":  # stating how to judge a boot means judging it, even where the profile extended says `off`
        values["boot"] = Value("on", section, base)
    _read_section(section, f"{key}.", base, values, report)


def _report_unknown(name: YamlEntry, key: str, prefix: str, report: Report) -> None:
    if name.text == "<<":
        report.add(name, key, "merge keys are not read; use `extends: NAME`")
        return
    near = {other.removeprefix(prefix): other for other in ALL_KEYS if other.startswith(prefix)}
    siblings = {short: full for short, full in near.items() if "." not in short}
    elsewhere = [other for other in ALL_KEYS if other.rpartition(".")[2] == name.text.lower()]
    meant = closest(name.text, siblings)
    suggestion = siblings[meant] if meant else next(iter(elsewhere), None)
    if suggestion:
        report.add(name, key, f"unknown key; did you mean {suggestion!r}?")
    else:
        report.add(name, key, f"unknown key, want one of {', '.join(siblings)}")


# --- checks ----------------------------------------------------------------------------------------------------------


def _text(entry: YamlEntry, key: str, report: Report) -> str | None:
    if entry.kind == "text" and entry.text and entry.text.isprintable():
        return entry.text
    report.wrong(entry, key, WANT.get(key, "text"))
    return None


def _about(entry: YamlEntry, key: str, report: Report) -> str | None:
    text = " ".join(entry.text.split())
    if entry.kind == "text" and text.isprintable():  # it is printed in listings: no escape codes for the terminal
        return text
    report.wrong(entry, key, WANT[key])
    return None


def _choice(choices: Iterable[str], *, suggest: bool = True) -> Check:
    accepted = {choice.casefold(): choice for choice in choices}

    def check(entry: YamlEntry, key: str, report: Report) -> str | None:
        if entry.kind == "text" and entry.text.casefold() in accepted:
            return accepted[entry.text.casefold()]
        near = closest(entry.text, accepted.values()) if suggest and entry.kind == "text" else None
        report.wrong(entry, key, f"one of {', '.join(accepted.values())}", near)
        return None

    return check


# No suggestion: the size next to a wrong one is as wrong, and so is the ESP8266 for somebody's `esp32`.
_size_word: Final = _choice(("auto", *sorted(SIZE_CODES, key=lambda name: SIZE_BYTES[name])), suggest=False)


def _size(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.kind == "text" and len(entry.text) <= _MAX_NUMBER:
        try:
            return size_name(parse_size(entry.text))  # `4 MB` and 4194304 name a size just as well
        except (BadValueError, KeyError):
            pass
    return _size_word(entry, key, report)


def _baud(entry: YamlEntry, key: str, report: Report) -> int | str | None:
    if entry.kind == "text" and entry.text.casefold() == profile_parts.AUTO:
        return profile_parts.AUTO
    if entry.kind == "text" and re.fullmatch("[0-9]{1,9}", entry.text) and MIN_BAUD <= int(entry.text) <= MAX_BAUD:
        return int(entry.text)
    report.wrong(entry, key, WANT[key])
    return None


def _reset(entry: YamlEntry, key: str, report: Report) -> str | None:
    if entry.kind == "text":
        if entry.text.casefold() in reset_mode.WORDS:
            return entry.text.casefold()
        if _RESET_STEPS.fullmatch(entry.text):
            return entry.text
    report.wrong(entry, key, WANT[key], closest(entry.text, reset_mode.WORDS))
    return None


def _flag(entry: YamlEntry, key: str, report: Report) -> bool | None:
    if entry.kind == "text" and entry.text.strip():
        try:
            return parse_bool(entry.text)
        except BadValueError:
            pass
    report.wrong(entry, key, WANT[key])
    return None


def _usb(entry: YamlEntry, key: str, report: Report) -> str | None:
    ids = _USB.fullmatch(entry.text.lower())
    if ids is None:
        report.wrong(entry, key, WANT[key])
        return None
    return f"{ids[1]}:{ids[2]}"


def _boot(entry: YamlEntry, key: str, report: Report) -> str | None:
    word = entry.text.casefold()
    if word in _BOOT_OFF:
        return "off"
    if word in _BOOT_ON:
        return "on"
    if word in BOOT_WORDS:
        return word
    report.wrong(entry, key, WANT[key], closest(entry.text, ("off", "on", *BOOT_WORDS)))
    return None


def _expect(entry: YamlEntry, key: str, report: Report) -> str | None:
    if entry.text.casefold() in (*_BOOT_OFF, *_BOOT_ON):  # meant for `boot:`, and waited for without success
        report.wrong(entry, key, f"{WANT[key]}; `boot: off` skips the check")
        return None
    text = _text(entry, key, report)
    return text.casefold() if text and text.casefold() in BOOT_WORDS else text


def _duration(entry: YamlEntry, key: str, report: Report) -> float | None:
    try:
        seconds = parse_duration(entry.text) if entry.kind == "text" else 0.0
    except BadValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_BOOT_S:
        report.wrong(entry, key, WANT[key])
        return None
    return seconds


def _split(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.kind != "mapping":
        report.wrong(entry, key, WANT[key])
        return None
    sources: dict[int, str] = {}
    for name, value in entry.items():
        try:
            address = parse_address(name.text) if name.kind == "text" else None
        except BadValueError:
            address = None
        if address is None:
            report.add(name, key, f"got {name} as a key, want a flash address such as 0x10000")
        elif address in sources:
            report.add(name, key, f"{address:#07x} is stated twice")
        else:
            sources[address] = _text(value, f"{key}.{name.text}", report) or ""
    if not sources and not report.about(key):
        report.wrong(entry, key, WANT[key])
    return tuple(sorted(sources.items()))


def _command(entry: YamlEntry, key: str, report: Report) -> object:
    def no_word(element: YamlEntry) -> bool:
        return element.kind != "text" or _CONTROL.search(element.text) is not None

    if entry.kind == "list":
        elements = list(entry.elements())
        if elements and elements[0].text and not any(map(no_word, elements)):
            return tuple(element.text for element in elements)
    elif entry.kind == "text" and entry.text and not _CONTROL.search(re.sub(r"[\n\t]", "", entry.text)):
        return entry.text  # several lines are the shell's to read
    report.wrong_parts(entry, key, WANT[key], no_word)
    return None


def _outputs(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.kind == "mapping":
        return _split(entry, key, report)
    text = _text(entry, key, report)
    return ((0, text),) if text else None


def _patterns(entry: YamlEntry, key: str, report: Report) -> object:
    elements = list(entry.elements()) if entry.kind == "list" else [entry]
    patterns = tuple(_text(element, key, report) for element in elements)
    if not patterns or any(map(_is_absolute, elements)):
        report.wrong_parts(entry, key, WANT[key], _is_absolute)
        return None
    return patterns if all(patterns) else None


def _is_absolute(element: YamlEntry) -> bool:
    return PurePath(element.text).is_absolute() or element.text.startswith("/")


def _keep(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.typed:
        words = [] if entry.text == "none" else [word.strip() for word in entry.text.split(",")]
        if not set(words) <= set(KEEP):
            report.wrong(entry, key, f"{', '.join(KEEP)}, several with commas, or none")
        return tuple(area for area in KEEP if area in words)
    if entry.kind != "list":
        report.wrong(entry, key, WANT[key])
        return None
    check = _choice(KEEP)
    named = [check(element, key, report) for element in entry.elements()]
    return tuple(area for area in KEEP if area in named)


def _boards(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.kind != "list":
        report.wrong(entry, key, WANT[key])
        return None
    return tuple(sorted({mac for element in entry.elements() if (mac := _mac(element, key, report))}))


def _mac(entry: YamlEntry, key: str, report: Report) -> str | None:
    match = _MAC.fullmatch(entry.text.lower())
    digits = re.sub("[:-]", "", entry.text.lower()) if match else ""
    if not digits or int(digits[:2], 16) & _GROUP_BIT or not int(digits, 16):
        report.wrong(entry, key, "a board's MAC such as 5c:cf:7f:d7:1c:89 (`flashpipe identify` shows it)")
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


CHECKS: Final[Mapping[str, Check]] = {
    "extends": _text,
    "about": _about,
    "chip": _choice(CHIPS, suggest=False),
    "flash.size": _size,
    "flash.mode": _choice(MODE_CODES),
    "flash.frequency": _choice(sorted(FREQUENCY_CODES)),
    "gpio9_10": _choice(("flash", "free")),
    "serial.port": _text,
    "serial.port.usb": _usb,
    "serial.port.serial": _text,
    "serial.port.location": _text,
    "serial.baud": _baud,
    "serial.reset": _reset,
    "firmware.image": _text,
    "firmware.split": _split,
    "firmware.build.command": _command,
    "firmware.build.folder": _text,
    "firmware.build.outputs": _outputs,
    "firmware.build.inputs": _patterns,
    "firmware.elf": _text,
    "firmware.lfs": _text,
    "firmware.spiffs": _text,
    **profile_parts.CHECKS,
    "lock": _flag,
    "init_data": _text,
    "init_data.source": _text,
    "init_data.vdd33": _flag,
    "init_data.crystal": crystal,
    "init_data.bytes": byte_table,
    "erase": _choice(("as-needed", "all")),
    "keep": _keep,
    "verify": _choice(("md5", "read-back")),
    "boot": _boot,
    "boot.expect": _expect,
    "boot.timeout": _duration,
    "mode_retry": _flag,
    "rollback": _flag,
    "boards": _boards,
    **profile_lua.CHECKS,
}
"""Every key this version honours."""

WANT: Final[Mapping[str, str]] = {
    "extends": "the name of a profile such as esp12",
    "about": "a line of text",
    "chip": f"one of {', '.join(CHIPS)}",
    "flash.size": "a flash size such as 4MB, or auto",
    "flash.mode": f"one of {', '.join(MODE_CODES)}",
    "flash.frequency": "one of 20m, 26m, 40m, 80m",
    "gpio9_10": "one of flash, free",
    "serial.port": "auto, a port such as /dev/ttyUSB0 or COM3, a URL, or {usb: 1a86:7523}",
    "serial.port.usb": "a USB id VID:PID such as 1a86:7523",
    "serial.port.serial": "the adapter's serial number",
    "serial.port.location": "a USB location such as 1-1.2",
    "serial.baud": f"a whole number from {MIN_BAUD} to {MAX_BAUD}, or auto",
    "serial.reset": f"one of {', '.join(reset_mode.WORDS)}, or esptool's steps such as D0|R1|W0.1|D1|R0|W0.05|D0",
    "firmware.image": "a file, a pattern, https://…, github:OWNER/REPO@TAG/FILE, package:DISTRIBUTION/FILE"
    " or platformio:ENV",
    "firmware.split": "addresses and their files such as {0x00000: A.bin, 0x10000: B.bin}",
    "firmware.build.command": "a command such as make, or its words in a list",
    "firmware.build.folder": "the folder to run the command in",
    "firmware.build.outputs": "a file, or addresses and their files such as {0x00000: bin/A.bin, 0x10000: bin/B.bin}",
    "firmware.build.inputs": "patterns relative to the folder such as [app/**/*.c, Makefile]",
    "firmware.elf": "the .elf file of the build, to name functions and lines where the firmware crashes",
    **profile_parts.SECTIONS,
    **profile_parts.WANT,
    "lock": "true or false: whether local files and build outputs are pinned too",
    "init_data": "auto, keep, v05, a file of 128 bytes, or {source: auto, vdd33: true, crystal: 26}",
    "init_data.source": "auto, keep, v05, or a file of 128 bytes",
    "init_data.vdd33": "true (the ADC measures the supply) or false (it measures its pin)",
    "init_data.crystal": "one of 24, 26, 40 (MHz)",
    "init_data.bytes": "indexes and bytes such as {107: 0xFF}",
    "erase": "one of as-needed, all",
    "keep": f"a list of {', '.join(KEEP)}",
    "verify": "one of md5, read-back",
    "boot": "off, on, auto, nodemcu, any, or {expect: …, timeout: 60s}",
    "boot.expect": "auto, nodemcu, any, or the text to wait for",
    "boot.timeout": "a duration such as 60s or 2m, at most an hour",
    "mode_retry": "true or false: whether to try dio and dout where the board does not start in its flash mode",
    "rollback": "true or false: whether to put back what the board held if the new firmware does not boot",
    "boards": 'a list of MACs such as ["5c:cf:7f:d7:1c:89"]',
    **profile_lua.WANT,
}
"""What each key takes, in the words of the messages."""

SECTIONS: Final[Mapping[str, str]] = {
    "flash": "a mapping such as {size: 4MB, mode: dio, frequency: 40m}",
    "serial": "a mapping such as {port: auto, baud: 460800}",
    "serial.port": WANT["serial.port"],
    "firmware": "a mapping such as {image: FILE}",
    "firmware.build": "a mapping such as {command: make, folder: nodemcu-firmware, outputs: bin/FILE.bin}",
    **profile_parts.SECTIONS,
    "init_data": WANT["init_data"],
    "boot": WANT["boot"],
    **profile_lua.SECTIONS,
}
"""Keys whose value is, or can be, a mapping of further keys."""

ALL_KEYS: Final = (*CHECKS, *(key for key in SECTIONS if key not in CHECKS))
