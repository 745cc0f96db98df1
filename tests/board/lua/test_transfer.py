"""Files in raw blocks at a higher rate, on NodeMCU itself: unmodified images, executed."""

from __future__ import annotations

import random

import pytest
from flashpipe.board.lua import transfer
from flashpipe.board.lua.console import find_console
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.board.lua.transfer import CHUNK, FASTEST, HEAD, MEMORY, PIECE, WORTH, NoTransferError, open_transfer
from flashpipe.errors import FilesFullError

from tests.board.lua.conftest import Make
from tests.nodemcu import IN_PACKAGE, lines

DATA = random.Random(16).randbytes(3000)
LINES = ("1.4.0", "1.5.1", IN_PACKAGE, "2.0.0", "2.1.0", "2.2 integer", "2.2", "3.0")


def whole(files: BoardFiles) -> bool:
    """Whether the file of the tests is there, and nothing of ours besides."""
    with files.faster(len(DATA)):
        return files.names() == {"data": len(DATA)} and files.read("data", len(DATA)) == DATA


@pytest.mark.parametrize("name", lines(*LINES))
def test_any_bytes_go_there_and_back(name: str, make: Make) -> None:
    rates: list[int] = []

    def note(data: bytes) -> bytes:
        rates.append(console.baud)
        return data

    console = make(name, note)
    before = console.baud
    files = BoardFiles(console, FASTEST)
    files.send([LuaFile("data", DATA)], {})
    assert FASTEST in rates
    assert console.baud == before
    assert whole(files)
    assert console.ask("tostring(_fpr)..tostring(_fpz)..tostring(_fp)") == "nilnilnil"


@pytest.mark.parametrize("how", ["changed", "lost", "twice", "all lost"])
def test_a_damaged_block_is_sent_again(how: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MEMORY", ((4, 0),))
    hits = iter([True])
    sent: list[bytes] = []

    def spoil(data: bytes) -> bytes:
        sent.append(data)
        if DATA[500:900] not in data or not next(hits, False):
            return data
        at = data.index(DATA[500:900])
        return {
            "changed": data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :],
            "lost": data[: at + 100] + data[at + 107 :],
            "twice": data + data[-5:],
            "all lost": b"",
        }[how]

    files = BoardFiles(make(spoil=spoil), FASTEST)
    files.send([LuaFile("data", DATA)], {})
    assert sum(DATA[2900:2950] in data for data in sent) == 1, "that block alone, not the whole file"
    assert not [line for line in sent if b'_fp:write("' in line], "nor line by line"
    assert whole(files)
    assert next(hits, None) is None


@pytest.mark.parametrize("name", lines(IN_PACKAGE, "3.0"))
def test_files_of_each_length_go_there_and_back(name: str, make: Make) -> None:
    """Around powers of two, and what is left of a chunk, a block and a piece: 3.0 reads no 128 bytes as part of 252."""
    sizes = (0, 1, 64, 127, 128, 129, CHUNK, 256, CHUNK + 128, 1024, 8 * CHUNK - HEAD, PIECE + 128)
    with open_transfer(make(name), FASTEST) as blocks:
        for size in sizes:
            data = (DATA + DATA)[:size]
            assert blocks.write("data", data, lambda _: None)
            assert blocks.holds("data", data), size
            assert blocks.read("data", size) == data, size


@pytest.mark.parametrize("name", lines(IN_PACKAGE, "3.0"))
def test_a_board_with_little_memory_gets_smaller_blocks_or_lines(name: str, make: Make) -> None:
    console = make(name)
    fill = '(function()_m={{}}while node.heap()>{} do _m[#_m+1]=("x"):rep(200)..tostring(#_m)end end)()'
    files = BoardFiles(console, FASTEST)
    for (chunks, least), limit in zip((*MEMORY, (0, 9000)), (60000, MEMORY[0][1], MEMORY[1][1]), strict=True):
        console.ask_secret(fill.format(least + 400), 20.0)
        assert least <= int(console.ask("node.heap()")) < limit
        with files.faster(WORTH):
            assert (files._transfer.block if files._transfer else 0) == max(0, chunks * CHUNK - HEAD)
        files.send([LuaFile("data", DATA[:1200])], {})
        assert files.names() == {"data": 1200}


def test_a_wire_that_carries_no_block_is_used_line_by_line(make: Make) -> None:
    console = make(spoil=lambda data: b"" if len(data) > 250 else data)
    files = BoardFiles(console, FASTEST)
    files.send([LuaFile("data", DATA)], {})
    assert console.baud == 115200
    assert files.names() == {"data": len(DATA)}
    assert files.read("data", len(DATA)) == DATA


def test_a_rate_that_the_wire_does_not_carry_is_left(make: Make) -> None:
    console = make()
    session_tune = console._wire.tune
    console._wire.tune = lambda baud: session_tune(baud if baud == 115200 else 1200)  # type: ignore[method-assign]
    with pytest.raises(NoTransferError), open_transfer(console, FASTEST):
        pytest.fail("nobody can be heard there")
    assert console.ask("1+1") == "2"


def test_a_file_system_without_room_is_said_and_nothing_is_left(make: Make) -> None:
    full = b"_n=(_n or 0)+1 return _n<2 and _fp:write(s)"
    console = make(spoil=lambda data: data.replace(b"return _fp:write(s)", full))
    files = BoardFiles(console, FASTEST)
    with pytest.raises(FilesFullError, match="data broke off"):
        files.send([LuaFile("data", DATA)], {})
    assert files.names() == {}
    assert console.baud == 115200


def test_a_killed_transfer_leaves_a_console_that_comes_back(make: Make) -> None:
    def die(data: bytes) -> bytes:
        if DATA[1500:1600] in data:
            raise KeyboardInterrupt
        return data

    console = make(spoil=die)
    with pytest.raises(KeyboardInterrupt):
        BoardFiles(console, FASTEST).send([LuaFile("data", DATA)], {})
    session = console._wire.session  # type: ignore[attr-defined]
    again = find_console(session, limit_s=30)
    assert again.baud == 115200
    files = BoardFiles(again, FASTEST)
    files.send([LuaFile("data", DATA)], files.names())
    assert whole(files)


def test_nothing_is_prepared_for_a_few_bytes(make: Make) -> None:
    sent: list[bytes] = []

    def note(data: bytes) -> bytes:
        sent.append(data)
        return data

    console = make(spoil=note)
    BoardFiles(console, FASTEST).send([LuaFile("init.lua", b"print(1)")], {})
    assert not [line for line in sent if b"uart.setup" in line]


def test_blocks_go_at_the_rate_of_the_console_where_the_wire_carries_no_more(make: Make) -> None:
    console = make()
    files = BoardFiles(console, 9600)
    files.send([LuaFile("data", DATA)], {})
    sent: list[bytes] = []

    def note(data: bytes) -> bytes:
        sent.append(data)
        return data

    console._wire._spoil = note  # type: ignore[attr-defined]
    assert whole(files)
    assert [line for line in sent if b"_fpg" in line], "read in pieces, too"
    echo = console._wire.session  # type: ignore[attr-defined]
    echo.send(b"--echo\r")
    heard = b""
    for _ in range(20):
        heard += echo.receive(0.05)
    assert b"--echo" in heard
