"""What a server has to say to whoever runs it."""

from __future__ import annotations

import sys


def to_stderr(text: str) -> None:
    """One line."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
