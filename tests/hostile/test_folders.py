"""Folders that others can change: nothing in them steers a run, nothing of the user's goes there. By whole commands."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.harness import Project, make_project
from tests.simboard import SimBoard

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="owners of POSIX"),
    pytest.mark.usefixtures("one_process"),
]
OTHER = 54321
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="not run: only root can give files to somebody else"
)
MARK = "built-as-you"


def evil(folder: Path, name: str = "esp12", *, build: bool = True) -> Path:
    """A profile that runs a command of its author's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    firmware = f"firmware: {{build: {{command: 'touch {folder / MARK}', outputs: fw.bin}}}}\n" if build else ""
    path.write_text(f"extends: esp12\nabout: theirs\nflash: {{size: 4MB, mode: dio}}\n{firmware}")
    return path


def everybodys(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    return folder


@pytest.fixture
def board(tmp_path: Path) -> SimBoard:
    return SimBoard(tmp_path / "cells", more="&fill=ff&start=rom")


@pytest.fixture
def trap(tmp_path: Path, own_state: Path) -> Project:
    """A folder of the user's below one that everybody can write, which looks like a project."""
    above = everybodys(tmp_path / "shared")
    above.chmod(0o1777)  # as /tmp is: what stands in it nobody else can replace
    (above / ".pipeline").mkdir()
    evil(above)
    project = make_project(above / "mine", own_state)
    (project.folder / "dodo.py").unlink()
    return project


def test_a_project_found_above_is_passed_over_and_said(trap: Project, board: SimBoard, firmware: Path) -> None:
    done = trap.flashpipe("flash", "profile=esp12", board.port, f"image={firmware}", "boot=off").ok()
    assert "passed over" in done.err
    assert "can be written by everybody" in done.err
    assert "theirs" not in trap.flashpipe("profiles").ok().text
    assert not (trap.folder.parent / MARK).exists()
    assert list((trap.folder / ".pipeline" / "receipts").iterdir())
    assert not list((trap.folder.parent / ".pipeline").iterdir())


def test_a_profile_that_is_named_is_refused_until_its_folder_is_trusted(trap: Project) -> None:
    path = trap.folder.parent / "esp12.yaml"
    words = ("image", f"profile={path}")
    done = trap.flashpipe(*words).failed("not-trusted")
    assert done.status == 15
    assert f"flashpipe trust {path.parent}" in done.err
    assert not (path.parent / MARK).exists()
    trap.flashpipe("trust", str(path.parent)).ok()
    trap.flashpipe(*words).failed("build-output")
    assert (path.parent / MARK).exists()
    trap.flashpipe("trust", "--remove", str(path.parent)).ok()
    trap.flashpipe(*words).failed("not-trusted")


def test_trust_can_come_from_the_environment(trap: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHPIPE_TRUST", str(trap.folder.parent))
    assert "theirs" in trap.flashpipe("profiles").ok().out


def test_where_everybody_can_write_nothing_is_kept(tmp_path: Path, own_state: Path, board: SimBoard) -> None:
    project = Project(everybodys(tmp_path / "open"), own_state)
    evil(project.folder)
    assert "is not used" in project.flashpipe("profiles").ok().out
    project.flashpipe("identify", board.port).ok()
    project.flashpipe("backup", board.port).failed("not-trusted")
    assert sorted(path.name for path in project.folder.iterdir()) == ["esp12.yaml"]
    own = tmp_path / "records"
    project.flashpipe("backup", board.port, f"records={own}").ok()
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert sorted(path.name for path in project.folder.iterdir()) == ["esp12.yaml"]


def test_plain_doit_uses_nothing_of_others_either(tmp_path: Path, own_state: Path) -> None:
    project = make_project(everybodys(tmp_path / "open"), own_state)
    evil(project.folder, "kitchen")
    project.doit("image", "profile=kitchen").failed("not-trusted")
    assert not (project.folder / MARK).exists()


@as_root
def test_a_share_of_one_other_user_supplies_profiles_and_images_but_runs_nothing(
    project: Project, tmp_path: Path, board: SimBoard, firmware: Path
) -> None:
    share = tmp_path / "share"
    plain = evil(share, "class", build=False)
    built = evil(share, "make")
    (share / "fw.bin").write_bytes(firmware.read_bytes())
    mine = project.folder / "mine"
    mine.write_text("precious")
    for name, port in (("spy", f"spy:///dev/ttyS99?file={mine}"), ("sim", f"sim://esp12?record={mine}")):
        (share / f"{name}.yaml").write_text(f"extends: esp12\nserial: {{port: '{port}'}}\n")
    for path in (share, *share.iterdir()):
        os.chown(path, OTHER, OTHER)
    for name in ("spy", "sim"):
        project.flashpipe("identify", f"profile={share / name}.yaml").failed("not-trusted")
    assert mine.read_text() == "precious"
    image = f"image={share / 'fw.bin'}"
    project.flashpipe("flash", f"profile={plain}", image, board.port, "boot=off").ok()
    done = project.flashpipe("image", f"profile={built}").failed("not-trusted")
    assert f"uid {OTHER}" in done.err
    assert not (share / MARK).exists()
    project.flashpipe("image", f"profile={built}", image).ok()


@as_root
def test_a_link_into_a_folder_of_others_leads_nowhere(project: Project, tmp_path: Path) -> None:
    elsewhere = everybodys(tmp_path / "elsewhere")
    (project.folder / "kitchen.yaml").symlink_to(evil(elsewhere))
    project.flashpipe("image", "profile=kitchen").failed("not-trusted")
    shutil.rmtree(project.folder / ".pipeline", ignore_errors=True)
    (project.folder / ".pipeline").symlink_to(everybodys(tmp_path / "records"))
    project.flashpipe("backup", "port=sim://esp12?fill=ff&start=rom").failed("not-trusted")
    assert not list((tmp_path / "records").iterdir())


@as_root
@pytest.mark.parametrize("name", ["receipts", "backups", "builds", "batches", "backups/5ccf7f000001"])
@pytest.mark.parametrize("link", [False, True])
def test_what_is_below_the_records_counts_as_well(project: Project, tmp_path: Path, name: str, *, link: bool) -> None:
    inner = project.folder / ".pipeline" / name
    inner.parent.mkdir(parents=True, exist_ok=True)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, OTHER, OTHER)
    if link:
        inner.symlink_to(theirs)
    else:
        theirs.rename(inner)
    done = project.flashpipe("backup", "port=sim://esp12?fill=ff&start=rom").failed("not-trusted")
    assert str(theirs if link else inner) in done.err
    assert not list(inner.iterdir())


@as_root
@pytest.mark.parametrize("link", [False, True])
def test_a_lock_file_of_somebody_else_pins_nothing_of_mine(
    project: Project, tmp_path: Path, firmware: Path, *, link: bool
) -> None:
    lock = project.folder / "images.lock.yaml"
    theirs = tmp_path / "theirs.yaml" if link else lock
    theirs.write_text("")
    os.chown(theirs, OTHER, OTHER)
    if link:
        lock.symlink_to(theirs)
    project.flashpipe("image", "profile=esp12", f"image={firmware}").failed("not-trusted")


@as_root
def test_in_a_project_that_is_somebody_elses_as_a_whole_its_lock_file_counts(lent: Path, project: Project) -> None:
    profile = lend(lent, "firmware: {image: fw.bin}")
    (lent / "images.lock.yaml").write_text("version: 1\nimages:\n")
    os.chown(lent / "images.lock.yaml", OTHER, OTHER)
    project.flashpipe("image", profile, "records=" + str(project.folder / ".pipeline"), folder=lent).ok()


def test_a_lock_file_that_others_can_write_pins_nothing(project: Project, firmware: Path) -> None:
    (project.folder / "images.lock.yaml").write_text("")
    (project.folder / "images.lock.yaml").chmod(0o666)
    project.flashpipe("image", "profile=esp12", f"image={firmware}").failed("not-trusted")


def test_a_profile_that_hides_a_shipped_one_is_said_on_each_use(project: Project, firmware: Path) -> None:
    path = evil(project.folder, build=False)
    for _ in range(2):
        done = project.flashpipe("image", "profile=esp12", f"image={firmware}").ok()
        assert f"profile esp12 is {path}" in done.err
    assert "profile d1-mini is" not in project.flashpipe("image", "profile=d1-mini", f"image={firmware}").ok().err


def test_a_backup_that_somebody_else_has_made_is_named_and_needs_a_yes(project: Project, board: SimBoard) -> None:
    project.flashpipe("backup", board.port).ok()
    (path,) = (project.folder / ".pipeline" / "backups").glob("*/*.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "seal": "0" * 64}))
    done = project.flashpipe("restore", board.port, "yes=1", "boot=off").failed("backup-missing")
    assert path.stem in done.err
    done = project.flashpipe("restore", board.port, f"backup={path.stem}", "boot=off").failed("not-confirmed")
    assert path.stem in done.err
    assert "not made by you" in done.err
    project.flashpipe("restore", board.port, f"backup={path.stem}", "yes=1", "boot=off").ok()


def test_a_journal_of_somebody_else_loses_its_skips_and_nothing_more(
    project: Project, board: SimBoard, firmware: Path
) -> None:
    words = ("flash", "profile=esp12", board.port, f"image={firmware}", "boot=off")
    project.flashpipe(*words).ok()
    (path,) = (project.state / "boards").glob("*.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "state": "clean", "seal": "0" * 64}))
    done = project.flashpipe(*words, "check=mac").ok()
    assert "trusted" not in done.text
    assert not done.wrote
    assert project.journal()[0]["seal"] != "0" * 64


def test_receipts_of_somebody_else_vouch_for_nothing(project: Project, board: SimBoard, firmware: Path) -> None:
    project.flashpipe("flash", "profile=esp12", board.port, f"image={firmware}", "boot=off").ok()
    (path,) = (project.folder / ".pipeline" / "receipts").glob("*.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "seal": "0" * 64}))
    done = project.flashpipe("audit", board.port).failed("no-receipt")
    assert "not written by you" in done.err


def test_records_are_named_by_a_path_that_leads_there(project: Project, board: SimBoard, firmware: Path) -> None:
    deep = project.folder / "a" / "b"
    deep.mkdir(parents=True)
    done = project.flashpipe("flash", "profile=esp12", board.port, f"image={firmware}", "boot=off", folder=deep).ok()
    (line,) = (line for line in done.err.splitlines() if line.startswith("receipt"))
    assert (deep / line.split(maxsplit=1)[1]).is_file()


@pytest.fixture
def lent(tmp_path: Path, project: Project, firmware: Path) -> Path:
    """A folder of somebody else's, with a firmware, and files of the user's that nobody gave away."""
    share = tmp_path / "share"
    (share / "data").mkdir(parents=True)
    (share / "fw.bin").write_bytes(firmware.read_bytes())
    (share / "init.lua").write_text("print(@wifi@)\n")
    for path in (share, *share.rglob("*")):
        os.chown(path, OTHER, OTHER)
    (project.folder / "private.yaml").write_text("extends: esp12\nfirmware: {image: fw.bin}\n")
    for name in ("key", "key.lua", "fw.bin"):
        (project.folder / name).write_bytes(firmware.read_bytes())
        (project.folder / name).chmod(0o644)
    return share


def lend(share: Path, text: str) -> str:
    path = share / "lesson.yaml"
    base = "" if text.startswith("extends") else "extends: nodemcu-devkit\n"
    path.write_text(f"{base}{text}\n")
    os.chown(path, OTHER, OTHER)
    return f"profile={path}"


@as_root
@pytest.mark.parametrize(
    "text",
    [
        "firmware: {image: MINE/key}",
        "firmware: {split: {0x00000: fw.bin, 0x10000: MINE/key}}",
        "firmware: {image: '../*/k*y'}",
        "firmware: {image: link}",
        "firmware: {image: fw.bin, spiffs: MINE/key}",
        "firmware: {image: fw.bin, spiffs: {folder: MINE}}",
        "firmware: {image: fw.bin, spiffs: {folder: data}}",
        "firmware: {image: fw.bin}\ninit_data: MINE/key",
        "firmware: {image: fw.bin}\nfiles: {notes: MINE/key}",
        "firmware: {image: fw.bin}\nfiles: {lib/: MINE/*.lua}",
        "firmware: {image: fw.bin}\nfiles: {notes: link}",
        "firmware: {image: fw.bin}\nacceptance: {run: link}",
        "firmware: {image: fw.bin}\nfiles: {notes: name}",
        "firmware: {image: fw.bin}\nfiles: {init.lua: {template: init.lua}}",
        "extends: MINE/private.yaml",
        "extends: ./link",
    ],
)
def test_a_profile_of_somebody_else_names_no_file_or_secret_of_the_users(
    lent: Path, project: Project, text: str, board: SimBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHPIPE_SECRET_wifi", "mine-alone")
    for link in (lent / "link", lent / "data" / "link"):
        link.symlink_to(project.folder / "key")
    os.link(project.folder / "key", lent / "name")
    profile = lend(lent, text.replace("MINE", str(project.folder)))
    done = project.flashpipe("flash", profile, board.port, "boot=off", "yes=1").failed("not-trusted")
    assert f"flashpipe trust {lent}" in done.err
    assert "mine-alone" not in done.text
    assert not board.flash.exists() or not board.cells().strip(b"\xff")


@as_root
def test_it_names_its_own_files_and_the_user_may_name_any(lent: Path, project: Project) -> None:
    profile = lend(lent, "firmware: {image: fw.bin}\nfiles: {notes: notes.txt}")
    (lent / "notes.txt").write_text("written by the user, in that folder")
    project.flashpipe("plan", profile).ok()
    project.flashpipe("plan", profile, f"image={project.folder / 'fw.bin'}").ok()
    (project.folder / "mine.yaml").write_text(
        f"extends: {lent / 'lesson.yaml'}\nfirmware: {{image: fw.bin}}\nfiles: {{notes: key}}\n"
    )
    project.flashpipe("plan", "profile=mine").ok()
    project.flashpipe("trust", str(lent)).ok()
    profile = lend(lent, f"firmware: {{image: {project.folder / 'fw.bin'}}}")
    project.flashpipe("plan", profile).ok()


@as_root
@pytest.mark.parametrize(
    "text",
    [
        "acceptance: {command: [THEIRS/evil.sh]}",
        "acceptance: {command: THEIRS/evil.sh --quick}",
        "acceptance: {command: [./link.sh]}",
        "acceptance: {command: [python3, THEIRS/evil.py]}",
        "firmware: {build: {command: [THEIRS/evil.sh], folder: ., outputs: fw.bin}}",
        "firmware: {build: {command: 'cd . && THEIRS/evil.sh; true', folder: ., outputs: fw.bin}}",
        "firmware: {build: {command: 'make -CTHEIRS', folder: ., outputs: fw.bin}}",
        "firmware: {build: {command: [make, -f, THEIRS/Makefile], folder: ., outputs: fw.bin}}",
    ],
)
def test_programs_of_somebody_else_need_trust_whoevers_the_profile_is(
    lent: Path, project: Project, text: str, firmware: Path
) -> None:
    for name in ("evil.sh", "evil.py", "Makefile"):
        (lent / name).write_text(f"#!/bin/sh\nall:\n\ttouch {lent / MARK}\n")
        (lent / name).chmod(0o755)
        os.chown(lent / name, OTHER, OTHER)
    (project.folder / "link.sh").symlink_to(lent / "evil.sh")
    image = "" if "build" in text else f"firmware: {{image: {firmware}}}\n"
    (project.folder / "mine.yaml").write_text(f"extends: esp12\n{image}{text.replace('THEIRS', str(lent))}\n")
    done = project.flashpipe("flash", "profile=mine", "port=sim://esp12?fill=ff&start=rom").failed("not-trusted")
    assert f"flashpipe trust {lent}" in done.err
    assert not (lent / MARK).exists()


def test_a_profile_that_is_extended_and_hides_a_shipped_one_is_said(project: Project, firmware: Path) -> None:
    path = evil(project.folder, build=False)
    (project.folder / "mine.yaml").write_text("extends: esp12\n")
    done = project.flashpipe("image", "profile=mine", f"image={firmware}").ok()
    assert done.err.count(f"profile esp12 is {path}") == 1
