"""`doit report` and `flashpipe prune` by the user's own commands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard

pytestmark = pytest.mark.usefixtures("one_process")

Command = Callable[..., Done]


@pytest.fixture
def boards(project: Project, tmp_path: Path, command: Command) -> list[SimBoard]:
    """Two boards that were flashed, one of them twice."""
    build = Builder()
    image = tmp_path / "nodemcu.bin"
    image.write_bytes(build.combine(build.pair_3x()))
    more = "&fill=ff&start=rom&execute=off"
    made = [SimBoard(tmp_path / f"{n}.flash", f"5c:cf:7f:00:00:0{n}", more=more) for n in (1, 2)]
    for board in (*made, made[0]):
        command("flash", "profile=esp12", board.port, f"image={image}", "boot=off").ok()
    command("audit", made[1].port).ok()
    assert len(project.receipts()) == 4
    return made


def test_a_report_counts_and_names_each_board(project: Project, boards: list[SimBoard], command: Command) -> None:
    (project.folder / ".pipeline" / "receipts" / "9.json").write_text("torn")
    text = command("report").ok().out
    assert "1 audited, 2 flashed, 1 skipped" in text
    assert "2 board(s)" in text
    assert "9.json: not a receipt" in text
    told = json.loads(command("report", "format=json").ok().out)
    assert told["counts"] == {"audited": 1, "flashed": 2, "skipped": 1}
    first, second = told["boards"]
    assert (first["mac"], first["outcome"], first["runs"], first["failures"]) == (boards[0].mac, "skipped", 2, 0)
    assert (second["audit"], second["virtual"]) == ("audited", True)
    rows = list(csv.DictReader(io.StringIO(command("report", "format=csv").ok().out)))
    assert [row["mac"] for row in rows] == [board.mac for board in boards]
    assert rows[0]["images"].startswith("nodemcu.bin ")
    assert "no receipts" in command("report", "since=2999-01-01").ok().out
    command("report", "batch=none").failed("no-batch")
    command("report", "batch=no/name").failed("bad-value")
    assert "2 board(s)" in command("report", "since=1d").ok().out
    command("report", "since=yesterday").failed("bad-value")
    command("report", "format=xml").failed("bad-value")


def test_prune_says_what_would_go_and_removes_just_that(
    project: Project, boards: list[SimBoard], command: Command
) -> None:
    command("backup", boards[0].port, "regions=0x0-0x10000").ok()
    command("backup", boards[0].port).ok()
    before = project.receipts()
    rule = ("--keep-days", "0", "--keep", "1", "--backups")
    told = project.flashpipe("prune", *rule, "--dry-run").ok().out
    assert "would be removed" in told
    assert project.receipts() == before
    assert "removed from" in project.flashpipe("prune", *rule).ok().out
    assert len(project.receipts()) < len(before)
    assert len(list((project.folder / ".pipeline" / "backups").glob("*/*.json"))) == 1
    command("audit", boards[0].port).ok()
    command("restore", boards[0].port, "yes=1", "boot=off").ok()
    assert "0 files" in project.flashpipe("prune", "--backups").ok().out
