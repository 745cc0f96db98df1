"""The variables of a task, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

WIDTH: Final = 79


def describe(variables: Sequence[tuple[str, str]]) -> str:
    """Names and what they mean; empty where a task has none."""
    if not variables:
        return ""
    width = max(len(name) for name, _ in variables) + 3
    lines = ["variables"]
    for name, about in variables:
        first = f"  {name + '=':<{width}}"
        lines.append(textwrap.fill(f"{first}{about}", WIDTH, subsequent_indent=" " * len(first)))
    return "\n".join(lines)
