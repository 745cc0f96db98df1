"""The one loader: what start-up names by a dotted name is loaded by it when it is used.

`doit list` answers in a fifth of a second because nothing that works on a board or an image is loaded before a task
runs (tests/bench/bench_start.py); modules import at their top what they need all the same.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(name: str) -> Any:
    """What `module:name` of this package names, loaded now: `load("jobs.inputs:RunInputs")`; else the module."""
    module, _, attribute = name.partition(":")
    loaded = import_module(f"flashpipe.{module}")
    return getattr(loaded, attribute) if attribute else loaded


def action(name: str) -> Any:
    """The action `module.function` of `tasks/actions`."""
    module, _, function = name.partition(".")
    return load(f"tasks.actions.{module}:{function}")
