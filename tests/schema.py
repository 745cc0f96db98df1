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
