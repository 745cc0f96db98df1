"""What goes from a board that shall hold its profile's files and no others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flashpipe.board.lua.files import LuaFile
from flashpipe.errors import BackupError, FileDamagedError, FilesFullError, KeepError
from flashpipe.flasher import file_mirror
from flashpipe.flasher.file_mirror import FOLDER, MirrorPolicy, mirror, others

MAC = "5c:cf:7f:00:00:0a"
THERE = {"init.lua": b"1", "old.lua": b"22", "www/x y.html": b"333", "home.cfg": b"4444", "fp~0123": b"5"}
WANTED = [LuaFile("init.lua", b"1"), LuaFile("new.lua", b"2")]
NAMES = {file.name for file in WANTED}


class Board:
    """The files of a board, in place of `BoardFiles`; what happens to them is noted in order."""

    def __init__(self) -> None:
        self.files = dict(THERE)
        self.done: list[str] = []
        self.cuts = 0
        self.full = False

    def names(self) -> dict[str, int]:
        return {name: len(data) for name, data in self.files.items()}

    def read(self, name: str, size: int) -> bytes:
        self.done.append(f"read {name}")
        return self.files[name][: size - self.cuts]

    def faster(self, size: int) -> AbstractContextManager[None]:
        assert size > 0
        return nullcontext()

    def check_room(self, files: list[LuaFile], waiting: list[LuaFile], there: dict[str, int], gone: list[int]) -> None:
        assert files == waiting == WANTED[1:]
        assert (there, gone) == (self.names(), [there[name] for name in others(there, NAMES, ("*.cfg",))])
        if self.full:
            raise FilesFullError("no room for new.lua")

    def remove(self, name: str) -> None:
        self.done.append(f"remove {name}")
        del self.files[name]


class Session:
    """What of a session is used."""

    port, baud = "/dev/ttyUSB0", 460800

    def __init__(self, mac: str = MAC) -> None:
        self.device = SimpleNamespace(mac=mac) if mac else None
        self.notes: list[str] = []

    def step(self, *_words: str) -> Session:
        return self

    private = step

    def __enter__(self) -> list[str]:
        return self.notes

    def __exit__(self, *_error: object) -> None:
        pass

    def notify(self, text: str) -> None:
        self.notes.append(text)

    def check_stop(self) -> None:
        pass

    def progress(self, _step: str) -> Callable[[int, int], None]:
        return lambda _done, _total: None


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board()
    monkeypatch.setattr(file_mirror, "BoardFiles", lambda _console, _rate: made)
    return made


def run(
    folder: Path | None,
    *,
    allowed: bool = False,
    ask: Callable[[str], bool] | None = None,
    session: Session | None = None,
    spared: tuple[str, ...] = ("*.cfg",),
) -> list[str]:
    how = MirrorPolicy(spared, ask, allowed, folder)
    console = SimpleNamespace(ask=lambda _expression: "nil")
    return mirror(cast("Any", session or Session()), cast("Any", console), WANTED, WANTED[1:], how)


def test_what_is_neither_wanted_nor_spared_nor_underway_goes() -> None:
    assert others(THERE, NAMES, ["*.cfg"]) == ["old.lua", "www/x y.html"]
    assert others(THERE, set(THERE), []) == []


def test_all_is_fetched_before_anything_is_removed(board: Board, tmp_path: Path) -> None:
    assert run(tmp_path, allowed=True) == ["old.lua", "www/x y.html"]
    assert board.done == ["read old.lua", "read www/x y.html", "remove old.lua", "remove www/x y.html"]
    (place,) = (tmp_path / MAC.replace(":", "") / FOLDER).iterdir()
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        "old.lua": b"22",
        "www%2Fx%20y.html": b"333",
    }
    assert run(tmp_path) == [], "nothing is left to ask for"


def test_a_person_is_asked_with_all_names(board: Board, tmp_path: Path) -> None:
    asked: list[str] = []

    def no(text: str) -> bool:
        asked.append(text)
        return False

    with pytest.raises(KeepError):
        run(tmp_path, ask=no)
    assert "old.lua, www/x y.html" in asked[0]
    with pytest.raises(KeepError):
        run(tmp_path)
    assert board.files == THERE
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path, ask=lambda _text: True) == ["old.lua", "www/x y.html"]


def test_what_cannot_be_kept_is_not_removed(board: Board, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="keeps no backups"):
        run(None, allowed=True)
    with pytest.raises(BackupError, match="does not tell its MAC"):
        run(tmp_path, allowed=True, session=Session(""))
    board.cuts = 1
    with pytest.raises(FileDamagedError):
        run(tmp_path, allowed=True)
    assert board.files == THERE


def test_nothing_goes_where_the_new_files_would_not_fit(board: Board, tmp_path: Path) -> None:
    board.full = True
    with pytest.raises(FilesFullError):
        run(tmp_path, allowed=True)
    assert board.done == []


@pytest.mark.parametrize("name", ["..", "../../x", "a:b", "con|out", "%2F", "ä"])
def test_no_name_leads_out_of_the_folder(board: Board, tmp_path: Path, name: str) -> None:
    board.files = {name: b"x"}
    run(tmp_path, allowed=True)
    (place,) = (tmp_path / MAC.replace(":", "") / FOLDER).iterdir()
    (kept,) = place.iterdir()
    assert kept.read_bytes() == b"x"
    assert not set(kept.name) & set('/\\:*?"<>|')
