"""Files on a board: compared, sent under temporary names, checked, put in place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from flashpipe.board.lua.console import Console, portions
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.errors import BoardFileSystemError, ConsoleError, FileDamagedError, LuaCompilerError, LuaSyntaxError
from flashpipe.firmware.spiffs import find_file_system
from flashpipe.firmware.spiffs_blocks import FIRST_ID, BlockWriter, Occupancy, lookup_page
from hypothesis import given
from hypothesis import strategies as st

from tests.board.lua.conftest import Make
from tests.board.lua.literals import value_of


def test_a_firmware_that_has_no_files_says_so_itself(make: Make) -> None:
    console = make()
    console.ask('(function()file={list=function()error("no file system")end}return 1 end)()')
    with pytest.raises(BoardFileSystemError, match=r"Lua says: .*no file system.*, when asked for its files") as caught:
        BoardFiles(console).names()
    assert "flashpipe format" in caught.value.hint


AS_OLD = (
    "(function()local f={{}} for n in ('{}'):gmatch('%a+')do f[n]=file[n]end file=f end)()",
    "open close write seek list remove",
)
"""Lua that leaves a NodeMCU the functions of `file` that one of 0.9.4 has; that of January 2015 has `read` as well."""


@pytest.mark.parametrize("more", ["", " read"])
def test_what_a_very_old_firmware_lacks_is_named_and_no_file_is_lost(make: Make, more: str) -> None:
    console = make()
    BoardFiles(console).send([LuaFile("a.lua", b"print(1)")], {})
    console.ask_secret(AS_OLD[0].format(AS_OLD[1] + more))
    files = BoardFiles(console)
    named = "file.rename" if more else "file.read and no file.rename"
    with pytest.raises(BoardFileSystemError, match=f"this NodeMCU has no {named} ") as caught:
        files.send([LuaFile("a.lua", b"print(2)")], files.names())
    assert "flashpipe flash" in caught.value.hint
    assert files.names() == {"a.lua": 8}, "and nothing is left of the other one"
    if more:
        assert files.read("a.lua", 8) == b"print(1)"
        assert files.place(LuaFile("b.lua", b"print(2)")) in files.names(), "to be run it needs no other name"
    else:
        with pytest.raises(BoardFileSystemError, match=r"has no file\.read "):
            files.read("a.lua", 8)


def test_a_line_that_lost_a_letter_is_noticed_and_the_file_sent_again(make: Make) -> None:
    hits = iter([True])

    def spoil(data: bytes) -> bytes:
        return data.replace(b"XYZ", b"XZ", 1) if b"XYZ" in data and next(hits, False) else data

    files = BoardFiles(make(spoil=spoil))
    files.send([LuaFile("a", b"abcXYZdef")], {})
    assert files.names() == {"a": 9}
    assert files.read("a", 9) == b"abcXYZdef"


def test_a_file_that_never_arrives_replaces_nothing(make: Make) -> None:
    files = BoardFiles(make(spoil=lambda data: data.replace(b"XYZ", b"XYz")))
    files.send([LuaFile("a", b"old"), LuaFile("b", b"old")], {})
    with pytest.raises(FileDamagedError, match="b did not arrive as it was sent"):
        files.send([LuaFile("a", b"new"), LuaFile("b", b"XYZ")], files.names())
    assert files.read("a", 3) == b"old"
    assert files.read("b", 3) == b"old"
    assert files.names() == {"a": 3, "b": 3}, "nor does it leave anything"


def test_a_board_that_stops_answering_is_said_to_and_not_that_a_file_is_damaged(make: Make) -> None:
    alive = [True]

    def spoil(data: bytes) -> bytes:
        alive[0] &= b"XYZ" not in data
        return data if alive[0] else b""

    files = BoardFiles(make(spoil=spoil))
    with pytest.raises(ConsoleError, match=r"stopped answering in the middle of b\.txt") as caught:
        files.send([LuaFile("b.txt", b"XYZ")], {})
    assert caught.value.code == "lua-console"
    assert "rescue" not in caught.value.hint


def test_a_set_with_one_wrong_program_leaves_nothing(make: Make) -> None:
    files = BoardFiles(make())
    with pytest.raises(LuaSyntaxError, match=r"b\.lua:2:"):
        files.send([LuaFile("a.lua", b"x=1"), LuaFile("b.lua", b"x=1\ny = = 2\n")], {})
    assert files.names() == {}


def test_a_compiled_file_that_the_firmware_cannot_load_replaces_nothing(make: Make) -> None:
    files = BoardFiles(make())
    files.send([LuaFile("a.lc", b"x=1")], {})
    with pytest.raises(LuaCompilerError, match=r"a\.lc: [a-z ]+ precompiled chunk"):
        files.send([LuaFile("a.lc", b"\x1bLuaQ\0\1\4\4\4\4\1" + bytes(20))], files.names())
    assert files.names() == {"a.lc": 3}


def test_init_lua_gets_its_name_last(make: Make) -> None:
    lines: list[bytes] = []

    def listen(data: bytes) -> bytes:
        lines.append(data)
        return data

    files = BoardFiles(make(spoil=listen))
    files.send([LuaFile("init.lua", b"x=1"), LuaFile("z.lua", b"x=2"), LuaFile("a.lua", b"x=3")], {})
    renames = [line for line in lines if b"file.rename" in line]
    assert [b"a.lua" in renames[0], b"z.lua" in renames[1], b"init.lua" in renames[2]] == [True, True, True]
    assert max(index for index, line in enumerate(lines) if b":write(" in line) < lines.index(renames[0])


def test_temporary_files_of_other_contents_are_cleared_away(make: Make) -> None:
    files = BoardFiles(make())
    stale, wanted = LuaFile("a", b"old contents"), LuaFile("a", b"new")
    files.place(stale)
    files.send([wanted], files.names())
    assert files.names() == {"a": 3}


def test_a_whole_temporary_file_is_used_and_not_sent_again(make: Make) -> None:
    lines: list[bytes] = []

    def listen(data: bytes) -> bytes:
        lines.append(data)
        return data

    files = BoardFiles(make(spoil=listen))
    wanted = LuaFile("a", b"contents")
    files.place(wanted)
    lines.clear()
    files.send([wanted], files.names())
    assert files.names() == {"a": 8}
    assert not any(b"write(" in line for line in lines)


def written_into(flash: Path, fill: Callable[[BlockWriter], None]) -> None:
    """Fill free blocks of the file system in a flash."""
    cells = bytearray(flash.read_bytes())
    found = find_file_system(lambda region: bytes(cells[region.start : region.end]), len(cells))
    assert found is not None
    pages = [lookup_page(found, block) for block in range(found.blocks)]
    there = Occupancy(found, tuple(bytes(cells[page : page + 256]) for page in pages))
    writer = BlockWriter(there, there.free())
    fill(writer)
    for address, data in writer.blocks():
        cells[address : address + len(data)] = data
    flash.write_bytes(cells)


def test_a_file_that_has_two_names_since_the_power_went_keeps_its_contents(make: Make, tmp_path: Path) -> None:
    def twins(writer: BlockWriter) -> None:
        page = writer.data(FIRST_ID, 0, b"return 1\n")
        for name in (b"a.lua", b"fp~0123"):
            writer.header(FIRST_ID, name, 9, [page])

    files = BoardFiles(make(before=lambda: written_into(tmp_path / "flash.bin", twins)))
    assert files.names() == {"a.lua": 9, "fp~0123": 9}
    files.send([LuaFile("b.lua", b"x=1")], files.names())
    assert files.names() == {"a.lua": 9, "b.lua": 3}
    assert files.read("a.lua", 9) == b"return 1\n"


def test_a_file_that_the_firmware_does_not_list_is_there(make: Make, tmp_path: Path) -> None:
    def last_page(writer: BlockWriter) -> None:
        pages = [writer.data(FIRST_ID, span, bytes((span,)) * 251) for span in range(28)]
        page = writer.data(FIRST_ID + 1, 0, b"old")
        writer.header(FIRST_ID, b"big.dat", 28 * 251, pages)
        writer.header(FIRST_ID + 1, b"a.dat", 3, [page])

    files = BoardFiles(make(before=lambda: written_into(tmp_path / "flash.bin", last_page)))
    there = files.names()
    assert there == {"big.dat": 28 * 251}, "as ever with 1.5.4.1 and 2.2"
    assert files.size_of("a.dat") == 3
    assert files.size_of("c.dat") is None
    assert [state.state for state in files.compare([LuaFile("a.dat", b"old")], there)] == ["same"]
    files.send([LuaFile("a.dat", b"newer")], there)
    assert files.names() == {"a.dat": 5, "big.dat": 28 * 251}
    assert files.read("a.dat", 5) == b"newer"


@given(st.binary(max_size=400), st.integers(min_value=8, max_value=80))
def test_portions_stay_within_their_room_and_give_all_bytes(data: bytes, room: int) -> None:
    found = list(portions(data, room))
    assert sum(size for _, size in found) == len(data)
    told = b""
    for literal, size in found:
        assert len(literal) <= room
        part = value_of(f'"{literal}"')
        assert len(part) == size
        told += part
    assert told == data


def test_contents_are_not_part_of_what_a_file_shows_of_itself() -> None:
    assert "hunter2" not in repr(LuaFile("a", b"pwd=hunter2"))


class Told:
    """A console that gives these lines."""

    port = "COM1"

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def lines(self, *_a: Any, **_k: Any) -> list[str]:
        return self._lines


@pytest.mark.parametrize(
    "lines",
    [["x a"], [" a"], ["-1 a"], ["9" * 5000 + " a"], ["99999999 a"], ["9000000 a", "9000000 b"], ["1 a", "2 a"]],
)
def test_a_list_of_files_that_cannot_be_is_damaged(lines: list[str]) -> None:
    with pytest.raises(ConsoleError):
        BoardFiles(cast("Console", Told(*lines))).names()


def test_a_list_of_files_is_sorted_by_name() -> None:
    assert BoardFiles(cast("Console", Told("12 b c", "0 a"))).names() == {"a": 0, "b c": 12}
