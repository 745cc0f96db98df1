"""Reading a board's flash: what is known is not read, what comes damaged is read again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flashpipe.board.loader import link as loader
from flashpipe.errors import StoppedError, WireError
from flashpipe.events import Progress
from flashpipe.flash import Region
from flashpipe.flasher.backup import save_regions
from flashpipe.records.backups import Store

MAC = "5c:cf:7f:00:00:01"
DATA = Random(3).randbytes(0x28000)
HEAD = Region(0, 0x40000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "backups", MAC)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Region]:
    """What is read from boards, as it happens."""
    found: list[Region] = []
    real = loader.EsptoolLoader.read

    def spy(self: loader.EsptoolLoader, region: Region, on_read: Callable[[int], None]) -> bytes:
        found.append(region)
        return real(self, region, on_read)

    monkeypatch.setattr(loader.EsptoolLoader, "read", spy)
    return found


def test_only_what_is_neither_blank_nor_known_is_read(bed: Any, store: Store, reads: list[Region]) -> None:
    board = bed()
    with board.session() as session:
        session.connected()
        board.put(0, DATA)
        first = save_regions(session, store, [HEAD], "asked", {"profile": "esp12"})
        assert [str(region) for region in reads] == [
            "0x000000..0x010000", "0x010000..0x020000", "0x020000..0x030000",
        ]  # fmt: skip
        assert store.content(first, HEAD) == board.cells[:0x40000]
        assert (first.mac, first.flash_size, first.complete, first.whole) == (MAC, 0x400000, True, False)
        reads.clear()
        board.put(0x10000, b"\0")
        second = save_regions(session, store, [HEAD], "asked")
        assert reads == [Region(0x10000, 0x20000)]
        assert store.content(second, HEAD) == board.cells[:0x40000]
        assert store.content(first, HEAD) == DATA.ljust(0x40000, b"\xff")


def test_an_interrupted_backup_goes_on(bed: Any, store: Store, reads: list[Region]) -> None:
    board = bed()
    with board.session() as session:
        session.connected()
        board.put(0, DATA)

        def stop(event: object) -> None:
            if isinstance(event, Progress) and event.done > 0x14000:
                session.stop.set()

        session.listener = stop
        with pytest.raises(StoppedError):
            save_regions(session, store, [HEAD], "asked")
    (partial,) = store.manifests()
    assert not partial.complete
    assert partial.regions == [Region(0, 0x10000)]
    reads.clear()
    with board.session() as session:
        save_regions(session, store, [HEAD], "asked")
    assert reads == [Region(0x10000, 0x20000), Region(0x20000, 0x30000)]


@pytest.mark.parametrize("fault", ["noise:2e-5", "lost:2e-5"])
def test_what_the_line_garbles_is_read_again(bed: Any, store: Store, reads: list[Region], fault: str) -> None:
    board = bed(f"fill=ff&fault={fault}&seed=5")
    with board.session() as session:
        session.connected()
        board.put(0, DATA)
        saved = save_regions(session, store, [HEAD], "asked")
        assert store.content(saved, HEAD) == board.cells[:0x40000]
    assert len(reads) > 3


def test_a_line_that_is_too_bad_is_an_error_by_name(bed: Any, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    board = bed()
    real = loader.EsptoolLoader.read

    def garbled(self: loader.EsptoolLoader, region: Region, on_read: Callable[[int], None]) -> bytes:
        return real(self, region, on_read)[:-1] + b"?"

    monkeypatch.setattr(loader.EsptoolLoader, "read", garbled)
    with board.session() as session:
        session.connected()
        board.put(0, DATA)
        with pytest.raises(WireError, match="cannot be read undamaged"):
            save_regions(session, store, [HEAD], "asked")
    assert not any(manifest.complete for manifest in store.manifests())
