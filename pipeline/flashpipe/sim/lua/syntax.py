"""Lua text to a tree: all statements and expressions of Lua 5.1, with the error texts of the two dialects.

Written from the Lua reference manual. A chunk that ends too early raises an error that says so (`incomplete`): the
console then asks for more with `>> `.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

KEYWORDS: Final = frozenset({
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
    "repeat", "return", "then", "true", "until", "while",
})  # fmt: skip
_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\f\v]+)|(?P<line>\n)|(?P<comment>--(?!\[=*\[)[^\n]*)
    |(?P<name>[A-Za-z_]\w*)|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<long>(?:--)?\[(?P<level>=*)\[)|(?P<quote>["'])
    |(?P<op>\.\.\.|\.\.|==|~=|<=|>=|//|[-+*/%^#<>=(){}\[\];:,.])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(?:(\d{1,3})|(.|\n))")
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
BINARY: Final = {
    "or": (1, 1), "and": (2, 2), "<": (3, 3), ">": (3, 3), "<=": (3, 3), ">=": (3, 3), "~=": (3, 3), "==": (3, 3),
    "..": (5, 4), "+": (6, 6), "-": (6, 6), "*": (7, 7), "/": (7, 7), "%": (7, 7), "^": (10, 9),
}  # fmt: skip
"""Left and right priority of each operator."""

UNARY_PRIORITY: Final = 8
EOF: Final = "<eof>"


class LuaSyntaxError(Exception):
    """A chunk that does not parse; `incomplete` where only its end is missing."""

    def __init__(self, message: str, *, incomplete: bool) -> None:
        super().__init__(message)
        self.message, self.incomplete = message, incomplete


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the tree: what it is, its parts, its line."""

    kind: str
    parts: tuple[Any, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is `name`, `number`, `string`, `eof`, or the word or operator itself."""

    kind: str
    text: str
    line: int
    value: Any = None


def tokens(source: str, chunk: str, *, new: bool) -> list[Token]:
    """Cut a chunk into tokens; `new` selects the error texts of Lua 5.3."""
    found: list[Token] = []
    at, line = 0, 1
    while at < len(source):
        hit = _TOKEN.match(source, at)
        if hit is None:
            raise _error("unexpected symbol", source[at], chunk, line, new=new)
        at, kind = hit.end(), hit.lastgroup
        if kind in {"long", "level"}:
            end = source.find(f"]{hit['level']}]", at)
            if end < 0:
                what = "comment" if hit[0].startswith("--") else "string"
                raise _error(f"unfinished long {what}", EOF, chunk, line, new=new)
            body, at = source[at:end], end + len(hit["level"]) + 2
            if not hit[0].startswith("--"):
                found.append(Token("string", hit[0], line, body.removeprefix("\n")))
            line += body.count("\n")
        elif kind == "quote":
            end = re.compile(rf"(?:\\(?:.|\n)|[^\\\n{hit[0]}])*").match(source, at).end()  # type: ignore[union-attr]
            if source[end : end + 1] != hit[0]:
                near = source[hit.start() : end] if end < len(source) else EOF
                raise _error("unfinished string", near, chunk, line, new=new)
            found.append(Token("string", source[hit.start() : end + 1], line, _ESCAPE.sub(_escape, source[at:end])))
            at = end + 1
        elif kind == "number":
            found.append(Token("number", hit[0], line, _number(hit[0])))
        elif kind in {"name", "op"}:
            text = hit[0]
            found.append(Token("name" if kind == "name" and text not in KEYWORDS else text, text, line, text))
        line += kind == "line"
    return [*found, Token("eof", EOF, line)]


def _escape(hit: re.Match[str]) -> str:
    return chr(int(hit[1]) & 255) if hit[1] else _LETTERS.get(hit[2], hit[2])


def _number(text: str) -> int | float:
    return int(text, 16) if text[:2].lower() == "0x" else float(text) if re.search(r"[.eE]", text) else int(text)


def _error(what: str, near: str, chunk: str, line: int, *, new: bool) -> LuaSyntaxError:
    quoted = near if new and near == EOF else f"'{near}'"
    return LuaSyntaxError(f"{chunk}:{line}: {what} near {quoted}", incomplete=near == EOF)


class Parser:
    """Recursive descent over the tokens of one chunk."""

    def __init__(self, source: str, chunk: str = "stdin", *, new: bool = False) -> None:
        self._tokens = tokens(source, chunk, new=new)
        self._chunk, self._new, self._at = chunk, new, 0

    def parse(self) -> list[Node]:
        """The statements of the chunk.

        Raises:
            LuaSyntaxError: it is not Lua, or not all of it.
        """
        body = self._block()
        self._expect("eof")
        return body

    # --- tokens

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._now
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _accept(self, kind: str) -> bool:
        if self._now.kind == kind:
            self._next()
            return True
        return False

    def _expect(self, kind: str, opened: Token | None = None) -> Token:
        if self._now.kind == kind:
            return self._next()
        name = f"'{EOF}'" if kind == "eof" else "<name>" if kind == "name" else f"'{kind}'"
        apart = opened is not None and opened.line != self._now.line
        closes = f" (to close '{opened.kind}' at line {opened.line})" if opened and apart else ""
        raise self._fail(f"{name} expected{closes}")

    def _fail(self, what: str) -> LuaSyntaxError:
        return _error(what, self._now.text, self._chunk, self._now.line, new=self._new)

    # --- statements

    def _block(self) -> list[Node]:
        body: list[Node] = []
        while self._now.kind not in {"eof", "end", "else", "elseif", "until"}:
            if self._now.kind in {"return", "break"}:
                body.append(self._last())
                break
            body.append(self._statement())
            self._accept(";")
        return body

    def _last(self) -> Node:
        token = self._next()
        values: list[Node] = []
        if token.kind == "return" and self._now.kind not in {"eof", "end", "else", "elseif", "until", ";"}:
            values = self._expressions()
        self._accept(";")
        return Node(token.kind, (values,), token.line)

    def _statement(self) -> Node:
        kind = self._now.kind
        if kind in {"if", "while", "do", "for", "repeat", "function", "local"}:
            return getattr(self, f"_{kind}")(self._next())  # type: ignore[no-any-return]  # one method per keyword
        return self._assignment_or_call()

    def _if(self, opened: Token) -> Node:
        arms = [(self._expression(), self._after("then"))]
        otherwise: list[Node] = []
        while self._now.kind in {"elseif", "else"}:
            if self._next().kind == "else":
                otherwise = self._block()
                break
            arms.append((self._expression(), self._after("then")))
        self._expect("end", opened)
        return Node("if", (arms, otherwise), opened.line)

    def _after(self, word: str) -> list[Node]:
        self._expect(word)
        return self._block()

    def _while(self, opened: Token) -> Node:
        node = Node("while", (self._expression(), self._after("do")), opened.line)
        self._expect("end", opened)
        return node

    def _do(self, opened: Token) -> Node:
        node = Node("do", (self._block(),), opened.line)
        self._expect("end", opened)
        return node

    def _repeat(self, opened: Token) -> Node:
        body = self._block()
        self._expect("until", opened)
        return Node("repeat", (body, self._expression()), opened.line)

    def _for(self, opened: Token) -> Node:
        names = [self._expect("name").text]
        if self._accept("="):
            bounds = self._expressions()
            if len(bounds) < 2:  # noqa: PLR2004 - a numeric for needs both ends
                raise self._fail("',' expected")
            node = Node("numeric", (names[0], bounds, self._after("do")), opened.line)
        else:
            while self._accept(","):
                names.append(self._expect("name").text)
            self._expect("in") if self._now.kind == "in" else self._expect_in()
            values = self._expressions()
            node = Node("generic", (names, values, self._after("do")), opened.line)
        self._expect("end", opened)
        return node

    def _expect_in(self) -> None:
        raise self._fail("'=' or 'in' expected")

    def _function(self, opened: Token) -> Node:
        target = Node("name", (self._expect("name").text,), opened.line)
        method = False
        while self._now.kind in {".", ":"} and not method:
            method = self._next().kind == ":"
            key = Node("constant", (self._expect("name").text,), opened.line)
            target = Node("index", (target, key), opened.line)
        return Node("assign", ([target], [self._body(opened, method=method)]), opened.line)

    def _local(self, opened: Token) -> Node:
        if self._accept("function"):
            name = self._expect("name").text
            return Node("localfunction", (name, self._body(opened, method=False)), opened.line)
        names = [self._expect("name").text]
        while self._accept(","):
            names.append(self._expect("name").text)
        return Node("local", (names, self._expressions() if self._accept("=") else []), opened.line)

    def _assignment_or_call(self) -> Node:
        target = self._suffixed()
        if target.kind in {"call", "method"} and self._now.kind not in {"=", ","}:
            return Node("do_call", (target,), target.line)
        if self._new and self._now.kind not in {"=", ","}:
            raise self._fail("syntax error")
        targets = [target]
        while self._accept(","):
            targets.append(self._suffixed())
        if any(node.kind not in {"name", "index"} for node in targets):
            raise self._fail("syntax error")
        self._expect("=")
        return Node("assign", (targets, self._expressions()), target.line)

    # --- expressions

    def _expressions(self) -> list[Node]:
        values = [self._expression()]
        while self._accept(","):
            values.append(self._expression())
        return values

    def _expression(self, limit: int = 0) -> Node:
        token = self._now
        if token.kind in {"not", "-", "#"}:
            self._next()
            left = Node("unary", (token.kind, self._expression(UNARY_PRIORITY)), token.line)
        else:
            left = self._simple()
        while self._now.kind in BINARY and BINARY[self._now.kind][0] > limit:
            operator = self._next()
            right = self._expression(BINARY[operator.kind][1])
            left = Node("binary", (operator.kind, left, right), operator.line)
        return left

    def _simple(self) -> Node:
        token = self._now
        constants = {"nil": None, "true": True, "false": False}
        if token.kind in {"number", "string"}:
            return Node("constant", (self._next().value,), token.line)
        if token.kind in constants:
            return Node("constant", (constants[self._next().kind],), token.line)
        if self._accept("..."):
            return Node("varargs", (), token.line)
        if token.kind == "{":
            return self._table()
        if self._accept("function"):
            return self._body(token, method=False)
        return self._suffixed()

    def _suffixed(self) -> Node:
        token = self._now
        if self._accept("("):
            node = Node("single", (self._expression(),), token.line)
            self._expect(")", token)
        elif token.kind == "name":
            node = Node("name", (self._next().text,), token.line)
        else:
            raise self._fail("unexpected symbol")
        while True:
            line = self._now.line
            if self._accept("."):
                key = Node("constant", (self._expect("name").text,), line)
                node = Node("index", (node, key), line)
            elif self._now.kind == "[":
                opened = self._next()
                node = Node("index", (node, self._expression()), line)
                self._expect("]", opened)
            elif self._accept(":"):
                name = self._expect("name").text
                node = Node("method", (node, name, self._arguments()), line)
            elif self._now.kind in {"(", "string", "{"}:
                node = Node("call", (node, self._arguments()), line)
            else:
                return node

    def _arguments(self) -> list[Node]:
        token = self._now
        if token.kind == "string":
            return [Node("constant", (self._next().value,), token.line)]
        if token.kind == "{":
            return [self._table()]
        if not self._accept("("):
            raise self._fail("function arguments expected")
        if self._accept(")"):
            return []
        values = self._expressions()
        self._expect(")", token)
        return values

    def _table(self) -> Node:
        opened = self._next()
        fields: list[tuple[Node | None, Node]] = []
        while self._now.kind != "}":
            if self._now.kind == "[":
                bracket = self._next()
                key: Node | None = self._expression()
                self._expect("]", bracket)
                self._expect("=")
            elif self._now.kind == "name" and self._tokens[self._at + 1].kind == "=":
                key = Node("constant", (self._next().text,), opened.line)
                self._next()
            else:
                key = None
            fields.append((key, self._expression()))
            if not (self._accept(",") or self._accept(";")):
                break
        self._expect("}", opened)
        return Node("table", (fields,), opened.line)

    def _body(self, opened: Token, *, method: bool) -> Node:
        self._expect("(")
        names = ["self"] if method else []
        varargs = False
        while self._now.kind != ")":
            if self._accept("..."):
                varargs = True
                break
            names.append(self._expect("name").text)
            if not self._accept(","):
                break
        self._expect(")")
        body = self._block()
        self._expect("end", opened)
        return Node("function", (names, varargs, body), opened.line)
