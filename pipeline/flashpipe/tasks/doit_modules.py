"""doit, loaded without what it loads for a debugger, plugins, processes, programs, configurations: half of its 26 ms.

They are there for it as soon as it uses them. Where doit is loaded already, as under its own command, nothing is done.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

__all__ = ["doit"]

_LATER: Final = (
    "configparser",
    "dbm",
    "gettext",
    "importlib.metadata",
    "multiprocessing",
    "pdb",
    "pickle",
    "pprint",
    "string",
    "subprocess",
)
"""No flash uses one of these."""


class _Later(ModuleType):
    """Stands in for a module while doit is loaded, and hands on to it afterwards.

    What doit takes out of it meanwhile, as `from pickle import dumps` does, loads the module when it is called.
    """

    loading = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not self.loading:
            return getattr(import_module(self.__name__), name)

        def later(*words: Any, **named: Any) -> Any:
            return getattr(import_module(self.__name__), name)(*words, **named)

        return later


def _load() -> ModuleType:
    stand_ins = {name: _Later(name) for name in _LATER if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        return import_module("doit")
    finally:
        for name, module in stand_ins.items():
            module.loading = False
            if sys.modules.get(name) is module:
                del sys.modules[name]


doit = sys.modules.get("doit") or _load()
