"""Words and steps of an advice, and that nothing that can be done at once is said in words alone."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from collections.abc import Iterator

import pytest
from flashpipe import errors
from flashpipe.board.boot.kinds import KINDS
from flashpipe.errors import Diagnosis, PipelineError, all_codes
from flashpipe.events import error_facts
from flashpipe.next_steps import ON_TERMINAL, Advice, command, repeat, setting, steps_of

from tests.rooms import MODULES

STEP = re.compile(
    r"`flashpipe (?:[a-z]+)(?: [a-z_]+=[a-z0-9]+)*`"
    r"|(?<![\w`=])(?:mode|frequency|baud|reset|boot|erase|check|force|allow|offline|yes)=[a-z0-9][\w-]*"
)
"""How people read what can be done as it stands."""
WORDED = re.compile(r"run (?:it|the same command) again|\bname the (?:firmware's |firmware )?(?:\.bin )?file\b")
"""What the page, on which nobody types, says otherwise."""
NOT_ADVISED = ("leave out", "without", "forbids", "cannot help", "`flashpipe plan`", "--dry-run", "with file=")
ELSEWHERE = ("on any NodeMCU", "cannot help here")
"""Texts about another firmware, or about what does not help."""
"""What is said of a setting that is not to be tried."""


def test_words_and_steps_are_made_of_the_same_parts() -> None:
    advice = Advice("run it with ", setting(mode="dout"), "; ", command("erase"), " first, then ", repeat("once more"))
    assert advice == "run it with mode=dout; `flashpipe erase` first, then once more"
    assert [step.facts for step in advice.steps] == [
        {"command": None, "variables": {"mode": "dout"}},
        {"command": "erase", "variables": {}},
        {"command": None, "variables": {}},
    ]


def test_an_advice_may_hold_another_and_names_no_step_twice() -> None:
    inner = Advice(setting(mode="dout"), " or ", setting(mode="dout"))
    assert Advice("first ", inner, ", then wait").steps == (setting(mode="dout"),)
    assert steps_of("mode=dout") == ()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda advice: pickle.loads(pickle.dumps(advice))])
def test_an_advice_survives_copying(again: object) -> None:
    advice = Advice("say ", setting(boot="off"), ON_TERMINAL)
    assert callable(again)
    assert (again(advice), again(advice).parts, again(advice).steps) == (advice, advice.parts, advice.steps)


def test_an_error_carries_its_steps_and_the_diagnosis_comes_first() -> None:
    error = PipelineError(Advice("lost (", command("restore", backup="b1"), ")"), Advice("say ", setting(yes="1")))
    assert error.next_steps == (setting(yes="1"), command("restore", backup="b1"))
    error.add_hint(Advice(command("bundle"), " collects"))
    assert error.next_steps[1] == command("bundle")
    error.diagnosis = Diagnosis("flash-mode", "the mode", (), Advice("try ", setting(mode="dio")))
    assert error_facts(error)["next_steps"] == [
        {"command": None, "variables": {"mode": "dio"}},
        {"command": "restore", "variables": {"backup": "b1"}},
    ]


def test_what_cures_a_code_names_its_steps() -> None:
    kinds = {kind.code: kind.remedy for kind in KINDS.values()}
    remedies = {**{each.code: each.remedy for each in _errors(PipelineError)}, **kinds}
    assert set(remedies) >= all_codes()
    assert [text for text in remedies.values() if sorted(_in_words(text)) != sorted(_in_steps(text))] == []


def _errors(kind: type[PipelineError]) -> Iterator[type[PipelineError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _errors(child)


def _in_words(text: str) -> set[str]:
    found = (match for match in STEP.finditer(text) if not text[: match.start()].rstrip().endswith(NOT_ADVISED))
    return {match[0] for match in found if match[0] not in NOT_ADVISED}


def _in_steps(text: str) -> set[str]:
    return {str(step) for step in steps_of(text) if STEP.fullmatch(str(step))}


# --- nothing that can be done at once is said in words alone ---------------------------------------------------------


def _advised(tree: ast.AST) -> Iterator[ast.expr]:
    """Expressions that are hints: second argument of an error, what is added to one, a remedy."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.endswith("Error") and len(node.args) > 1:
                yield node.args[1]
            if name == "add_hint":
                yield from node.args
            if name == "Rule":
                yield node.args[3]
            yield from (one.value for one in node.keywords if one.arg in {"hint", "remedy"})


def _plain_texts(hint: ast.expr) -> Iterator[str]:
    """Texts of it that are not the words of a step."""
    waiting: list[ast.AST] = [hint]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
            "Wording",
            "command",
            "name_file",
            "repeat",
            "setting",
        }:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("room", ["leaves", "firmware", "records", "plan", "sources", "profile", "board", "flasher"])
def test_a_hint_that_can_be_followed_at_once_carries_the_step(room: str) -> None:
    modules = [one for one in MODULES.values() if one.room == room or one.room.startswith(f"{room}.")]
    assert modules
    texts = [
        (module.name, text)
        for module in modules
        for hint in _advised(ast.parse(module.path.read_text("utf-8")))
        for text in _plain_texts(hint)
        if _in_words(text) and not any(words in text for words in ELSEWHERE)
    ]
    assert texts == []


@pytest.mark.parametrize("room", ["firmware", "records", "plan", "sources", "profile", "board", "flasher"])
def test_what_the_page_says_in_other_words_is_no_plain_text(room: str) -> None:
    modules = [one for one in MODULES.values() if one.room == room or one.room.startswith(f"{room}.")]
    hints = [hint for one in modules for hint in _advised(ast.parse(one.path.read_text("utf-8")))]
    assert [text for hint in hints for text in _plain_texts(hint) if WORDED.search(text)] == []


def test_a_step_in_plain_words_is_found() -> None:
    (hint,) = _advised(ast.parse('raise PortError(f"{port}: lost", f"take {cable}, then mode=dout")'))
    assert [_in_words(text) for text in _plain_texts(hint)] == [{"mode=dout"}]
    (advice,) = _advised(ast.parse('raise PortError("lost", Advice("take ", setting(mode="dout")))'))
    assert [_in_words(text) for text in _plain_texts(advice)] == [set()]
    (hint,) = _advised(ast.parse('raise SourceError("x", Advice("unpack it and name the .bin file inside"))'))
    assert [bool(WORDED.search(text)) for text in _plain_texts(hint)] == [True]
    (advice,) = _advised(ast.parse('raise SourceError("x", Advice("unpack it and ", name_file("the .bin file")))'))
    assert [bool(WORDED.search(text)) for text in _plain_texts(advice)] == [False]
