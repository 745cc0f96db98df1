"""A file of JSON lines that only grows: each line durable and whole, or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from flashpipe.errors import RecordError
from flashpipe.files import make_parents, next_step, private_opener, read_regular, sync_folder

LIMIT: Final = 256 * 1024 * 1024
"""Bytes: the log of some two hundred thousand boards."""


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line; whoever calls keeps others out.

    Raises:
        RecordError: it could not be stored, and is not there.
    """
    data = json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
    try:
        make_parents(path)
        is_new = not path.exists()
        with open(path, "a+b", buffering=0, opener=private_opener) as stream:
            end = stream.seek(0, os.SEEK_END)
            if end:
                stream.seek(end - 1)
                data = data if stream.read(1) == b"\n" else b"\n" + data  # behind a line that a kill has torn
            _write(stream.fileno(), data, end)
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror}", next_step(path)) from error


def _write(handle: int, data: bytes, end: int) -> None:
    try:
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise


def read(path: Path, start: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The lines from a place on, and the place behind the last whole one; lines that were torn are left out.

    Raises:
        RecordError: the file is there and cannot be read.
    """
    try:
        if path.stat().st_size <= start:
            return [], start
        data = read_regular(path, LIMIT)[start:]
    except (FileNotFoundError, NotADirectoryError):
        return [], start
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}", "fix its permissions") from error
    whole = data[: data.rfind(b"\n") + 1]
    return list(_parsed(whole)), start + len(whole)


def _parsed(data: bytes) -> Iterator[dict[str, Any]]:
    for text in data.split(b"\n"):
        try:
            line = json.loads(text) if text else None
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            yield line
