"""Intel HEX: a text whose records bear addresses, as some build tools make it of the same image.

Addresses count from the start of the flash, or from 0x40200000, where the chip maps it (facts: image-flashmap §4.4).
What the records leave out is blank flash.
"""

from __future__ import annotations

import io
from typing import Final

from intelhex import HexRecordError, IntelHex, IntelHexError

from flashpipe.errors import SourceError
from flashpipe.sources.registry import register_format
from flashpipe.units import format_address, format_size

_MAPPED: Final = 0x40200000
_LARGEST: Final = 0x1000000
"""No flash of this chip holds more."""


def convert(data: bytes, name: str) -> tuple[bytes, int]:
    """The bytes of the image, from its first record to its last, and the flash address of the first.

    Raises:
        SourceError: no Intel HEX, or addresses that no flash has.
    """
    try:
        records = IntelHex(io.StringIO(data.decode("ascii")))
        first, last = records.minaddr(), records.maxaddr()
    except HexRecordError as error:
        raise SourceError(f"{name}: line {error.line}: {_words(error)}", "get or build it again") from error
    except (IntelHexError, UnicodeDecodeError) as error:
        raise SourceError(f"{name}: is no Intel HEX: {_words(error)}", "get or build it again") from error
    if first is None or last is None:
        raise SourceError(f"{name}: an Intel HEX without data", "get or build it again")
    base = _MAPPED if first >= _MAPPED else 0
    if last - base >= _LARGEST:
        raise SourceError(
            f"{name}: has bytes at {format_address(first)} and at {format_address(last)}, which is no flash of an"
            f" ESP8266 ({format_size(_LARGEST)} at most)",
            "is it for this chip?",
        )
    return bytes(records.tobinarray(start=first, end=last)), first - base


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


register_format("Intel HEX file", convert)
