"""Lua's own library, as far as the virtual NodeMCU has it: base functions, `string`, `table` and `math`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator
from typing import Any, Final

from flashpipe.sim.firmware.program import Step
from flashpipe.sim.lua import strings as lua_strings
from flashpipe.sim.lua.interpreter import Interpreter
from flashpipe.sim.lua.syntax import LuaSyntaxError, Node, Parser
from flashpipe.sim.lua.values import (
    ArgumentError,
    Function,
    LuaError,
    Many,
    Table,
    Value,
    Values,
    native,
    to_number,
    truth,
    type_name,
    unkey,
)

Printer = Callable[[str], Generator[Step, None, None]]
_PLACE: Final = Node("name", ("?",), 1)
_FORMAT: Final = re.compile(r"%([-+ #0]*\d*(?:\.\d+)?)([cdiouxXeEfgGqs%])")


def install(lua: Interpreter, say: Printer) -> None:
    """Put the library into the interpreter's globals."""
    base = {**_base(lua), "print": _print(lua, say), **_calling(lua)}
    lua.globals.update(base)
    lua.globals["_VERSION"] = "Lua 5.3" if lua.new else "Lua 5.1"
    lua.globals["_G"] = Table(lua.globals, 0x3FFEF4F0)  # the same cells: `_G.x` is `x`
    for name, functions in (("string", _string(lua)), ("table", _table(lua)), ("math", _math())):
        lua.globals[name] = Table({key: native(value) for key, value in functions.items()}, 0x40260100)


def _print(lua: Interpreter, say: Printer) -> Function:
    def call(values: Values) -> Many:
        yield from say("\t".join(lua.tostring(value) for value in values) + "\n")
        return []

    return Function(call, native=True)


def _base(lua: Interpreter) -> dict[str, Function]:
    functions: dict[str, Callable[..., Any]] = {
        "tostring": lambda value=None, *_: lua.tostring(value),
        "type": lambda value=None, *_: type_name(value),
        "unpack": lambda table=None, *_: _items(table),
        "collectgarbage": lambda what="collect", *_: 22.5 if what == "count" else 0,
        **_checks(lua),
        **_loops(),
    }
    return {name: native(function) for name, function in functions.items()}


def _checks(lua: Interpreter) -> dict[str, Callable[..., Any]]:
    def tonumber(value: Value = None, base: Value = None, *_: Value) -> Value:
        if base is None:
            return to_number(value)
        try:
            return int(str(value), int(base))
        except ValueError:
            return None

    def error(value: Value = None, level: Value = 1, *_: Value) -> None:
        raise LuaError(f"{lua.place}: {value}" if isinstance(value, str) and level else value)

    def check(value: Value = None, message: Value = "assertion failed!", *rest: Value) -> Values:
        if not truth(value):
            raise LuaError(message)
        return [value, message, *rest] if message != "assertion failed!" else [value]

    return {"tonumber": tonumber, "error": error, "assert": check}


def _loops() -> dict[str, Callable[..., Any]]:
    def following(table: Value = None, key: Value = None, *_: Value) -> Values:
        keys = [unkey(cell) for cell in _cells(table)]
        at = 0 if key is None else keys.index(key) + 1
        return [keys[at], table.get(keys[at])] if at < len(keys) else [None]

    def pairs(table: Value = None, *_: Value) -> Values:
        listed = [[unkey(key), value] for key, value in _cells(table).items()]
        rest = iter(listed)
        return [native(lambda *_: next(rest, [None])), table, None]

    def ipairs(table: Value = None, *_: Value) -> Values:
        _cells(table)

        def step(_state: Value, index: Value) -> Values:
            value = table.get(index + 1)
            return [None] if value is None else [index + 1, value]

        return [native(step), table, 0]

    def select(index: Value = None, *rest: Value) -> Value:
        return len(rest) if index == "#" else list(rest[int(index) - (index > 0) :])

    return {"next": following, "pairs": pairs, "ipairs": ipairs, "select": select}


def load(lua: Interpreter, source: str, name: str) -> Many:
    """Parse and run a chunk.

    Raises:
        LuaError: it does not parse, or raised one.
    """
    try:
        body = Parser(source, name, new=lua.new).parse()
    except LuaSyntaxError as error:
        raise LuaError(error.message) from None
    return (yield from lua.chunk(body, name))


def _calling(lua: Interpreter) -> dict[str, Function]:
    def pcall(values: Values) -> Many:
        try:
            return [True, *(yield from lua.call(values[0] if values else None, values[1:], _PLACE))]
        except LuaError as error:
            return [False, error.value]

    def loadstring(values: Values) -> Many:
        source = str(values[0]) if values else ""
        try:
            body = Parser(source, f'[string "{source.partition(chr(10))[0]}"]', new=lua.new).parse()
        except LuaSyntaxError as error:
            return [None, error.message]
        return [Function(lambda _: lua.chunk(body))]
        yield

    return {"pcall": Function(pcall, native=True), "loadstring": Function(loadstring, native=True)}


def _cells(table: Value) -> dict[Value, Value]:
    if not isinstance(table, Table):
        got = "no value" if table is None else type_name(table)
        raise ArgumentError(1, f"table expected, got {got}")
    return table.cells


def _items(table: Value) -> Values:
    _cells(table)
    return [table.get(index) for index in range(1, table.border() + 1)]


def _text(value: Value, lua: Interpreter) -> str:
    if type_name(value) not in {"string", "number"}:
        got = "no value" if value is None else type_name(value)
        raise ArgumentError(1, f"string expected, got {got}")
    return lua.tostring(value)


def _string(lua: Interpreter) -> dict[str, Callable[..., Any]]:
    def cut(value: Value = None, start: Value = 1, end: Value = -1, *_: Value) -> str:
        words = _text(value, lua)
        first = max(start + len(words) if start < 0 else start - 1, 0)
        last = end + len(words) + 1 if end < 0 else end
        return words[int(first) : int(last)] if last > first else ""

    def codes(value: Value = None, start: Value = 1, end: Value = None, *_: Value) -> Values:
        return [ord(letter) for letter in cut(value, start, start if end is None else end)]

    return {
        "len": lambda value=None, *_: len(_text(value, lua)),
        "sub": cut,
        "byte": codes,
        "char": lambda *numbers: "".join(chr(int(number) & 255) for number in numbers),
        "rep": lambda value=None, count=0, *_: _text(value, lua) * int(count),
        "upper": lambda value=None, *_: _text(value, lua).upper(),
        "lower": lambda value=None, *_: _text(value, lua).lower(),
        "reverse": lambda value=None, *_: _text(value, lua)[::-1],
        "format": lambda pattern=None, *values: _formatted(lua, _text(pattern, lua), list(values)),
        **lua_strings.functions(lua),
    }


def _formatted(lua: Interpreter, pattern: str, values: Values) -> str:
    count = 0

    def put(hit: re.Match[str]) -> str:
        nonlocal count
        if hit[2] == "%":
            return "%"
        count += 1
        if count > len(values):
            raise ArgumentError(count + 1, "no value")
        value = values[count - 1]
        if hit[2] == "s":
            return f"%{hit[1]}s" % lua.tostring(value)
        if hit[2] == "q":
            return f'"{value}"'
        number = to_number(value)
        if number is None:
            raise ArgumentError(count + 1, f"number expected, got {type_name(value)}")
        return f"%{hit[1]}{hit[2]}" % (number if hit[2] in "eEfgG" else int(number))

    return _FORMAT.sub(put, pattern)


def _table(lua: Interpreter) -> dict[str, Callable[..., Any]]:
    def insert(table: Value = None, where: Value = None, *more: Value) -> None:
        items = _items(table)
        items.insert(int(where) - 1 if more else len(items), more[0] if more else where)
        _refill(table, items)

    def remove(table: Value = None, where: Value = None, *_: Value) -> Value:
        items = _items(table)
        if not items:
            return None
        value = items.pop(int(where) - 1 if where is not None else -1)
        table.set(len(items) + 1, None)
        _refill(table, items)
        return value

    def concat(table: Value = None, separator: Value = "", *_: Value) -> str:
        return str(separator).join(_text(item, lua) for item in _items(table))

    return {"insert": insert, "remove": remove, "concat": concat, "getn": lambda table=None, *_: len(_items(table))}


def _refill(table: Table, items: Values) -> None:
    for index, item in enumerate(items, start=1):
        table.set(index, item)


def _math() -> dict[str, Callable[..., Any]]:
    return {
        "floor": lambda value=0, *_: math.floor(value),
        "ceil": lambda value=0, *_: math.ceil(value),
        "abs": lambda value=0, *_: abs(value),
        "max": lambda *values: max(values),
        "min": lambda *values: min(values),
        "sqrt": lambda value=0, *_: math.sqrt(value) if value >= 0 else math.nan,
    }
