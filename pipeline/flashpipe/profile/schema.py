"""The JSON Schema of profiles, for editors: made from the table of keys, so that it knows what the program knows.

It judges one file by itself, as `keys.read_keys` does; what keys mean together, and with the profile extended, only
loading tells. A value is taken in every spelling that loading takes, and as the type that an editor's YAML makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from flashpipe import reset_mode
from flashpipe.firmware.init_data import CRYSTALS, LENGTH
from flashpipe.flash import FREQUENCY_CODES, MODE_CODES, SIZE_BYTES
from flashpipe.profile.key_texts import KEY_TEXTS
from flashpipe.profile.keys import BOOT_WORDS, CHECKS, CHIPS, KEEP, MAX_BAUD, MAX_BOOT_S, MIN_BAUD, SECTIONS, WANT
from flashpipe.profile.lua import NAME_LIMIT, OWN_NAMES

Schema = dict[str, Any]
ID: Final = "flashpipe-profile/1"
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The one that editors know best."""
FILE: Final = "flashpipe.schema.json"
"""Where `flashpipe init` puts it, beside the profile."""
_PLAIN: Final = ["string", "number", "boolean"]
"""A scalar of which loading keeps the text."""
_YES_AND_NO: Final = ("on", "off", "yes", "no", "true", "false", "y", "n", "1", "0")
_BOOT_SWITCH: Final = ("off", "false", "no", "0", "on", "true", "yes", "1")
_UNITS: Final = (("", 1), ("[bB]", 1), ("[kK]([iI]?[bB])?", 1024), ("[mM]([iI]?[bB])?", 1024**2))
_ADDRESS: Final = "0[xX][0-9a-fA-F]+|[0-9]+"
_STEP: Final = r"([DR][01]|U[01],[01]|W[0-9]+(\.[0-9]+)?)"
_COMPARISON: Final = r"\s*(>=|<=|==|~=|!=|>|<|=)?\s*v?[0-9]{1,9}(\.[0-9]{1,9}){0,3}(\.\*)?\s*"


def profile_schema() -> Schema:
    """The whole schema."""
    return {"$schema": DRAFT, "$id": ID, "title": "A board profile of flashpipe", **_section("")}


def _section(prefix: str) -> Schema:
    """A mapping with the keys that begin with `prefix`."""
    keys = [key for key in (*CHECKS, *SECTIONS) if key.startswith(prefix) and "." not in key.removeprefix(prefix)]
    return {
        "type": "object",
        "properties": {key.removeprefix(prefix): _described(key) for key in dict.fromkeys(keys)},
        "additionalProperties": False,
    }


def _described(key: str) -> Schema:
    about = ". ".join(filter(None, (KEY_TEXTS.get(key, ""), f"Takes {WANT.get(key) or SECTIONS[key]}")))
    section = {**_section(f"{key}."), "minProperties": 1} if key in SECTIONS else None
    value = _VALUES.get(key)
    if section is None or value is None:
        return {"description": about, **(value or section or {})}
    return {"description": about, "anyOf": [value, section]}


# --- values ----------------------------------------------------------------------------------------------------------


def _text(pattern: str = "", *, empty: bool = False) -> Schema:
    """A line that can be printed."""
    shown = r"^[^\u0000-\u0008\u000e-\u001f\u007f-\u009f]*$" if empty else r"^[^\u0000-\u001f\u007f-\u009f]+$"
    return {"type": _PLAIN, "pattern": f"^({pattern})$" if pattern else shown}


def _any_case(word: str) -> str:
    return "".join(f"[{char.lower()}{char.upper()}]" if char.isalpha() else char for char in word)


def _one_of(words: Iterable[str], *others: Schema) -> Schema:
    """Words that an editor offers, in any case; `others` are taken, too."""
    offered = list(words)
    pattern = "|".join(_any_case(word).replace(".", r"\.") for word in offered)
    return {"anyOf": [{"enum": offered}, {"type": "string", "pattern": f"^({pattern})$"}, *others]}


def _flag() -> Schema:
    return {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, *_one_of(_YES_AND_NO)["anyOf"][1:]]}


def _flash_size() -> Schema:
    known = sorted({*SIZE_BYTES.values()})
    spelled = "|".join(
        f"0*{size // factor}\\s*{unit}" for size in known for unit, factor in _UNITS if size % factor == 0
    )
    in_hex = "|".join(f"0[xX]0*{_any_case(f'{size:x}')}\\s*[bB]?" for size in known)
    names = sorted(SIZE_BYTES, key=lambda name: SIZE_BYTES[name])
    return _one_of(("auto", *names), {"enum": known}, {"type": "string", "pattern": f"^\\s*({spelled}|{in_hex})\\s*$"})


def _size() -> Schema:
    units = "[bB]|[kK]([iI]?[bB])?|[mM]([iI]?[bB])?"
    pattern = rf"^\s*(0[xX][0-9a-fA-F]+|[0-9]+)\s*({units})?\s*$"
    return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": pattern}]}


def _some_size() -> Schema:
    """More than nothing."""
    return {**_size(), "not": {"anyOf": [{"enum": [0]}, {"type": "string", "pattern": r"^\s*(0[xX])?0+\s*[a-zA-Z]*$"}]}}


def _duration(most: float) -> Schema:
    text = {
        "type": "string",
        "pattern": r"^\s*(?!0+(\.0+)?\s*[a-zA-Z]*$)[0-9]+(\.[0-9]+)?\s*([mM]?[sS]|[mM]([iI][nN])?)?$",
    }
    return {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": most}, text]}


def _addresses(value: Schema) -> Schema:
    return {
        "type": "object",
        "patternProperties": {rf"^\s*({_ADDRESS})\s*$": value},
        "additionalProperties": False,
        "minProperties": 1,
    }


def _list(item: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": item, "minItems": least}


def _mac() -> Schema:
    separated = r"(?![0:-]+$)[0-9a-fA-F][02468aceACE](([:-]?)[0-9a-fA-F]{2})(\2[0-9a-fA-F]{2}){4}"
    return {"anyOf": [{"type": "string", "pattern": f"^{separated}$"}, {"type": "number", "minimum": 100000000000}]}


def _expected() -> Schema:
    """Any text but the words that switch the check."""
    taken = "|".join(_any_case(word) for word in _BOOT_SWITCH)
    return {
        **_text(),
        "not": {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": f"^({taken})$"}]},
    }


def _files() -> Schema:
    name = rf"(?!{OWN_NAMES}|/)[!#-&(-\[\]-~]{{1,{NAME_LIMIT}}}"
    name = rf"^({name}|/?{name}/|/)$"
    forms = [
        {
            "type": "object",
            "properties": {form: _text(), "compile": _flag()},
            "required": [form],
            "additionalProperties": False,
        }
        for form in ("from", "template")
    ]
    return {
        "type": "object",
        "propertyNames": {"pattern": name},
        "additionalProperties": {"anyOf": [_text(), *forms]},
        "minProperties": 1,
    }


def _values_of_templates() -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": "^(?!(mac|chipid)$)[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"type": _PLAIN},
        "minProperties": 1,
    }


_COMMAND: Final[Schema] = {"type": _PLAIN, "pattern": r"^[^\u0000-\u0008\u000b-\u001f]+$"}
_PATTERN: Final[Schema] = _text(r"[^/\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*")
_VALUES: Final[Mapping[str, Schema]] = {
    "extends": _text(),
    "about": _text(empty=True),
    "chip": _one_of(CHIPS),
    "flash.size": _flash_size(),
    "flash.mode": _one_of(MODE_CODES),
    "flash.frequency": _one_of(sorted(FREQUENCY_CODES)),
    "gpio9_10": _one_of(("flash", "free")),
    "serial.port": _text(),
    "serial.port.usb": {"type": "string", "pattern": "^(0[xX])?[0-9a-fA-F]{4}:(0[xX])?[0-9a-fA-F]{4}$"},
    "serial.port.serial": _text(),
    "serial.port.location": _text(),
    "serial.baud": {
        "anyOf": [
            {"type": "integer", "minimum": MIN_BAUD, "maximum": MAX_BAUD},
            {"type": "string", "pattern": "^([0-9]{3,9}|[aA][uU][tT][oO])$"},
        ]
    },
    "serial.reset": _one_of(reset_mode.WORDS, {"type": "string", "pattern": rf"^{_STEP}(\|{_STEP})*$"}),
    "firmware.image": _text(),
    "firmware.split": _addresses(_text()),
    "firmware.build.command": {"anyOf": [_COMMAND, _list({"type": _PLAIN}, 1)]},
    "firmware.build.folder": _text(),
    "firmware.build.outputs": {"anyOf": [_text(), _addresses(_text())]},
    "firmware.build.inputs": {"anyOf": [_PATTERN, _list(_PATTERN, 1)]},
    "firmware.elf": _text(),
    "firmware.lfs": _text(),
    "firmware.spiffs": _text(),
    "firmware.lfs.lua": {"anyOf": [_PATTERN, _list(_PATTERN, 1)]},
    "firmware.lfs.luac": _text(),
    "firmware.spiffs.folder": _text(),
    "firmware.spiffs.size": _one_of(("auto",), _some_size()),
    "firmware.spiffs.spiffsimg": _text(),
    "lock": _flag(),
    "init_data": _text(),
    "init_data.source": _text(),
    "init_data.vdd33": _flag(),
    "init_data.crystal": {
        "anyOf": [{"enum": sorted(CRYSTALS)}, {"type": "string", "pattern": r"^(24|26|40)\s*([mM][hH][zZ])?$"}]
    },
    "init_data.bytes": {
        **_addresses(
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 255}, {"type": "string", "pattern": _ADDRESS}]}
        ),
        "maxProperties": LENGTH,
    },
    "erase": _one_of(("as-needed", "all")),
    "keep": _list(_one_of(KEEP)),
    "verify": _one_of(("md5", "read-back")),
    "boot": _one_of(
        (*BOOT_WORDS, "off", "on"), {"type": "boolean"}, {"enum": [0, 1]}, *_one_of(_BOOT_SWITCH)["anyOf"][1:]
    ),
    "boot.expect": _expected(),
    "boot.timeout": _duration(MAX_BOOT_S),
    "mode_retry": _flag(),
    "rollback": _flag(),
    "boards": _list(_mac()),
    "acceptance.version": {"type": ["string", "number"], "pattern": f"^{_COMPARISON}(,{_COMPARISON})*$"},
    "acceptance.modules": _list({"type": ["string", "boolean"], "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}, 1),
    "acceptance.float": _flag(),
    "acceptance.lfs": _size(),
    "acceptance.flash_size": _size(),
    "acceptance.run": _text(),
    "acceptance.prints": _text(),
    "acceptance.timeout": _duration(MAX_BOOT_S),
    "acceptance.command": {"anyOf": [_text(), _list(_text(), 1)]},
    "acceptance.limits": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "minProperties": 1,
    },
    "files": _files(),
    "files_mirror": _flag(),
    "files_mirror_except": _list({"type": _PLAIN, "minLength": 1}, 1),
    "values": _values_of_templates(),
}
"""What each key takes; tests/profile holds it against `keys.CHECKS`, by every profile that the tests load."""
