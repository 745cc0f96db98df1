"""Consoles of NodeMCU itself on wires that a test may disturb."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flashpipe.board.lua.console import Console, find_console
from flashpipe.board.session.session import Session
from flashpipe.sim.ports import registry

from tests.nodemcu import IN_PACKAGE, NodeMcu

Spoil = Callable[[bytes], bytes]
Make = Callable[..., Console]


class Noisy:
    """A wire that a disturbance changes: `spoil` gives what is sent instead."""

    def __init__(self, session: Session, spoil: Spoil) -> None:
        self.port = session.port
        self.tune, self.receive, self.clock = session.tune, session.receive, session.clock
        self.session, self._spoil = session, spoil

    def send(self, data: bytes) -> None:
        self.session.send(self._spoil(data))


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Make]:
    """`make(name, spoil, before)`: the console of a board that runs this NodeMCU; `before` is done to its flash."""
    sessions: list[Session] = []

    def run(
        name: str = IN_PACKAGE, spoil: Spoil = lambda data: data, before: Callable[[], None] = lambda: None
    ) -> Console:
        board = NodeMcu.of(name, tmp_path / "flash.bin", request)
        before()
        sessions.append(Session(board.url))
        found = find_console(sessions[-1])
        return Console(Noisy(sessions[-1], spoil), found.baud)

    yield run
    for session in sessions:
        session.close()
    registry.forget_boards()
