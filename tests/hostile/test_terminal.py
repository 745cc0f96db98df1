"""Control characters through everything that is shown: none reaches the terminal. By whole commands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.harness import Done, Project
from tests.simboard import SimBoard

CLIPBOARD = "\x1b]52;c;aGFja2Vk\x07"
EVIL = f"x{CLIPBOARD}\x1b[2J\x9b?1h\u202ey"
pytestmark = pytest.mark.usefixtures("one_process")
ON_LINUX = pytest.mark.skipif(os.name != "posix", reason="such names need POSIX")


def clean(*runs: Done) -> None:
    for run in runs:
        assert "Traceback" not in run.text, run.text
        for char in run.text:
            assert char.isprintable() or char in "\n\t\r", f"{char!r} in {run.text!r}"


@ON_LINUX
def test_names_of_files_ports_profiles_and_folders(project: Project, firmware: Path) -> None:
    folder = project.folder / EVIL
    folder.mkdir()
    image, profile = folder / f"{EVIL}.bin", project.folder / f"{EVIL}.yaml"
    image.write_bytes(firmware.read_bytes()[:5000])
    profile.write_text(f"extends: esp12\nabout: {json.dumps(EVIL)}\nflash: {{mode: {json.dumps(EVIL)}}}\n")
    clean(
        project.flashpipe("image", "profile=esp12", f"image={image}"),
        project.flashpipe("image", "profile=esp12", f"image={EVIL}"),
        project.flashpipe("image", f"profile={EVIL}"),
        project.flashpipe("image", f"profile={profile}"),
        project.flashpipe("profiles"),
        project.flashpipe("inspect", str(image), EVIL),
        project.flashpipe("inspect", "--json", str(image)),
        project.flashpipe("identify", f"port=/dev/{EVIL}"),
        project.flashpipe("identify", f"port=sim://esp12?{EVIL}=1"),
        project.flashpipe("identify", f"port=/dev/{EVIL}", "events=-"),
        project.flashpipe(EVIL),
        project.flashpipe(f"--{EVIL}"),
        project.flashpipe("flash", f"{EVIL}=1"),
        project.flashpipe("flash", f"{EVIL}=1", f"{EVIL}=2"),
        project.flashpipe("init", EVIL),
        project.flashpipe("prune", f"--{EVIL}"),
        project.flashpipe("trust", EVIL),
        project.flashpipe("profiles", folder=folder),
        project.doit("flash", "profile=esp12", f"port={EVIL}", f"image={EVIL}"),
    )


def test_what_a_lua_file_prints_and_how_it_fails(project: Project, tmp_path: Path, firmware: Path) -> None:
    board = SimBoard(tmp_path / "cells")
    project.flashpipe("flash", "profile=nodemcu-devkit", board.port, f"image={firmware}").ok()
    (project.folder / "x.lua").write_text('print("a\\27]52;c;aGk=\\7\\155b")\nerror("c\\27]52;c;aGk=\\7d")\n')
    done = project.flashpipe("lua", "file=x.lua", board.port).failed("lua-error")
    assert "\\x1b]52" in done.out
    assert "\\x1b]52" in done.err
    clean(done)


def test_what_a_record_says(project: Project, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "cells")
    project.flashpipe("boot", board.but("&wiring=none").port)
    failures = list((project.folder / ".pipeline" / "failures").glob("*.json"))
    for path in failures:
        record = json.loads(path.read_text())
        record["time"] = record["diagnosis"]["cause"] = EVIL
        path.write_text(json.dumps(record))
    for path in (project.folder / ".pipeline" / "receipts").glob("*.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "outcome": EVIL, "profile": EVIL, "time": EVIL, "reason": EVIL}))
    assert failures
    clean(
        project.flashpipe("diagnose", board.port),
        project.flashpipe("report"),
        project.flashpipe("report", "format=csv"),
        project.flashpipe("audit", board.port),
        project.flashpipe("bundle", "--show"),
        project.flashpipe("prune", "--dry-run"),
    )


def test_a_boot_log(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(f"\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n{EVIL}\r\nFatal exception (0):{EVIL}\r\n")
    clean(project.flashpipe("explain", str(log)), project.flashpipe("explain", str(log), "--json"))
