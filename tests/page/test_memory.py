"""What flashes have used is given back: after the last that is at work, and on every system without a complaint."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from flashpipe.page import memory

from tests.page.served import wait_until


def test_what_was_used_is_given_back_after_the_last_that_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[int]()
    monkeypatch.setattr(memory, "SOON_S", 0.0)
    monkeypatch.setattr(memory, "_library", lambda: SimpleNamespace(malloc_trim=given.append))
    with memory.at_work():
        with memory.at_work():
            pass
        memory._give_back()  # the time of one that ended before has come
        assert given == []
    wait_until(lambda: given)
    assert given == [0]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_library", SimpleNamespace)
    memory.limit_arenas()
    memory._give_back()
