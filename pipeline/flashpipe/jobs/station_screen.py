"""What a station shows, left in a file for screens elsewhere: a page in a browser draws it.

The file lies in the folder of the batch, and is of no use but to be looked at: it is not written durably, and losing it
costs nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from flashpipe.files import private_opener, read_regular
from flashpipe.jobs.station_view import PortView, Show, StationView
from flashpipe.records.batch import batch_folder, batch_names
from flashpipe.records.batch_state import Counts
from flashpipe.records.station_lives import is_alive
from flashpipe.values import dataclass

PREFIX: Final = "screen-"
MOST: Final = 8
"""Stations that are looked at."""
LARGEST: Final = 0x100000
"""Bytes of a file that is looked at; a station with 64 ports needs 40 KB."""
_T = TypeVar("_T")


class StationScreen:
    """Passes each view on, and leaves it in a file as well."""

    def __init__(self, folder: Path, station: str, words: Mapping[str, str], show: Show) -> None:
        """Take the batch's folder, the station's name, what the operator calls states and counts, and who draws."""
        self._path = folder / f"{PREFIX}{station}.json"
        self._words = dict(words)
        self._show = show
        for path in folder.glob(f"{PREFIX}*.json"):
            if not is_alive(folder, _station(path)):
                path.unlink(missing_ok=True)

    def __call__(self, view: StationView) -> None:
        """Draw it, and leave it for others."""
        self._show(view)
        facts = {"words": self._words, "view": asdict(view)}
        part = self._path.with_suffix(".part")
        with suppress(OSError):  # a full disk is told by what must be written
            with open(part, "w", encoding="utf-8", opener=private_opener) as stream:
                json.dump(facts, stream, ensure_ascii=False)
            os.replace(part, self._path)  # noqa: PTH105  twice as fast, ten times a second


def _station(path: Path) -> str:
    return path.stem.removeprefix(PREFIX)


@dataclass(frozen=True, slots=True)
class SeenStation:
    """A station as its screen file shows it."""

    name: str
    alive: bool
    """Whether it still works; if not, that is how it was left."""
    view: StationView
    words: Mapping[str, str]
    """What the operator calls states and counts."""

    def say(self, name: str) -> str:
        """What a state or a count is called."""
        return str(self.words.get(name, name.partition(".")[2]))


@dataclass(frozen=True, slots=True)
class ScreenFile:
    """Where a station has left what it shows."""

    path: Path
    written_ns: int
    alive: bool


def screen_files(records: Path) -> list[ScreenFile]:
    """The newest screen files of a project: of the stations that work, else the one that was left last."""
    dated = []
    for name in batch_names(records):
        for path in batch_folder(records, name).glob(f"{PREFIX}*.json"):
            with suppress(OSError):
                dated.append((path.stat().st_mtime_ns, path))
    newest = [
        ScreenFile(path, written, is_alive(path.parent, _station(path)))
        for written, path in sorted(dated, reverse=True)[:MOST]
    ]
    return sorted((one for one in newest if one.alive), key=lambda one: str(one.path)) or newest[:1]


def seen_stations(files: Iterable[ScreenFile]) -> list[SeenStation]:
    """What they show; what cannot be read is passed over."""
    stations = []
    for one in files:
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            facts = json.loads(read_regular(one.path, LARGEST))
            stations.append(SeenStation(_station(one.path), one.alive, _view(facts["view"]), dict(facts["words"])))
    return stations


def _view(facts: Any) -> StationView:
    """A view from what was written, perhaps by a later version."""
    ports = tuple(_made(PortView, port) for port in facts["ports"])
    return replace(
        _made(StationView, facts), ports=ports, counts=_made(Counts, facts["counts"]), notes=tuple(facts["notes"])
    )


def _made(kind: type[_T], facts: Any) -> _T:
    return kind(**{field.name: facts[field.name] for field in fields(kind) if field.name in facts})  # type: ignore[arg-type]
