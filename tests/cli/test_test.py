"""`flashpipe test`: its words, its reports, its status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests import schema
from tests.harness import Done, Project

Command = Callable[..., Done]
BAD = 'print("ok 1 - fine") print("not ok 2 - worse # expected 3") print("ok 3 - third # SKIP none")\n'


@pytest.fixture
def blink(project: Project, firmware: Path) -> Path:
    """A project with two test files."""
    folder = project.folder
    (folder / "blink.yaml").write_text(f'extends: nodemcu-devkit\nfirmware: {{image: "{firmware.as_posix()}"}}\n')
    (folder / "tests").mkdir()
    (folder / "tests" / "test_good.lua").write_text("assert(require('helper') == 1)\n")
    (folder / "tests" / "helper.lua").write_text("return 1\n")
    (folder / "tests" / "test_bad.lua").write_text(BAD)
    return folder


def test_results_are_told_to_people_and_programs(blink: Path, command: Command, project: Project) -> None:
    done = command("test", "junit=junit.xml", "events=events.jsonl").failed("lua-test")
    assert done.status == 31
    assert "FAILED  tests/test_bad.lua: worse: expected 3\n" in done.out
    assert "inline" not in done.out
    suite = ET.parse(blink / "junit.xml").getroot()
    cases = {(case.get("classname"), case.get("name")): [part.tag for part in case] for case in suite}
    flash, *others = cases.items()
    assert flash[0][0] == "blink"
    assert others == [
        (("tests/test_bad.lua", "fine"), []),
        (("tests/test_bad.lua", "worse"), ["failure"]),
        (("tests/test_bad.lua", "third"), ["skipped"]),
        (("tests/test_good.lua", "test_good"), []),
    ]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "1", "1")
    lines = (blink / "events.jsonl").read_text()
    schema.check_lines(lines)
    told = [line["data"] for line in map(json.loads, lines.splitlines()) if line["data"].get("kind") == "test"]
    assert [(test["name"], test["outcome"]) for test in told] == [
        ("fine", "passed"), ("worse", "failed"), ("third", "skipped"), ("test_good", "passed"),
    ]  # fmt: skip
    assert len(project.receipts()) == 1

    # Once more: one file alone, and a document; the board is not booted again.
    assert "OK  1 tests passed" in command("test", "tests/test_good.lua").ok().out
    words = ("profile=blink", "timeout=50s")
    document = schema.checked_document(command("test", "tests", *words, "--json").failed("lua-test").out)
    assert (
        document["error"]["next"] == "`flashpipe test tests/test_bad.lua profile=blink timeout=50s` runs one file alone"
    )
    assert document["counts"] == {"passed": 2, "failed": 1, "skipped": 1}
    assert document["error"]["code"] == "lua-test"
    assert len(project.receipts()) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nothing"], "lua-file-missing"),
        (["profil=blink"], "unknown-variable"),
        (["profile=nobody"], "unknown-profile"),
        (["timeout=soon"], "bad-value"),
        (["port=sim://nothing"], "bad-value"),
        (["image=missing.bin"], "image-missing"),
    ],
)
def test_what_cannot_be_is_one_line(blink: Path, command: Command, words: list[str], code: str) -> None:
    assert command("test", *words).failed(code).out == ""
    assert not (blink / ".pipeline" / "receipts").exists()


@pytest.mark.usefixtures("blink")
def test_help_says_what_it_does(command: Command) -> None:
    assert "test_*.lua" in command("test", "--help").ok().out
