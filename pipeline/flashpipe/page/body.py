"""What a browser sends, within limits: forms as JSON, files as they are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.requests import Request

from flashpipe.errors import BadValueError, UploadError
from flashpipe.units import format_size

FORM: Final = 1 << 20
"""Bytes of the largest form: a Lua file in the editor stands in one."""

LONGEST: Final = 12
"""Digits of a length."""


async def pieces(request: Request, limit: int, what: str) -> AsyncIterator[bytes]:
    """The body piece by piece.

    Raises:
        UploadError: it is longer than `limit` bytes, or says that it will be.
    """
    size = 0
    refusal = UploadError(f"{what} is larger than {format_size(limit)}", "nothing that goes onto a board is as large")
    stated = request.headers.get("content-length", "0")
    if not stated.isdecimal() or len(stated) > LONGEST or int(stated) > limit:
        raise refusal
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise refusal
        yield piece


async def whole(request: Request, limit: int, what: str) -> bytes:
    """All of the body.

    Raises:
        UploadError: as `pieces`.
    """
    return b"".join([piece async for piece in pieces(request, limit, what)])


async def form(request: Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        UploadError: as `pieces`.
        BadValueError: it is no JSON object of texts.
    """
    try:
        fields: Any = json.loads(await whole(request, FORM, "the form") or b"{}")
        json.dumps(fields, ensure_ascii=False).encode()  # half a letter (a lone surrogate) cannot be written anywhere
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise BadValueError("the page sent something that is no form", "reload the page")
    return fields
