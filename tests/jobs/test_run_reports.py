"""What build servers get: a JUnit file, the receipt in a place of its own, lines and a summary for GitHub Actions."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests import schema
from tests.harness import Project

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
