"""The laws of the rooms: who may import whom (tests/rooms.py), sizes, and what start-up may load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rooms import (
    ARROWS,
    MODULES,
    ROOT,
    SOURCES,
    Module,
    circles,
    forbidden,
    loaded_with,
    reachable,
    read_imports,
    targets,
)

HEAVY = frozenset({"esptool", "requests", "rich", "ruamel", "serial", "urllib3"})
MAX_LINES = 450
CATALOGUES = frozenset({"flashpipe.errors"})  # one class after another, nothing to follow across pages
MAX_LATE_IMPORTS = 80


# --- the laws --------------------------------------------------------------------------------------------------------


def test_imports_follow_the_arrows() -> None:
    assert {name: wrong for name, module in MODULES.items() if (wrong := forbidden(module))} == {}


def test_every_module_lives_in_a_room() -> None:
    rooms = {*ARROWS, "board"}
    assert {name: module.path for name, module in MODULES.items() if module.room not in rooms} == {}


def test_modules_stay_readable_in_one_sitting() -> None:
    long = {name: module.lines for name, module in MODULES.items() if module.lines > MAX_LINES}
    assert {name: lines for name, lines in long.items() if name not in CATALOGUES} == {}


def test_rooms_exist() -> None:
    assert {module.room for module in MODULES.values()} == {*ARROWS, "board"}


def test_there_is_no_circle() -> None:
    assert circles(MODULES) == []


def test_late_imports_are_few_and_each_says_why() -> None:
    late = {}
    for module in MODULES.values():
        lines = module.path.read_text("utf-8").splitlines()
        for line in {imported.line for imported in module.imports if imported.in_function}:
            late[f"{module.name}:{line}"] = lines[line - 1]
    assert [place for place, text in late.items() if not re.search(r"# noqa: PLC0415  +\S", text)] == []
    assert len(late) <= MAX_LATE_IMPORTS


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for module in MODULES.values():
        for node in ast.walk(ast.parse(module.path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module.name)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_every_package_travels_in_the_wheel() -> None:
    packages = {f'"{name}"' for name in MODULES if (SOURCES / Path(*name.split("."), "__init__.py")).is_file()}
    declared = (ROOT / "pyproject.toml").read_text("utf-8").partition("\npackages = [")[2].partition("]")[0]
    assert packages | {'"flashpipe.profiles"'} == set(re.findall(r'"[\w.]+"', declared))


def test_dodo_imports_the_tasks_and_nothing_else() -> None:
    imports = read_imports((ROOT / "dodo.py").read_text(encoding="utf-8"))
    assert {imported.module for imported in imports if imported.module != "__future__"} == {"flashpipe.tasks"}


def test_no_module_needs_itself_to_be_loaded() -> None:
    # Import lines only: that a package's own __init__ comes along is Python's doing and harmless.
    needs = {
        name: {target for line in module.imports if line.at_load for target in targets(line)}
        for name, module in MODULES.items()
    }
    assert [name for name in needs if name in reachable(name, needs)] == []


# What `doit list` loads: the package of the tasks, and whatever pyproject.toml enters into doit or the shell.
ENTRIES = sorted(
    {"flashpipe.tasks", *re.findall(r'= "(flashpipe[\w.]*):', (ROOT / "pyproject.toml").read_text("utf-8"))}
)


@pytest.mark.parametrize("name", ENTRIES)
def test_listing_tasks_loads_nothing_heavy(name: str) -> None:
    assert name in MODULES, f"pyproject.toml names {name}, which is not there"
    assert loaded_with(name) & HEAVY == set()


# What a plain flash, whose boot nobody watches, has no use for: each is loaded by the function that needs it.
SPARED = {
    "flashpipe.board.boot.patterns",
    "flashpipe.board.boot.verdict",
    "flashpipe.board.boot.watcher",
    "flashpipe.board.diagnosis.judge",
    "flashpipe.board.lua.console",
    "flashpipe.board.lua.files",
    "flashpipe.board.lua.node_info",
    "flashpipe.flasher.backup",
    "flashpipe.flasher.boot_check",
    "flashpipe.flasher.lua_stage",
    "flashpipe.flasher.mode_retry",
    "flashpipe.flasher.restore",
    "flashpipe.flasher.rollback",
    "flashpipe.flasher.save_losses",
}


def test_a_plain_flash_loads_no_more_than_it_needs() -> None:
    assert set(MODULES) >= SPARED
    loaded = loaded_with("flashpipe.flasher.flash") | loaded_with("flashpipe.jobs.board_job")
    assert loaded & SPARED == set()


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
        ("flashpipe.units", "from flashpipe.plan.make import Plan", "leaves must not import flashpipe.plan.make"),
        (
            "flashpipe.profile.load",
            "from flashpipe.board.ports.choice import find",
            "profile must not import flashpipe.board.ports.choice",
        ),
        ("flashpipe.plan.make", "import doit", "flashpipe.plan.make must not know of doit"),
        ("flashpipe.plan.make", "def f():\n    import esptool.cmds", "flashpipe.plan.make must not know of esptool"),
        (
            "flashpipe.firmware.image",
            "from flashpipe.records import journal",
            "firmware must not import flashpipe.records.journal",
        ),
        ("flashpipe.board.loader.writer", "import esptool", "flashpipe.board.loader.writer must not know of esptool"),
        (
            "flashpipe.board.session.session",
            "from flashpipe.firmware import image",
            "board.session must not import flashpipe.firmware",
        ),
        ("flashpipe.flasher.flash", "from flashpipe.tasks import step", "flasher must not import flashpipe.tasks"),
        (
            "flashpipe.flasher.flash",
            "from ruamel.yaml import YAML",
            "flashpipe.flasher.flash must not know of ruamel",
        ),
        ("flashpipe.cli.main", "from flashpipe.sim import cli", "cli must not import flashpipe.sim"),
        ("flashpipe.sim.chip.chip", "from flashpipe.flash import Region", "sim must not import flashpipe.flash"),
        ("flashpipe.sim.chip.chip", "from flashpipe.board import ports", "sim must not import flashpipe.board"),
        ("flashpipe.plan.make", "from .journal import read", "relative import"),
        (
            "flashpipe.flasher.flash",
            "from flashpipe.records.journal import _read",
            "_read is private to flashpipe.records.journal",
        ),
        (
            "flashpipe.plan.make",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from flashpipe.board.session import session",
            "plan must not import flashpipe.board.session.session",
        ),
    ],
)
def test_a_forbidden_arrow_is_found(tmp_path: Path, name: str, source: str, complaint: str) -> None:
    (found,) = forbidden(written(tmp_path, name, source))
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


def written(folder: Path, name: str, source: str) -> Module:
    """A module of this name that says this."""
    (folder / name).write_text(source, encoding="utf-8")
    return Module(name, folder / name)


def test_a_circle_is_found_wherever_its_imports_stand(tmp_path: Path) -> None:
    sources = {
        "flashpipe.plan.make": "def f():\n    from flashpipe.plan import keep",
        "flashpipe.plan.keep": "from flashpipe.plan import make",
        "flashpipe.plan.cost": "from flashpipe.plan import make",
    }
    modules = {name: written(tmp_path, name, source) for name, source in sources.items()}
    assert circles(modules) == [["flashpipe.plan.keep", "flashpipe.plan.make"]]
