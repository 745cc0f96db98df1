"""The wheel, installed into an empty environment and used from a folder that knows nothing of this project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


def call(*command: str | Path, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    return subprocess.run(
        command, cwd=folder, env={**kept, **more}, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the source tree."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pipeline", "profiles"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source / name)
    done = call(sys.executable, "-m", "build", "--wheel", "--outdir", source / "dist", source, folder=source)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = (source / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    assert call(sys.executable, "-m", "venv", folder, folder=folder).returncode == 0
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    done = call(scripts / "python", "-m", "pip", "install", "-q", wheel, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return scripts


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


def test_every_dependency_has_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    wanted += [need for extra in project["project"]["optional-dependencies"].values() for need in extra]
    others = [need for need in wanted if not need.startswith("flashpipe[")]
    assert [need for need in others if not re.search(r"<|==", need.partition(";")[0])] == []
