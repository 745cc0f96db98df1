"""`firmware.build` as whole commands: when it runs, when not, and that a plan never builds."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import Variables
from flashpipe.sources.build import undisturbed

from tests.harness import Done, Project

Command = Callable[..., Done]
MAKE = """
import pathlib, sys
with open("runs", "a") as runs:
    runs.write("x")
if (pathlib.Path("broken")).exists():
    sys.exit("no rule to make target")
pathlib.Path("bin").mkdir(exist_ok=True)
pathlib.Path("bin/fw.bin").write_bytes(pathlib.Path("source.bin").read_bytes())
"""


class Tree:
    """A source tree of the project."""

    def __init__(self, folder: Path, firmware: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "source.bin").write_bytes(firmware.read_bytes())
        (folder / "make.py").write_text(MAKE)

    @property
    def runs(self) -> int:
        return len((self.folder / "runs").read_text()) if (self.folder / "runs").exists() else 0

    def say(self, project: Project, inputs: str = "") -> None:
        (project.folder / "kitchen.yaml").write_text(
            "extends: esp12\nfirmware:\n  build:\n"
            f"    command: ['{Path(sys.executable).as_posix()}', make.py]\n"
            f"    folder: {self.folder.name}\n    outputs: bin/fw.bin\n{inputs}"
        )


@pytest.fixture
def tree(project: Project, firmware: Path) -> Tree:
    found = Tree(project.folder / "source", firmware)
    found.say(project)
    return found


def test_a_plan_never_builds_and_says_what_is_due(tree: Tree, command: Command) -> None:
    command("plan", "profile=kitchen").failed("build-due")
    assert tree.runs == 0
    assert "NodeMCU 1.5.4.1" in command("image", "profile=kitchen").ok().out
    planned = command("plan", "profile=kitchen").ok()
    assert "`flash` runs" in planned.out
    assert tree.runs == 1


def test_what_was_built_by_hand_counts_for_a_plan_and_not_for_a_flash(
    tree: Tree, firmware: Path, command: Command
) -> None:
    (tree.folder / "bin").mkdir()
    (tree.folder / "bin" / "fw.bin").write_bytes(firmware.read_bytes())
    assert "made by hand" in command("plan", "profile=kitchen").ok().out
    assert tree.runs == 0
    assert "made by hand" not in command("image", "profile=kitchen").ok().out
    assert tree.runs == 1


def test_without_inputs_it_always_runs_and_the_board_decides(tree: Tree, tmp_path: Path, command: Command) -> None:
    port = f"port=sim://esp12?flash={tmp_path / 'flash'}"
    assert command("flash", "profile=kitchen", port).ok().wrote
    second = command("flash", "profile=kitchen", port).ok()
    assert tree.runs == 2
    assert not second.wrote
    with (tree.folder / "source.bin").open("ab") as stream:
        stream.write(b"more")
    assert command("flash", "profile=kitchen", port).ok().wrote
    assert tree.runs == 3


def test_with_inputs_doit_decides(project: Project, tree: Tree, command: Command) -> None:
    tree.say(project, "    inputs: ['*.bin', '**/*.py']\n")
    for _ in range(2):
        command("image", "profile=kitchen").ok()
    (tree.folder / "source.bin").touch()
    command("image", "profile=kitchen").ok()
    assert tree.runs == 1
    assert "has changed since" in command("plan", "profile=kitchen").ok().out  # by its date: doit looks closer
    assert "builds first" in command("plan", "profile=kitchen", "quiet=1").ok().out
    (tree.folder / "new.py").write_text("")
    command("image", "profile=kitchen").ok()
    assert tree.runs == 2
    (tree.folder / "bin" / "fw.bin").write_bytes(b"from elsewhere")
    command("plan", "profile=kitchen").failed("image-format")
    command("image", "profile=kitchen").ok()
    assert tree.runs == 3


def test_a_failed_build_is_due_until_it_succeeds(project: Project, tree: Tree, command: Command) -> None:
    tree.say(project, "    inputs: '*.bin'\n")
    command("image", "profile=kitchen").ok()
    (tree.folder / "broken").write_text("")
    with (tree.folder / "source.bin").open("ab") as stream:
        stream.write(b"more")
    failed = command("flash", "profile=kitchen", "port=/dev/does-not-exist").failed("build-failed")
    assert failed.status == 11
    assert failed.text.count("[code: ") == 1
    for part in ("ended with status 1", "\nno rule to make target", "environment: ", "folder: ", "builds"):
        assert part in failed.text
    command("plan", "profile=kitchen").failed("build-due")
    (tree.folder / "broken").unlink()
    assert "NodeMCU" in command("image", "profile=kitchen").ok().out


def test_outputs_that_change_their_names_are_one_entry_of_the_lock_file(
    project: Project, tree: Tree, command: Command
) -> None:
    make = MAKE.replace("bin/fw.bin", "bin/fw-{len(open('runs').read())}.bin").replace('Path("bin/fw', 'Path(f"bin/fw')
    stamped = "for old in pathlib.Path('bin').glob('*.bin'):\n    old.unlink()\n"
    at = make.index("pathlib.Path(f")
    (tree.folder / "make.py").write_text(make[:at] + stamped + make[at:])
    tree.say(project)
    profile = project.folder / "kitchen.yaml"
    profile.write_text(profile.read_text().replace("bin/fw.bin", "bin/fw-*.bin") + "lock: true\n")
    lock = project.folder / "images.lock.yaml"
    command("image", "profile=kitchen").ok()
    first = lock.read_text()
    assert "source/bin/fw-*.bin:" in first
    command("image", "profile=kitchen").ok()
    assert tree.runs == 2
    assert lock.read_text() == first
    assert command("lock", "profile=kitchen").ok().out.count("unchanged") == 1


def test_an_entry_that_no_profile_names_is_told(project: Project, tree: Tree, command: Command, firmware: Path) -> None:
    (project.folder / "old.bin").write_bytes(firmware.read_bytes())
    profile = project.folder / "kitchen.yaml"
    building = profile.read_text()
    profile.write_text("extends: esp12\nfirmware: {image: old.bin}\nlock: true\n")
    command("image", "profile=kitchen").ok()
    profile.write_text(building + "lock: true\n")
    done = command("lock", "profile=kitchen").ok()
    assert "unused     old.bin: no profile names it" in done.out
    assert done.out.count("unused") == 1
    assert tree.runs
    assert command("lock", "profile=kitchen", "-q").ok().out.splitlines()[-1] == "OK  1 pinned"


def test_an_image_on_the_command_line_needs_no_build(tree: Tree, firmware: Path, command: Command) -> None:
    command("image", "profile=kitchen", f"image={firmware}").ok()
    assert tree.runs == 0


def test_an_input_that_matches_nothing_is_a_mistake(project: Project, tree: Tree, command: Command) -> None:
    tree.say(project, "    inputs: '*.rs'\n")
    done = command("image", "profile=kitchen").failed("build-inputs")
    assert done.text.count("[code: ") == 1
    assert tree.runs == 0


def test_two_profiles_of_one_project_do_not_forget_each_others_inputs(
    project: Project, tree: Tree, command: Command
) -> None:
    tree.say(project, "    inputs: '*.bin'\n")
    (project.folder / "bath.yaml").write_text((project.folder / "kitchen.yaml").read_text().replace("*.bin", "*.py"))
    for name in ("kitchen", "bath", "kitchen", "bath"):
        command("image", f"profile={name}").ok()
    assert tree.runs == 2


@pytest.mark.usefixtures("tree")
def test_outputs_are_not_read_while_somebody_else_builds(project: Project, command: Command) -> None:
    command("image", "profile=kitchen").ok()
    inputs = RunInputs(CommandLine(project.folder, project.folder, Variables({"profile": "kitchen"}, {})))
    build = inputs.build()
    assert build is not None
    (stamp,) = inputs.command.builds_folder.glob("*.json")
    hidden = stamp.with_suffix(".hidden")
    stamp.rename(hidden)  # what a build does first
    with undisturbed(build, 1):
        assert not inputs.expects_nodemcu()
        reader = threading.Thread(target=inputs.plan)
        reader.start()
        reader.join(0.3)
        assert reader.is_alive()
        hidden.rename(stamp)
    reader.join(30)
    assert inputs.expects_nodemcu()


def test_plain_doit_builds_too(project: Project, tree: Tree) -> None:
    project.doit("image", "profile=kitchen").ok()
    assert tree.runs == 1


def test_the_build_is_no_task_of_the_list(project: Project, tree: Tree) -> None:
    assert "build" not in [line.split()[0] for line in project.doit("list").ok().out.splitlines()]
    del tree


@pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_the_build_and_what_it_made_does_not_count(
    project: Project, tree: Tree, number: signal.Signals
) -> None:
    from tests.running import Running  # noqa: PLC0415  POSIX only

    project.flashpipe("image", "profile=kitchen").ok()
    (tree.folder / "make.py").write_text(
        "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\n"
        "pathlib.Path('bin/fw.bin').write_bytes(b'half')\nprint('half way', flush=True)\n"
        "time.sleep(60)\npathlib.Path('bin/fw.bin').write_bytes(b'late')\n"
    )
    with Running(project, "flashpipe.cli.main", "flash", "profile=kitchen", "port=/dev/does-not-exist") as run:
        run.until("half way")
        run.signal(number)
        assert run.end() == 128 + number
        assert "stopped: nothing was being written" in run.shown
    with pytest.raises(ProcessLookupError):
        os.kill(int((tree.folder / "pid").read_text()), 0)
    assert (tree.folder / "bin" / "fw.bin").read_bytes() == b"half"
    project.flashpipe("plan", "profile=kitchen").failed("build-due")
