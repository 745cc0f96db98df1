"""README and documentation are run: every console block, in order, with nothing else at hand.

The README runs in a fresh copy of the project, by the environment that its first line makes. Each page runs in an empty
folder, with the files that it shows and a firmware `nodemcu.bin`, by the environment of the tests; one test a page.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flashpipe import tasks
from flashpipe.cli.commands import COMMANDS
from flashpipe.cli.overview import task_texts
from flashpipe.cli.unknown_words import check_words
from ruamel.yaml import YAML

from tests.pages import README, ROOT, Block, Clone, Command, comparable, make_home, read_blocks, read_commands, run

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"), key=lambda page: page.name)
PAGES = [page for page in PAGES if not page.relative_to(DOCS).parts[0].startswith("_")]
MAX_LINES = 180
BOARD = "needs a board on a port"
NOT_RUN = {
    ("README.md", "py -m venv .venv; .venv\\Scripts\\pip install -q -e .;"): "needs Windows",
    ("README.md", "flashpipe init kitchen"): BOARD,
    ("CONTRIBUTING.md", "python3 -m venv .venv &&"): "is what .ci/run does, these tests included",
    ("start.md", "flashpipe init kitchen"): BOARD,
    ("start.md", "flashpipe flash profile=kitchen"): BOARD,
    ("build-servers.md", "docker run --rm --device /dev/ttyUSB0"): "needs Docker and a board",
    ("many-boards.md", 'flashpipe flash profile=kitchen "port=/dev/ttyUSB*"'): BOARD,
    ("lua.md", "pip install 'watchfiles"): "runs until it is stopped; tests/jobs/test_watch.py",
    ("lab.md", "flashpipe host  "): "runs until it is stopped; tests/cli/test_host.py",
    ("lab.md", "flashpipe host systemd"): "needs root to be of use",
    ("lab.md", "flashpipe flash profile=kitchen port=labgrid"): "needs a labgrid coordinator",
    ("page.md", "flashpipe page"): "runs until it is stopped; tests/page",
    ("page.md", "ssh -L"): "needs another machine",
    ("station.md", "flashpipe station profile=sensor batch"): BOARD,
    ("station.md", "flashpipe station profile=sensor units"): BOARD,
    ("virtual-board.md", "flashpipe board --pty esp12"): "runs until it is stopped",
}
"""Page and beginning of each block of commands that no test runs, with the reason."""
SHELLS = ("sh", "bash", "shell", "powershell")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the pages speak to a POSIX shell")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- the README ------------------------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_first_two_commands_are_those_of_the_build_server() -> None:
    setup, tests = read_commands(README)[:2]
    assert setup.line.endswith("flashpipe flash profile=demo")
    assert "pytest" in tests.line
    assert "head -n 2" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_readme_from_top_to_bottom(clone: Clone) -> None:
    setup, _tests, *rest = read_commands(README)
    for part in ("NodeMCU 1.5.4.1", "486,548 B", "bytes written", "as planned", "virtual board", "-flashed.json"):
        assert part in clone.said
    again = run(
        Command(
            setup.line.rpartition("&& ")[2],
            ("OK  demo on sim://demo: NodeMCU (SDK 1.5.4.1) boots; it was there already",),
        ),
        clone.folder,
        clone.home,
    )
    assert "bytes written" not in again
    for command in rest:
        run(command, clone.folder, clone.home)


def test_every_link_of_readme_and_contributing_leads_somewhere() -> None:
    for page in (README, ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            assert (ROOT / path).is_file(), f"{page.name}: {target}"
            if anchor:
                assert anchor in anchors(ROOT / path), f"{page.name}: {target}"


def test_the_recipes_name_files_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = [name for name in re.findall(r"`([a-z_/.]+/[a-z_]*(?:\.\w+)?)`", text) if not name.startswith(".venv")]
    assert len(named) > 15
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "pipeline" / "flashpipe" / name).exists(), name


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


# --- the pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in PAGES if read_commands(page)], ids=page_id)
def test_every_console_line_of_a_page_works(page: Path, tmp_path: Path, firmware: Path, compiled: Path) -> None:
    assert (Path(sys.executable).parent / "flashpipe").is_file(), "install the project: pip install -e ."
    home, folder = make_home(tmp_path / "home", compiled), tmp_path / "project"
    folder.mkdir()
    shutil.copy(firmware, folder / "nodemcu.bin")
    for block in read_blocks(page):
        if block.caption:
            (folder / block.caption).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.caption).write_text(block.text, encoding="utf-8")
    for command in read_commands(page):
        run(command, folder, home)


def shell_blocks() -> list[tuple[str, Block]]:
    pages = [README, ROOT / "CONTRIBUTING.md", *PAGES]
    return [(page.name, block) for page in pages for block in read_blocks(page) if block.language in SHELLS]


def test_every_block_that_is_not_run_has_its_reason() -> None:
    for name, block in shell_blocks():
        assert any(name == page and block.text.startswith(start) for page, start in NOT_RUN), f"{name}:\n{block.text}"
    for page, start in NOT_RUN:
        assert any(name == page and block.text.startswith(start) for name, block in shell_blocks()), f"{page}: {start}"


def test_commands_that_are_not_run_are_spelt_right() -> None:
    known = task_texts(vars(tasks))
    for name, block in shell_blocks():
        for line in block.text.splitlines():
            command = re.match(r"(?:docker .* )?flashpipe ([^#]*)", line)
            words = command[1].replace('"', "").split() if command else []
            if words and words[0] not in COMMANDS:
                check_words(words, known, COMMANDS, tuple)
            assert not words or words[0] in {*COMMANDS, *known, "plan"}, f"{name}: {line}"


def test_the_file_for_github_actions_works_step_by_step(
    tmp_path: Path, firmware: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = (block for block in read_blocks(DOCS / "build-servers.md") if block.caption.startswith(".github"))
    job = YAML(typ="safe").load(block.text)["jobs"]["flash"]
    assert all("uses" in step or "run" in step for step in job["steps"])
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "pip install ./flashpipe"  # what the README's first command does
    assert [line.split()[:2] for line in commands[1:]] == [["flashpipe", "image"], ["flashpipe", "flash"]]
    for name, value in job["env"].items():
        monkeypatch.setenv(name, value.replace("${{ github.workspace }}", str(tmp_path)))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FLASHPIPE_CORE", "none")
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    shutil.copy(firmware, tmp_path / "nodemcu.bin")
    (tmp_path / "kitchen.yaml").write_text("extends: esp12\nfirmware: {image: nodemcu.bin}\nlock: true\n")
    for line in ("flashpipe lock profile=kitchen", *commands[1:]):  # the lock file is in the repository
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        done = subprocess.run(
            ["bash", "-e", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "sim://esp12" in summary.read_text()
    (kept,) = (step["with"]["path"] for step in job["steps"] if step.get("with", {}).get("name") == "receipts")
    assert len(list((tmp_path / kept).glob("*.json"))) == 1


def test_the_block_for_powershell_says_what_the_first_commands_do() -> None:
    (block,) = (block for block in read_blocks(README) if block.language == "powershell")
    setup, tests = (command.line for command in read_commands(README)[:2])
    as_posix = block.text.replace("py -m venv", "python3 -m venv").replace(".venv\\Scripts\\", ".venv/bin/")
    assert [line.split("; ") for line in as_posix.strip().splitlines()] == [
        setup.split(" && "),
        tests.split(" && "),
    ]


def test_the_tasks_of_vs_code_run_and_find_mistakes(
    tmp_path: Path, firmware: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = (block for block in read_blocks(DOCS / "doit.md") if block.caption == ".vscode/tasks.json")
    tasks_of = {task["label"]: task for task in json.loads(block.text)["tasks"]}
    flash, watch = tasks_of["flash"], tasks_of["watch"]
    assert watch["args"][0] in task_texts(vars(tasks))
    monkeypatch.setenv("FLASHPIPE_CORE", "none")
    monkeypatch.setenv("FLASHPIPE_PORT", "sim://esp12")
    shutil.copy(firmware, tmp_path / "nodemcu.bin")
    profile = tmp_path / "kitchen.yaml"

    def run_flash() -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / flash["command"]), *flash["args"], "boot=off"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    profile.write_text("extends: esp12\nfirmware: {image: nodemcu.bin}\n")
    done = run_flash()
    assert done.returncode == 0, done.stderr
    profile.write_text("extends: esp12\nfirmware: {image: nodemcu.bin}\nverfy: md5\nflash: {mode: dioo}\n")
    pattern = re.compile(flash["problemMatcher"][1]["pattern"]["regexp"], re.MULTILINE)
    assert {(found[1], found[2]) for found in pattern.finditer(run_flash().stderr)} == {
        ("kitchen.yaml", "3"),
        ("kitchen.yaml", "4"),
    }


def test_the_pages_name_flashpipe_and_leave_doit_to_its_page() -> None:
    for page in (README, *PAGES):
        if page.name not in {"README.md", "doit.md", "architecture.md"}:
            found = re.findall(r"`doit [a-z]+[^`]*`", page.read_text(encoding="utf-8"))
            assert found == [], page.name


# --- what holds these tests ------------------------------------------------------------------------------------------


def test_a_page_is_read_as_it_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```{code-block} yaml\n:caption: a.yaml\n\nx: 1\n```\n\n```console\n$ one\nout\n$ two\n```\n")
    assert read_blocks(page)[0] == Block("yaml", "a.yaml", "x: 1\n")
    assert read_commands(page) == [Command("one", ("out",)), Command("two", ())]


def test_output_that_a_command_does_not_have_is_noticed(tmp_path: Path) -> None:
    assert run(Command("echo took 1.5 s", ("took 9.9 s",)), tmp_path, tmp_path)
    with pytest.raises(AssertionError, match="shows 'took'"):
        run(Command("echo nothing", ("took",)), tmp_path, tmp_path)
    with pytest.raises(AssertionError, match="false"):
        run(Command("false", ()), tmp_path, tmp_path)


def test_only_what_varies_is_left_out_of_a_comparison() -> None:
    assert comparable("a 5c:cf:7f:9b:02:c4 (0.4 s)") == comparable("a 18:fe:34:00:00:01 (1.2 s)")
    assert comparable("1,024 B") != comparable("1,025 B")
