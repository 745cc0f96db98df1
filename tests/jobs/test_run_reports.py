"""What build servers get: a JUnit file, the receipt in a place of its own, lines and a summary for GitHub Actions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from flashpipe.errors import RecordError
from flashpipe.jobs import run_reports

from tests import schema
from tests.harness import Done, Project

Command = Callable[..., Done]
GOOD, BAD = "sim://esp12", "sim://esp01?fault=mute"


def words(firmware: Path, *more: str) -> tuple[str, ...]:
    return ("flash", "profile=esp12", f"port={GOOD},{BAD}", f"image={firmware}", *more)


@pytest.mark.parametrize("module", ["flashpipe.cli.main", "doit"])
def test_a_board_is_a_case(project: Project, firmware: Path, module: str) -> None:
    project.run(module, *words(firmware, "junit=out.xml")).failed("no-answer")
    suite = ET.parse(project.folder / "out.xml").getroot()
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failure = cases[f"flash {BAD}"].find("failure")
    assert failure is not None
    assert failure.get("type") == "no-answer"
    assert "proof:" in (failure.text or "")
    good = cases[f"flash {GOOD}"]
    assert good.find("failure") is None
    names = {one.get("name") for one in good.iter("property")}
    assert {"step.write", "mac", "receipt"} <= names


def test_a_run_that_is_refused_reports_too(project: Project) -> None:
    project.flashpipe("flash", "profile=nix", "junit=out.xml").failed("unknown-profile")
    (case,) = ET.parse(project.folder / "out.xml").getroot().iter("testcase")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == "unknown-profile"
    project.flashpipe("profiles", "junit=no/such/out.xml").failed("bad-value")


@pytest.mark.parametrize("name", ["junit", "receipt", "events"])
def test_a_report_is_written_over_an_earlier_one_and_over_nothing_else(
    name: str, command: Command, project: Project
) -> None:
    mine = project.folder / "k.yaml"
    mine.write_text("extends: esp12\n")
    refused = (
        command("profiles", f"{name}=k.yaml") if name != "receipt" else command("verify", "profile=k", "receipt=k.yaml")
    )
    assert "k.yaml: is there already" in refused.failed("bad-value").text
    assert mine.read_text() == "extends: esp12\n"
    (project.folder / "out").touch()  # as mktemp leaves it
    words = ("verify", "profile=nix", f"{name}=out")
    command(*words).failed("unknown-profile")
    first = (project.folder / "out").read_bytes()
    assert first
    command(*words).failed("unknown-profile")
    assert (project.folder / "out").read_bytes()[:20] == first[:20]


def test_a_report_that_cannot_be_written_in_the_end_fails_the_run(
    project: Project, command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _data: bytes) -> None:
        raise RecordError(f"{path}: cannot be written: No space left on device", RecordError.remedy)

    monkeypatch.setattr(run_reports, "write_atomic", full)
    done = command("profiles", "events=ev.jsonl", "junit=out.xml").failed("record")
    assert done.status == 40
    assert "out.xml: cannot be written: No space left on device" in done.err
    assert "esp12" in done.out
    last = json.loads((project.folder / "ev.jsonl").read_text().splitlines()[-1])
    assert (last["type"], last["data"]["status"], last["data"]["code"]) == ("run_end", 40, "record")
    assert command("flash", "profile=nix", "junit=out.xml").failed("unknown-profile").status == 10, "what failed first"


@pytest.mark.parametrize("reporter", ["zero", "json", "executed-only"])
def test_doits_other_reporters_are_none_that_fail(project: Project, reporter: str) -> None:
    project.doit("-r", reporter, "profiles", "junit=out.xml").ok()
    suite = ET.parse(project.folder / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("0", "0")
    assert project.doit("-r", reporter, "identify", f"port={BAD}", "junit=out.xml").status
    (case,) = ET.parse(project.folder / "out.xml").getroot().iter("testcase")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == "no-answer"


def test_a_folder_that_cannot_be_written_is_refused_at_once(
    project: Project, command: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.folder / "reports"
    folder.mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and access(path, mode))
    for name in ("junit", "receipt"):
        done = command("identify", "port=sim://esp12", f"{name}=reports/out").failed("bad-value")
        assert f"{name}=reports/out: " in done.err
        assert "connect" not in done.err


def test_the_receipt_is_put_where_it_is_asked_for(project: Project, firmware: Path) -> None:
    project.flashpipe("flash", "profile=esp12", f"port={GOOD}", f"image={firmware}", "receipt=r.json").ok()
    assert schema.checked(json.loads((project.folder / "r.json").read_text()))["outcome"] == "flashed"
    project.flashpipe(*words(firmware, "receipt=all.json"))
    receipts = json.loads((project.folder / "all.json").read_text())
    assert sorted(schema.checked(receipt)["outcome"] for receipt in receipts) == ["flashed", "no-answer"]
    project.flashpipe(*words(firmware, "receipt=r-@mac@.json"))
    assert len(list(project.folder.glob("r-*.json"))) == 2


def test_github_shows_what_failed(project: Project, firmware: Path) -> None:
    summary = project.folder / "summary.md"
    more = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    done = project.python("-m", "flashpipe.cli.main", *words(firmware), more=more)
    (line,) = (line for line in done.err.splitlines() if line.startswith("::error "))
    assert "no-answer" in line
    assert "%0A  next: " in line
    table = summary.read_text(encoding="utf-8")
    assert table.count("| esp12 on ") == 2
    assert "✅" in table
    refused = project.python("-m", "flashpipe.cli.main", "flash", "profile=nix", more=more)
    assert "::error title=flashpipe [unknown-profile]::" in refused.err
