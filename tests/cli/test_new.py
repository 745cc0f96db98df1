"""`flashpipe new`: a project that is whole, runs at once, and is not made where it cannot be."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe import tasks
from flashpipe.jobs import new_project
from flashpipe.jobs.new_project import FILES
from ruamel.yaml import YAML

from tests.harness import Done, Project

Command = Callable[..., Done]


def test_a_new_project_is_flashed_and_tested_at_once(
    project: Project, command: Command, firmware: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del firmware  # in the package that the profile names
    parent = project.folder
    done = command("new", "blink")
    assert "cd blink\n         flashpipe flash profile=blink\n" in done.ok().out
    project.folder = parent / "blink"
    texts = {name: (project.folder / name.replace("@NAME@", "blink")).read_text() for name in FILES}
    assert all("blink" in text and "@" not in text.replace("actions/", "").replace("@v", "") for text in texts.values())
    assert [path.name for path in parent.iterdir() if path.name.startswith(".blink")] == []

    # What the build server does is what its owner does first.
    steps = YAML(typ="safe").load(texts[".github/workflows/test.yml"])["jobs"]["test"]["steps"]
    install, flash, test = (step["run"].split() for step in steps if "run" in step)
    assert install[:3] == ["pip", "install", "./flashpipe"]
    command(*flash[1:]).ok()
    assert "OK  3 tests passed" in command(*test[1:]).ok().out
    assert "<testcase" in (project.folder / "tests.xml").read_text()
    monkeypatch.setenv("FLASHPIPE_CORE", "none")
    kept = command("flash", "profile=blink", "boot=off").ok()
    assert "sim://demo?board=blink" in kept.text
    assert "already" in command("flash", "profile=blink", "boot=off").ok().text


def test_the_files_of_a_new_project_are_shown_while_its_timer_waits(
    project: Project, command: Command, firmware: Path
) -> None:
    """NodeMCU 1.5.4.1 restarts where a file is closed by `file.close()` then."""
    del firmware  # in the package that the profile names
    command("new", "blink").ok()
    project.folder = project.folder / "blink"
    board = f"port=sim://nodemcu-devkit?flash={project.state / 'blink.flash'}"
    project.flashpipe("flash", "profile=blink", board).ok()
    done = project.flashpipe("files", "profile=blink", board).ok()
    assert [line.split()[0] for line in done.out.splitlines()[:2]] == ["init.lua", "main.lua"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["a/b"], "bad-value"),
        (["../a"], "bad-value"),
        ([r"a\b"], "bad-value"),
        (["a b"], "bad-value"),
        ([""], "bad-value"),
        (["."], "bad-value"),
        (["a.yaml"], "bad-value"),
        (["ä"], "bad-value"),
        (["a" * 65], "bad-value"),
        (["demo"], "bad-value"),
        (["secrets"], "bad-value"),
        (["NUL"], "bad-value"),
        (["there"], "output-exists"),
        (["file"], "output-exists"),
        (["gone"], "output-exists"),
        (["x", "--board", "nothing"], "unknown-profile"),
        (["x", "--board", "mine"], "bad-value"),
        (["x", "--board", "esp07"], "bad-value"),
        (["x", "--board", "d1-mini-pro"], "bad-value"),
        (["x", "--image", "nofile.bin"], "image-missing"),
        (["x", "--image", "mine.yaml"], "image-format"),
        ([], "usage"),
        (["a", "b"], "usage"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_leaves_nothing(
    project: Project, command: Command, words: list[str], code: str
) -> None:
    folder = project.folder
    (folder / "there").mkdir()
    (folder / "file").touch()
    (folder / "gone").symlink_to("nowhere")
    (folder / "mine.yaml").write_text("extends: esp12\n")
    before = sorted(path.name for path in folder.rglob("*"))
    assert command("new", *words).failed(code).out == ""
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_failure_in_the_middle_leaves_nothing(
    project: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_project, "schema_text", lambda: "\ud800")  # no text that a file can hold
    with pytest.raises(UnicodeEncodeError):
        new_project.new_project(project.folder, "blink")
    monkeypatch.setattr(Path, "rename", _full)
    monkeypatch.setattr(new_project, "schema_text", lambda: "{}")
    command("new", "blink").failed("record")
    assert [path.name for path in project.folder.iterdir() if "blink" in path.name] == []


def _full(*_arguments: object) -> None:
    raise OSError(28, os.strerror(28))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a folder where nobody may write, root neither")
def test_a_folder_that_cannot_be_written_is_named(command: Command, project: Project) -> None:
    project.folder = Path("/proc")
    command("new", "blink").failed("record")


def test_another_board_and_a_firmware_of_ones_own(project: Project, command: Command, firmware: Path) -> None:
    (project.folder / "my fw.bin").write_bytes(firmware.read_bytes())
    command("new", "lamp", "--board", "d1-mini", "image=my fw.bin").ok()
    profile = YAML(typ="safe").load((project.folder / "lamp" / "lamp.yaml").read_text())
    assert profile["extends"] == "d1-mini"
    assert profile["serial"] == {"port": "sim://d1-mini"}
    assert "flash is kept" not in (project.folder / "lamp" / "lamp.yaml").read_text()
    assert profile["firmware"] == {"image": "../my fw.bin"}
    project.folder /= "lamp"
    command("image", "profile=lamp").ok()
    assert (
        command("new", "porch", f"image={firmware}")
        .ok()
        .out.startswith("written  porch/: porch.yaml, dodo.py, flashpipe.schema.json")
    )
    assert f'image: "{firmware}"' in (project.folder / "porch" / "porch.yaml").read_text()


@pytest.mark.parametrize("word", ["new", "test", "watch", "export", "simulate", "explain"])
def test_later_words_are_no_tasks_of_a_users_dodo_file(word: str) -> None:
    assert f"task_{word}" not in tasks.__all__
