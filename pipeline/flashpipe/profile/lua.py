"""The keys of a profile about a running NodeMCU: what `acceptance` demands and which Lua `files` the board gets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, cast

from flashpipe.errors import BadValueError
from flashpipe.expressions import expression
from flashpipe.lazy import lazy_pattern
from flashpipe.masking import is_secret
from flashpipe.profile.model import FileMirror, FileSource
from flashpipe.profile.yaml_reader import Report, Value, YamlEntry
from flashpipe.units import parse_bool, parse_duration, parse_size
from flashpipe.versions import parse_demand

Check = Callable[[YamlEntry, str, Report], object]

MAX_WAIT_S: Final = 3600.0
"""A Lua file that prints for longer is no check; it is a typing mistake."""
NAME_LIMIT: Final = 31
"""Characters of a file name on the board (facts: usb-nodemcu §9.4, SPIFFS geometry)."""
OF_BOARDS: Final = ("mac", "chipid")
"""Names of values that every board has by itself."""
OWN_NAMES: Final = "fp~"
"""How the names of files begin that are still being sent."""
_MODULE: Final = lazy_pattern(r"[A-Za-z_]\w*", re.ASCII)
_NAME: Final = lazy_pattern(r"[!-~]+")


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
    def bad(element: YamlEntry) -> bool:
        return element.kind != "text" or not _MODULE.fullmatch(element.text)

    elements = list(entry.elements()) if entry.kind == "list" else []
    if not elements or any(map(bad, elements)):
        report.wrong_parts(entry, key, WANT[key], bad)
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


_FORMS: Final = ("from", "template")
_COMPILE: Final = "compile"


def _files(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.kind != "mapping":
        report.wrong(entry, key, WANT[key])
        return None
    sources: dict[str, tuple[str, bool, bool]] = {}
    for name, value in entry.items():
        problem = _bad_key(name.text) if name.kind == "text" else "want a word"
        if problem:
            report.add(name, key, f"got {name} as a name on the board, {problem}")
        elif name.text in sources:
            report.add(name, key, f"{name.text} is stated twice")
        else:
            sources[name.text] = source = _source(value, f"{key}.{name.text}", report)
            if source[2] and not name.text.endswith(("/", ".lc")):
                report.add(name, key, f"{name.text} is compiled, want a name that ends in .lc")
    if not sources and not report.about(key):
        report.wrong(entry, key, WANT[key])
    return tuple(sorted((name, *source) for name, source in sources.items()))


def _source(value: YamlEntry, where: str, report: Report) -> tuple[str, bool, bool]:
    """Path or pattern, whether it is a template, and whether it is compiled."""
    want = "a file such as lua/init.lua, a pattern, {from: FILE} or {template: FILE}"
    parts = list(value.items()) if value.kind == "mapping" else []
    for name, _ in parts:
        if name.text not in {*_FORMS, _COMPILE}:
            report.add(name, where, f"unknown key {name}, want one of {', '.join((*_FORMS, _COMPILE))}")
    forms = [(name.text, part) for name, part in parts if name.text in _FORMS]
    compiles = [_yes(part, f"{where}.{_COMPILE}", report) for name, part in parts if name.text == _COMPILE]
    form, text = forms[0] if forms else ("from", value)
    if len(forms) > 1 or text.kind != "text" or not text.text or not text.text.isprintable():
        report.wrong(value, where, want)
    return text.text, form == "template", any(compiles)


def _yes(entry: YamlEntry, where: str, report: Report) -> bool:
    try:
        return parse_bool(entry.text)
    except BadValueError:
        report.wrong(entry, where, "true or false")
        return False


def _bad_key(name: str) -> str:
    """The same of a folder, too: its `/` in front means nothing."""
    return "" if name == "/" else bad_name(name.removesuffix("/").removeprefix("/") if name.endswith("/") else name)


def bad_name(name: str) -> str:
    """What is wrong with the name of a file on the board; empty where nothing is."""
    if not 0 < len(name) <= NAME_LIMIT:
        return f"want 1 to {NAME_LIMIT} characters"
    if not _NAME.fullmatch(name) or set(name) & set("\"'\\"):
        return "want printable ASCII without spaces, quotes and backslashes"
    if name.startswith("/"):  # executed 1.5.4.1 to 3.0 find it nowhere, and take /FLASH/x for x
        return "want no / at its beginning: NodeMCU takes that for a drive"
    return f"names that begin with {OWN_NAMES} are taken" if name.startswith(OWN_NAMES) else ""


def _spared(entry: YamlEntry, key: str, report: Report) -> object:
    elements = list(entry.elements()) if entry.kind == "list" else []
    if not elements or any(map(_not_text, elements)):
        report.wrong_parts(entry, key, WANT[key], _not_text)
        return None
    return tuple(dict.fromkeys(element.text for element in elements))


def _not_text(element: YamlEntry) -> bool:
    return element.kind != "text" or not element.text


def _values(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.kind != "mapping" or not any(True for _ in entry.items()):
        report.wrong(entry, key, WANT[key])
        return None
    texts: dict[str, str] = {}
    for name, value in entry.items():
        if name.kind != "text" or not _MODULE.fullmatch(name.text) or name.text in OF_BOARDS:
            taken = " (mac and chipid are the board's)" if name.text in OF_BOARDS else ""
            report.add(name, key, f"got {name} as a name, want a word such as interval{taken}")
        elif is_secret(name.text) and not name.text.lower().endswith("ssid"):
            report.add(name, key, f"{name.text} is a secret: it belongs into secrets.yaml, not into a profile")
        elif value.kind != "text":
            report.wrong(value, f"{key}.{name.text}", "a text or number")
        elif name.text in texts:
            report.add(name, key, f"{name.text} is stated twice")
        texts[name.text] = value.text
    return tuple(sorted(texts.items()))


def _command(entry: YamlEntry, key: str, report: Report) -> object:
    elements = list(entry.elements()) if entry.kind == "list" else [entry]
    words = tuple(element.text for element in elements)
    if not words or any(map(_no_word, elements)) or not words[0].strip():
        report.wrong_parts(entry, key, WANT[key], _no_word)
        return None
    return words


def _no_word(element: YamlEntry) -> bool:
    return element.kind != "text" or not element.text.isprintable()


def _limits(entry: YamlEntry, key: str, report: Report) -> object:
    if entry.kind != "mapping" or not any(True for _ in entry.items()):
        report.wrong(entry, key, WANT[key])
        return None
    limits: dict[str, tuple[float, float]] = {}
    for name, value in entry.items():
        pair = _pair(value)
        if name.kind != "text" or not _MODULE.fullmatch(name.text):
            report.add(name, key, f"got {name} as a name, want a word such as temp")
        elif pair is None:
            report.wrong(value, f"{key}.{name.text}", "the least and the most, such as [15, 30]")
        elif name.text in limits:
            report.add(name, key, f"{name.text} is stated twice")
        else:
            limits[name.text] = pair
    return tuple((name, *pair) for name, pair in limits.items())


def _pair(value: YamlEntry) -> tuple[float, float] | None:
    elements = list(value.elements()) if value.kind == "list" else []
    try:
        least, most = (float(element.text) for element in elements)
    except ValueError:
        return None
    return (least, most) if math.isfinite(least) and math.isfinite(most) and least <= most else None


CHECKS: Final[dict[str, Check]] = {
    "acceptance.version": _checked(parse_demand),
    "acceptance.modules": _modules,
    "acceptance.float": _checked(parse_bool),
    "acceptance.lfs": _checked(parse_size),
    "acceptance.flash_size": _checked(parse_size),
    "acceptance.run": _checked(_line),
    "acceptance.prints": _prints,
    "acceptance.timeout": _checked(_duration),
    "acceptance.command": _command,
    "acceptance.limits": _limits,
    "files": _files,
    "files_mirror": _checked(parse_bool),
    "files_mirror_except": _spared,
    "values": _values,
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
    "acceptance.command": "a program and its words such as [./jig.py, --quick]",
    "acceptance.limits": "names and their least and most such as {temp: [15, 30]}",
    "files": "names on the board and their files such as {init.lua: lua/init.lua, lib/: lua/lib/*.lua}",
    "files_mirror": "true or false: whether other files on the board are removed",
    "files_mirror_except": 'a list of patterns such as ["*.cfg"]',
    "values": "names and their values such as {room: kitchen, interval: 60}",
}
SECTIONS: Final = {"acceptance": "a mapping such as {version: '>=3.0', modules: [wifi, mqtt]}"}


def check_together(stated: dict[str, YamlEntry], report: Report) -> None:
    """Rules between these keys; `stated` are those that are there."""
    runs = "acceptance.run" in stated or report.about("acceptance.run")
    tests = runs or "acceptance.command" in stated or report.about("acceptance.command")
    if "acceptance.prints" in stated and not runs:
        report.add(
            stated["acceptance.prints"],
            "acceptance.prints",
            "says what a Lua file prints, but `acceptance.run` names none",
        )
    for key in ("acceptance.timeout", "acceptance.limits"):
        if key in stated and not tests:
            report.add(
                stated[key], key, "is of a test, but neither `acceptance.run` nor `acceptance.command` names one"
            )
    if "files_mirror_except" in stated and "files_mirror" not in stated:
        report.add(stated["files_mirror_except"], "files_mirror_except", "wants `files_mirror: true`")


def file_sources(values: Mapping[str, Value]) -> tuple[FileSource, ...]:
    """What the board gets."""
    files = values.get("files")
    if files is None:
        return ()
    rows = cast("tuple[tuple[str, str, bool, bool], ...]", files.value)
    return tuple(FileSource(name, text, files.base, template, compiled) for name, text, template, compiled in rows)


def file_mirror(values: Mapping[str, Value]) -> FileMirror | None:
    """What becomes of other files on the board."""
    mirror, spared = values.get("files_mirror"), values.get("files_mirror_except")
    if mirror is None or not mirror.value:
        return None
    return FileMirror(cast("tuple[str, ...]", spared.value) if spared else ())
