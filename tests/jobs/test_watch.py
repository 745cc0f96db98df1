"""`watch`: what is saved is sent and run, what is built is flashed, and the console is open in between."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from types import SimpleNamespace
from typing import cast

import pytest
from flashpipe.errors import BadValueError, PortLostError
from flashpipe.jobs import monitor, sessions
from flashpipe.jobs import watch as jobs
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import Variables
from flashpipe.jobs.watch import watched
from flashpipe.tasks.actions import watch as action

from tests.harness import Project
from tests.simboard import SimBoard


def inputs(project: Project, text: str) -> RunInputs:
    (project.folder / "kitchen.yaml").write_text(f"extends: esp12\n{text}\n")
    return RunInputs(CommandLine(project.folder, project.folder, Variables({"profile": "kitchen"}, {})))


def test_what_is_looked_at(project: Project) -> None:
    (project.folder / "main.c").write_text("")
    found = watched(inputs(project, "firmware: {image: fw.bin}\nfiles: {init.lua: lua/init.lua}"))
    assert {path.name for path in found.firmware} == {"fw.bin"}
    assert list(found.lua.values()) == ["init.lua"]
    assert {path.name for path in found.profiles} == {"kitchen.yaml"}
    (project.folder / "data").mkdir()
    (project.folder / "data" / "page.html").write_text("")
    found = watched(inputs(project, "firmware: {image: fw.bin, spiffs: {folder: data}}"))
    assert {path.name for path in found.firmware} == {"fw.bin", "page.html"}
    build = "firmware: {build: {command: make, outputs: fw.bin, inputs: '*.c'}}"
    assert {path.name for path in watched(inputs(project, build)).firmware} == {"main.c"}
    for nothing in ("boot: any", "firmware: {build: {command: make, outputs: fw.bin}}", "firmware: {image: 'a*.bin'}"):
        with pytest.raises(BadValueError):
            watched(inputs(project, nothing))


class Library:
    """In place of `watchfiles`: before each look one thing is done."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)
        self.asked: list[tuple[Path, ...]] = []

    def watch(self, *folders: Path, **_options: object) -> Iterator[set[object]]:
        self.asked.append(folders)
        while self.steps:
            self.steps.pop(0)()
            yield set()


def refuse() -> None:
    raise OSError("OS file watch limit reached")


def test_what_counts_is_how_the_files_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action, "LOOK_MS", 0)
    one, two, built = tmp_path / "one.lua", tmp_path / "two.lua", tmp_path / "build" / "fw.bin"
    one.write_text("1")
    wanted, ended = {one, built}, threading.Event()

    def save_as_many_editors_do() -> None:
        two.write_text("2")
        two.replace(one)

    def name_another_file() -> None:
        wanted.add(two)
        two.write_text("2")

    def build() -> None:
        built.parent.mkdir()
        built.write_text("x")

    library = Library(
        lambda: (tmp_path / "other").write_text(""),
        lambda: one.write_text("11"),
        save_as_many_editors_do,
        one.unlink,
        lambda: one.write_text("1"),
        name_another_file,
        build,
        refuse,
        lambda: built.write_text("xx"),
        ended.set,
    )
    seen = list(action._changed_files(library, lambda: frozenset(wanted), ended))
    assert seen == [{one}, {one}, {one}, {two}, {built}, {built}]
    assert library.asked == [(tmp_path,), *[(tmp_path, tmp_path / "build")] * 2]  # the folder that came is looked at


def test_the_package_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(BadValueError) as caught:
        action._library()
    assert "watchfiles" in caught.value.hint


def test_a_port_that_goes_away_is_looked_at_before_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    done = list[str]()

    def gone(*_: object, **__: object) -> None:
        raise PortLostError("port: went away", "")

    monkeypatch.setattr(monitor, "listen", gone)
    monkeypatch.setattr(sessions, "close", lambda _port: done.append("closed"))
    board = SimpleNamespace(session=lambda: None, port=lambda: "port", explain=lambda _error: done.append("explained"))
    with pytest.raises(PortLostError):
        jobs._console(cast("BoardRun", board), lambda _text: None, Queue(), Queue(), 115200)
    assert done == ["explained", "closed"]


def test_it_must_be_named(project: Project) -> None:
    (project.folder / "dodo.py").write_text(
        "from flashpipe.tasks import *\ndef task_all():\n    return {'actions': [], 'task_dep': ['watch']}\n"
    )
    project.flashpipe("all", "profile=esp12").failed("not-named")


def test_saving_sends_and_runs_and_a_new_image_is_flashed(project: Project, firmware: Path, tmp_path: Path) -> None:
    pytest.importorskip("pty", reason="no pseudo terminals on this system")
    from tests.running import Running  # noqa: PLC0415  needs a pty

    image, app = project.folder / "fw.bin", project.folder / "app.lua"
    image.write_bytes(firmware.read_bytes())
    app.write_text('print("one")')
    (project.folder / "kitchen.yaml").write_text(
        "extends: nodemcu-devkit\nfirmware: {image: fw.bin}\nfiles: {app.lua: app.lua, init.lua: init.lua}\n"
    )
    (project.folder / "init.lua").write_text("-- nothing")
    words = ("profile=kitchen", SimBoard(tmp_path / "cells").port, "boot=off")
    project.flashpipe("flash", *words).ok()
    with Running(project, "flashpipe.cli.main", "watch", *words) as run:
        run.expect("Ctrl-C ends it")
        app.write_text('print("t".."wo")')
        run.expect("two")
        run.expect("Ctrl-C ends it")
        (project.folder / "init.lua").write_text('print("st".."art")')
        run.expect("start")  # the board was restarted with it, and what it says then is shown
        run.expect("Ctrl-C ends it")
        profile = project.folder / "kitchen.yaml"
        good = profile.read_text()
        profile.write_text("chip: [")
        run.expect("code: profile")  # the console goes on
        run.expect("Ctrl-C ends it")
        (project.folder / "lib").mkdir()
        (project.folder / "lib" / "b.lua").write_text("")
        profile.write_text(good.replace("app.lua: app.lua", "app.lua: app.lua, lib/: 'lib/*.lua'"))
        run.expect("is already up to date")
        run.expect("Ctrl-C ends it")
        app.write_text('error("n".."o")')
        run.expect("app.lua:1: no")
        run.expect("Ctrl-C ends it")
        app.unlink()
        replaced = project.folder / "new.bin"
        replaced.write_bytes(firmware.read_bytes() + b"x")
        replaced.replace(image)
        run.expect("lua-file-missing")  # the profile's file is gone: told, and the console goes on
        run.expect("Ctrl-C ends it")
        app.write_text('print("three")')
        run.expect("three")
        run.expect("Ctrl-C ends it")
        image.write_bytes(firmware.read_bytes() + b"y")
        run.expect("bytes written")
        run.expect("Ctrl-C ends it")
        run.type("\x03")
        assert run.end() == 0
