"""The committed schema of receipts, and an independent judge of it."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

import jsonschema


@functools.lru_cache(maxsize=1)
def validator() -> Any:
    schema = json.loads((resources.files("flashpipe.records") / "receipt_schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def checked(receipt: dict[str, Any]) -> dict[str, Any]:
    """The receipt, which is as the schema says."""
    wrong = [f"{error.json_path}: {error.message}" for error in validator().iter_errors(receipt)]
    assert wrong == [], wrong
    return receipt


@functools.lru_cache(maxsize=1)
def event_validator() -> Any:
    schema = json.loads((resources.files("flashpipe.jobs") / "events_schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def checked_events(text: str) -> list[dict[str, Any]]:
    """The lines of a run, each of which is as the schema says, from one start to one end."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        best = jsonschema.exceptions.best_match(event_validator().iter_errors(line))
        assert best is None, f"{line}: {best.json_path}: {best.message}"
    kinds = [line["type"] for line in lines]
    assert kinds[0] == "run_start"
    assert kinds[-1] == "run_end"
    assert kinds.count("run_start") == kinds.count("run_end") == 1
    begun = {line["data"]["task"]["id"] for line in lines if line["type"] == "task_begin"}
    told = {line["data"]["task"]["id"] for line in lines if line["type"] in {"task_progress", "task_end"}}
    assert told <= begun
    return lines


_KNOWN_WORDS = frozenset({"type", "kind", "unit", "result", "level", "family", "core", "from", "schema"})
"""Keys whose values the schema enumerates."""
_seen: set[Any] = set()
"""Shapes of lines that were found good in this process: to judge each line of each run would cost minutes."""


def check_lines(text: str) -> None:
    """Each line is as the schema says; those of a form that was seen before are not judged again."""
    for line in text.splitlines():
        read = json.loads(line)
        shape = _shape(read, "")
        if shape not in _seen:
            best = jsonschema.exceptions.best_match(event_validator().iter_errors(read))
            assert best is None, f"{line}: {best.json_path}: {best.message}"
            _seen.add(shape)


def _shape(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((name, _shape(one, name)) for name, one in value.items()))
    if isinstance(value, list):
        return ("list", *sorted({repr(_shape(one, key)) for one in value}))
    if isinstance(value, str):
        return repr(value) if key in _KNOWN_WORDS else "a text"
    if value is None or isinstance(value, bool):
        return repr(value)
    return f"{type(value).__name__} {value < 0} {value > 100} {value > 255}"


@functools.lru_cache(maxsize=1)
def document_validator() -> Any:
    schema = json.loads((resources.files("flashpipe.text") / "documents_schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def checked_document(text: str) -> dict[str, Any]:
    """The one document that standard output holds."""
    document: dict[str, Any] = json.loads(text)
    best = jsonschema.exceptions.best_match(document_validator().iter_errors(document))
    assert best is None, f"{best.json_path}: {best.message}"
    return document
