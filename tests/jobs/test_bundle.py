"""The support bundle: what helps is in it, what gives somebody away is not, and nothing is written unasked."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from flashpipe.jobs.bundle import collect
from flashpipe.jobs.mask import Mask

from tests.harness import Done, Project

MAC = "5c:cf:7f:d7:1c:89"


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory, firmware: Path) -> Project:
    """A project in which a board did not boot; its boot log says more than it should."""
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "dodo.py").write_text("from flashpipe.tasks import *\n")
    project = Project(folder, folder / "state")
    port = f"port=sim://nodemcu-devkit?mac={MAC}&fault=dout-only"
    project.flashpipe("flash", "profile=esp12", f"image={firmware}", port).failed("boot-wrong-mode")
    for path in (folder / ".pipeline").glob("*/*.json"):
        if path.parent.name in {"failures", "receipts"}:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (record,) = (folder / ".pipeline" / "failures").glob("*.json")
    known = json.loads(record.read_text())
    known["evidence"]["log"] = (
        "connected with HomeNet, channel 6\nSSID HomeNet psk=s3cret\nip:192.168.1.7\nESP_D71C89\n"
    )
    known["evidence"]["gaps"] = [{"line": 1, "size": 228}, {"line": "damaged"}]
    record.write_text(json.dumps(known))
    return project


def bundle(project: Project, *words: str) -> Done:
    return project.flashpipe("bundle", *words)


def test_it_holds_what_helps(failed: Project) -> None:
    bundle(failed, "--yes", "-o", "report.zip").ok()
    path = failed.folder / "report.zip"
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(texts) >= {
        "versions.txt", "host.txt", "diagnosis.json", "boot-log.txt", "evidence.json", "plan.json", "image.json",
        "transcript.txt", "receipt-1.json", "written.txt", "journal.json",
    }  # fmt: skip
    assert json.loads(texts["diagnosis.json"])["rule"] == "flash-mode"
    assert texts["boot-log.txt"].splitlines()[1] == "[bytes left out that make no text at this rate: 228]"
    assert "esptool 5" in texts["versions.txt"]
    assert json.loads(texts["image.json"])["version"] == "1.5.4.1"
    assert "NodeMCU 1.5.4.1" in texts["plan.json"]
    assert "FLASH_DEFL" in texts["transcript.txt"] or "SPI_FLASH_MD5" in texts["transcript.txt"]
    assert json.loads(texts["journal.json"])[0]["mac"] == "board-1"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_gives_nobody_away(failed: Project) -> None:
    text = "\n".join(
        f"{name}\n{text}"
        for name, text in collect(failed.folder / ".pipeline", mask=Mask(str(failed.folder), "ada", "kitchen")).items()
    ).lower()
    for secret in (MAC, MAC.replace(":", ""), "d71c89", str(0xD71C89), "homenet", "s3cret", "192.168.1.7"):
        assert secret not in text, secret
    assert str(failed.folder) not in text
    assert "board-1" in text


def test_it_is_shown_and_nothing_is_written_unasked(failed: Project) -> None:
    done = bundle(failed, "-o", "unasked.zip").failed("not-confirmed")
    assert "--- transcript.txt" in done.out
    assert "more" in done.out
    assert not (failed.folder / "unasked.zip").exists()


def test_show_shows_every_line_and_writes_nothing(failed: Project) -> None:
    before = set(failed.folder.iterdir())
    done = bundle(failed, "--show").ok()
    assert "board-1" in done.out
    assert "… " not in done.out.partition("--- transcript.txt")[0]
    assert set(failed.folder.iterdir()) == before


def test_a_port_without_a_failure_is_named(failed: Project) -> None:
    assert "no failure on it" in bundle(failed, "--port", "/dev/ttyUSB7", "--yes").failed("bad-value").err


def test_without_any_failure_it_still_says_what_there_is(tmp_path: Path) -> None:
    assert set(collect(tmp_path)) == {"versions.txt", "host.txt"}
