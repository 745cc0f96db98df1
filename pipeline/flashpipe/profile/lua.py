"""The keys of a profile about a running NodeMCU: what `acceptance` demands and which Lua `files` the board gets."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.expressions import expression
from flashpipe.profile.yaml_reader import Report, YamlEntry
from flashpipe.units import parse_bool, parse_duration, parse_size
from flashpipe.versions import parse_demand

Check = Callable[[YamlEntry, str, Report], object]

MAX_WAIT_S: Final = 3600.0
"""A Lua file that prints for longer is no check; it is a typing mistake."""
NAME_LIMIT: Final = 31
"""Characters of a file name on the board (facts: usb-nodemcu §9.4, SPIFFS geometry)."""
OWN_NAMES: Final = "fp~"
"""How the names of files begin that are still being sent."""
_MODULE: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NAME: Final = re.compile(r"[!-~]+")


def _checked(read: Callable[[str], object]) -> Check:
    """A check of a text by a reader that raises BadValueError, or gives None, where it is wrong."""

    def check(entry: YamlEntry, key: str, report: Report) -> object:
        try:
            value = read(entry.text) if entry.kind == "text" and entry.text.strip() else None
        except BadValueError:
            value = None
        if value is None:
            report.wrong(entry, key, WANT[key])
        return value

    return check


def _duration(text: str) -> float | None:
    seconds = parse_duration(text)
    return seconds if 0 < seconds <= MAX_WAIT_S else None


def _line(text: str) -> str | None:
    return text if text.isprintable() else None


def _modules(entry: YamlEntry, key: str, report: Report) -> object:
    elements = list(entry.elements()) if entry.kind == "list" else []
    if not elements or any(element.kind != "text" or not _MODULE.fullmatch(element.text) for element in elements):
        report.wrong(entry, key, WANT[key])
        return None
    return tuple(dict.fromkeys(element.text for element in elements))


def _prints(entry: YamlEntry, key: str, report: Report) -> object:
    text = _checked(_line)(entry, key, report)
    if isinstance(text, str) and len(text) > 1 and text.startswith("/") and text.endswith("/"):
        try:
            expression(text[1:-1])
        except BadValueError as error:
            report.wrong(entry, key, f"{WANT[key]}; the expression is wrong: {error.message}")
            return None
    return text


def _files(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.kind != "mapping":
        report.wrong(entry, key, WANT[key])
        return None
    found: dict[str, str] = {}
    for name, value in entry.items():
        problem = _bad_name(name)
        if problem:
            report.add(name, key, f"got {name} as a name on the board, {problem}")
        elif name.text in found:
            report.add(name, key, f"{name.text} is stated twice")
        else:
            where = f"{key}.{name.text}"
            if value.kind != "text" or not value.text or not value.text.isprintable():
                report.wrong(value, where, "a file such as lua/init.lua")
            found[name.text] = value.text
    if not found and not report.about(key):
        report.wrong(entry, key, WANT[key])
    return tuple(sorted(found.items()))


def _bad_name(name: YamlEntry) -> str:
    if name.kind != "text" or not 0 < len(name.text) <= NAME_LIMIT:
        return f"want 1 to {NAME_LIMIT} characters"
    if not _NAME.fullmatch(name.text) or set(name.text) & set("\"'\\"):
        return "want printable ASCII without spaces, quotes and backslashes"
    return f"names that begin with {OWN_NAMES} are taken" if name.text.startswith(OWN_NAMES) else ""


CHECKS: Final[dict[str, Check]] = {
    "acceptance.version": _checked(parse_demand),
    "acceptance.modules": _modules,
    "acceptance.float": _checked(parse_bool),
    "acceptance.lfs": _checked(parse_size),
    "acceptance.flash_size": _checked(parse_size),
    "acceptance.run": _checked(_line),
    "acceptance.prints": _prints,
    "acceptance.timeout": _checked(_duration),
    "files": _files,
}
WANT: Final[dict[str, str]] = {
    "acceptance.version": "a version such as >=3.0, or >=2.2, <3",
    "acceptance.modules": "a list of modules such as [wifi, mqtt]",
    "acceptance.float": "true or false: whether the firmware calculates with fractions",
    "acceptance.lfs": "a size such as 64KB: what the LFS partition has at least",
    "acceptance.flash_size": "a flash size such as 4MB",
    "acceptance.run": "a Lua file such as test.lua",
    "acceptance.prints": "a text, or an expression between slashes such as /PASS/",
    "acceptance.timeout": "a duration such as 10s, at most an hour",
    "files": "names on the board and their files such as {init.lua: lua/init.lua}",
}
SECTIONS: Final = {"acceptance": "a mapping such as {version: '>=3.0', modules: [wifi, mqtt]}"}


def check_together(stated: dict[str, YamlEntry], report: Report) -> None:
    """Rules between these keys; `stated` are those that are there."""
    for key in ("acceptance.prints", "acceptance.timeout"):
        if key in stated and "acceptance.run" not in stated and not report.about("acceptance.run"):
            report.add(stated[key], key, "says what a Lua file prints, but `acceptance.run` names none")
