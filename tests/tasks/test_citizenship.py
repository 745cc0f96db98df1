"""What a doit user expects of our tasks, and what `flashpipe` adds: whole commands, no board."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.jobs.variables import WITH_TABLES

from tests.harness import Done, Project

Command = Callable[..., Done]

TASKS = {
    *(
        "audit",
        "backup",
        "boot",
        "diagnose",
        "doctor",
        "erase",
        "files",
        "flash",
        "format",
        "identify",
        "image",
        "lock",
        "lua",
        "monitor",
    ),
    *("node", "ports", "profiles", "report", "restore", "verify"),
}
OWN = {"watch"}
"""Those that `flashpipe` has alone."""


def names(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if line.strip()}


def test_list_names_every_task_and_leaves_no_trace(project: Project) -> None:
    assert names(project.doit("list").ok().out) == TASKS
    assert [path.name for path in project.folder.iterdir() if path.name != "__pycache__"] == ["dodo.py"]


def test_help_of_a_task_needs_no_readme(project: Project) -> None:
    text = project.doit("help", "flash").ok().out
    for word in ("profile=NAME", "port=PORT", "boot=off", "force=1", "continues"):
        assert word in text


def test_help_of_a_users_own_task_is_as_ever(project: Project) -> None:
    (project.folder / "dodo.py").write_text(
        "from flashpipe.tasks import *\ndef task_erase():\n    '''mine\n\n    more'''\n    return {'actions': None}\n"
    )
    assert project.doit("help", "erase").ok().out.strip() == "erase  mine"


def test_bare_doit_shows_profiles_and_the_next_command(project: Project) -> None:
    text = project.doit().ok().text
    assert "esp12" in text
    assert "next: " in text
    assert not list((project.state).glob("boards/*"))


def test_no_default_may_write_to_a_board(project: Project) -> None:
    (project.folder / "dodo.py").write_text(
        "from flashpipe.tasks import *\nDOIT_CONFIG['default_tasks'] = ['flash', 'erase']\n"
    )
    done = project.doit("profile=demo", "yes=1").failed("not-named")
    assert "connect" not in done.text
    assert not project.journal()


@pytest.mark.parametrize(
    "words", [("clean",), ("clean", "-n", "flash"), ("forget",), ("info", "profiles"), ("-n", "4", "profiles")]
)
def test_housekeeping_commands_work(project: Project, words: tuple[str, ...]) -> None:
    done = project.doit(*words)
    assert done.status in ({0, 1} if words[0] == "info" else {0}), done.text
    assert "Traceback" not in done.text


def test_info_of_flash_touches_no_port_and_says_how_it_decides(project: Project) -> None:
    done = project.doit("info", "flash:sim_esp12", "profile=esp12", "port=sim://esp12")
    assert "skipped when the board" in done.out
    assert "connect" not in done.text


@pytest.mark.parametrize(
    ("word", "near"),
    [("profil=esp12", "profile"), ("prot=COM3", "port"), ("bauds=9600", "baud"), ("imagee=x", "image")],
)
def test_a_mistyped_variable_stops_everything(project: Project, word: str, near: str) -> None:
    for command in ((), ("flash",), ("list",)):
        done = project.doit(*command, word)
        assert done.status == 3
        assert f"did you mean {near!r}?" in done.err
        assert "Traceback" not in done.text


def test_a_users_own_dodo_adds_tasks_and_variables(project: Project) -> None:
    (project.folder / "dodo.py").write_text(
        "from flashpipe.tasks import *\nfrom doit import get_var\n"
        "declare_variables('site')\n"
        "def task_site():\n    '''say where'''\n    return {'actions': [['echo', 'at', str(get_var('site'))]]}\n"
    )
    assert "at berlin" in project.doit("site", "site=berlin").ok().text
    assert names(project.doit("list").ok().out) == TASKS | {"site"}
    assert project.doit("site", "sight=berlin").status == 3


def test_a_users_own_task_replaces_ours(project: Project) -> None:
    (project.folder / "dodo.py").write_text(
        "from flashpipe.tasks import *\ndef task_image():\n    return {'actions': [['echo', 'mine']]}\n"
    )
    assert "mine" in project.doit("image").ok().text


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        (("flash",), "unknown-profile", 10),
        (("flash", "profile=esp1"), "unknown-profile", 10),
        (("flash", "profile=esp12"), "no-image", 11),
        (("flash", "profile=esp12", "image=nowhere.bin"), "image-missing", 11),
        (("flash", "profile=esp12", "image=dodo.py"), "image-format", 12),
        (("flash", "profile=esp12", "image=dodo.py", "mode=dioo"), "bad-value", 3),
        (("flash", "profile=demo", "force=perhaps"), "bad-value", 3),
        (("flash", "profile=demo", "check=crc"), "bad-value", 3),
        (("flash", "profile=demo", "allow=everything"), "bad-value", 3),
        (("flash", "profile=demo", "boot=off", "port=/dev/does-not-exist"), "port-missing", 20),
        (("identify", "port=/dev/does-not-exist"), "port-missing", 20),
        (("erase", "port=sim://esp12"), "not-confirmed", 3),
        (("plan",), "unknown-profile", 10),
    ],
)
def test_each_class_of_failure_has_a_code_and_a_status(
    project: Project, words: tuple[str, ...], code: str, status: int
) -> None:
    done = project.flashpipe(*words).failed(code)
    assert done.status == status, done.text
    assert done.text.count("[code: ") == 1, done.text
    assert "next: " in done.text
    assert "UnmetDependency" not in done.text


def test_the_ways_to_get_an_image_are_named(project: Project) -> None:
    text = project.doit("flash", "profile=esp12").failed("no-image").text
    for word in ("nodemcu-build.com", "docker run", "make", "flashpipe flash profile=esp12 image=FILE"):
        assert word in text


def test_defaults_from_the_environment_say_where_they_come_from(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHPIPE_PROFILE", "demo")
    monkeypatch.setenv("FLASHPIPE_PORT", "/dev/does-not-exist")
    assert "NodeMCU 1.5.4.1" in project.doit("image").ok().out
    assert "FLASHPIPE_PORT" in project.doit("verify").failed("port-missing").text


def test_flashpipe_needs_no_dodo_file_and_finds_the_project_above(project: Project, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    assert names(project.flashpipe("list", folder=bare).ok().out) == TASKS | OWN
    (project.folder / "kitchen.yaml").write_text("extends: esp12\nabout: the kitchen\n")
    deep = project.folder / "a" / "b"
    deep.mkdir(parents=True)
    assert "the kitchen" in project.flashpipe("profiles", folder=deep).ok().out
    assert "the kitchen" not in project.flashpipe("profiles", folder=bare).ok().out


def test_paths_on_the_command_line_are_the_callers(project: Project, firmware_folder: Path) -> None:
    deep = project.folder / "fw"
    deep.mkdir()
    (deep / "x.bin").write_bytes((firmware_folder / "nodemcu-1.5.4.1.bin").read_bytes())
    assert "x.bin" in project.flashpipe("image", "profile=esp12", "image=x.bin", folder=deep).ok().out
    project.flashpipe("image", "profile=esp12", "image=x.bin").failed("image-missing")


@pytest.mark.parametrize(
    "words",
    [("doit", "plan"), ("doit", "image"), ("flashpipe.cli.main", "plan"), ("doit", "profiles")],
    ids=" ".join,
)
def test_a_reader_who_has_seen_enough_is_no_failure(project: Project, firmware: Path, words: tuple[str, str]) -> None:
    more = () if words[1] == "profiles" else ("profile=esp12", f"image={firmware}")
    process = subprocess.Popen(
        [sys.executable, "-m", *words, *more],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert "BrokenPipe" not in said


@pytest.mark.parametrize(
    "words", [("doit", "list", "-q"), ("flashpipe.cli.main", "list", "-q"), ("flashpipe.cli.main", "help", "run")]
)
def test_what_only_shows_ends_quietly_where_its_reader_has_gone(project: Project, words: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode in {0, -signal.SIGPIPE}


def test_the_database_can_be_looked_at(project: Project) -> None:
    dodo = project.folder / "dodo.py"
    dodo.write_text(f"{dodo.read_text()}\ndef task_mine():\n    return {{'actions': [lambda: {{'mac': '5c'}}]}}\n")
    project.doit("mine").ok()
    shown = project.doit("dumpdb").ok().out
    assert "mine -> {" in shown
    assert '"mac": "5c"' in shown


def test_doits_info_and_options_before_a_command_end_without_a_traceback(project: Project) -> None:
    assert "status     : run" in project.doit("info", "flash:esp12", "profile=esp12").text
    assert "Traceback" not in project.doit("-n", "2", "plan", "profile=demo").text


@pytest.mark.parametrize("module", ["doit", "flashpipe.cli.main"])
def test_what_doit_knows_of_a_task_that_is_none_is_told_in_one_line(project: Project, module: str) -> None:
    done = project.run(module, "info", "flash:x", "profile=esp12")
    assert done.status == 3
    assert done.text.splitlines() == ["ERROR: 'flash:x' is not a task. There is flash:esp12."]


@pytest.mark.parametrize(
    "words",
    [
        *((task,) for task in sorted(TASKS - WITH_TABLES)),
        *(
            ("run", "flash"),
            ("flash", "monitor"),
            ("watch",),
            ("list",),
            ("info", "flash"),
            ("help", "flash"),
            ("mine",),
        ),
        *(("init",), ("batch", "list"), ("cache",), ("export", "demo"), ("new", "x"), ("prune",), ("station", "demo")),
        *(("completion", "bash"), ("bundle",), ("page",), ("trust",), ("schema", "events")),
    ],
)
def test_what_has_no_table_refuses_json_before_anything_is_done(
    command: Command, project: Project, words: tuple[str, ...]
) -> None:
    with (project.folder / "dodo.py").open("a") as dodo:
        dodo.write("def task_mine():\n    return {'actions': ['touch made']}\n")
    done = command(*words, "--json")
    assert done.status == 3, done.text
    assert "--json" in done.err
    assert json.loads(done.out)["error"]["status"] == 3
    assert {path.name for path in project.folder.iterdir()} <= {"dodo.py", "__pycache__"}


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "profile=demo"),
        ("plan", "profile=demo", "port=sim://demo?inline=1"),
        ("image", "profile=demo"),
        ("identify", "port=sim://esp12?inline=1"),
        ("identify", "port=sim://esp12?inline=1,sim://esp01?inline=1"),
        ("diagnose", "port=sim://esp12?inline=1"),
        ("boot", "port=sim://esp12?inline=1"),
        ("doctor",),
    ],
)
def test_quiet_leaves_the_last_line_alone(command: Command, words: tuple[str, ...]) -> None:
    done = command(*words, "-q")
    (line,) = done.text.splitlines()
    assert line.startswith("OK" if not done.status else ("FAILED", "error"))
