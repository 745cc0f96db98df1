"""The key `init_data` of a profile: what should be done about the SDK's init data (facts: image-flashmap §5.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, cast

from flashpipe.errors import BadValueError
from flashpipe.firmware.init_data import ADC_BYTE, CRYSTAL_BYTE, CRYSTALS, LENGTH
from flashpipe.profile.model import INIT_WORDS, InitProfile
from flashpipe.profile.yaml_reader import Report, Value, YamlEntry
from flashpipe.units import parse_address

_LARGEST_BYTE: Final = 0xFF
_MAX_NUMBER: Final = 20
"""Characters of the longest number worth reading."""


def crystal(entry: YamlEntry, key: str, report: Report) -> int | None:
    """MHz of the crystal."""
    match = re.fullmatch(r"(24|26|40)(?:\s*mhz)?", entry.text.casefold()) if entry.kind == "text" else None
    if match is None:
        report.wrong(entry, key, "one of 24, 26, 40 (MHz)")
        return None
    return int(match[1])


def byte_table(entry: YamlEntry, key: str, report: Report) -> object:
    """Indexes and values of bytes, sorted pairs."""
    if entry.kind != "mapping":
        report.wrong(entry, key, "indexes and bytes such as {107: 0xFF}")
        return None
    contents: dict[int, int] = {}
    for name, value in entry.items():
        index, content = _number(name), _number(value)
        if index is None or content is None or index >= LENGTH or content > _LARGEST_BYTE:
            report.add(name, key, f"got {name}: {value}, want an index below {LENGTH} and a byte such as 0x00")
        elif index in contents:
            report.add(name, key, f"{index} is stated twice")
        else:
            contents[index] = content
    if not contents and not report.about(key):
        report.wrong(entry, key, "indexes and bytes such as {107: 0xFF}")
    return tuple(sorted(contents.items()))


def _number(entry: YamlEntry) -> int | None:
    if entry.kind != "text" or len(entry.text) > _MAX_NUMBER:
        return None
    try:
        return parse_address(entry.text)
    except BadValueError:
        return None


def check_init(values: Mapping[str, Value], report: Report) -> None:
    """Rules between the keys of `init_data`."""
    settings = [key for key in values if key.startswith("init_data.") and key != "init_data.source"]
    source = values.get("init_data.source")
    if settings and source is not None and _word(source) == "keep":
        report.wrong(values[settings[0]].entry, settings[0], "nothing: `source: keep` leaves every byte alone")


def init_profile(values: Mapping[str, Value]) -> InitProfile:
    """What the checked keys say."""
    settings: dict[int, int] = {}
    if "init_data.bytes" in values:
        settings = dict(cast("Iterable[tuple[int, int]]", values["init_data.bytes"].value))
    if "init_data.vdd33" in values:
        settings[ADC_BYTE] = 0xFF if values["init_data.vdd33"].value else 0x00
    if "init_data.crystal" in values:
        settings[CRYSTAL_BYTE] = CRYSTALS[cast("int", values["init_data.crystal"].value)]
    source = values.get("init_data.source")
    text, base = (_word(source), source.base) if source else ("auto", Path())
    return InitProfile(text, base, tuple(sorted(settings.items())))


def _word(source: Value) -> str:
    text = cast("str", source.value)
    return text.casefold() if text.casefold() in INIT_WORDS else text
