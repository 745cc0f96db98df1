"""Which stations work on a batch: each holds a lock in its folder, which the system takes from whoever dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flashpipe.locks import open_lock, try_lock, unlock
from flashpipe.records.batch import new_id


def _life(folder: Path, station: str) -> Path:
    return folder / f"station-{station}.lock"


@contextmanager
def living(folder: Path) -> Iterator[str]:
    """While the body runs, others see that a station works on the batch in `folder`; gives its name."""
    station = new_id()
    path = _life(folder, station)
    with open_lock(path) as stream:
        try_lock(stream)
        try:
            yield station
        finally:
            unlock(stream)
    path.unlink(missing_ok=True)


def is_alive(folder: Path, station: str) -> bool:
    """Whether that station still works on the batch."""
    path = _life(folder, station)
    if not station.isalnum() or not path.exists():
        return False
    with open_lock(path) as stream:
        if not try_lock(stream):
            return True
        unlock(stream)
    path.unlink(missing_ok=True)
    return False
