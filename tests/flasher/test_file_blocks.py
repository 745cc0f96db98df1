"""Many files as blocks of a board's file system: the firmware has them, and nothing that was there is touched."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flashpipe.board.loader.link import EsptoolLoader
from flashpipe.board.lua.console import Console, find_console
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.board.lua.node_info import read_room
from flashpipe.board.session.session import Session
from flashpipe.events import Event, Message
from flashpipe.firmware.spiffs import find_file_system
from flashpipe.flash import Region
from flashpipe.flasher import file_blocks
from flashpipe.flasher.file_blocks import Estimate, blocks_in, bring_by_blocks, estimate
from flashpipe.sim.ports import registry

from tests.nodemcu import IN_PACKAGE, NodeMcu, lines

NOISE = random.Random(16)
OLD = [LuaFile("old.lua", b"x = 1\n"), LuaFile("home.cfg", NOISE.randbytes(2000))]
NEW = [
    LuaFile("old.lua", b"x = 2\n"),
    LuaFile("empty.txt", b""),
    LuaFile("large.dat", NOISE.randbytes(9_000)),
    *(LuaFile(f"m{number}.dat", NOISE.randbytes(number * 200 + 1)) for number in range(7)),
]
HELD = {file.name: file.data for file in (*OLD, *NEW)}
SOON = Estimate(99.0, 1.0)


class Lab:
    """Sessions with one board, which go on with its flash."""

    def __init__(self, flash: Path, request: pytest.FixtureRequest) -> None:
        self.flash, self._request = flash, request
        self.told: list[str] = []
        self._sessions: list[Session] = []

    def session(self, name: str = "") -> tuple[Session, Console]:
        """A session and its console; `name`: of a NodeMCU on a new flash."""
        for session in self._sessions:
            session.close()
        registry.forget_boards()
        board = NodeMcu.of(name, self.flash, self._request) if name else NodeMcu(self.flash)
        made = Session(board.url, listener=self._note)
        self._sessions.append(made)
        return made, find_console(made, limit_s=30)

    def _note(self, event: Event) -> None:
        self.told += [event.text] if isinstance(event, Message) else []

    def close(self) -> None:
        for session in self._sessions:
            session.close()
        registry.forget_boards()


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(file_blocks, "estimate", lambda *_: SOON)
    made = Lab(tmp_path / "flash.bin", request)
    yield made
    made.close()


def contents(board: BoardFiles, names: dict[str, bytes]) -> dict[str, bytes | None]:
    with board.faster(100_000):
        sizes = {name: board.size_of(name) for name in names}
        return {name: None if size is None else board.read(name, size) for name, size in sizes.items()}


def files_in(flash: Path) -> bytes:
    """The file system in a flash."""
    cells = flash.read_bytes()
    found = find_file_system(lambda region: cells[region.start : region.end], len(cells))
    assert found is not None
    return cells[found.start : found.region.end]


@pytest.mark.parametrize("name", lines(IN_PACKAGE, "2.2", "3.0"))
def test_the_firmware_has_the_files_and_writes_on(name: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    session, console = lab.session(name)
    board = BoardFiles(console, session.baud)
    board.send(OLD, board.names())
    brought = bring_by_blocks(session, console, NEW, board.names())
    assert brought is not None
    console, there = brought
    assert lab.told == [f"{len(NEW)} files: {SOON}"]
    with monkeypatch.context() as patch:
        patch.setattr(BoardFiles, "_write", lambda *_: pytest.fail("it is there"))
        BoardFiles(console, session.baud).send(NEW, there)
    board = BoardFiles(console, session.baud)
    assert contents(board, HELD) == HELD
    board.send([LuaFile("more.dat", b"m" * 4000)], board.names())
    assert board.read("more.dat", 4000) == b"m" * 4000


@pytest.mark.parametrize("writes", [0, 2])
def test_what_was_interrupted_leaves_the_old_files_and_is_begun_anew(
    writes: int, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, console = lab.session(IN_PACKAGE)
    board = BoardFiles(console, session.baud)
    board.send(OLD, board.names())
    write, count = EsptoolLoader.write, iter(range(100))

    def breaks_off(link: EsptoolLoader, address: int, data: bytes, on_written: Callable[[int], None]) -> None:
        if next(count) == writes:
            link.erase(Region(address, address + len(data)))
            raise KeyboardInterrupt
        write(link, address, data, on_written)

    monkeypatch.setattr(EsptoolLoader, "write", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        bring_by_blocks(session, console, NEW, board.names())
    monkeypatch.undo()
    monkeypatch.setattr(file_blocks, "estimate", lambda *_: SOON)
    session, console = lab.session()
    board = BoardFiles(console, session.baud)
    old = {file.name: file.data for file in OLD}
    assert contents(board, old) == old
    brought = bring_by_blocks(session, console, NEW, board.names())
    assert brought is not None
    board = BoardFiles(brought[0], session.baud)
    board.send(NEW, brought[1])
    assert contents(board, HELD) == HELD


def test_a_file_system_that_is_not_what_the_firmware_tells_is_left_alone(lab: Lab) -> None:
    session, console = lab.session(IN_PACKAGE)
    room = read_room(console)
    assert room is not None
    before = files_in(lab.flash)
    after = file_blocks.put_blocks(session, console, NEW, (room[0], room[1], room[2] + 31 * 251))
    assert BoardFiles(after).names() == {}
    assert "not what its firmware tells" in lab.told[-1]
    assert files_in(lab.flash) == before


def test_the_room_tells_the_blocks() -> None:
    assert blocks_in((0, 0, (51 * 31 + 1) * 251)) == (53, 8192)
    assert blocks_in((0, 0, (14 * 15 + 1) * 251)) == (16, 4096)
    assert blocks_in((0, 0, 123_456)) == blocks_in(None) == (0, 8192)


def test_few_files_go_through_the_console_and_many_as_blocks() -> None:
    room = (3_000_000, 0, (448 * 31 + 1) * 251)
    few = estimate(NEW[:6], room, 460800)
    many = estimate([LuaFile(f"{number}.lua", b"return 1\n" * 40) for number in range(150)], room, 460800)
    assert (few.blocks_are_sooner, many.blocks_are_sooner) == (False, True)
    assert "s as blocks of the file system" in str(many)
