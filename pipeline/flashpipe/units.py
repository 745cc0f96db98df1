"""Text to numbers and back: sizes, addresses, durations, yes and no. Sizes are always bytes."""

from __future__ import annotations

import re
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.lazy import lazy_pattern

_SIZE: Final = lazy_pattern(r"(\d{1,15}|0x[0-9a-f]{1,12})\s*(b|kb?|kib|mb?|mib)?", re.IGNORECASE)
_FACTOR: Final = {"": 1, "b": 1, "k": 1024, "kb": 1024, "kib": 1024, "m": 1024**2, "mb": 1024**2, "mib": 1024**2}
_ADDRESS: Final = lazy_pattern(r"0x([0-9a-f]{1,12})|([0-9]{1,15})", re.IGNORECASE)
_DURATION: Final = lazy_pattern(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)?", re.IGNORECASE)
LONGEST_S: Final = 31 * 24 * 3600.0
"""A month: nobody waits longer, and no timer can count to what a mistyped number may mean."""
_SECONDS: Final = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_YES: Final = frozenset({"1", "yes", "true", "on", "y"})
_NO: Final = frozenset({"0", "no", "false", "off", "n", ""})


def parse_size(text: str) -> int:
    """Bytes of `4MB`, `512 KB`, `0x1000` or `4096`; K and M are powers of 1024, as flash parts count.

    Raises:
        BadValueError: not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise BadValueError(f"{text!r} is not a size", "write it like 512KB, 4MB or 0x1000")
    return int(match[1], 0 if match[1].lower().startswith("0x") else 10) * _FACTOR[(match[2] or "").lower()]


def format_size(size: int) -> str:
    """`512 KB`, `4 MB`, else bytes with separators: `486,548 B`."""
    for factor, unit in ((1024**2, "MB"), (1024, "KB")):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size:,} B"


def format_number(value: float) -> str:
    """A measured value with the digits it came with, up to the 15 that a float can hold.

    >>> format_number(1234567.25), format_number(0.1 + 0.2), format_number(5.0)
    ('1234567.25', '0.3', '5')
    """
    return f"{value:.15g}"


def parse_address(text: str) -> int:
    """A flash address, hexadecimal with `0x` or decimal.

    Raises:
        BadValueError: not an address.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if match is None:
        raise BadValueError(f"{text!r} is not an address", "write it like 0x10000")
    return int(match[1], 16) if match[1] else int(match[2])


def format_address(address: int) -> str:
    """Fixed width, so that tables line up: `0x010000`."""
    return f"{address:#08x}"


def parse_duration(text: str) -> float:
    """Seconds of `60s`, `500ms`, `2m`, `1h`, `1d` or `60`.

    Raises:
        BadValueError: not a duration.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise BadValueError(f"{text!r} is not a duration", "write it like 60s, 500ms, 2m or 1h")
    seconds = float(match[1]) * _SECONDS[(match[2] or "").lower()]
    if seconds > LONGEST_S:
        raise BadValueError(f"{text[:60]!r} is longer than a month", "write it like 60s, 500ms, 2m or 1h")
    return seconds


def parse_bool(text: str) -> bool:
    """1/yes/true/on and their opposites.

    Raises:
        BadValueError: neither.
    """
    word = text.strip().lower()
    if word not in _YES | _NO:
        raise BadValueError(f"{text!r} is neither yes nor no", "use 1/yes/true/on or 0/no/false/off")
    return word in _YES
