"""The examples in docstrings say what they show. Most modules have none: nothing but the others is looked at."""

from __future__ import annotations

import doctest
import importlib
import re

import pytest

from tests.rooms import MODULES

SHOWING = sorted(
    name for name, module in MODULES.items() if re.search(r"^ *>>> ", module.path.read_text("utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("name", SHOWING)
def test_examples_show_what_happens(name: str) -> None:
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted
    assert not failed
