"""What a report may be written over: an earlier one of its kind, an empty file, nothing else of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flashpipe.errors import BadValueError

_LOOK: Final = 512
"""Bytes in which a report says what it is."""
_SIGNS: Final = {
    "events": b'"schema":"flashpipe-events/',
    "junit": b'<testsuite name="flashpipe"',
    "receipt": b'"format": "flashpipe-receipt/',
}
_NONE: Final = b"[]"
"""The receipts of a run that left none."""


def check_report_file(name: str, target: str, path: Path) -> None:
    """Go on only where nothing is lost.

    Args:
        name: The variable that names the file.
        target: Its value.
        path: Where that is.

    Raises:
        BadValueError: something else is there: a profile, a firmware.
    """
    try:
        if not path.is_file():
            return
        with path.open("rb") as stream:
            begins = stream.read(_LOOK)
    except OSError:  # whoever writes it says so
        return
    if begins and _SIGNS[name] not in begins and not (name == "receipt" and begins.strip() == _NONE):
        raise BadValueError(
            f"{name}={target}: is there already, and is no earlier report of that kind",
            "name another file, or remove that one",
        )
