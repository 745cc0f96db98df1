"""Patterns that are compiled, and modules of Python that are loaded, when they are first used.

Of a hundred patterns that a flash has at hand it needs a third, and to compile one takes 0.05 to 1 ms of processor
time. `subprocess` takes 3 ms, `difflib` 1, and no flash of a file needs them.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any, AnyStr

__all__ = ["LazyModule", "difflib", "lazy_pattern", "subprocess"]


class LazyModule:
    """Stands where `import NAME` would put a module; type checkers are to see the import."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


if TYPE_CHECKING:
    import difflib
    import subprocess

    def lazy_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
        """Like `re.compile`; functions of `re` itself do not take it, its own methods do the same."""
else:
    difflib, subprocess = LazyModule("difflib"), LazyModule("subprocess")

    class lazy_pattern:  # noqa: N801  it stands for a function
        """Like `re.compile`; functions of `re` itself do not take it, its own methods do the same."""

        def __init__(self, text: AnyStr, flags: int = 0) -> None:
            self._text, self._flags = text, flags

        def __getattr__(self, name: str) -> Any:
            vars(self)[name] = attribute = getattr(re.compile(self._text, self._flags), name)
            return attribute
