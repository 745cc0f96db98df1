"""Project folders and real images for the tests of whole commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.cli import main as cli

from tests.harness import Done, Project, make_project


@pytest.fixture
def project(tmp_path: Path, own_state: Path) -> Project:
    return make_project(tmp_path / "project", own_state)


@pytest.fixture
def second_project(tmp_path: Path, own_state: Path) -> Project:
    """Another folder of the same person."""
    return make_project(tmp_path / "second", own_state)


@pytest.fixture
def command(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """`flashpipe WORDS` in this process and the project's folder: a hundred of them as processes would take minutes."""

    def run(*words: str) -> Done:
        monkeypatch.chdir(project.folder)
        # The plan is a command of doit; of tasks, -n 0 keeps them in this thread.
        status = cli.main([*words] if words[0] == "plan" else ["-n", "0", *words])
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return run
