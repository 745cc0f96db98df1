"""The package, as a wheel and as an editable install, in an environment of its own and beside others' projects."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from flashpipe.locks import exclusive

from tests.harness import shared_folder
from tests.pages import INSTALL_LIMIT_S

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.skipif(os.name != "posix", reason="the README's first line is for a POSIX shell")


def call(*command: str | Path, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    return subprocess.run(
        command, cwd=folder, env={**kept, **more}, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def wheel_and_scripts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel, and the `bin` folder of an environment that holds it and what it needs: once for all workers."""
    shared = shared_folder(tmp_path_factory.getbasetemp())
    place = shared / "wheel"
    with exclusive(shared / "wheel.lock", "the wheel", INSTALL_LIMIT_S):
        if not (place / "done").exists():
            shutil.rmtree(place, ignore_errors=True)  # of a worker that failed
            install_wheel(place)
            (place / "done").touch()
    (wheel,) = (place / "dist").glob("*.whl")
    return wheel, place / "environment" / ("Scripts" if os.name == "nt" else "bin")


def install_wheel(place: Path) -> None:
    """Build it from a copy, so that nothing is left in the source tree, and install it."""
    source, environment = place / "source", place / "environment"
    for name in ("pipeline", "profiles"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source / name)
    python = sys.executable
    build = (python, "-m", "build", "--wheel", "--outdir", place / "dist", source)
    for command in (build, (python, "-m", "venv", "--without-pip", environment)):
        done = call(*command, folder=place)
        assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (place / "dist").glob("*.whl")
    done = call(python, "-m", "pip", "--python", environment, "install", "-q", wheel, folder=place)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def wheel(wheel_and_scripts: tuple[Path, Path]) -> Path:
    return wheel_and_scripts[0]


@pytest.fixture(params=["wheel", pytest.param("editable", marks=POSIX)])
def environment(request: pytest.FixtureRequest) -> Path:
    """The `bin` folder of an environment that holds the package and what it needs; the editable one is the README's."""
    if request.param == "wheel":
        return Path(request.getfixturevalue("wheel_and_scripts")[1])
    return Path(request.getfixturevalue("clone").scripts)


def test_the_wheel_holds_code_profiles_and_licence_only(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"flashpipe"}
    assert {Path(name).name for name in (ROOT / "profiles").glob("*.yaml")} == {
        Path(name).name for name in names if name.endswith(".yaml")
    }
    assert any(name.endswith("LICENSE") for name in names)
    assert "flashpipe/sim/cpu/core.c" in names
    assert not [name for name in names if name.endswith(".bin")]


def test_it_lists_and_plans_from_any_folder(environment: Path, tmp_path: Path, own_state: Path) -> None:
    state = str(own_state)
    listed = call(environment / "flashpipe", "profiles", folder=tmp_path, FLASHPIPE_STATE=state)
    assert listed.returncode == 0, listed.stderr
    assert "esp12" in listed.stdout
    (tmp_path / "dodo.py").write_text("from flashpipe.tasks import *\n")
    planned = call(environment / "doit", "plan", "profile=esp12", folder=tmp_path, FLASHPIPE_STATE=state)
    assert planned.returncode == 1  # plain doit keeps its own statuses
    assert "[code: no-image]" in planned.stderr


def test_it_flashes_a_virtual_board(environment: Path, tmp_path: Path, own_state: Path, firmware: Path) -> None:
    words = ("flash", "profile=esp12", "port=sim://esp12", f"image={firmware}")
    done = call(environment / "flashpipe", *words, folder=tmp_path, FLASHPIPE_STATE=str(own_state))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as planned" in done.stderr


# Packages that a project of somebody else may well have, by our former and present names.
OWN = ("pipeline", "profiles", "tasks", "jobs")
MINE = """
def task_mine():
    '''my own'''
    return {"actions": [["echo", pipeline, profiles, tasks, jobs]]}
"""


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A project with packages of its own, which doit puts in front of everything installed."""
    for name in OWN:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "mine.py").write_text(f"NAME = 'mine-{name}'\n")
    imports = "".join(f"from {name}.mine import NAME as {name}\n" for name in OWN)
    (tmp_path / "dodo.py").write_text(imports + MINE)
    return tmp_path


def test_a_project_that_knows_nothing_of_ours_keeps_its_own(environment: Path, others: Path) -> None:
    listed = call(environment / "doit", "list", folder=others)
    assert (listed.returncode, listed.stdout.split()) == (0, ["mine", "my", "own"]), listed.stderr
    done = call(environment / "doit", "run", "-v2", "mine", folder=others)
    assert "mine-pipeline mine-profiles mine-tasks mine-jobs" in done.stdout, done.stderr


def test_a_project_can_have_our_tasks_beside_packages_of_such_names(
    environment: Path, others: Path, own_state: Path
) -> None:
    dodo = others / "dodo.py"
    dodo.write_text(dodo.read_text() + "from flashpipe.tasks import *\n")
    state = str(own_state)
    listed = call(environment / "doit", "list", folder=others, FLASHPIPE_STATE=state)
    assert {"mine", "flash", "identify"} <= set(listed.stdout.split()), listed.stderr
    shown = call(environment / "doit", "profiles", folder=others, FLASHPIPE_STATE=state)
    assert "esp12" in shown.stdout, shown.stderr
    assert "mine-jobs" in call(environment / "doit", "mine", folder=others, FLASHPIPE_STATE=state).stdout


def test_it_runs_as_a_module(environment: Path, tmp_path: Path, own_state: Path) -> None:
    listed = call(environment / "python", "-m", "flashpipe", "list", folder=tmp_path, FLASHPIPE_STATE=str(own_state))
    assert "flash " in listed.stdout, listed.stderr


def test_every_dependency_has_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    wanted += [need for extra in project["project"]["optional-dependencies"].values() for need in extra]
    others = [need for need in wanted if not need.startswith("flashpipe[")]
    assert [need for need in others if not re.search(r"<|==", need.partition(";")[0])] == []
