"""The keys of a profile about what is made on this machine for LFS and SPIFFS: sources in place of finished images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Final, cast

from flashpipe.errors import BadValueError
from flashpipe.files import expanded
from flashpipe.profile.model import LuaSources, SpiffsFolder
from flashpipe.profile.yaml_reader import Report, Value, YamlEntry
from flashpipe.units import parse_size

Check = Callable[[YamlEntry, str, Report], object]

AUTO: Final = "auto"
OFF: Final = "off"


def _word(entry: YamlEntry, key: str, report: Report) -> str | None:
    if entry.kind == "text" and entry.text and entry.text.isprintable():
        return entry.text
    report.wrong(entry, key, WANT[key])
    return None


def _size(entry: YamlEntry, key: str, report: Report) -> int | None:
    """Bytes; 0 for all the room there is."""
    if entry.kind == "text" and entry.text.casefold() == AUTO:
        return 0
    try:
        size = parse_size(entry.text) if entry.kind == "text" else 0
    except BadValueError:
        size = 0
    if size <= 0:
        report.wrong(entry, key, WANT[key])
        return None
    return size


def _patterns(entry: YamlEntry, key: str, report: Report) -> object:
    elements = list(entry.elements()) if entry.kind == "list" else [entry]
    if not elements or any(map(_no_pattern, elements)):
        report.wrong_parts(entry, key, WANT[key], _no_pattern)
        return None
    return tuple(element.text for element in elements)


def _no_pattern(element: YamlEntry) -> bool:
    text = element.text
    return element.kind != "text" or not text or not text.isprintable() or PurePath(text).is_absolute()


CHECKS: Final[dict[str, Check]] = {
    "firmware.lfs.lua": _patterns,
    "firmware.lfs.luac": _word,
    "firmware.spiffs.folder": _word,
    "firmware.spiffs.size": _size,
    "firmware.spiffs.spiffsimg": _word,
}
WANT: Final[dict[str, str]] = {
    "firmware.lfs.lua": "patterns relative to the profile's file such as [lua/*.lua]",
    "firmware.lfs.luac": "auto, or the luac.cross of this firmware's build",
    "firmware.spiffs.folder": "a folder such as data/",
    "firmware.spiffs.size": "auto, or a size such as 256KB",
    "firmware.spiffs.spiffsimg": "auto, off, or the spiffsimg of this firmware's build",
}
SECTIONS: Final = {
    "firmware.lfs": "an LFS image: a file, https://…, or another source as for firmware.image; or {lua: [lua/*.lua]}",
    "firmware.spiffs": "a SPIFFS image: a file, https://…, or another source as for firmware.image; or {folder: data/}",
}
"""What both take at large."""
_FOLDER: Final = "firmware.spiffs.folder"


def check_parts(stated: Mapping[str, YamlEntry], report: Report) -> None:
    """Rules between these keys; `stated` are those that are there."""
    keys = [key for key in stated if key.startswith("firmware.spiffs.")]
    if keys and _FOLDER not in stated and not report.about(_FOLDER):
        report.add(stated[keys[0]], _FOLDER, f"is missing, want {WANT[_FOLDER]}")


def lua_sources(values: Mapping[str, Value]) -> LuaSources | None:
    """What the LFS image is compiled from; None where it comes as a file, or none is wanted."""
    lua = values.get("firmware.lfs.lua")
    return LuaSources(cast("tuple[str, ...]", lua.value), lua.base) if lua else None


def luac(values: Mapping[str, Value]) -> str:
    """The compiler of Lua files, for LFS or with `compile: true`: `auto`, or its path."""
    return _tool(values.get("firmware.lfs.luac"))


def spiffs_folder(values: Mapping[str, Value]) -> SpiffsFolder | None:
    """What the file system is made of; None where it comes as a file, or none is wanted."""
    folder, size = values.get("firmware.spiffs.folder"), values.get("firmware.spiffs.size")
    if folder is None:
        return None
    path = (folder.base / expanded(cast("str", folder.value))).absolute()
    wanted = cast("int", size.value) if size else 0
    return SpiffsFolder(path, wanted or None, _tool(values.get("firmware.spiffs.spiffsimg")))


def _tool(value: Value | None) -> str:
    """`auto`, `off`, or the path of a program."""
    text = cast("str", value.value) if value else AUTO
    if value is None or text.casefold() in {AUTO, OFF}:
        return text.casefold()
    return str((value.base / expanded(text)).absolute())
