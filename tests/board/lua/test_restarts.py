"""What a Lua text says of restarts."""

from __future__ import annotations

import pytest
from flashpipe.board.lua.restarts import may_restart, wants_restart


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
