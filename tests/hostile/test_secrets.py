"""Secrets planted in all that a user gives: no byte that is written or said has one of them. By whole commands."""

from __future__ import annotations

import os
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.errors import BootError
from flashpipe.records import receipt
from flashpipe.records.receipt import Receipt

from tests.harness import Done, Project
from tests.simboard import SimBoard
from tests.test_masking import FORMS
from tests.test_masking import SECRET as PLANTED
from tests.webserver import Server, document

pytestmark = pytest.mark.usefixtures("one_process")

SECRETS = {name: f"{name}-s3cr3t" for name in ("login", "user", "query", "wifi", "token", "build", "env")}


def written(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, path.read_bytes()
                if path.suffix == ".zip":
                    with zipfile.ZipFile(path) as archive:
                        yield from ((path, archive.read(name)) for name in archive.namelist())


def found(project: Project, *runs: Done) -> list[str]:
    """Where a secret stands that should not; the user's own profile and program may have it."""
    places = []
    for path, data in written(project.folder, project.state):
        given = path.suffix == ".py" or path.name == "kitchen.yaml"
        names = [name for name, secret in SECRETS.items() if secret.encode() in data or secret in str(path)]
        places += [f"{path}: {name}" for name in names if not given]
    for run in runs:
        places += [f"said: {name}: {run.text}" for name, secret in SECRETS.items() if secret in run.text]
    return places


def test_an_image_behind_a_signed_address_with_a_login(
    project: Project, web: Server, firmware: Path, tmp_path: Path
) -> None:
    web.routes["/fw.bin"] = document(firmware.read_bytes(), cuts=(100_000,))
    url = web.url("/fw.bin").replace("://", f"://{SECRETS['user']}:{SECRETS['login']}@")
    (project.folder / "kitchen.yaml").write_text(
        f"extends: esp12\nfirmware: {{image: '{url}?sig={SECRETS['query']}&x={SECRETS['token']}'}}\n"
    )
    board = SimBoard(tmp_path / "cells")
    runs = [
        project.flashpipe("flash", "profile=kitchen", board.port, "boot=off", "events=events.jsonl", "junit=x").ok(),
        project.flashpipe("image", "profile=kitchen", "locked=1").ok(),
        project.flashpipe("plan", "profile=kitchen").ok(),
        project.flashpipe("lock", "profile=kitchen").ok(),
        project.flashpipe("cache", "list").ok(),
        project.flashpipe("report", "format=json").ok(),
    ]
    assert "query=sha256:" in (project.folder / "images.lock.yaml").read_text()
    web.routes["/fw.bin"] = document(b"<html>not found</html>", etag='"2"')
    runs.append(project.flashpipe("lock", "profile=kitchen").failed("fetch-content"))
    assert found(project, *runs) == []


def test_a_lock_file_of_before_is_read_and_loses_its_queries(project: Project, web: Server, firmware: Path) -> None:
    web.routes["/fw.bin"] = document(firmware.read_bytes())
    url = f"{web.url('/fw.bin')}?sig={SECRETS['query']}"
    (project.folder / "kitchen.yaml").write_text(f"extends: esp12\nfirmware: {{image: '{url}'}}\n")
    project.flashpipe("image", "profile=kitchen").ok()
    lock = project.folder / "images.lock.yaml"
    text = lock.read_text()
    name = next(line.strip() for line in text.splitlines() if "query=sha256:" in line).rstrip(":")
    lock.write_text(text.replace(name, url))
    done = project.flashpipe("image", "profile=kitchen", "locked=1").ok()
    project.flashpipe("lock", "profile=kitchen").ok()
    assert found(project, done) == []
    assert lock.read_text().count("sha256: ") == 1


def test_a_port_with_a_login(project: Project) -> None:
    port = f"port=rfc2217://{SECRETS['user']}:{SECRETS['login']}@127.0.0.1:1"
    runs = [project.flashpipe(task, port) for task in ("identify", "diagnose", "backup", "boot")]
    runs.append(project.flashpipe("flash", "profile=demo", f"{port},sim://esp12"))
    runs.append(project.flashpipe("identify", f"port=socket://{SECRETS['token']}@127.0.0.1:1"))
    runs.append(project.flashpipe("bundle", "--yes", "-o", "x.zip").ok())
    assert all(run.status for run in runs[:-1])
    assert found(project, *runs) == []


def test_a_build_that_prints_what_it_was_given(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", SECRETS["env"])
    (project.folder / "make.py").write_text(
        f"print('-DWIFI_PASSWORD={SECRETS['build']}')\nprint('cc -Dssid={SECRETS['wifi']}')\nraise SystemExit(1)\n"
    )
    (project.folder / "kitchen.yaml").write_text(
        f"extends: esp12\nfirmware: {{build: {{command: [{sys.executable}, make.py], outputs: fw.bin}}}}\n"
    )
    done = project.flashpipe("image", "profile=kitchen").failed("build-failed")
    assert found(project, done) == []


def test_what_a_board_says_before_it_fails(tmp_path: Path) -> None:
    log = "\n".join(FORMS)
    for number, form in enumerate(FORMS):
        error = BootError(form, form)
        record = Receipt(
            command=form, outcome="x", port=form, virtual=False, verdict={"log": log, form: [form]}, error=str(error)
        )
        path = receipt.write(record, tmp_path / str(number))
        assert PLANTED not in path.read_text()


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_whatever_is_kept_is_its_owners_alone(
    project: Project, web: Server, firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("FLASHPIPE_STATE", str(home / "state" / "flashpipe"))
    monkeypatch.setenv("FLASHPIPE_CACHE", str(home / "cache" / "flashpipe"))
    mine = Project(project.folder, home / "state" / "flashpipe")
    web.routes["/fw.bin"] = document(firmware.read_bytes(), cuts=(100_000, 1, 2, 3, 4, 5, 6, 7, 8, 9))
    board = SimBoard(tmp_path / "cells")
    old = os.umask(0)
    try:
        mine.flashpipe("image", "profile=esp12", f"image={web.url('/fw.bin')}")
        mine.flashpipe("flash", "profile=esp12", board.port, f"image={firmware}", "boot=off").ok()
        mine.flashpipe("backup", board.port).ok()
    finally:
        os.umask(old)
    open_to_others = [
        f"{path}: {stat.S_IMODE(path.stat().st_mode):o}"
        for folder in (home, project.folder / ".pipeline")
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & 0o077 and path != project.folder / ".pipeline" / ".gitignore"
    ]
    assert open_to_others == []
