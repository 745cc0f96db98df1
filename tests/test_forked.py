"""A command that is forked is what Python would have started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import forked
from tests.harness import Project

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows does not fork")
COMMAND = "flashpipe.cli.main"
SHOWN = """
def task_shown():
    import os, sys
    def show():
        print(os.getcwd(), os.environ["SHOWN"], sys.argv[1:], sys.path[0], os.getsid(0) == os.getpid())
        print("aside", file=sys.stderr)
    return {"actions": [show], "verbosity": 2}
"""


def test_folder_environment_words_and_streams_are_its_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.folder / "dodo.py").write_text(SHOWN)
    monkeypatch.setenv("SHOWN", "one")
    one, alike = project.doit("shown").ok(), project.python("-m", "doit", "shown").ok()
    assert (one.out, one.err) == (alike.out, alike.err)
    assert "one ['shown']" in one.out
    monkeypatch.setenv("SHOWN", "two")
    assert "two ['shown']" in project.doit("shown").ok().out


def test_its_status_is_told_however_it_ends(project: Project) -> None:
    (project.folder / "dodo.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert project.doit("list").status == -9
    (project.folder / "dodo.py").write_text("raise SystemExit('no')\n")
    done = project.doit("list")
    assert (done.status, done.err) == (1, "no\n")
    (project.folder / "dodo.py").write_text("import time\ntime.sleep(60)\n")
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run("doit", ["list"], project.folder, project.environment(), 0.01)


def test_python_is_started_where_a_module_of_the_folder_might_be_loaded(tmp_path: Path) -> None:
    assert forked.can_run(COMMAND, tmp_path)
    assert not forked.can_run("flashpipe", tmp_path)
    (tmp_path / "json.py").touch()
    assert not forked.can_run(COMMAND, tmp_path)
    (tmp_path / "json.py").unlink()
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").touch()
    assert not forked.can_run(COMMAND, tmp_path)
