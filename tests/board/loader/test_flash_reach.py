"""Flash beyond 4 MB: on a virtual board whose ROM believes in 4 MB until it is told, and on imagined ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flashpipe.board.loader.flash_reach import POINTER, FlashReach
from flashpipe.board.loader.link import EsptoolLoader
from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.ports.open import open_port
from flashpipe.errors import FlashReachError
from flashpipe.flash import Region
from flashpipe.sim.ports import registry

MB = 1024 * 1024
FAR = Region(9 * MB, 9 * MB + 0x3000)
DATA = bytes(range(256)) * 0x30


def quiet(_: int) -> None:
    """Progress nobody looks at."""


@pytest.fixture
def connect() -> Iterator[Callable[..., tuple[Any, Any]]]:
    """A virtual board with 16 MB whose loader answers: our side of the line and the board."""
    opened: list[Any] = []

    def make(
        options: str = "", *, stub: int = 0, kind: type[EsptoolLoader] = EsptoolLoader
    ) -> tuple[EsptoolLoader, Any]:
        port: Any = open_port(f"sim://d1-mini-pro?inline=1&start=rom&fill=byte:0{options}", 115200)
        opened.append(port)
        link = kind(port, "sim://d1-mini-pro")
        link.stub_version = stub
        assert link.sync()
        link.start_stub()
        link.set_flash_size(16 * MB)
        return link, port.link.board

    yield make
    for port in opened:
        port.close()
    registry.forget_boards()


@pytest.mark.parametrize("stub", [0, 1, 2])
def test_what_lies_beyond_4_mb_is_read_written_and_erased(connect: Any, stub: int) -> None:
    link, board = connect(stub=stub)
    assert board.mode == f"stub-v{stub or 2}"
    link.write(FAR.start, DATA, quiet)
    assert bytes(board.cells[FAR.start : FAR.end]) == DATA
    assert link.read(FAR, quiet) == DATA
    link.erase(FAR)
    assert bytes(board.cells[FAR.start : FAR.end]) == b"\xff" * FAR.size


@pytest.mark.parametrize("command", ["md5", "read", "erase", "write"])
def test_each_command_proves_the_reach_before_it_is_sent(connect: Any, command: str) -> None:
    link, board = connect("&param.rom_chip_words=0")
    before = bytes(board.cells[0 : 16 * MB])
    runs: dict[str, Callable[[], object]] = {
        "md5": lambda: link.md5(FAR),
        "read": lambda: link.read(FAR, quiet),
        "erase": lambda: link.erase(FAR),
        "write": lambda: link.write(FAR.start, DATA, quiet),
    }
    with pytest.raises(FlashReachError) as refused:
        runs[command]()
    assert refused.value.code == "flash-reach"
    assert bytes(board.cells[0 : 16 * MB]) == before


def test_a_stub_that_tells_the_rom_by_itself_needs_no_words(connect: Any) -> None:
    link, _ = connect("&param.rom_chip_words=0", stub=1)
    assert link.read(FAR, quiet) == bytes(FAR.size)


def test_a_stub_of_another_version_is_no_answer(connect: Any) -> None:
    link, _ = connect(stub=2)
    for version, answers in ((1, False), (2, True), (0, True)):
        link.stub_version = version
        assert link.sync(attempts=1) is answers
        assert link.other_stub is not answers


def test_a_stub_that_was_uploaded_over_another_is_the_one_that_runs(connect: Any) -> None:
    link, board = connect(stub=1)
    for version in (2, 1, 2):
        link.reset_into_loader()
        link.stub_version = version
        link.start_stub()
        assert (board.mode, link._running_stub()) == (f"stub-v{version}", version)


def test_the_rom_alone_is_told_before_it_writes(connect: Any) -> None:
    link, board = connect(kind=RomLink)
    link.write(FAR.start, DATA, quiet)
    assert bytes(board.cells[FAR.start : FAR.end]) == DATA


def test_the_rom_alone_writes_nothing_beyond_what_it_can_be_told(connect: Any) -> None:
    link, _ = connect("&param.rom_chip_words=0", kind=RomLink)
    with pytest.raises(FlashReachError):
        link.write(FAR.start, DATA, quiet)


# --- imagined chips --------------------------------------------------------------------------------------------------


@dataclass
class FakeChip:
    """A chip whose memory is a few words; digests are refused beyond the size in `size_at`."""

    words: dict[int, int]
    size_at: int = 0x3FFFC71C
    read: list[int] = field(default_factory=list)
    asked: list[Region] = field(default_factory=list)

    def read_register(self, address: int) -> int:
        self.read.append(address)
        return self.words.get(address, 0)

    def write_register(self, address: int, value: int) -> None:
        self.words[address] = value

    def gives_digest(self, region: Region) -> bool:
        self.asked.append(region)
        return region.end <= self.words[self.size_at]


def chip(at: int = 0x3FFFC718, size: int = 4 * MB, block: int = 0x10000) -> FakeChip:
    return FakeChip({POINTER: at, at + 4: size, at + 8: block, at + 12: 0x1000, at + 16: 0x100}, at + 4)


def reach(chip: FakeChip, size: int = 16 * MB) -> FlashReach:
    made = FlashReach(chip, "p")
    made.size = size
    return made


def test_nothing_is_asked_up_to_4_mb() -> None:
    one = chip()
    reach(one).reach(4 * MB)
    assert (one.asked, one.read) == ([], [])


def test_a_rom_that_reaches_all_is_left_as_it_is() -> None:
    one = chip(size=16 * MB)
    part = reach(one)
    part.reach(5 * MB)
    part.reach(16 * MB)
    assert one.asked == [Region(16 * MB - 0x1000, 16 * MB)], "one proof for the whole part"
    assert one.read == []


def test_a_rom_that_does_not_is_told_once() -> None:
    one = chip()
    reach(one).reach(5 * MB)
    assert one.words[0x3FFFC71C] == 16 * MB
    assert len(one.asked) == 2


@pytest.mark.parametrize("at", [0, 0x1000, 0x40000000, 0x3FFFC71A, 0x60000200])
def test_a_pointer_that_leads_elsewhere_is_not_followed(at: int) -> None:
    one = chip(at)
    with pytest.raises(FlashReachError):
        reach(one).reach(5 * MB)
    assert one.read == [POINTER]
    assert one.words[at + 4] == 4 * MB


def test_words_about_something_else_are_not_changed() -> None:
    one = chip(block=0x8000)
    with pytest.raises(FlashReachError):
        reach(one).reach(5 * MB)
    assert one.words[0x3FFFC71C] == 4 * MB


def test_a_size_that_changes_nothing_is_an_error_of_its_own() -> None:
    one = chip()
    one.size_at = 0x3FFE9000
    one.words[one.size_at] = 4 * MB
    with pytest.raises(FlashReachError, match="believed in 4 MB and was told 16 MB"):
        reach(one).reach(5 * MB)


def test_what_the_user_says_to_be_larger_is_proven_as_large() -> None:
    one = chip()
    reach(one, size=4 * MB).reach(8 * MB)
    assert one.asked[-1].end == 8 * MB
