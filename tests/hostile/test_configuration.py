"""Files of the current folder that would steer us, or the libraries that we stand on: none of them is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.harness import Project, make_project

VICTIM = "victim.txt"


@pytest.fixture
def bare(tmp_path: Path, own_state: Path) -> Project:
    project = make_project(tmp_path / "bare", own_state)
    (project.folder / "dodo.py").unlink()
    (project.folder / VICTIM).write_text("precious")
    return project


HOSTILE = {
    "doit.cfg": f"[GLOBAL]\noutfile = {VICTIM}\n[run]\noutfile = {VICTIM}\n[COMMAND]\nlist = evil:List\n",
    "pyproject.toml": f"[tool.doit]\nbackend = 'evil'\n[tool.doit.commands.run]\noutfile = '{VICTIM}'\n",
    "setup.cfg": "[esptool]\ncustom_reset_sequence = D0\nconnect_attempts = nonsense\n",
    "esptool.cfg": "[esptool]\ntimeout = nonsense\n",
    "tox.ini": "[esptool]\nwrite_block_attempts = nonsense\n",
}
BROKEN = {"doit.cfg": b"\xff\xfe[", "pyproject.toml": b"[[[", "setup.cfg": b"=\0", "esptool.cfg": b"[esptool"}
WORDS = ("identify", "port=sim://esp12")


def test_none_is_read(bare: Project) -> None:
    for name, text in HOSTILE.items():
        (bare.folder / name).write_text(text)
    (bare.folder / "evil.py").write_text(f"open({VICTIM!r}, 'w').write('evil')\n")
    bare.flashpipe(*WORDS).ok()
    bare.flashpipe("list").ok()
    assert (bare.folder / VICTIM).read_text() == "precious"


@pytest.mark.parametrize("name", BROKEN)
def test_none_is_read_and_be_it_broken(bare: Project, name: str) -> None:
    (bare.folder / name).write_bytes(BROKEN[name])
    bare.flashpipe(*WORDS).ok()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_none_is_waited_for(bare: Project) -> None:
    for name in HOSTILE:
        os.mkfifo(bare.folder / name)
    bare.flashpipe(*WORDS).ok()


def test_a_module_of_the_current_folder_is_none_of_ours(bare: Project) -> None:
    for name in ("doit", "serial", "esptool", "ruamel", "requests", "platformdirs", "json", "sqlite3", "evil"):
        (bare.folder / f"{name}.py").write_text(f"open({VICTIM!r}, 'w').write(__file__)\nraise SystemExit(77)\n")
    assert "esp12" in bare.python("-m", "flashpipe", "profiles").ok().out
    bare.python("-m", "flashpipe", *WORDS).ok()
    assert (bare.folder / VICTIM).read_text() == "precious"
