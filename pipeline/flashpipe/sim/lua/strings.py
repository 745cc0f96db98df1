"""The functions of Lua's string library that take patterns."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from flashpipe.sim.firmware.program import Step
from flashpipe.sim.lua import patterns as lua_patterns
from flashpipe.sim.lua.interpreter import Interpreter
from flashpipe.sim.lua.syntax import Node
from flashpipe.sim.lua.values import ArgumentError, Function, LuaError, Table, Value, Values, native, truth, type_name

_PLACE = Node("name", ("?",), 1)


def functions(lua: Interpreter) -> dict[str, Callable[..., Any]]:  # noqa: C901  four small functions
    """`find`, `match`, `gmatch` and `gsub`."""

    def text(value: Value, index: int = 1) -> str:
        if type_name(value) not in {"string", "number"}:
            raise ArgumentError(index, f"string expected, got {'no value' if value is None else type_name(value)}")
        return lua.tostring(value)

    def begin(words: str, start: Value) -> int:
        return max(0, int(start) - 1 if start > 0 else len(words) + int(start) if start else 0)

    def find(value: Value = None, pattern: Value = None, start: Value = 1, plain: Value = None, *_: Value) -> Values:
        words, wanted = text(value), text(pattern, 2)
        if truth(plain):
            at = words.find(wanted, begin(words, start))
            return [at + 1, at + len(wanted)] if at >= 0 else [None]
        found = lua_patterns.search(words, wanted, begin(words, start))
        if found is None:
            return [None]
        return [found.start + 1, found.end, *(found.captures(words) if found.groups else [])]

    def match(value: Value = None, pattern: Value = None, start: Value = 1, *_: Value) -> Values:
        words = text(value)
        found = lua_patterns.search(words, text(pattern, 2), begin(words, start))
        return [None] if found is None else list(found.captures(words))

    def gmatch(value: Value = None, pattern: Value = None, *_: Value) -> Function:
        words = text(value)
        rest = lua_patterns.each(words, text(pattern, 2))
        return native(lambda *_: next(([*found.captures(words)] for found in rest), [None]))

    def gsub(
        value: Value = None, pattern: Value = None, new: Value = None, limit: Value = None, *_: Value
    ) -> Generator[Step, None, Values]:
        words, at, count = text(value), 0, 0
        out = []
        for found in lua_patterns.each(words, text(pattern, 2)):
            if limit is not None and count >= limit:
                break
            whole = words[found.start : found.end]
            put = yield from _put(lua, new, found.captures(words), whole)
            out += [words[at : found.start], whole if put in {None, False} else lua.tostring(put)]
            at, count = found.end, count + 1
        return ["".join(out) + words[at:], count]

    return {"find": find, "match": match, "gmatch": gmatch, "gsub": gsub}


def _put(lua: Interpreter, new: Value, captures: Values, whole: str) -> Generator[Step, None, Value]:
    """What `gsub` puts in a match's place."""
    if isinstance(new, Function):
        got = yield from lua.call(new, captures, _PLACE)
        return got[0] if got else None
    if isinstance(new, Table):
        return new.get(captures[0])
    if type_name(new) not in {"string", "number"}:
        raise ArgumentError(3, f"string/function/table expected, got {type_name(new)}")
    out, rest = "", lua.tostring(new)
    while "%" in rest:
        before, _, rest = rest.partition("%")
        sign, rest = rest[:1], rest[1:]
        if sign == "0":
            put: Value = whole
        elif sign.isdigit():
            if int(sign) > len(captures):
                raise LuaError(f"stdin:1: invalid capture index %{sign}")
            put = captures[int(sign) - 1]
        else:
            put = sign
        out += before + lua.tostring(put)
    return out + rest
