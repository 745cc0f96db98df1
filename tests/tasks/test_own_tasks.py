"""A project's own tasks under `flashpipe`, in process: what runs, in which folder, and who wins."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import Done, Project

Command = Callable[..., Done]
OURS = "from flashpipe.tasks import *\n"
MINE = """
from pathlib import Path

def note(text):
    Path("ran.txt").write_text(text)

def task_mine():
    '''my own words'''
    return {"actions": [(note, ["mine"])]}
"""


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a dodo file does to this process is undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "dodo", raising=False)
    yield
    sys.modules.pop("dodo", None)


def dodo(project: Project, text: str) -> Path:
    path = project.folder / "dodo.py"
    path.write_text(text)
    return path


def ran(project: Project) -> str:
    return (project.folder / "ran.txt").read_text()


@pytest.mark.parametrize("first", [OURS, ""])
@pytest.mark.parametrize("words", [("mine",), ("run", "mine")])
def test_a_task_of_the_project_runs(project: Project, command: Command, first: str, words: tuple[str, ...]) -> None:
    dodo(project, first + MINE)
    command(*words).ok()
    assert ran(project) == "mine"
    assert "my own words" in command("list").out
    assert not (project.folder / "__pycache__").exists()


def test_from_a_folder_below_it_runs_where_its_dodo_file_is(
    project: Project, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    dodo(project, MINE)
    below = project.folder / "below"
    below.mkdir()
    monkeypatch.setattr(project, "folder", below)
    command("mine").ok()
    assert (below.parent / "ran.txt").is_file()
    assert Path.cwd() == below


def test_where_both_have_a_task_ours_runs_and_says_so_unless_the_project_has_taken_ours(
    project: Project, command: Command
) -> None:
    theirs = MINE.replace("task_mine", "task_profiles")
    dodo(project, theirs)
    done = command("profiles").ok()
    assert "esp12" in done.out
    assert done.err.count("flashpipe run profiles") == 1
    command("run", "profiles").ok()
    assert ran(project) == "mine"
    dodo(project, OURS + theirs.replace('"mine"', '"again"'))
    assert "note:" not in command("profiles").ok().err
    assert ran(project) == "again"


def test_a_command_of_ours_wins_and_says_so(project: Project, command: Command) -> None:
    dodo(project, MINE.replace("task_mine", "task_cache"))
    done = project.flashpipe("cache").ok()
    assert "flashpipe run cache" in done.err
    command("run", "cache").ok()
    assert ran(project) == "mine"
    dodo(project, MINE.replace("task_mine", "task_plan"))
    assert "no board was asked" in command("plan", "profile=demo").ok().out
    command("run", "plan").ok()


@pytest.mark.skipif(os.name != "posix", reason="owners of POSIX")
def test_what_others_could_have_written_is_not_run_and_said_where_it_is_asked_for(
    project: Project, command: Command
) -> None:
    dodo(project, MINE).chmod(0o666)
    command("profiles").ok()
    refused = command("mine").failed("usage")
    assert "flashpipe trust" in refused.err
    assert not (project.folder / "ran.txt").exists()


def test_a_file_that_cannot_be_loaded_takes_nothing_else_down(project: Project, command: Command) -> None:
    dodo(project, "import there_is_no_such_module\n" + MINE)
    assert "there_is_no_such_module" in command("profiles").ok().err
    command("mine").failed("usage")


def test_its_defaults_and_declared_variables_count_here_too(project: Project, command: Command) -> None:
    dodo(
        project,
        OURS
        + "declare_variables('site')\nDOIT_CONFIG = flashpipe_config(profile='demo', default_tasks=['mine'])\n"
        + MINE,
    )
    assert "profile  demo (from dodo.py)" in command("image", "site=here").ok().text
    command("-v", "1").ok()
    assert ran(project) == "mine"
    dodo(project, MINE)
    command("image", "site=here").failed("unknown-variable")


DECLARES = """
declare_variables("site", batch_number="of the batch")
from doit import get_var

def told():
    note(f"{get_var('site')} {get_var('batch_number')}")

def task_told():
    return {"actions": [told]}
"""


@pytest.mark.parametrize(
    "words",
    [
        ("image", "--site", "here", "--batch-number=7", "told", "profile=demo"),
        ("told", "image", "-q", "--batch-number=7", "--site=here", "profile=demo"),
        ("told", "--site", "here", "--batch-number=7"),
    ],
)
def test_what_it_declares_is_an_option_too(project: Project, words: tuple[str, ...]) -> None:
    dodo(project, OURS + MINE + DECLARES)
    for run in (project.flashpipe, project.doit):
        (project.folder / "ran.txt").unlink(missing_ok=True)
        run(*words).ok()
        assert ran(project) == "here 7"


OPTIONS = """
def said(port, label):
    note(f"{port} {label}")

def task_said():
    port = {"name": "port", "long": "port", "short": "p", "default": ""}
    return {"actions": [said], "params": [port, {"name": "label", "long": "label", "default": ""}]}
"""


def test_the_options_of_a_task_of_the_project_are_its_own(project: Project, command: Command) -> None:
    dodo(project, OURS + MINE + OPTIONS)
    command("said", "-p", "COM3", "--label", "flash").ok()
    assert ran(project) == "COM3 flash"


def test_what_it_does_not_declare_is_none(project: Project, command: Command) -> None:
    dodo(project, OURS + MINE + DECLARES)
    command("image", "profile=demo", "--sites", "here").failed("usage")
    for words in (("image", "--sites", "here"), ("plan", "--sites", "here"), ("image", "--help")):
        done = project.doit(*words)
        assert (done.status, done.err.count("\n"), "[code: usage]" in done.err) == (3, 2, True), done.err


MAKES = """
import shutil
from pathlib import Path

def page():
    Path("page.lua").write_text("return 1")
    Path("ran.txt").write_text("made")

def task_firmware():
    return {"actions": [(shutil.copy, [%r, "out/fw.bin"])], "file_dep": [%r], "targets": ["out/fw.bin"]}

def task_page():
    return {"actions": [page], "targets": ["page.lua"]}
"""


BUILDS = """
import shutil, sys
from pathlib import Path

def header():
    Path("src/made").mkdir(parents=True, exist_ok=True)
    Path("src/made/version.h").write_text(Path("version.txt").read_text())

def task_header():
    return {"actions": [header], "file_dep": ["version.txt"], "targets": ["src/made/version.h"]}
"""


@pytest.mark.parametrize("inputs", ["src/**/*.h", "src/made/version.h"])
def test_what_a_build_reads_and_a_task_of_the_project_makes_is_made_first(
    project: Project, command: Command, firmware: Path, inputs: str
) -> None:
    dodo(project, BUILDS)
    (project.folder / "version.txt").write_text("1")
    (project.folder / "build.py").write_text(
        "import shutil; open('seen', 'a').write(open('src/made/version.h').read())\n"
        f"shutil.copy({str(firmware)!r}, 'out.bin')\n"
    )
    (project.folder / "kitchen.yaml").write_text(
        "extends: esp12\nfirmware:\n  build:\n"
        f"    command: ['{Path(sys.executable).as_posix()}', build.py]\n"
        f"    folder: .\n    outputs: out.bin\n    inputs: ['{inputs}']\n"
    )
    command("image", "profile=kitchen").ok()
    command("image", "profile=kitchen").ok()
    assert (project.folder / "seen").read_text() == "1"  # the second had nothing to do
    (project.folder / "version.txt").write_text("2")
    command("image", "profile=kitchen").ok()
    assert (project.folder / "seen").read_text() == "12"


@pytest.mark.parametrize("named", ["image: out/fw.bin", "image: out/*.bin", "image=out/fw.bin"])
def test_an_image_that_a_task_of_the_project_makes_is_made_first(
    project: Project, command: Command, firmware: Path, named: str
) -> None:
    dodo(project, MAKES % (str(firmware), str(firmware)))
    (project.folder / "out").mkdir()
    key, _, more = named.partition("=")
    in_profile = "" if more else f"firmware: {{{key}}}\n"
    (project.folder / "kitchen.yaml").write_text(f"extends: esp12\n{in_profile}files: {{page.lua: page.lua}}\n")
    words = ("image", "profile=kitchen", *(f"image={more}" for _ in more[:1]))
    assert "NodeMCU 1.5.4.1" in command(*words).ok().out
    assert (project.folder / "out" / "fw.bin").is_file()
    assert ran(project) == "made"


def test_what_nobody_makes_is_missing_as_ever(project: Project, command: Command, firmware: Path) -> None:
    dodo(project, MAKES % (str(firmware), str(firmware)))
    command("image", "profile=esp12", "image=other.bin").failed("image-missing")


def test_a_failure_to_make_it_is_the_projects_own(project: Project, command: Command) -> None:
    dodo(project, MAKES % ("gone.bin", "dodo.py"))
    done = command("flash", "profile=esp12", "image=out/fw.bin", "port=sim://esp12")
    assert done.status != 0
    assert not project.receipts()
