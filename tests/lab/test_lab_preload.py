"""labgrid's client is imported once for all commands; whatever is in the way of that, commands are run all the same."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flashpipe.board.ports import lab_preload
from flashpipe.board.ports.lab_client import VARIABLE, LabClient
from flashpipe.errors import StoppedError

CLIENT = """
import os, sys, time
with open(os.environ["COUNT"], "a") as stream:
    stream.write("imported\\n")
def main():
    words = sys.argv[1:]
    if words[0] == "sleep":
        with open(os.environ["COUNT"], "a") as stream:
            stream.write(f"{os.getpid()}\\n")
        time.sleep(60)
    print(sys.argv[0].rpartition("/")[2], os.environ["LG_USERNAME"], *words)
    print("x" * int(words[0]) if words[0].isdigit() else "", file=sys.stderr)
    sys.exit({"fail": 3, "say": "no such place"}.get(words[0]))
"""


WAIT_S = 60.0


class Client:
    """A program that is made as that of labgrid is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, folder / "count"
        package = folder / "lib" / "labgrid" / "remote"
        package.mkdir(parents=True)
        for path in (package, package.parent):
            (path / "__init__.py").touch()
        (package / "client.py").write_text(CLIENT)
        python = folder / "python3"
        python.write_text(f"#!/bin/sh\nPYTHONPATH='{folder}/lib' exec '{sys.executable}' \"$@\"\n")
        python.chmod(0o755)
        self.program = folder / "labgrid-client"
        script = f"#!{python}\nimport sys\nfrom labgrid.remote.client import main\nsys.exit(main())\n"
        self.program.write_text(script)
        self.program.chmod(0o755)

    def times(self) -> int:
        return self.count.read_text().count("imported") if self.count.exists() else 0


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    made = Client(tmp_path)
    monkeypatch.setenv(VARIABLE, str(made.program))
    monkeypatch.setenv("COUNT", str(made.count))
    monkeypatch.setenv("LG_USERNAME", "alice")
    monkeypatch.setenv("LG_STATE", "of another place")
    (tmp_path / "signal.py").write_text("raise SystemExit('a file of the project')\n")
    monkeypatch.chdir(tmp_path)
    yield made
    lab_preload.forget(str(made.program))


def test_drivers_and_resources_are_not_loaded_where_the_client_does_without(client: Client) -> None:
    labgrid = client.folder / "lib" / "labgrid"
    (labgrid / "driver").mkdir()
    for name in ("__init__.py", "driver/__init__.py"):
        (labgrid / name).write_text("raise SystemExit('what takes long')\n")
    (labgrid / "driver" / "exception.py").write_text("ExecutionError = OSError\n")
    (labgrid / "factory.py").write_text("target_factory = None\n")
    uses = "from .. import Environment, Target, target_factory\nfrom ..driver import ExecutionError, Mode\n"
    (labgrid / "remote" / "client.py").write_text(f"{uses}{CLIENT}")
    assert LabClient.here().run("places").out.endswith("places\n")
    assert client.times() == 1


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_three_commands_import_once_and_each_has_its_own_settings_words_and_end(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = LabClient.here()
    said = lab.run("-p", "p1", "show")
    assert (said.status, said.out, said.err.strip()) == (0, "labgrid-client alice -p p1 show\n", "")
    monkeypatch.setenv("LG_USERNAME", "bob")
    assert (lab.run("fail").status, lab.run("fail").out) == (3, "labgrid-client bob fail\n")
    assert (lab.run("say").status, "no such place" in lab.run("say").err) == (1, True)
    assert len(lab.run("300000").err) == 300001
    assert client.times() == 1


def test_a_command_that_nobody_waits_for_any_more_is_killed_and_the_next_one_runs(client: Client) -> None:
    def stop_when_it_runs() -> None:
        if client.count.exists() and client.count.read_text().count("\n") > 1:
            raise StoppedError("stopped")

    lab = LabClient.here()
    with pytest.raises(StoppedError):
        lab.run("sleep", check=stop_when_it_runs)
    process = int(client.count.read_text().split()[1])
    until = time.monotonic() + WAIT_S
    while is_there(process):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert lab.run("show").status == 0
    assert client.times() == 1


@pytest.mark.parametrize("way", ["wrapper", "broken import", "killed"])
def test_where_that_cannot_be_each_command_is_started_alone(client: Client, way: str) -> None:
    if way == "wrapper":
        script = client.program.rename(client.folder / "lib" / "labgrid-client")
        client.program.write_text(f"#!/bin/sh\nexec '{script}' \"$@\"\n")
        client.program.chmod(0o755)
    elif way == "broken import":
        with (client.folder / "lib/labgrid/remote/client.py").open("a") as stream:
            stream.write("if sys.argv[0] == '-c': raise ImportError\n")
    lab = LabClient.here()
    if way == "killed":
        assert lab.run("show").status == 0
        loaded = lab_preload.preloaded(lab.program, {})
        assert loaded is not None
        os.kill(loaded._process.pid, 9)
        loaded._process.wait()
    before = client.times()
    assert [lab.run("show").out, lab.run("list").out] == ["labgrid-client alice show\n", "labgrid-client alice list\n"]
    assert client.times() >= before + 2


def test_it_ends_with_whoever_has_started_it(client: Client) -> None:
    lab = LabClient.here()
    assert lab.run("show").status == 0
    loaded = lab_preload.preloaded(lab.program, {})
    assert loaded is not None
    lab_preload.forget(lab.program)
    assert loaded._process.poll() == 0
    assert lab.run("show").status == 0
    assert client.times() == 2
