"""What a Lua text and a firmware say of restarts."""

from __future__ import annotations

import pytest
from flashpipe.board.lua.restarts import may_restart, wants_restart, why_unasked
from flashpipe.errors import ConsoleError


@pytest.mark.parametrize(
    ("text", "wanted", "possible"),
    [
        (b"node.restart()", True, True),
        (b"rtctime.dsleep(9)", True, True),
        (b'node.LFS.reload("lfs.img")', True, True),
        (b'dofile("other.lua")', False, True),
        (b"xnode.restarts()", False, False),
        (b"while true do end", False, False),
    ],
)
def test_a_text_says_what_restarts_the_board(text: bytes, wanted: bool, possible: bool) -> None:  # noqa: FBT001
    assert (wants_restart(text), may_restart(text)) == (wanted, possible)


class Says:
    """A console that gives one answer."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def ask(self, expression: str) -> str:
        assert "node.bootreason" in expression
        if not self.answer:
            raise ConsoleError("no answer")
        return self.answer


PLAIN, RESTARTS, RELOADS = b"print(1)", b"node.restart()", b'node.LFS.reload("lfs.img")'


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ("1 0", set()),  # power
        ("4 1", {RELOADS}),  # the hardware's watchdog, with which LFS is reloaded
        ("2 2", set()),  # an exception
        ("2 3", {RELOADS}),  # the software's watchdog
        ("2 4", {PLAIN, RESTARTS, RELOADS}),  # a restart by software, from a file that the text has called perhaps
        ("2 5", {PLAIN, RESTARTS, RELOADS}),  # it woke up
        ("2 6", {RESTARTS, RELOADS}),  # its reset line
        ("2 1", {RESTARTS, RELOADS}),  # it woke up from a sleep that NodeMCU makes itself
        ("", {RESTARTS, RELOADS}),
        ("nil", {RESTARTS, RELOADS}),
    ],
)
def test_a_restart_is_asked_for_as_far_as_the_firmware_says_nothing_else(answer: str, asked: set[bytes]) -> None:
    assert {text for text in (PLAIN, RESTARTS, RELOADS) if not why_unasked(text, Says(answer))} == asked
