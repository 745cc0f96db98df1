"""Tables for programs: one JSON document on standard output, whatever the run's ending.

`documents_schema.json` says what is in each kind. A task on boards gives a list, `boards`, with an object for each; one
that failed has `error` there. What failed without a board stands in the document's own `error`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any, Final

from flashpipe.errors import PipelineError
from flashpipe.events import BoardDone, error_facts
from flashpipe.terminal import json_text
from flashpipe.text.look import look

VERSION: Final = "1.1"
LISTS_BOARDS: Final = frozenset({"audit", "boot", "diagnose", "files", "identify", "node", "plan", "verify"})
"""Kinds with a list of boards; `plan` has one where a board was asked."""
_kept: Final[list[tuple[str, str, Mapping[str, object]]]] = []
_guard: Final = threading.Lock()


def put(kind: str, data: Mapping[str, object], port: str = "") -> bool:
    """Keep what is to be shown of `kind`, where a program asked; whether it did: then nothing is printed."""
    if look.json:
        with _guard:
            _kept.append((kind, port, plain(data)))
    return look.json


def render(results: Sequence[BoardDone], failures: Sequence[PipelineError]) -> str:
    """The document of the run that has ended; also of one that failed before there was anything to say."""
    with _guard:
        kept, _kept[:] = list(_kept), []
    kinds = list(dict.fromkeys([kind for kind, _, _ in kept] + [result.command for result in results if result.error]))
    made = [_document(kind, kept, results, failures) for kind in kinds or ["error"]]
    return json_text(made[0] if len(made) == 1 else made)


def _document(
    kind: str,
    kept: Sequence[tuple[str, str, Mapping[str, object]]],
    results: Sequence[BoardDone],
    failures: Sequence[PipelineError],
) -> dict[str, object]:
    document: dict[str, object] = {"schema": f"flashpipe-{kind}/{VERSION}"}
    boards = {port: {"port": port, **data} for name, port, data in kept if name == kind and port}
    for name, port, data in kept:
        if name == kind and not port:
            document |= data
    on_boards = [result for result in results if result.error is not None and result.command == kind]
    for result in on_boards:
        known = boards.setdefault(result.port, {"port": result.port})
        known["error"] = error_facts(result.error) if result.error else None
    if boards:
        document["boards"] = list(boards.values())
    reported = [id(result.error) for result in results]
    others = [error for error in failures if id(error) not in reported]
    if others:
        document["error"] = error_facts(max(others, key=lambda error: error.status))
    return document


def plain(value: Any) -> Any:
    """A value as JSON has it: bytes as hex, places in flash as numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
