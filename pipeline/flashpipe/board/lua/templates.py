"""Lua files with places for values: `@NAME@` becomes a Lua string, `@@` an `@`.

Braces are Lua, and so is everything else that templates are usually made of; an `@` alone is nothing in Lua. `@mac@`
and `@chipid@` are the board's, known once it is on the port; the number is that of `node.chipid()`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from flashpipe.errors import TemplateError

OF_BOARDS: Final = ("mac", "chipid")
"""Names that every board has a value of."""
_PLACE: Final = re.compile(rb"@(?:([A-Za-z_]\w*)?@)?")
_PLAIN: Final = frozenset(range(0x20, 0x7F)) - set(b'"\\')


def lua_string(text: str) -> bytes:
    """A text as Lua writes it, in ASCII: what else is in it as numbers of its bytes."""
    data = text.encode("utf-8", "surrogateescape")
    # Three digits always: a digit that follows is none of the escape.
    return b'"' + b"".join(bytes((byte,)) if byte in _PLAIN else b"\\%03d" % byte for byte in data) + b'"'


def names_in(data: bytes, name: str) -> dict[str, int]:
    """Names that a template wants values of, with the line where each is first wanted.

    Raises:
        TemplateError: an `@` that begins no name; `name` is what the file is called in the message.
    """
    wanted: dict[str, int] = {}
    for place in _places(data, name):
        if place[1]:
            wanted.setdefault(place[1].decode(), _line(data, place.start()))
    return wanted


def render(data: bytes, values: Mapping[str, str], name: str) -> bytes:
    """The file with its values.

    Raises:
        TemplateError: an `@` that begins no name, or a name without value.
    """
    out, at = [], 0
    for place in _places(data, name):
        out.append(data[at : place.start()])
        at = place.end()
        wanted = (place[1] or b"").decode()
        if not wanted:
            out.append(b"@")
            continue
        if wanted not in values:
            line = _line(data, place.start())
            raise TemplateError(f"{name}:{line}: nothing has a value for @{wanted}@", TemplateError.remedy)
        out.append(lua_string(values[wanted]))
    return b"".join((*out, data[at:]))


def of_board(mac: str) -> dict[str, str]:
    """The values that only a board has; its MAC in lower case with colons."""
    return {"mac": mac, "chipid": str(int(mac.replace(":", "")[-6:], 16))}


def _places(data: bytes, name: str) -> Iterator[re.Match[bytes]]:
    for place in _PLACE.finditer(data):
        if place[0] == b"@":
            raise TemplateError(
                f"{name}:{_line(data, place.start())}: an @ that begins no name",
                "write @@ for an @, @NAME@ for a value",
            )
        yield place


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1
