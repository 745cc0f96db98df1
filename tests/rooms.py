"""The rooms of the project, which way the arrows point, and what the source says of it: read with ast, nothing is run.

`ARROWS` is the one table of it: tests/test_architecture.py holds the code to it, the docs draw it. An import counts
wherever it stands, inside functions and under TYPE_CHECKING too: an arrow is knowledge, not loading time.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ROOT / "pipeline"
PACKAGE: Final = "flashpipe"
LEAVES: Final = frozenset(
    {
        "digests",
        "errors",
        "events",
        "expressions",
        "files",
        "limits",
        "flash",
        "folding",
        "foreign_names",
        "installed",
        "installing",
        "locks",
        "masking",
        "next_steps",
        "lazy",
        "lender",
        "ownership",
        "processes",
        "reset_mode",
        "terminal",
        "units",
        "values",
        "versions",
        "virtual_options",
    }
)
ARROWS: Final[dict[str, frozenset[str]]] = {
    "leaves": frozenset(),
    "firmware": frozenset({"leaves"}),
    "records": frozenset({"leaves"}),
    "plan": frozenset({"firmware"}),
    "sources": frozenset({"firmware"}),
    "profile": frozenset({"sources"}),
    "board.ports": frozenset({"leaves"}),
    "board.loader": frozenset({"leaves"}),
    "board.session": frozenset({"board.loader", "board.ports"}),
    "board.boot": frozenset({"board.session"}),
    "board.diagnosis": frozenset({"board.boot"}),
    "board.lua": frozenset({"board.boot"}),
    "flasher": frozenset({"plan", "records", "board.diagnosis", "board.lua"}),
    "text": frozenset({"flasher", "profile"}),  # profiles and plans are what it puts into words
    "jobs": frozenset({"flasher", "profile"}),
    "tasks": frozenset({"jobs", "text"}),
    "testing": frozenset({"jobs"}),
    "page": frozenset({"jobs", "text"}),
    "station": frozenset({"jobs", "text"}),
    "lab": frozenset({"jobs", "text"}),
    "cli": frozenset({"lab", "page", "station", "tasks", "testing"}),  # whatever is no word of its own goes to doit
    "sim": frozenset(),
}
"""Room: the rooms directly below it. An arrow allows everything below that as well."""
SIM_LEAVES: Final = frozenset(
    {"flashpipe.errors", "flashpipe.files", "flashpipe.units", "flashpipe.values", "flashpipe.virtual_options"}
)
"""What the virtual board shares with the host: only what says nothing about boards."""
LIBRARIES: Final = {
    "regex": {"flashpipe.expressions"},
    "doit": {"tasks", "flashpipe.cli.run_tasks"},
    "esptool": {"flashpipe.board.loader.esptool_parts"},
    "watchfiles": {"flashpipe.tasks.actions.watch"},
    "jinja2": {"flashpipe.page.render"},
    "platformdirs": {"flashpipe.files"},
    "intelhex": {"flashpipe.sources.kinds.intel_hex"},
    "pytest": {"flashpipe.testing.plugin"},
    "requests": {"sources"},
    "labgrid": {"flashpipe.board.ports.lab_forker"},
    "pyudev": {"flashpipe.station.sockets"},
    "rich": {"flashpipe.text.panel", "flashpipe.station.live_panel"},
    "ruamel": {"flashpipe.profile.yaml_reader", "sources"},
    "serial": {"board.ports", "board.session", "board.loader", "sim"},
    "segno": {"flashpipe.station.label_page"},
    "starlette": {"page"},
    "uvicorn": {"flashpipe.page.server"},
    "urllib3": {"sources"},  # comes with requests, which wraps not all of its exceptions
}
"""Library: the rooms, or single modules, that may know of it. Anything else from outside is refused."""


@dataclass(frozen=True)
class Import:
    """One imported module, or name of a module."""

    module: str
    name: str
    line: int
    at_load: bool
    """Happens when the importing module is loaded, not in a function and not for the type checker only."""
    in_function: bool = False


@dataclass(frozen=True)
class Module:
    """What a module says is read when it is asked for: each worker of the tests finds all of them."""

    name: str
    path: Path

    @property
    def room(self) -> str:
        return room(self.name)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return read_imports(self.path.read_text(encoding="utf-8"))

    @cached_property
    def lines(self) -> int:
        return self.path.read_text(encoding="utf-8").count("\n")


def room(name: str) -> str:
    """The room of a module of this project, the top name of any other."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return parts[0]
    if len(parts) == 1 or parts[1] in LEAVES:
        return "leaves"
    if parts[1] == "__main__":
        return "cli"
    return ".".join(parts[1:3]) if parts[1] == "board" and len(parts) > 2 else parts[1]


def below(name: str) -> frozenset[str]:
    """Every room that a room may know, itself included."""
    if name not in ARROWS:
        return frozenset()
    return frozenset({name}).union(*(below(other) for other in ARROWS[name]))


def read_imports(source: str) -> tuple[Import, ...]:
    return tuple(_imports(ast.parse(source), at_load=True, in_function=False))


def _imports(node: ast.AST, *, at_load: bool, in_function: bool) -> Iterator[Import]:
    for child in _statements(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, "", child.lineno, at_load, in_function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            yield from (Import(module, alias.name, child.lineno, at_load, in_function) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            yield from _imports(child, at_load=False, in_function=in_function)
        else:
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from _imports(child, at_load=at_load and not function, in_function=in_function or function)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """What may hold an import, directly below a node: there is none in an expression, and most nodes are of these."""
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        children = getattr(node, name, ())
        yield from children if isinstance(children, list) else ()


def find_modules() -> dict[str, Module]:
    modules = {}
    for path in sorted(SOURCES.rglob("*.py")):
        parts = path.relative_to(SOURCES).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(name, path)
    return modules


MODULES: Final = find_modules()


def targets(imported: Import) -> Iterator[str]:
    """What of this project an import reaches; `from flashpipe.plan import make` is about flashpipe.plan.make."""
    if imported.module == PACKAGE or imported.module.startswith(f"{PACKAGE}."):
        whole = f"{imported.module}.{imported.name}"
        yield whole if whole in MODULES else imported.module


def forbidden(module: Module) -> list[str]:
    """Every arrow of a module that the table does not draw."""
    wrong = []
    for imported in module.imports:
        top = imported.module.partition(".")[0]
        if imported.module.startswith("."):
            wrong.append(f"line {imported.line}: relative import; write it in full")
        elif top == PACKAGE:
            reached = [target for target in targets(imported) if not _allowed(module, target)]
            wrong += [f"line {imported.line}: {module.room} must not import {target}" for target in reached]
            if imported.name.startswith("_"):
                wrong.append(f"line {imported.line}: {imported.name} is private to {imported.module}")
        elif top not in sys.stdlib_module_names and not LIBRARIES.get(top, set()) & {module.room, module.name}:
            wrong.append(f"line {imported.line}: {module.name} must not know of {top}")
    return wrong


def _allowed(module: Module, target: str) -> bool:
    if target == PACKAGE:
        return True
    if module.room == "sim" and room(target) == "leaves":
        return target in SIM_LEAVES
    return room(target) in below(module.room)


def circles(modules: dict[str, Module]) -> list[list[str]]:
    """Groups of modules that reach each other by imports of any kind, sorted; empty where there is no circle."""
    arrows = {
        name: {target for imported in module.imports for target in targets(imported) if target != name}
        for name, module in modules.items()
    }
    reach = {name: reachable(name, arrows) for name in modules}
    groups = {tuple(sorted({name} | {other for other in reach[name] if name in reach[other]})) for name in modules}
    return sorted(list(group) for group in groups if len(group) > 1)


def reachable(name: str, arrows: dict[str, set[str]]) -> set[str]:
    """What arrows lead to from `name`, in one step or many; itself where they lead back."""
    reached: set[str] = set()
    waiting = [name]
    while waiting:
        for target in arrows.get(waiting.pop(), set()) - reached:
            reached.add(target)
            waiting.append(target)
    return reached


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
