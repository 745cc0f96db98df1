"""The README is run: every console block, in order, in a fresh copy of the project with nothing else at hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe import errors

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]
SETUP, TESTS, *REST = COMMANDS


def run(command: str, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("FLASHPIPE", "PYTHON", "VIRTUAL"))
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**kept, "HOME": str(home), "XDG_STATE_HOME": str(home / "state")},
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """What a clone would hold, after the README's first command."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    done = run(SETUP, folder, home)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "first.txt").write_text(done.stdout + done.stderr)
    return folder


def test_the_first_command_flashes_a_real_image_to_the_virtual_board(clone: Path) -> None:
    text = (clone / "first.txt").read_text()
    for part in ("NodeMCU 1.5.4.1", "486,548 B", "ESP8266EX, MAC", "written", "as planned", "virtual board", "receipt"):
        assert part in text, text


def test_the_same_command_again_says_why_it_skips(clone: Path, home: Path) -> None:
    done = run(SETUP.rpartition("&& ")[2], clone, home)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "-- flash:demo" in text
    assert "is already up to date" in text
    assert "bytes written" not in text


@pytest.mark.parametrize("number", range(len(REST)), ids=[command[-40:] for command in REST])
def test_a_console_line_of_the_readme_works(clone: Path, home: Path, number: int) -> None:
    done = run(REST[number], clone, home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_second_command_is_what_the_build_server_runs() -> None:
    assert "pytest" in TESTS
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def every_error(kind: type[errors.PipelineError] = errors.PipelineError) -> Iterator[type[errors.PipelineError]]:
    for child in kind.__subclasses__():
        yield child
        yield from every_error(child)


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.code)
def test_every_error_stands_in_the_table(kind: type[errors.PipelineError]) -> None:
    remedy = kind.remedy.replace("|", "\\|")
    assert f"| {kind.status} | `{kind.code}` | {remedy} |" in README
