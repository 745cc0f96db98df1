"""`--json`: one document on standard output, each held against the committed schema."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import schema
from tests.harness import Done, Project

BOARDLESS = {"ports", "profiles", "doctor", "report", "image"}
LISTS = ("ports", "profiles")
"""Of no profile."""


@pytest.fixture
def kitchen(project: Project, firmware: Path, tmp_path: Path) -> Project:
    """A board with NodeMCU on it."""
    port = f"sim://nodemcu-devkit?flash={tmp_path}/board.flash"
    (project.folder / "kitchen.yaml").write_text(
        f"extends: nodemcu-devkit\nserial: {{port: '{port}'}}\nfirmware: {{image: '{firmware}'}}\n"
    )
    project.flashpipe("flash", "kitchen").ok()
    return project


@pytest.mark.usefixtures("kitchen")
def test_every_table_is_one_document(command: Callable[..., Done]) -> None:
    for task in (
        "ports",
        "profiles",
        "identify",
        "plan",
        "node",
        "files",
        "image",
        "verify",
        "boot",
        "diagnose",
        "audit",
    ):
        done = command(task, *[] if task in LISTS else ["profile=kitchen"], "--json").ok()
        document = schema.checked_document(done.out)
        assert document["schema"] == f"flashpipe-{task}/1.1"
        assert ("boards" in document) == (task not in {*BOARDLESS, "plan"})
    report = schema.checked_document(command("report", "format=json").ok().out)
    assert report["boards"][0]["outcome"] == "skipped" or report["boards"][0]["outcome"] == "flashed"
    doctor = command("doctor", "--json")
    assert schema.checked_document(doctor.out)["schema"] == "flashpipe-doctor/1.1"


def test_a_plan_for_a_board_says_whether_anything_would_be_written(kitchen: Project) -> None:
    done = kitchen.flashpipe("plan", "kitchen", "port=sim://nodemcu-devkit", "--json").ok()
    (board,) = schema.checked_document(done.out)["boards"]
    assert board["would_write"] is True
    assert sum(row["end"] - row["start"] for row in board["rows"]) == 4 << 20


def test_a_board_that_fails_has_its_error_in_its_place(project: Project) -> None:
    done = project.flashpipe("identify", "port=sim://esp12,sim://esp01?fault=mute", "--json").failed("no-answer")
    boards = {board["port"]: board for board in schema.checked_document(done.out)["boards"]}
    assert "error" not in boards["sim://esp12"]
    assert boards["sim://esp01?fault=mute"]["error"]["status"] == done.status


def test_a_plan_names_every_board_also_those_that_fail(kitchen: Project) -> None:
    ports = ("sim://nodemcu-devkit", "sim://esp01", "sim://esp12?fault=mute")
    done = kitchen.flashpipe("plan", "kitchen", f"port={','.join(ports)}", "--json")
    assert done.status
    document = schema.checked_document(done.out)
    assert {board["port"]: board.get("error", {}).get("code") for board in document["boards"]} == {
        ports[0]: None, ports[1]: "wrong-flash-size", ports[2]: "no-answer",
    }  # fmt: skip
    assert "error" not in document


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("image", "profile=nix"), "unknown-profile"),
        (("ports", "nix=1"), "unknown-variable"),
        (("prots",), "usage"),
        (("plan", "profile=esp12"), "no-image"),
    ],
)
def test_a_refusal_is_a_document_too(project: Project, words: tuple[str, ...], code: str) -> None:
    done = project.flashpipe(*words, "--json")
    assert done.status
    assert schema.checked_document(done.out)["error"]["code"] == code
