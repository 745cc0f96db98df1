"""Every profile file that a test loads, good or bad, is also judged by the schema that editors get."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
from flashpipe.profile import keys, load
from flashpipe.profile.schema import profile_schema
from flashpipe.profile.yaml_reader import Report, Value, YamlEntry

BLIND: Final = re.compile(r"stated twice|the expression is wrong|the least and the most")
"""Mistakes that no schema can see, or whose spelling an editor's YAML does not show it."""
JUDGE: Final = jsonschema.Draft7Validator(profile_schema())


@pytest.fixture(autouse=True)
def schema_agrees(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading and the schema are of one mind about each file."""

    if "any_yaml" in request.node.name:  # what chance writes may be spelled as nobody does
        return

    def read(top: YamlEntry, base: Path, report: Report) -> dict[str, Value]:
        before = len(report.mistakes)
        values = keys.read_keys(top, base, report)
        wrong = [str(one) for one in report.mistakes[before:]]
        rejected = [f"{error.json_path}: {error.message[:200]}" for error in JUDGE.iter_errors(as_editor(top.node))]
        if rejected:
            assert wrong, rejected
        elif wrong:
            assert all(BLIND.search(line) for line in wrong), wrong
        return values

    monkeypatch.setattr(load, "read_keys", read)


def as_editor(node: Any, depth: int = 0) -> Any:
    """What an editor's YAML 1.2 makes of a node."""
    if depth > 20:
        return None
    if node.id == "sequence":
        return [as_editor(one, depth + 1) for one in node.value]
    if node.id == "mapping":
        return {str(key.value): as_editor(value, depth + 1) for key, value in node.value}
    return node.value if node.style is not None else plain(node.value)


def plain(text: str) -> Any:
    """The core schema of YAML 1.2."""
    if re.fullmatch(r"|~|null|Null|NULL", text):
        return None
    if re.fullmatch(r"true|True|TRUE|false|False|FALSE", text):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", text):
        return int(text, 0 if text.startswith(("0x", "0o")) else 10) if len(text) < 1000 else text
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return text
