"""A virtual board in this process that outlives its sessions, and plans for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random

import pytest
from flashpipe.board.boot import watcher
from flashpipe.board.session.session import Session
from flashpipe.events import Event
from flashpipe.firmware.image import Image
from flashpipe.flash import FlashSettings
from flashpipe.plan.make import make_plan
from flashpipe.plan.model import FlashPlan
from flashpipe.records import journal
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.ports import registry

from tests.images import Builder

MAC = "5c:cf:7f:00:00:01"
DIO_4MB = FlashSettings("dio", "4MB", "40m")
_numbers = count()


@pytest.fixture(autouse=True)
def _no_time_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual board that starts well has nothing to wait for; tests/board/boot holds what others are given."""
    monkeypatch.setattr(watcher, "SETTLE_S", 0.0)
    monkeypatch.setattr(watcher, "LUA_BOOT_S", 0.0)


@dataclass
class Bed:
    """One board in download mode, left there by its sessions; `more` are further options of its URL."""

    more: str = "fill=ff"
    events: list[Event] = field(default_factory=list)
    identity: str = field(default_factory=lambda: f"bed{next(_numbers)}")

    @property
    def url(self) -> str:
        return f"sim://nodemcu-devkit?inline=1&board={self.identity}&mac={MAC}&start=rom&{self.more}"

    @property
    def link(self) -> HostLine:
        return registry.boards()[self.identity]

    @property
    def cells(self) -> bytes:
        return bytes(self.link.board.cells[0:0x400000])

    def put(self, address: int, data: bytes) -> None:
        """Change the flash behind everybody's back."""
        self.link.board.cells[address : address + len(data)] = data

    @contextmanager
    def session(self, *, reset: str = "none", **options: object) -> Iterator[Session]:
        session = Session(self.url, reset=reset, listener=self.events.append, **options)  # type: ignore[arg-type]
        try:
            yield session
        finally:
            session.close()

    @staticmethod
    def entry() -> journal.JournalEntry:
        return journal.read(MAC)


@pytest.fixture
def bed() -> Iterator[Callable[..., Bed]]:
    yield Bed
    registry.forget_boards()


@pytest.fixture
def plan() -> Callable[..., FlashPlan]:
    """A plan for a built NodeMCU 3.x, whose partition table belongs to the firmware once it has booted."""

    def make(*, erase_all: bool = False, changed: tuple[int, ...] = ()) -> FlashPlan:
        build = Builder()
        data = bytearray(build.combine(build.pair_3x()))
        data[0x12000:0x38000] = Random(1).randbytes(0x26000)  # what cannot be packed takes several blocks
        for at in changed:
            data[at : at + 16] = b"something else !"
        image = Image("nodemcu.bin", bytes(data), "nodemcu.bin")
        return make_plan("esp12", "esp8266", DIO_4MB, {0: image}, erase_all=erase_all)

    return make
