"""A station in this process: sockets into which virtual boards are put, and an operator with a keyboard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flashpipe.board.boot import watcher
from flashpipe.jobs import sessions
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.station_view import PortView, StationView
from flashpipe.jobs.variables import Variables
from flashpipe.records.batch import Batch
from flashpipe.records.station_lives import living
from flashpipe.sim.ports import registry
from flashpipe.station.attempt import AttemptEnd, Attempts
from flashpipe.station.labels import Labels
from flashpipe.station.open import Opened, open_station
from flashpipe.station.port_line import PortLine
from flashpipe.station.recovery import recover
from flashpipe.station.station import Station

from tests.benches import Bench, address, board
from tests.harness import Project
from tests.images import Builder

WAIT_S = 60.0
__all__ = ["Shop", "address", "board"]


@dataclass
class Shop:
    """A project with a profile `sensor`, and stations of it, one after the other or side by side."""

    project: Project
    ended: list[AttemptEnd] = field(default_factory=list)
    views: list[StationView] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.project.folder

    @property
    def records(self) -> Path:
        return self.folder / ".pipeline"

    def command(self, **variables: str) -> CommandLine:
        given = {"profile": "sensor", "yes": "1", **variables}
        return CommandLine(self.folder, self.folder, Variables(given, {}))

    def open(self, flash: dict[str, str] | None = None, **words: str) -> Opened:
        return open_station(self.command(**(flash or {})), {"batch": "one", **words})

    def batch(self, name: str = "one") -> Batch:
        return Batch.open(self.records, name)

    def shift(self, flash: dict[str, str] | None = None, **words: str) -> Shift:
        return Shift(self, self.open(flash, **words))


class Shift:
    """A station that works while the body of its `with` plugs boards in and out."""

    def __init__(self, shop: Shop, opened: Opened) -> None:
        self.shop, self.opened, self.bench = shop, opened, Bench()
        self.notes: list[str] = []

    def __enter__(self) -> Shift:  # noqa: PYI034  Python 3.10 has no Self
        self._living = living(self.opened.batch.folder)
        name = self._living.__enter__()
        self.recovered = recover(self.opened.batch, self.opened.inputs.command.receipts_folder, self.opened.texts)
        attempts = Attempts(
            self.opened.inputs, self.opened.batch, self.opened.rules, station=name, units=self.opened.units
        )
        self.station = Station(
            self.opened.batch,
            attempts,
            self.bench,
            texts=self.opened.texts,
            rules=self.opened.rules,
            show=self.shop.views.append,
            end_listener=self._told,
            labels=Labels(self.opened.labels, self.opened.batch, self.opened.texts, name),
            by_key=self.opened.by_key,
        )
        self._thread = threading.Thread(target=lambda: self.station.run(attended=True), daemon=True)
        self._thread.start()
        return self

    def _told(self, ended: AttemptEnd, line: PortLine) -> None:
        del line
        self.shop.ended.append(ended)

    def __exit__(self, *_: object) -> None:
        self.station.keys.press("q")
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        self._living.__exit__(None, None, None)

    def port(self, place: str) -> PortView | None:
        return next((port for port in self.station.view().ports if port.place == place), None)

    def until(self, what: Callable[[], bool]) -> None:
        """Wait for something that comes; far longer than it takes."""
        deadline = time.monotonic() + WAIT_S
        while not what():
            assert time.monotonic() < deadline, self.station.view()
            time.sleep(0.005)

    def plug(self, place: str, url: str) -> None:
        self.bench.plugged[place] = url
        self.station.wake.set()

    def pull(self, place: str) -> None:
        del self.bench.plugged[place]
        self.station.wake.set()
        self.until(lambda: self.state(place) == "waiting")

    def state(self, place: str) -> str:
        port = self.port(place)
        return port.state if port else "waiting"

    def press(self, place: str) -> None:
        port = self.port(place)
        assert port is not None
        self.station.keys.press(port.key)

    def visit(self, place: str, url: str) -> PortView:
        """Plug a board in and wait for its end."""
        self.plug(place, url)
        return self.end(place)

    def end(self, place: str) -> PortView:
        self.until(lambda: self.state(place) not in {"waiting", "working"})
        port = self.port(place)
        assert port is not None
        return port


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(watcher, "SETTLE_S", 0.0)
    image = project.folder / "sensor.bin"
    image.write_bytes(Builder().combine(Builder().pair_2x(0x4000)))
    (project.folder / "sensor.yaml").write_text(
        "extends: nodemcu-devkit\nfirmware: {image: sensor.bin}\nboot: off\nkeep: []\n"
    )
    yield Shop(project)
    sessions.close_all()
    sessions.remove_handlers()
    registry.forget_boards()
