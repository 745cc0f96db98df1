"""Runs Lua trees: a small, honest evaluator. What it does not know is nil, and calling it is Lua's own error.

Evaluation is a generator of steps, so that a program may take time (formatting, endless loops) and reset the chip.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flashpipe.sim.firmware.program import Wait
from flashpipe.sim.lua.syntax import Node
from flashpipe.sim.lua.values import (
    ArgumentError,
    Doing,
    Function,
    LuaError,
    Many,
    Table,
    Value,
    Values,
    to_number,
    truth,
    type_name,
)

BURST: Final = 2000
"""Evaluations between two steps of time."""

BURST_S: Final = 0.02
"""Time that a burst takes; a plausible figure (about 100,000 evaluations a second at 80 MHz)."""


PATIENCE: Final = 160 * BURST
"""Evaluations of one command after which the software watchdog restarts the chip: 3.2 s (unconfirmed)."""


class HangError(Exception):
    """A command ran for so long that the software watchdog bites."""


class _Break(Exception):  # noqa: N818 - control flow, not a failure
    pass


class _Return(Exception):  # noqa: N818 - control flow, not a failure
    def __init__(self, values: Values) -> None:
        super().__init__()
        self.values = values


@dataclass(slots=True)
class Scope:
    """Local variables of a block."""

    names: dict[str, Value]
    outer: Scope | None = None
    varargs: Values = field(default_factory=list)

    def holder(self, name: str) -> Scope | None:
        """The innermost scope that has this name."""
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.outer
        return scope


_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "%": operator.mod,
    "^": operator.pow,
}
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Interpreter:
    """Globals and the rules of one dialect.

    Args:
        new: Lua 5.3 rules and texts, else 5.1.
        integers: an integer build: `/` gives whole numbers.
    """

    def __init__(self, *, new: bool = False, integers: bool = False) -> None:
        self.globals: dict[str, Value] = {}
        self.new, self.integers = new, integers
        self._spent = 0
        self._chunk = "stdin"
        self._line = 1

    @property
    def place(self) -> str:
        """Chunk and line of the latest call, as errors name them."""
        return f"{self._chunk}:{self._line}"

    # --- values

    def tostring(self, value: Value) -> str:
        """How `print` shows a value."""
        if value is None or isinstance(value, bool):
            return {None: "nil", True: "true", False: "false"}[value]
        if isinstance(value, (int, float)):
            return self._digits(value)
        return value if isinstance(value, str) else f"{type_name(value)}: 0x{value.address:08x}"

    def _digits(self, value: float) -> str:
        if math.isnan(value):
            return "nan"
        if isinstance(value, int) and (self.new or self.integers):
            return str(value)
        if self.new and value.is_integer():
            return f"{value:.1f}"
        return f"{value:.14g}"  # 5.1 knows one kind of number only

    def fail(self, message: str, node: Node) -> LuaError:
        """An error at a place in the chunk."""
        return LuaError(f"{self._chunk}:{node.line}: {message}")

    # --- statements

    def chunk(self, body: list[Node], name: str = "stdin") -> Many:
        """Run a chunk; gives what it returns."""
        before, self._chunk = self._chunk, name
        self._spent = 0
        try:
            return (yield from self._function_body(body, Scope({})))
        finally:
            self._chunk = before

    def called(self, function: Function) -> Many:
        """Call a function that nothing waits for, such as a timer's."""
        self._spent = 0
        return (yield from self.call(function, [], Node("name", ("?",), 1)))

    def _function_body(self, body: list[Node], scope: Scope) -> Many:
        try:
            yield from self._block(body, scope)
        except _Return as result:
            return result.values
        return []

    def _block(self, body: list[Node], scope: Scope) -> Doing:
        for node in body:
            yield from getattr(self, f"_run_{node.kind}")(node, scope)

    def _inner(self, body: list[Node], outer: Scope, names: dict[str, Value] | None = None) -> Doing:
        yield from self._block(body, Scope(names if names is not None else {}, outer, outer.varargs))

    def _run_do(self, node: Node, scope: Scope) -> Doing:
        yield from self._inner(node.parts[0], scope)

    def _run_do_call(self, node: Node, scope: Scope) -> Doing:
        yield from self._many(node.parts[0], scope)

    def _run_return(self, node: Node, scope: Scope) -> Doing:
        raise _Return((yield from self._list(node.parts[0], scope)))

    def _run_break(self, node: Node, scope: Scope) -> Doing:
        del node, scope
        raise _Break
        yield

    def _run_if(self, node: Node, scope: Scope) -> Doing:
        for condition, body in node.parts[0]:
            if truth((yield from self.evaluate(condition, scope))):
                yield from self._inner(body, scope)
                return
        yield from self._inner(node.parts[1], scope)

    def _run_while(self, node: Node, scope: Scope) -> Doing:
        try:
            while truth((yield from self.evaluate(node.parts[0], scope))):
                yield from self._spend()
                yield from self._inner(node.parts[1], scope)
        except _Break:
            return

    def _run_repeat(self, node: Node, scope: Scope) -> Doing:
        try:
            while True:
                yield from self._spend()
                inner = Scope({}, scope, scope.varargs)
                yield from self._block(node.parts[0], inner)
                if truth((yield from self.evaluate(node.parts[1], inner))):
                    return
        except _Break:
            return

    def _run_numeric(self, node: Node, scope: Scope) -> Doing:
        bounds = yield from self._list(node.parts[1], scope)
        value, limit, step = [*bounds, 1][:3]
        for what, number in (("initial", value), ("limit", limit), ("step", step)):
            if not isinstance(number, (int, float)) or isinstance(number, bool):
                raise self.fail(f"'for' {what} value must be a number", node)
        try:
            while value <= limit if step > 0 else value >= limit:
                yield from self._spend()
                yield from self._inner(node.parts[2], scope, {node.parts[0]: value})
                value += step
        except _Break:
            return

    def _run_generic(self, node: Node, scope: Scope) -> Doing:
        names, values, body = node.parts
        step, state, control = [*(yield from self._list(values, scope)), None, None, None][:3]
        try:
            while True:
                yield from self._spend()
                got = yield from self.call(step, [state, control], node)
                control = got[0] if got else None
                if control is None:
                    return
                yield from self._inner(body, scope, dict(zip(names, _padded(got, len(names)), strict=True)))
        except _Break:
            return

    def _run_local(self, node: Node, scope: Scope) -> Doing:
        names, values = node.parts
        got = yield from self._list(values, scope)
        scope.names.update(zip(names, _padded(got, len(names)), strict=True))

    def _run_localfunction(self, node: Node, scope: Scope) -> Doing:
        scope.names[node.parts[0]] = None
        scope.names[node.parts[0]] = yield from self.evaluate(node.parts[1], scope)

    def _run_assign(self, node: Node, scope: Scope) -> Doing:
        targets, values = node.parts
        got = yield from self._list(values, scope)
        for target, value in zip(targets, _padded(got, len(targets)), strict=True):
            yield from self._assign(target, value, scope)

    def _assign(self, target: Node, value: Value, scope: Scope) -> Doing:
        if target.kind == "name":
            holder = scope.holder(target.parts[0])
            if holder is not None:
                holder.names[target.parts[0]] = value
            elif value is None:
                self.globals.pop(target.parts[0], None)
            else:
                self.globals[target.parts[0]] = value
            return
        table = yield from self.evaluate(target.parts[0], scope)
        key = yield from self.evaluate(target.parts[1], scope)
        if not isinstance(table, Table):
            raise self._bad("index", table, target.parts[0], scope)
        if key is None:
            raise self.fail("table index is nil", target)
        table.set(key, value)

    # --- expressions

    def evaluate(self, node: Node, scope: Scope) -> Doing:
        """One value."""
        if node.kind in {"call", "method", "varargs"}:
            got = yield from self._many(node, scope)
            return got[0] if got else None
        return (yield from getattr(self, f"_get_{node.kind}")(node, scope))

    def _list(self, nodes: Sequence[Node], scope: Scope) -> Many:
        """Values of an expression list: only the last one may give several."""
        values: Values = []
        for index, node in enumerate(nodes):
            if index == len(nodes) - 1 and node.kind in {"call", "method", "varargs"}:
                values += yield from self._many(node, scope)
            else:
                values.append((yield from self.evaluate(node, scope)))
        return values

    def _many(self, node: Node, scope: Scope) -> Many:
        yield from self._spend()
        if node.kind == "varargs":
            return list(scope.varargs)
        if node.kind == "call":
            function = yield from self.evaluate(node.parts[0], scope)
            arguments = yield from self._list(node.parts[1], scope)
            return (yield from self.call(function, arguments, node.parts[0], scope))
        owner = yield from self.evaluate(node.parts[0], scope)
        function = yield from self._index(owner, node.parts[1], node.parts[0], scope)
        arguments = yield from self._list(node.parts[2], scope)
        return (yield from self.call(function, [owner, *arguments], node, scope))

    def call(self, function: Value, arguments: Values, node: Node, scope: Scope | None = None) -> Many:
        """Call a value.

        Raises:
            LuaError: it is no function, or raised an error itself.
        """
        if not isinstance(function, Function):
            raise self._bad("call", function, node, scope)
        self._line = node.line
        try:
            return (yield from function.call(arguments))
        except RecursionError:
            raise self.fail("stack overflow", node) from None
        except ArgumentError as error:
            name = node.parts[-1].parts[0] if node.kind == "index" else node.parts[1 if node.kind == "method" else 0]
            raise self.fail(f"bad argument #{error.index} to '{name}' ({error.message})", node) from None

    def _get_constant(self, node: Node, scope: Scope) -> Doing:
        del scope
        return node.parts[0]
        yield

    def _get_single(self, node: Node, scope: Scope) -> Doing:
        return (yield from self.evaluate(node.parts[0], scope))

    def _get_name(self, node: Node, scope: Scope) -> Doing:
        holder = scope.holder(node.parts[0])
        return holder.names[node.parts[0]] if holder else self.globals.get(node.parts[0])
        yield

    def _get_index(self, node: Node, scope: Scope) -> Doing:
        owner = yield from self.evaluate(node.parts[0], scope)
        key = yield from self.evaluate(node.parts[1], scope)
        return (yield from self._index(owner, key, node.parts[0], scope))

    def _index(self, owner: Value, key: Value, node: Node, scope: Scope) -> Doing:
        if isinstance(owner, str):
            owner = self.globals.get("string")
        if not isinstance(owner, Table):
            raise self._bad("index", owner, node, scope)
        return owner.get(key)
        yield

    def _get_function(self, node: Node, scope: Scope) -> Doing:
        names, varargs, body = node.parts

        home = self._chunk

        def call(arguments: Values) -> Many:
            extra = arguments[len(names) :] if varargs else []
            inner = Scope(dict(zip(names, _padded(arguments, len(names)), strict=True)), scope, extra)
            caller, self._chunk = self._chunk, home  # errors name the chunk that the function stands in
            try:
                return (yield from self._function_body(body, inner))
            finally:
                self._chunk = caller

        return Function(call, address=0x3FFF1000 + id(node) % 0x8000 // 8 * 8)
        yield

    def _get_table(self, node: Node, scope: Scope) -> Doing:
        table = Table(address=0x3FFF1000 + id(node) % 0x8000 // 8 * 8)
        position = 1
        for index, (key, value) in enumerate(node.parts[0]):
            if key is not None:
                at = yield from self.evaluate(key, scope)
                table.set(at, (yield from self.evaluate(value, scope)))
                continue
            last = index == len(node.parts[0]) - 1
            values = yield from self._list([value] if last else [Node("single", (value,), value.line)], scope)
            for item in values:
                table.set(position, item)
                position += 1
        return table

    def _get_unary(self, node: Node, scope: Scope) -> Doing:
        sign, operand = node.parts
        value = yield from self.evaluate(operand, scope)
        if sign == "not":
            return not truth(value)
        if sign == "-":
            return -self._number(value, operand, scope)
        if isinstance(value, str):
            return len(value)
        if isinstance(value, Table):
            return value.border()
        raise self._bad("get length of", value, operand, scope)

    def _get_binary(self, node: Node, scope: Scope) -> Doing:
        sign, left_node, right_node = node.parts
        left = yield from self.evaluate(left_node, scope)
        if sign in {"and", "or"}:
            return left if truth(left) == (sign == "or") else (yield from self.evaluate(right_node, scope))
        right = yield from self.evaluate(right_node, scope)
        if sign in {"==", "~="}:
            same = type_name(left) == type_name(right) and left == right
            return same == (sign == "==")
        if sign in _COMPARE:
            kinds = type_name(left), type_name(right)
            if kinds not in {("number", "number"), ("string", "string")}:
                what = f"two {kinds[0]} values" if kinds[0] == kinds[1] else f"{kinds[0]} with {kinds[1]}"
                raise self.fail(f"attempt to compare {what}", node)
            return _COMPARE[sign](left, right)
        if sign == "..":
            for value, part in ((left, left_node), (right, right_node)):
                if type_name(value) not in {"string", "number"}:
                    raise self._bad("concatenate", value, part, scope)
            return self.tostring(left) + self.tostring(right)
        numbers = self._number(left, left_node, scope), self._number(right, right_node, scope)
        return self._calculate(sign, *numbers, node)

    def _calculate(self, sign: str, left: float, right: float, node: Node) -> float:
        if self.integers and sign in {"/", "%"} and right == 0:
            raise self.fail("attempt to divide by zero", node)
        try:
            if sign == "/":
                return int(left / right) if self.integers else left / right
            result: float = _ARITHMETIC[sign](left, right)
        except ZeroDivisionError:
            return math.nan if sign == "%" or left == 0 else math.copysign(math.inf, left)
        except OverflowError:
            return math.inf
        return math.nan if isinstance(result, complex) else result

    def _number(self, value: Value, node: Node, scope: Scope) -> float:
        number = to_number(value)
        if number is None:
            raise self._bad("perform arithmetic on", value, node, scope)
        return number

    def _bad(self, doing: str, value: Value, node: Node, scope: Scope | None) -> LuaError:
        """Lua's complaint about a value of the wrong type, with the name it had where it had one."""
        kind, name = "", ""
        if node.kind == "name":
            local = scope is not None and scope.holder(node.parts[0]) is not None
            kind, name = "local" if local else "global", node.parts[0]
        elif node.kind == "index" and node.parts[1].kind == "constant":
            kind, name = "field", node.parts[1].parts[0]
        elif node.kind == "method":
            kind, name = "method", node.parts[1]
        if self.new:
            where = f" ({kind} '{name}')" if name else ""
            return self.fail(f"attempt to {doing} a {type_name(value)} value{where}", node)
        if name:
            return self.fail(f"attempt to {doing} {kind} '{name}' (a {type_name(value)} value)", node)
        return self.fail(f"attempt to {doing} a {type_name(value)} value", node)

    def _spend(self) -> Doing:
        self._spent += 1
        if self._spent % BURST == 0:
            if self._spent > PATIENCE:
                raise HangError
            yield Wait(BURST_S)


def _padded(values: Values, count: int) -> Values:
    return (values + [None] * count)[:count]
