"""Files that the firmware leaves out of its list get their names anew."""

from __future__ import annotations

import pytest
from flashpipe.board.lua.console import Console
from flashpipe.board.lua.file_list import have_listed, listed_files, size_of
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.errors import ConsoleError

from tests.board.lua.conftest import Make

NAMES = [f"f{number:02}" for number in range(32)]
"""Empty ones have their headers in one page behind the other: more than a block has pages."""
HIDE = (
    '(function()local f=file file=setmetatable({list=function()local t=f.list()t["b"]=nil return t end},'
    "{__index=function(_,k)return f[k]end})return 1 end)()"
)


def make_empty(console: Console) -> None:
    """Let the firmware itself make the files."""
    console.ask(
        f'(function()for i=0,{len(NAMES) - 1} do file.open(("f%02d"):format(i),"w")file.close()end return 1 end)()'
    )


def test_what_1_5_4_leaves_out_of_its_list_is_listed_then(make: Make) -> None:
    console = make()
    make_empty(console)
    (hidden,) = set(NAMES) - set(listed_files(console))
    assert size_of(console, hidden) == 0
    assert have_listed(console, {name: f"fp~{name}" for name in NAMES}) == []
    assert list(listed_files(console)) == NAMES


def test_what_is_sent_and_never_listed_is_told(make: Make) -> None:
    files = BoardFiles(console := make())
    console.ask(HIDE)
    assert files.send([LuaFile("a", b"1"), LuaFile("b", b"2")], {}) == ["b"]
    assert files.names() == {"a": 1}
    assert files.read("b", 1) == b"2"


def test_what_is_not_there_was_not_sent(make: Make) -> None:
    with pytest.raises(ConsoleError, match="a was sent, and is not there"):
        have_listed(make(), {"a": "fp~a"})


def test_a_list_that_comes_damaged_twice_alike_is_a_damaged_file_system(make: Make) -> None:
    """And one that the line has damaged is asked for once more."""
    console = make()
    odd = ["12 good", "no length at all"]
    for answers, damaged in (([odd, odd], True), ([odd, ["other rubbish"]], False)):
        console.lines = lambda *_, answers=answers, **__: answers.pop(0)  # type: ignore[method-assign]
        with pytest.raises(ConsoleError) as caught:
            listed_files(console)
        assert (caught.value.code == "file-system") == damaged
    answers = [odd, ["1 a"]]
    console.lines = lambda *_, **__: answers.pop(0)  # type: ignore[method-assign]
    assert listed_files(console) == {"a": 1}
