"""The rooms of the project and who may import whom (design: "Rooms"), read from the source with ast.

An import counts wherever it stands, inside functions and under TYPE_CHECKING too: an arrow is knowledge, not loading
time. Loading time is a law of its own, at the end.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LEAVES = frozenset({"cost", "digests", "errors", "units", "flash", "events", "files", "packing", "values"})
SPINE = frozenset(
    {
        "backups",
        "batch",
        "fates",
        "keeping",
        "profile",
        "profile_init",
        "profile_keys",
        "profile_lua",
        "profile_reader",
        "profile_search",
        "pruning",
        "plan",
        "journal",
        "receipt",
        "receipts",
        "versions",
    }
)
MAY_IMPORT = {
    "leaf": {"leaf"},
    "spine": {"leaf", "spine", "firmware"},
    "firmware": {"leaf", "firmware"},
    "board": {"leaf", "board"},
    "flasher": {"leaf", "spine", "firmware", "board", "flasher"},
    "tasks": {"leaf", "spine", "firmware", "board", "flasher", "tasks"},
    "sim": {"sim"},
}
# The virtual board shares with the host only what says nothing about boards.
SIM_LEAVES = frozenset({"flashpipe.errors", "flashpipe.units", "flashpipe.files"})
# Library: the rooms, or single modules, that may know of it. Anything else from outside is refused.
LIBRARIES = {
    "doit": {"tasks"},
    "esptool": {"flashpipe.board.loader.esptool_parts"},
    "platformdirs": {"flashpipe.files"},
    "requests": {"firmware"},
    "ruamel": {"flashpipe.profile.yaml_reader", "firmware"},
    "serial": {"board", "sim"},
    "urllib3": {"firmware"},  # comes with requests, which wraps not all of its exceptions
}
HEAVY = frozenset({"esptool", "requests", "rich", "ruamel", "serial", "urllib3"})
MAX_LINES = 450
CATALOGUES = frozenset({"flashpipe.errors"})  # one class after another, nothing to follow across pages


@dataclass(frozen=True)
class Import:
    """One imported module, or name of a module."""

    module: str
    name: str
    line: int
    at_load: bool
    """Happens when the importing module is loaded, not in a function and not for the type checker only."""


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    imports: tuple[Import, ...]
    lines: int

    @property
    def room(self) -> str:
        return room(self.name)


def room(name: str) -> str:
    parts = name.split(".")
    if parts[0] != "pipeline":
        return parts[0]
    if len(parts) == 1 or parts[1] in LEAVES:
        return "leaf"
    return "spine" if parts[1] in SPINE else parts[1]


def read_imports(source: str) -> tuple[Import, ...]:
    return tuple(_imports(ast.parse(source), at_load=True))


def _imports(node: ast.AST, *, at_load: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, "", child.lineno, at_load) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            yield from (Import(module, alias.name, child.lineno, at_load) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            yield from _imports(child, at_load=False)
        else:
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(child, at_load=at_load and not function)


def read_modules() -> dict[str, Module]:
    modules = {}
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        source = path.read_text(encoding="utf-8")
        modules[name] = Module(name, path, read_imports(source), source.count("\n"))
    return modules


MODULES = read_modules()
every_module = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES.keys())


def targets(imported: Import) -> Iterator[str]:
    """Modules of this project that an import reaches: `from pipeline import journal` is about flashpipe.records.journal."""
    if imported.module == "pipeline" or imported.module.startswith("pipeline."):
        whole = f"{imported.module}.{imported.name}"
        yield whole if whole in MODULES else imported.module


def forbidden(module: Module) -> list[str]:
    """Every arrow of a module that the design does not draw."""
    wrong = []
    for imported in module.imports:
        top = imported.module.partition(".")[0]
        if imported.module.startswith("."):
            wrong.append(f"line {imported.line}: relative import; write it in full")
        elif top == "pipeline":
            reached = [target for target in targets(imported) if not _allowed(module, target)]
            wrong += [f"line {imported.line}: {module.room} must not import {target}" for target in reached]
            if imported.name.startswith("_"):
                wrong.append(f"line {imported.line}: {imported.name} is private to {imported.module}")
        elif top not in sys.stdlib_module_names and not LIBRARIES.get(top, set()) & {module.room, module.name}:
            wrong.append(f"line {imported.line}: {module.name} must not know of {top}")
    return wrong


def _allowed(module: Module, target: str) -> bool:
    if module.room == "sim" and room(target) == "leaf":
        return target in SIM_LEAVES
    return room(target) in MAY_IMPORT.get(module.room, set())


def loaded_with(name: str) -> set[str]:
    """Every module that loading `name` loads by import lines: of this project in full, of others the top name."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if current not in MODULES:
            continue
        waiting += [".".join(current.split(".")[:depth]) for depth in range(1, current.count(".") + 1)]
        for imported in MODULES[current].imports:
            if imported.at_load:
                waiting += list(targets(imported)) or [imported.module.partition(".")[0]]
    return seen


# --- the laws --------------------------------------------------------------------------------------------------------


@every_module
def test_imports_follow_the_arrows(module: Module) -> None:
    assert forbidden(module) == []


@every_module
def test_every_module_lives_in_a_room(module: Module) -> None:
    assert module.room in MAY_IMPORT, f"{module.path} belongs to no room of the design"


@every_module
def test_modules_stay_readable_in_one_sitting(module: Module) -> None:
    assert module.lines <= MAX_LINES or module.name in CATALOGUES


def test_rooms_exist() -> None:
    assert {module.room for module in MODULES.values()} == set(MAY_IMPORT)


def test_every_package_travels_in_the_wheel() -> None:
    packages = {
        f'"{name}"' for name in (*MODULES, "profiles") if (ROOT / Path(*name.split("."), "__init__.py")).is_file()
    }
    declared = (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.setuptools]")[2].partition("]")[0]
    assert packages == set(re.findall(r'"[\w.]+"', declared))


def test_dodo_imports_the_tasks_and_nothing_else() -> None:
    imports = read_imports((ROOT / "dodo.py").read_text(encoding="utf-8"))
    assert {imported.module for imported in imports if imported.module != "__future__"} == {"flashpipe.tasks"}


@every_module
def test_no_module_needs_itself_to_be_loaded(module: Module) -> None:
    # Import lines only: that a package's own __init__ comes along is Python's doing and harmless.
    def needs(name: str) -> set[str]:
        lines = (line for line in MODULES[name].imports if line.at_load) if name in MODULES else ()
        return {target for line in lines for target in targets(line)}

    reached: set[str] = set()
    waiting = needs(module.name)
    while waiting:
        reached |= waiting
        waiting = set().union(*map(needs, waiting)) - reached
    assert module.name not in reached


# What `doit list` loads: the package of the tasks, and whatever pyproject.toml enters into doit or the shell.
ENTRIES = sorted(
    {"flashpipe.tasks", *re.findall(r'= "(pipeline[\w.]*):', (ROOT / "pyproject.toml").read_text("utf-8"))}
)


@pytest.mark.parametrize("name", ENTRIES)
def test_listing_tasks_loads_nothing_heavy(name: str) -> None:
    assert name in MODULES, f"pyproject.toml names {name}, which is not there"
    assert loaded_with(name) & HEAVY == set()


# What a plain flash, whose boot nobody watches, has no use for: each is loaded by the function that needs it.
SPARED = {
    "flashpipe.board": {"bootlog", "bootwords", "console", "diagnosis", "hands", "luafiles", "nodeinfo", "verdict"},
    "flashpipe.flasher": {"backing", "booting", "luastage", "moderetry", "restoring", "rollback", "saving"},
}


def test_a_plain_flash_loads_no_more_than_it_needs() -> None:
    loaded = set().union(*(loaded_with(f"pipeline.{name}") for name in ("flasher.running", "tasks.boards")))
    for package, modules in SPARED.items():
        assert {f"{package}.{name}" for name in modules} <= set(MODULES)
        assert not loaded & {f"{package}.{name}" for name in modules}


def test_what_python_really_loads_agrees() -> None:
    script = (
        f"import importlib, sys\nfor name in {ENTRIES!r}: importlib.import_module(name)\nprint(*sys.modules, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    loaded = {line.partition(".")[0] for line in done.stdout.splitlines()}
    assert loaded & HEAVY == set()
    assert not any(line.startswith("flashpipe.sim") for line in done.stdout.splitlines())


# --- the laws have teeth ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("flashpipe.units", "from flashpipe.plan.make import Plan", "leaf must not import flashpipe.plan.make"),
        (
            "flashpipe.profile.load",
            "from flashpipe.board.ports.choice import find",
            "spine must not import flashpipe.board.ports.choice",
        ),
        ("flashpipe.plan.make", "import doit", "flashpipe.plan.make must not know of doit"),
        ("flashpipe.plan.make", "def f():\n    import esptool.cmds", "flashpipe.plan.make must not know of esptool"),
        (
            "flashpipe.firmware.image",
            "from pipeline import journal",
            "firmware must not import flashpipe.records.journal",
        ),
        ("flashpipe.board.loader.writer", "import esptool", "flashpipe.board.loader.writer must not know of esptool"),
        (
            "flashpipe.board.session.session",
            "from flashpipe.firmware import image",
            "board must not import flashpipe.firmware",
        ),
        ("flashpipe.flasher.flash", "from flashpipe.tasks import show", "flasher must not import flashpipe.tasks"),
        (
            "flashpipe.flasher.flash",
            "from ruamel.yaml import YAML",
            "flashpipe.flasher.flash must not know of ruamel",
        ),
        ("flashpipe.cli.main", "from flashpipe.sim import cli", "tasks must not import flashpipe.sim"),
        ("flashpipe.sim.chip.chip", "from flashpipe.flash import Region", "sim must not import flashpipe.flash"),
        ("flashpipe.sim.chip.chip", "from flashpipe.board import chips", "sim must not import flashpipe.board"),
        ("flashpipe.plan.make", "from .journal import read", "relative import"),
        (
            "flashpipe.plan.make",
            "from flashpipe.records.journal import _read",
            "_read is private to flashpipe.records.journal",
        ),
        (
            "flashpipe.plan.make",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from flashpipe.board.session.session import Device",
            "spine must not import flashpipe.board.session.session",
        ),
    ],
)
def test_a_forbidden_arrow_is_found(name: str, source: str, complaint: str) -> None:
    (found,) = forbidden(Module(name, Path(name), read_imports(source), 1))
    assert complaint in found


def test_only_imports_that_loading_performs_count_as_loading() -> None:
    source = (
        "import json\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import serial\n"
        "try:\n    import fcntl\nexcept ImportError:\n    fcntl = None\n"
        "def f():\n    import esptool\n"
        "class C:\n    import requests\n"
    )
    at_load = {imported.module for imported in read_imports(source) if imported.at_load}
    assert at_load == {"json", "typing", "fcntl", "requests"}
