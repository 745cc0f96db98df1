"""A project whose own dodo.py is about more than boards: its tasks, its defaults, its configuration of doit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doit.exceptions import InvalidDodoFile
from flashpipe import tasks
from flashpipe.cli.unknown_words import WRITES
from flashpipe.errors import NotNamedError
from flashpipe.jobs import variables
from flashpipe.tasks import DOIT_CONFIG, command_line, step
from flashpipe.tasks.project import WRITERS, flashpipe_config, may_write

from tests.harness import Project

DEPLOY = """
import json
from pathlib import Path
from flashpipe.tasks import *

DOIT_CONFIG = flashpipe_config(default_tasks=["mine"], profile="esp12")
may_write("deploy")

def tell(**known):
    Path("told.json").write_text(json.dumps(known))

def task_mine():
    return {"actions": ["echo my own"]}

def task_deploy():
    return {
        "actions": [tell],
        "task_dep": ["flash"],
        "getargs": {name: ("flash", name) for name in ("mac", "flash_id", "verdict", "receipt", "outcome")},
    }

def task_wipe():
    return {"actions": ["echo wiped"], "task_dep": ["erase"]}
"""


def with_dodo(project: Project, text: str) -> Project:
    (project.folder / "dodo.py").write_text(text)
    return project


def told(project: Project) -> dict[str, str]:
    """What `deploy` was given about the one board."""
    known: dict[str, dict[str, str]] = json.loads((project.folder / "told.json").read_text())
    return {name: next(iter(values.values())) for name, values in known.items()}


def test_a_task_of_the_project_may_lead_to_a_flash_and_knows_the_board(
    project: Project, firmware: Path, tmp_path: Path
) -> None:
    with_dodo(project, DEPLOY)

    def words(mac: str) -> tuple[str, ...]:
        return ("deploy", f"port=sim://esp12?flash={tmp_path / mac[-2:]}&mac={mac}", f"image={firmware}")

    first = project.doit(*words("5c:cf:7f:00:00:01")).ok()
    assert first.wrote
    assert "(from dodo.py)" in first.text
    assert told(project) == {
        "mac": "5c:cf:7f:00:00:01",
        "flash_id": "ef/4016",
        "verdict": "prompt",
        "outcome": "flashed",
        "receipt": str(max((project.folder / ".pipeline" / "receipts").glob("*.json"))),
    }
    skipped = project.doit(*words("5c:cf:7f:00:00:01")).ok()
    assert not skipped.wrote
    assert told(project)["outcome"] == "skipped"
    assert Path(told(project)["receipt"]).name == max(
        path.name for path in (project.folder / ".pipeline" / "receipts").glob("*.json")
    )


def test_what_nobody_has_named_is_not_written_by_a_task_of_the_project(project: Project) -> None:
    with_dodo(project, DEPLOY)
    refused = project.doit("wipe", "port=sim://esp12", "yes=1").failed("not-named")
    assert 'may_write("wipe", "erase")' in refused.text
    assert not project.receipts()


def test_the_bare_command_runs_the_projects_own_defaults(project: Project) -> None:
    with_dodo(project, DEPLOY)
    done = project.doit().ok()
    assert "my own" in done.out
    assert "esp01" not in done.out


def test_a_configuration_that_replaces_ours_is_named_where_it_hurts(project: Project) -> None:
    with_dodo(project, "from flashpipe.tasks import *\nDOIT_CONFIG = {'default_tasks': []}\n")
    failed = project.doit("-n", "2", "identify", "port=sim://esp12").failed("bad-value")
    assert "par_type" in failed.text
    assert "-P process" not in failed.text


@pytest.mark.parametrize(
    "wanted",
    [
        {"profil": "esp12"},
        {"par_type": "process"},
        {"default_tasks": "mine"},
        {"profile": ["esp12"]},
    ],
)
def test_a_setting_that_cannot_be_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidDodoFile):
        flashpipe_config(**wanted)


def test_ours_stays_what_the_project_does_not_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    config = flashpipe_config(verbosity=1, port="a,b,c")
    assert config == {**DOIT_CONFIG, "verbosity": 1, "num_process": 4}
    assert variables.check({}).text("port") == "a,b,c"
    assert variables.check({}).origin == {"port": "dodo.py"}
    monkeypatch.setenv("FLASHPIPE_PORT", "d")
    assert variables.check({}).text("port") == "d"
    assert variables.check({"port": "e"}).text("port") == "e"


def test_writers_come_in_the_order_in_which_they_are_declared() -> None:
    may_write("deploy", "erase", "flash")
    may_write("ship")
    command_line.use(["deploy", "port=sim://esp12"])
    assert command_line.named("flash")
    assert command_line.named("erase")
    assert not command_line.named("restore")
    assert command_line.preceding("flash") == "erase"
    command_line.use(["sh*"])
    assert command_line.named("flash")
    assert not command_line.named("erase")
    with pytest.raises(InvalidDodoFile):
        may_write("deploy", "identify")


@pytest.mark.parametrize("words", [["flsh"], []])
def test_the_refusal_says_what_to_do(words: list[str]) -> None:
    command_line.use(words)
    error = step.not_named("flash")
    assert isinstance(error, NotNamedError)
    assert ("may_write" in error.hint) == bool(words)
    assert ("default_tasks" in error.hint) != bool(words)


def test_what_must_be_named_is_what_no_guess_leads_to() -> None:
    command_line.use([])
    refused = {name for name in command_line.board_tasks if isinstance(getattr(tasks, f"task_{name}")(), dict)}
    assert refused == WRITES
    assert set(WRITERS) <= WRITES
