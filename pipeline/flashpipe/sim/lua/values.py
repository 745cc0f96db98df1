"""Lua's values as the virtual NodeMCU has them: tables, functions, errors. Strings are latin-1 texts, a byte each."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final

from flashpipe.sim.firmware.program import Step

Value = Any
Values = list[Value]
Doing = Generator[Step, None, Value]
Many = Generator[Step, None, Values]

_NUMBER: Final = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)", re.ASCII)


class LuaError(Exception):
    """An error raised by Lua code; `value` is any Lua value, `where` whether the position was put in front."""

    def __init__(self, value: Value) -> None:
        super().__init__(value)
        self.value = value


class ArgumentError(Exception):
    """A native function was given a value it cannot use; `index` counts from 1."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(index, message)
        self.index, self.message = index, message


@dataclass(eq=False, slots=True)
class Table:
    """A Lua table."""

    cells: dict[Value, Value] = field(default_factory=dict)
    address: int = 0x3FFF0000

    def get(self, key: Value) -> Value:
        """The value at `key`, or nil."""
        return self.cells.get(_key(key))

    def set(self, key: Value, value: Value) -> None:
        """Put `value` at `key`; nil removes it."""
        if value is None:
            self.cells.pop(_key(key), None)
        else:
            self.cells[_key(key)] = value

    def border(self) -> int:
        """What `#` gives."""
        size = 0
        while _key(size + 1) in self.cells:
            size += 1
        return size


@dataclass(eq=False, slots=True)
class Function:
    """A function, written in Lua or here."""

    call: Callable[[Values], Many]
    address: int = 0x40260000
    native: bool = False


class Userdata(Table):
    """A table that Lua sees as userdata, such as an open file."""


def native(function: Callable[..., Any]) -> Function:
    """A Lua function from a Python one that takes values and gives None, a value, or a list of values."""

    def call(arguments: Values) -> Many:
        result = function(*arguments)
        if isinstance(result, Generator):
            result = yield from result
        return result if isinstance(result, list) else [] if result is None else [result]
        yield  # makes every native a generator

    return Function(call, native=True)


def _key(key: Value) -> Value:
    if isinstance(key, bool):
        return ("bool", key)  # Python has True == 1, Lua has not
    return int(key) if isinstance(key, float) and key.is_integer() else key


def unkey(key: Value) -> Value:
    """The Lua value of a table's inner key."""
    return key[1] if isinstance(key, tuple) else key


def type_name(value: Value) -> str:
    """Lua's name of a value's type."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "userdata" if isinstance(value, Userdata) else "table" if isinstance(value, Table) else "function"


def truth(value: Value) -> bool:
    """Whether a condition holds: all but nil and false."""
    return value is not None and value is not False


def to_number(value: Value) -> int | float | None:
    """A number, or the number a string spells, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        return None
    if "0x" in text.lower():
        return int(text, 16)
    return int(text) if text.lstrip("+-").isdigit() else float(text)
