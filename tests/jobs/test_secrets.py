"""Secrets that a board was given once: whatever is kept of it later goes without them."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.secrets import know_secrets
from flashpipe.jobs.variables import Variables
from flashpipe.masking import mask

from tests.harness import Project


def test_a_run_knows_those_of_environment_and_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").mkdir()
    for folder, value in (("", "Geheim4711"), ("profiles", "Hidden0815")):
        (tmp_path / folder / "secrets.yaml").write_text(f"wifi_pwd: {value}\n")
    monkeypatch.setenv("FLASHPIPE_SECRET_api", "Third3333")
    texts = [f"it is {value}!" for value in ("Geheim4711", "Hidden0815", "Third3333")]
    assert [mask(text) for text in texts] == texts
    RunInputs(CommandLine(tmp_path, tmp_path, Variables({}, {})))
    assert [mask(text) for text in texts] == ["it is ***!"] * 3


def test_one_that_is_changed_while_a_run_goes_on_is_known(tmp_path: Path) -> None:
    for value in ("Geheim4711", "Geheim471123"):
        (tmp_path / "secrets.yaml").write_text(f"wifi_pwd: {value}\n")
        know_secrets(tmp_path)
        assert mask(f"it is {value}!") == "it is ***!"


@pytest.mark.parametrize("text", ["wifi_pwd: [", "- 1", "", "wifi_pwd: {a: 1}"])
def test_a_file_that_is_wrong_stops_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets.yaml").write_text(text)
    know_secrets(tmp_path)


@pytest.mark.parametrize("place", ["", "boards"])
def test_what_a_board_prints_again_stands_in_no_record(
    project: Project, firmware: Path, tmp_path: Path, place: str
) -> None:
    port = f"port=sim://nodemcu-devkit?flash={tmp_path / 'board.flash'}"
    folder = project.folder / place
    folder.mkdir(exist_ok=True)
    (folder / "lamp.yaml").write_text(
        f"extends: nodemcu-devkit\nfirmware: {{image: '{firmware}'}}\nfiles: {{init.lua: {{template: i.lua}}}}\n"
    )
    # Again and again: the first words may come while the rate of the boot loader is listened at.
    (folder / "i.lua").write_text('tmr.alarm(0, 50, 1, function() print("greeting", @wifi_pwd@) end)\n')
    own = folder / "secrets.yaml"
    own.write_text("wifi_pwd: Geheim4711\n")
    own.chmod(0o600)
    profile = f"profile={folder / 'lamp.yaml'}"
    project.flashpipe("flash", profile, port).ok()
    seen = project.flashpipe("boot", *([profile, "boot=any"] if place else []), port).ok()
    assert "greeting" in seen.out, seen.text
    assert "Geheim4711" not in seen.text, "a build server keeps what is shown"
    kept = [path.read_bytes() for path in (project.folder / ".pipeline").rglob("*") if path.is_file()]
    assert any(b"greeting" in text for text in kept), "what the board said is kept"
    assert not [text for text in kept if b"Geheim4711" in text]
