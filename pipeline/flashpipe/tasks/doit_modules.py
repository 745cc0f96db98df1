"""doit, loaded without what it loads for a debugger and for plugins: half of its 26 ms.

`pdb` and `importlib.metadata`, which brings the whole of `email`, are there for it as soon as it uses them. Where doit
is loaded already, as under its own command, nothing is done.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["doit"]


class _Later(ModuleType):
    """Stands in for a module until something of it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def later(*words: Any, **named: Any) -> Any:
            return getattr(import_module(self.__name__), name)(*words, **named)

        return later


def _load() -> ModuleType:
    stand_ins = {name: _Later(name) for name in ("pdb", "importlib.metadata") if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        return import_module("doit")
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


doit = sys.modules.get("doit") or _load()
