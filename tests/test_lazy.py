"""What is compiled or loaded when it is first used, and is then as if it had been there."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from flashpipe.lazy import LazyModule, lazy_pattern


def test_a_pattern_is_like_a_compiled_one() -> None:
    text, data = lazy_pattern(r"(a+)B", re.IGNORECASE), lazy_pattern(rb"\d+")
    found = text.search("xAAb")
    assert found is not None
    assert found.span() == (1, 4)
    assert text.sub("-", "aab ab") == "- -"
    assert (text.pattern, text.groups) == (r"(a+)B", 1)
    assert [match[0] for match in data.finditer(b"1 22")] == [b"1", b"22"]


def test_a_wrong_pattern_tells_when_it_is_used() -> None:
    wrong = lazy_pattern("(")
    with pytest.raises(re.error):
        wrong.match("(")


def test_a_module_is_loaded_by_its_first_use() -> None:
    script = (
        "import sys; from flashpipe.lazy import LazyModule; stand_in = LazyModule('colorsys');"
        "before = 'colorsys' in sys.modules; stand_in.rgb_to_hsv(0, 0, 0); print(before, 'colorsys' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "True"]


def test_what_a_test_puts_into_a_module_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in: Any = LazyModule("subprocess")
    assert stand_in.PIPE == subprocess.PIPE
    monkeypatch.setattr(subprocess, "run", len)
    assert stand_in.run([1, 2]) == 2  # `len`
    with pytest.raises(AttributeError):
        _ = stand_in.no_such_name
