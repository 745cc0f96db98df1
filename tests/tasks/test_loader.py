"""Names in place of imports: each leads somewhere, and only to where its room may go."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from flashpipe.cli.commands import COMMANDS
from flashpipe.tasks import command_line
from flashpipe.tasks.loader import action, load

from tests.rooms import MODULES, SOURCES, below, room

ROOM = SOURCES / "flashpipe" / "tasks"
MAKERS = {"task", "board_task"}
RUNNERS = {"run_step", "attempt", "attempt_on", "action"}


def calls(path: Path) -> Iterator[tuple[str, str]]:
    """Function and first text of every call with one, which may be one on a board."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        texts = [one for one in node.args[:2] if isinstance(one, ast.Constant)] if isinstance(node, ast.Call) else []
        if isinstance(node, ast.Call) and texts:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, str(texts[0].value)


def named(functions: set[str]) -> set[str]:
    return {text for path in ROOM.glob("*.py") for name, text in calls(path) if name in functions}


ACTIONS = named(MAKERS | RUNNERS) | set(
    re.findall(r'\(step\.run_step, \["([\w.]+)"\]\)', (ROOM / "__init__.py").read_text("utf-8"))
)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_every_action_that_is_named_is_there(name: str) -> None:
    assert callable(action(name))


def test_every_action_that_is_there_is_named() -> None:
    public = {
        f"{path.stem}.{node.name}"
        for path in (ROOM / "actions").glob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert public == ACTIONS


@pytest.mark.parametrize("name", sorted(named({"load"}) - {""}))
def test_what_is_loaded_by_name_is_there_and_below(name: str) -> None:
    assert callable(load(name)) or isinstance(load(name), ModuleType)
    assert room(f"flashpipe.{name.partition(':')[0]}") in below("tasks")


def test_every_command_is_a_module() -> None:
    assert set(COMMANDS.values()) <= set(MODULES)


def test_the_tasks_that_work_on_boards_are_those_with_a_creator_for_boards() -> None:
    makers = (ROOM / "__init__.py").read_text("utf-8")
    assert command_line.board_tasks == set(re.findall(r"@board_task\([^\n]*\ndef task_([a-z]\w*)\(", makers))
    assert {"flash", "erase", "lua"} <= command_line.board_tasks
