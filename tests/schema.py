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
