"""The Lua that boards are sent: no number is put beside a text by `..` alone.

NodeMCU may move its stack while it makes a text of the number, and restarts (nodemcu-firmware#795). So each side of a
`..` has to be a text for certain: a literal, `tostring(…)`, or one of the few names below.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import flashpipe
import pytest

TEXTS = {"s": "what a loop collects", "k": "in node.info", "n": "in file.list", "name": "of a test in a new project"}
"""Names that stand for texts where they stand beside a `..`."""
MAKE_TEXTS = {"tostring", "type", "rep", "sub"}
ROOMS = ("board/lua", "flasher", "jobs")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\.\.\.|\.\.|[A-Za-z_]\w*|\d[\w.]*|\s+|.', re.DOTALL)


def lua_in(path: Path) -> Iterator[tuple[int, str]]:
    """Texts of a module that are Lua with a `..` in it; what Python fills in is `@`."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "@" for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        else:
            continue
        if re.search(r'["\w)]\.\.["\w(]', text) and re.search(r"\b(print|tostring|type|_fp\w*)\(", text):
            yield node.lineno, text


def doubtful(text: str) -> list[str]:
    """Each `..` of which a side might be a number."""
    tokens = [token for token in _TOKEN.findall(text) if not token.isspace()]
    found = []
    for at, token in enumerate(tokens):
        if token == ".." and not (_ends_a_text(tokens[:at]) and _begins_a_text(tokens[at + 1 :])):
            found.append(" ".join(tokens[max(0, at - 4) : at + 5]))
    return found


def _ends_a_text(before: list[str]) -> bool:
    if not before or before[-1] != ")":
        return bool(before) and (before[-1][0] == '"' or before[-1] in TEXTS)
    depth = 0
    for at in range(len(before) - 1, -1, -1):
        depth += (before[at] == ")") - (before[at] == "(")
        if not depth:
            return before[at - 1] in MAKE_TEXTS or _chooses_a_text(before[at:])
    return False


def _begins_a_text(after: list[str]) -> bool:
    if not after:
        return False
    if after[0] == "(":
        return _chooses_a_text(after) or after[1][0] == '"'  # ("\0"):rep(…)
    return after[0][0] == '"' or after[0] in TEXTS or after[0] in MAKE_TEXTS


def _chooses_a_text(group: list[str]) -> bool:
    """Whether a group in brackets is `(condition and "one" or "other")`."""
    pairs = list(pairwise(group))
    return all(two[0] == '"' for one, two in pairs if one in {"and", "or"}) and any(one == "or" for one, _ in pairs)


def modules() -> list[Path]:
    folder = Path(flashpipe.__file__).parent
    return sorted(path for room in ROOMS for path in (folder / room).rglob("*.py"))


def test_each_text_that_boards_are_sent_joins_texts_only() -> None:
    texts = [(path.name, line, text) for path in modules() for line, text in lua_in(path)]
    assert len(texts) > 8, "it looks at something"
    assert [(*where, bad) for *where, text in texts for bad in doubtful(text)] == []


@pytest.mark.parametrize(
    "text", ['print("a"..1)', 'print("a"..x)', "p(tostring(s)..#t)", 'print(f(1).."a")', 'print((x or 1).."a")']
)
def test_a_number_beside_a_text_is_noticed(text: str) -> None:
    assert doubtful(text)
