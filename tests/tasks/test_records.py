"""What a run keeps in the project's folder, and when it is safe there."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from doit.dependency import JSONCodec
from flashpipe.records.project_folder import make_folder
from flashpipe.tasks.db import SafeDB

from tests.harness import Project
from tests.simboard import SimBoard

KILLED = """
import os, sys
from doit.dependency import JSONCodec
from flashpipe.tasks.db import SafeDB
db = SafeDB(sys.argv[1], JSONCodec())
for task in ("one", "two"):
    db.set(task, "result:", task)
    db.set(task, "deps:", [])
db.set("three", "result:", "half")
os._exit(9)
"""


def stored(path: Path) -> dict[str, object]:
    """Tasks that the database holds, whatever is open elsewhere."""
    connection = sqlite3.connect(path)
    rows = connection.execute("select task_id, task_data from doit").fetchall()
    connection.close()
    return {name: json.loads(data) for name, data in rows}


def test_what_was_stored_before_a_kill_stays(tmp_path: Path) -> None:
    path = tmp_path / ".pipeline" / "doit.db"
    process = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert process.returncode == 9
    assert set(stored(path)) == {"one", "two"}
    again = SafeDB(str(path), JSONCodec())
    assert (again.get("two", "result:"), again.get("three", "result:")) == ("two", None)
    again.dump()


def test_two_runs_keep_each_others_tasks(tmp_path: Path) -> None:
    path = tmp_path / ".pipeline" / "doit.db"
    databases = [SafeDB(str(path), JSONCodec()) for _ in range(2)]
    for number, database in enumerate(databases):
        database.set(f"task{number}", "deps:", [])
    for database in databases:
        database.dump()
    assert set(stored(path)) == {"task0", "task1"}


def test_nothing_is_made_where_nothing_is_stored(tmp_path: Path) -> None:
    database = SafeDB(str(tmp_path / ".pipeline" / "doit.db"), JSONCodec())
    assert database.get("task", "deps:") is None
    database.dump()
    assert list(tmp_path.iterdir()) == []


def test_the_project_folder_keeps_itself_out_of_git(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / ".pipeline")
    assert (folder / ".gitignore").read_text() == "*\n"
    (folder / ".gitignore").write_text("# a person's own\n")
    make_folder(folder)
    assert (folder / ".gitignore").read_text() == "# a person's own\n"
    assert os.listdir(folder) == [".gitignore"]  # noqa: PTH208  names are all that is asked


@pytest.mark.parametrize("task", ["flash", "verify", "restore"])
def test_a_run_that_reaches_no_board_is_on_record_too(project: Project, firmware: Path, task: str) -> None:
    words = ["yes=1"] if task == "restore" else ["profile=esp12", f"image={firmware}"]
    project.flashpipe(task, "port=sim://esp12?fault=absent", *words).failed("port-missing")
    (receipt,) = project.receipts()
    assert (receipt["command"], receipt["outcome"], receipt["device"]) == (task, "port-missing", {})
    (path,) = (project.folder / ".pipeline" / "receipts").glob("*.json")
    assert "no-mac" in path.name


def test_a_run_that_was_cut_short_says_how_far_it_came(project: Project, firmware: Path, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "flash", more="&fault=unplug:150000")
    project.flashpipe("flash", "profile=esp12", f"image={firmware}", board.port, "boot=off").failed("port-lost")
    (receipt,) = project.receipts()
    assert receipt["board_state"] == "writing"
    assert 0 < receipt["sent_bytes"] < firmware.stat().st_size
    assert receipt["written"]
    assert receipt["holds"] == []


def test_a_verification_is_on_record(project: Project, firmware: Path, tmp_path: Path) -> None:
    board = SimBoard(tmp_path / "flash")
    words = ("profile=esp12", f"image={firmware}", board.port)
    project.flashpipe("verify", *words).failed("verify-failed")
    project.flashpipe("flash", *words, "boot=off").ok()
    project.flashpipe("verify", *words).ok()
    assert [(receipt["command"], receipt["outcome"], receipt["board_state"]) for receipt in project.receipts()] == [
        ("verify", "verify-failed", "unknown"),
        ("flash", "flashed", "clean"),
        ("verify", "verified", "clean"),
    ]
