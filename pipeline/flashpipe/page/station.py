"""The stations of the project, for a screen above the bench: one big state for each port, counts, and what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from flashpipe.jobs.station_screen import SeenStation, screen_files, seen_stations
from flashpipe.page.hub import Hub
from flashpipe.page.render import Renderer

LOOK_S: Final = 0.2
"""Between two looks at what the stations show."""
SAID: Final = frozenset({"pass", "fail", "ask"})
"""States that a screen reader is told of."""


class StationWatch:
    """Looks at the stations as soon as somebody looks at their page, and tells what changes."""

    def __init__(self, records: Path, hub: Hub, renderer: Renderer) -> None:
        self._records = records
        self._hub = hub
        self._renderer = renderer
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._states: dict[str, str] = {}

    def stations(self) -> list[SeenStation]:
        """The stations as they are now; from now on changes are told."""
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._go, name="stations", daemon=True)
                self._thread.start()
        return seen_stations(screen_files(self._records))

    def snapshot(self) -> Iterator[Mapping[str, object]]:
        """What a page is told that has missed something."""
        if self._thread is not None:
            yield self._message(seen_stations(screen_files(self._records)))

    def _message(self, stations: list[SeenStation]) -> Mapping[str, object]:
        return {"kind": "stations", "html": self._renderer.stations(stations)}

    def _go(self) -> None:
        known: Any = None
        pause = threading.Event()
        while not pause.wait(LOOK_S):
            if not self._hub.watched:
                continue
            now = screen_files(self._records)
            if now == known:
                continue
            known, stations = now, seen_stations(now)
            self._hub.tell([self._message(stations), *self._said(stations)])

    def _said(self, stations: list[SeenStation]) -> Iterator[Mapping[str, object]]:
        """The ends that have come since the last look."""
        for port in (port for station in stations for port in station.view.ports):
            if port.state in SAID and self._states.get(port.place, port.state) != port.state:
                text = f"{port.place}: {port.state}. {port.cause or port.headline}. {port.action}"
                yield {"kind": "say", "text": text, "loud": port.state != "pass"}
            self._states[port.place] = port.state
