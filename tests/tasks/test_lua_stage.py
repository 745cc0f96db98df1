"""Acceptance and Lua files, by the commands that people type, on a NodeMCU 1.5.4.1 that is executed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flashpipe.board.boot.kinds import Verdict
from flashpipe.board.lua import files as lua_files
from flashpipe.board.lua.console import LuaRun
from flashpipe.board.lua.files import BoardFiles
from flashpipe.flasher import lua_stage as luastage
from flashpipe.jobs import lua as jobs_lua
from flashpipe.sim.ports import registry

from tests.harness import Done, Project
from tests.nodemcu import MAC, MB, formatted
from tests.running import Running

Command = Callable[..., Done]
SECRET = "correct horse battery"
INIT = f'wifi_pwd="{SECRET}"\nprint("hello")\n'.encode()
MAIN = b'local function f(x)\n\treturn x .. [[ "quoted" \\n ]]\nend\r\n' * 4
BLOB = bytes(range(256))


@pytest.fixture(autouse=True, scope="module")
def predicted() -> None:
    """Not here: in this module the firmware is executed."""


@dataclass
class Kitchen:
    """A project with a profile for one virtual board."""

    project: Project
    command: Command
    firmware: Path
    more: str = "&inline=1"

    def profile(self, *, text: str = "", files: dict[str, bytes] | None = None) -> None:
        folder = self.project.folder
        wanted = {"init.lua": INIT, "main.lua": MAIN, "blob.dat": BLOB} if files is None else files
        (folder / "lua").mkdir(exist_ok=True)
        for name, data in wanted.items():
            (folder / "lua" / name).write_bytes(data)
        named = ", ".join(f"{name}: lua/{name}" for name in wanted)
        (folder / "kitchen.yaml").write_text(
            f"extends: nodemcu-devkit\nflash: {{size: 1MB}}\nfirmware: {{image: {self.firmware}}}\n{text}\n"
            + (f"files: {{{named}}}\n" if wanted else "")
        )

    def installed(self, *names: str) -> None:
        """The firmware is on the board; nothing was flashed from here. `names`: of files that are sent."""
        self.flash_file.write_bytes(formatted(self.firmware, MB))
        if names:
            self.run("files", "profile=kitchen", "send=1").ok()
            assert set(names) == set(self.states())

    @property
    def flash_file(self) -> Path:
        return self.project.folder / "board.bin"

    @property
    def port(self) -> str:
        return f"port=sim://nodemcu-devkit?flash={self.flash_file}&mac={MAC}&size=1MB&part=GD25Q80B{self.more}"

    def run(self, task: str, *words: str) -> Done:
        return self.command(task, self.port, *words)

    def flash(self) -> Done:
        return self.run("flash", "profile=kitchen")

    def receipt(self) -> dict[str, Any]:
        return self.project.receipts()[-1]

    def states(self) -> dict[str, str]:
        return {file["name"]: file["state"] for file in self.receipt()["files"]}


@pytest.fixture
def kitchen(project: Project, command: Command, firmware: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kitchen]:
    monkeypatch.setattr(luastage, "SURVIVE_S", 0.2)
    made = Kitchen(project, command, firmware)
    made.installed()
    yield made
    registry.forget_boards()


# --- acceptance ------------------------------------------------------------------------------------------------------


def test_a_firmware_as_demanded_is_accepted_and_the_receipt_says_so(kitchen: Kitchen) -> None:
    kitchen.profile(text="acceptance: {version: '>=1.5', modules: [wifi, http], float: yes, flash_size: 1MB}", files={})
    done = kitchen.flash().ok()
    assert "module http there" in done.text
    assert {finding["demand"]: finding["passed"] for finding in kitchen.receipt()["acceptance"]} == {
        "version": True, "module wifi": True, "module http": True, "numbers": True, "flash size": True,
    }  # fmt: skip


def test_a_jig_that_cannot_be_started_is_refused_before_the_board_is_written(kitchen: Kitchen) -> None:
    kitchen.profile(text="acceptance: {command: [./jig.py]}", files={})
    for done in (kitchen.flash(), kitchen.command("plan", "profile=kitchen")):
        assert "./jig.py cannot be started: there is no such file" in done.failed("acceptance-command").err
        assert "connect" not in done.err
    kitchen.run("backup", "profile=kitchen", "regions=0x0-0x1000").ok()


def test_everything_that_is_not_as_demanded_is_named_at_once(kitchen: Kitchen) -> None:
    kitchen.profile(
        text="acceptance: {version: '>=1.5', modules: [wifi, mqtt], float: false, flash_size: 2MB}", files={}
    )
    failed = kitchen.flash().failed("acceptance")
    assert failed.status == 35
    for words in (
        "module mqtt: missing",
        "numbers: float, want integer",
        "flash size: 1 MB by the image header, want 2 MB",
    ):
        assert words in failed.err
    assert "version" not in failed.err.partition("demands: ")[2]
    assert kitchen.receipt()["outcome"] == "acceptance"
    assert kitchen.flash().failed("acceptance").wrote is False


def test_an_old_firmware_that_cannot_tell_is_a_reason_of_its_own(kitchen: Kitchen) -> None:
    kitchen.profile(text="acceptance: {version: '==1.5.4', modules: [wifi, tmr], lfs: 64KB}", files={})
    failed = kitchen.flash().failed("acceptance-unknown")
    assert "LFS: the firmware does not say, want at least 64 KB" in failed.err


@pytest.mark.parametrize(
    ("lua", "prints", "code", "words"),
    [
        ('print("12 tests") print("PASS")', "/PA?SS/", "", "did print /PA?SS/"),
        ("print(1)", "", "", "did come to its end"),
        ('tmr.alarm(0, 50, 0, function() print("late PASS") end)', "PASS", "", "did print PASS"),
        ('print("1 FAIL")', "/PASS/", "acceptance-output", 'within 1 s; it printed "1 FAIL" last'),
        ("x = 1", "/PASS/", "acceptance-output", "it printed nothing"),
        ('error("broken")', "/PASS/", "acceptance-output", "test.lua raised an error: test.lua:1: broken"),
        ("if x", "/PASS/", "acceptance-output", "test.lua:1:"),
    ],
)
def test_a_lua_file_decides_by_what_it_prints(lua: str, prints: str, code: str, words: str, kitchen: Kitchen) -> None:
    expected = f", prints: '{prints}', timeout: 1s" if prints else ""
    kitchen.profile(text=f"acceptance: {{run: test.lua{expected}}}", files={})
    (kitchen.project.folder / "test.lua").write_text(lua)
    done = kitchen.flash()
    assert words in (done.failed(code) if code else done.ok()).err
    assert "no files" in kitchen.run("files").ok().out


def test_the_plan_says_what_will_be_asked_and_sent(kitchen: Kitchen) -> None:
    demands = "acceptance: {version: '>=3', modules: [wifi, tmr], float: true, lfs: 64KB, run: t.lua, prints: /OK/}"
    kitchen.profile(text=demands, files={"init.lua": INIT})
    (kitchen.project.folder / "t.lua").write_text("x = 1")
    done = kitchen.command("plan", "profile=kitchen").ok()
    wanted = "version >=3, modules wifi tmr, float numbers, LFS of 64 KB or more, t.lua is run, prints /OK/"
    assert f"accept   {wanted}\n" in done.out
    assert f"files    init.lua ({len(INIT)} B), each if it differs\n" in done.out
    assert SECRET not in done.text


def test_node_compares_too(kitchen: Kitchen) -> None:
    kitchen.profile(text="acceptance: {version: '>=3', modules: [tmr]}", files={})
    failed = kitchen.run("node", "profile=kitchen").failed("acceptance")
    assert "FAILED   version: 1.5.4" in failed.out
    assert "ok       module tmr there" in failed.out


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_are_sent_once_and_then_held(kitchen: Kitchen) -> None:
    kitchen.profile()
    first = kitchen.flash().ok()
    assert "send     blob.dat, init.lua, main.lua" in first.err
    assert set(kitchen.states().values()) == {"sent"}
    again = kitchen.flash().ok()
    assert "3 held already" in again.err
    assert set(kitchen.states().values()) == {"skipped"}
    assert kitchen.receipt()["outcome"] == "skipped"
    kitchen.profile(files={"init.lua": INIT, "main.lua": MAIN[:-1] + b" "})
    assert "1 to be sent, 1 held already" in kitchen.flash().ok().err
    assert kitchen.states() == {"init.lua": "skipped", "main.lua": "sent"}
    assert kitchen.receipt()["outcome"] == "files"
    listed = kitchen.run("files", "profile=kitchen").ok().out
    assert [row.split() for row in listed.splitlines()[-5:-2]] == [
        ["blob.dat", "256", "B", "not", "in", "the", "profile"],
        ["init.lua", str(len(INIT)), "B", "same"],
        ["main.lua", str(len(MAIN)), "B", "same"],
    ]


def test_contents_of_files_go_nowhere_but_to_the_board(kitchen: Kitchen) -> None:
    kitchen.profile(files={"init.lua": INIT + b"error('x')\n"})
    kitchen.more = "&inline=1"
    failed = kitchen.flash().failed("lua-error")
    assert "init.lua fails: init.lua:3: x" in failed.err
    assert SECRET not in failed.text
    assert SECRET not in json.dumps(kitchen.project.receipts())


def test_a_failed_transfer_leaves_no_contents_in_what_is_kept(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen.profile(files={"init.lua": INIT})
    monkeypatch.setattr(BoardFiles, "holds", lambda *_: False)
    failed = kitchen.flash().failed("file-damaged")
    kept = [path.read_bytes() for path in (kitchen.project.folder / ".pipeline").rglob("*") if path.is_file()]
    assert any(b"typed text" in data or b"failures" in data or b"file-damaged" in data for data in kept)
    assert not [data for data in kept if SECRET.encode() in data or b"horse" in data]
    assert SECRET not in failed.text


def test_a_file_that_is_missing_is_named_before_the_port_is_opened(kitchen: Kitchen) -> None:
    kitchen.profile()
    kitchen.flash_file.unlink()
    (kitchen.project.folder / "lua" / "main.lua").unlink()
    failed = kitchen.flash().failed("lua-file-missing")
    assert failed.status == 10
    assert "main.lua" in failed.err
    assert "connect" not in failed.err
    assert not (kitchen.project.folder / "board.bin").exists()


def test_without_a_boot_check_nothing_is_asked_and_that_is_said(kitchen: Kitchen) -> None:
    kitchen.profile()
    done = kitchen.run("flash", "profile=kitchen", "boot=off").ok()
    assert "neither acceptance nor Lua files are looked at" in done.err
    assert kitchen.receipt()["files"] == []


def test_files_that_do_not_fit_change_nothing(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen.profile(files={"init.lua": INIT})
    kitchen.installed("init.lua")
    kitchen.profile(files={"init.lua": INIT + b"-- new", "blob.dat": BLOB * 18})
    monkeypatch.setattr(lua_files, "read_room", lambda _console: (3000, 390_000, 393_000))
    failed = kitchen.flash().failed("files-full")
    assert "no room for blob.dat" in failed.err
    assert "remove files, or" in failed.err
    listed = kitchen.run("files", "profile=kitchen").ok().out
    assert "init.lua" in listed
    assert "differs" in listed
    assert "fp~" not in listed


def test_where_only_one_after_the_other_fits_they_go_one_after_the_other(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"a.lua": b"--" + b"a" * 598, "b.lua": b"--" + b"b" * 598, "init.lua": INIT}
    kitchen.profile(files=old)
    kitchen.installed(*old)
    kitchen.profile(files={"a.lua": b"--" + b"A" * 598, "b.lua": b"--" + b"B" * 598, "init.lua": INIT})
    monkeypatch.setattr(lua_files, "read_room", lambda _console: (1500, 390_000, 391_500))
    kitchen.flash().ok()
    assert kitchen.states() == {"a.lua": "sent", "b.lua": "sent", "init.lua": "skipped"}


def test_what_a_killed_run_had_sent_is_not_sent_again(kitchen: Kitchen) -> None:
    kitchen.profile(files={"a.lua": MAIN, "b.lua": MAIN * 30, "init.lua": INIT})
    kitchen.more = ""  # a board that stays in this process would not see what another did to its flash file
    with Running(kitchen.project, "doit", "files", "profile=kitchen", "send=1", kitchen.port) as run:
        run.until("send     █████")  # a fifth and more: a.lua is there
        run.signal(signal.SIGKILL)
        assert run.end() == -signal.SIGKILL
    kitchen.more = "&inline=1"
    listed = kitchen.run("files").ok().out
    assert "fp~" in listed
    assert "init.lua" not in listed
    kitchen.profile(files={"a.lua": MAIN, "init.lua": INIT})
    kitchen.flash().ok()
    assert set(kitchen.states().values()) == {"sent"}
    assert "fp~" not in kitchen.run("files").ok().out


def test_an_init_lua_that_kills_the_board_is_put_aside(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luastage, "SURVIVE_S", 3.0)
    kitchen.profile(files={"init.lua": b'tmr.alarm(0, 900, 0, function() error("gone") end)\n'})
    kitchen.more = "&inline=1&time=real"
    failed = kitchen.run("files", "profile=kitchen", "send=1").failed("init-lua")
    assert "unprotected error in call to Lua API (init.lua:1: gone)" in failed.err
    assert "renamed to init.lua.bad" in failed.err
    assert [row.split()[0] for row in kitchen.run("files").ok().out.splitlines()[-3:-2]] == ["init.lua.bad"]


def test_the_files_task_sends_and_restarts(kitchen: Kitchen) -> None:
    kitchen.profile()
    kitchen.run("files", "send=1").failed("bad-value")
    assert "missing" in kitchen.run("files", "profile=kitchen").ok().out
    done = kitchen.run("files", "profile=kitchen", "send=1").ok()
    assert "main.lua" in done.out
    assert "same" in done.out
    assert kitchen.receipt()["command"] == "files"
    assert set(kitchen.states().values()) == {"sent"}


def test_a_board_without_a_reset_line_is_restarted_by_its_lua(kitchen: Kitchen) -> None:
    kitchen.profile(files={"init.lua": INIT})
    kitchen.more = "&inline=1&wiring=none&start=app&time=real"
    done = kitchen.run("files", "profile=kitchen", "send=1", "reset=manual").ok()
    assert "boot     NodeMCU" in done.err
    assert kitchen.receipt()["verdict"]["kind"] == "prompt"
    assert kitchen.states() == {"init.lua": "sent"}


# --- the other tasks -------------------------------------------------------------------------------------------------


def test_lua_shows_what_a_file_prints_and_leaves_no_trace(kitchen: Kitchen) -> None:
    kitchen.profile(files={})
    (kitchen.project.folder / "t.lua").write_text("for i = 1, 3 do print('n', i) end")
    assert "n\t1\nn\t2\nn\t3\n" in kitchen.run("lua", "file=t.lua").ok().out
    assert "no files" in kitchen.run("files").ok().out
    (kitchen.project.folder / "t.lua").write_text("print('a')\nlocal x = nil + 1")
    failed = kitchen.run("lua", "file=t.lua").failed("lua-error")
    assert "t.lua:2: attempt to perform arithmetic on a nil value" in failed.err
    assert failed.status == 36
    kitchen.run("lua").failed("bad-value")
    kitchen.run("lua", "file=none.lua").failed("lua-file-missing")


def test_a_restart_that_is_named_is_believed_as_far_as_the_firmware_says_nothing_else(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen.profile(files={})
    monkeypatch.setattr(jobs_lua, "run_file", lambda *_args, **_how: LuaRun("", ended=True, restarted=True))
    failed = kitchen.run("lua", "code=node.restart()").failed("board-restarted")
    assert "its power had gone" in failed.err


def test_format_asks_and_then_removes_all_files(kitchen: Kitchen) -> None:
    kitchen.profile(files={"init.lua": INIT})
    kitchen.installed("init.lua")
    kitchen.run("format").failed("not-confirmed")
    assert "init.lua" in kitchen.run("files").ok().out
    done = kitchen.run("format", "yes=1").ok()
    assert "bytes free" in done.err
    assert "no files" in kitchen.run("files").ok().out


def test_rescue_blames_no_init_lua_that_is_not_there(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen.profile(files={})
    blank = kitchen.command("files", "rescue=1", "port=sim://esp12?inline=1&fill=ff").failed("no-lua-prompt")
    assert "no image at 0x00000" in blank.err
    assert "erase" not in blank.err
    kitchen.more += "&fault=deaf"
    log = "NodeMCU 3.0.0.0 built by us\n powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\n"
    for words, code in (("cannot open init.lua: \n> ", "no-lua-prompt"), ("lua: init.lua:1: oops\n> ", "init-lua")):
        seen = Verdict("prompt", "at its prompt", log=log + words)
        monkeypatch.setattr(jobs_lua, "boot_check", lambda *_args, seen=seen, **_how: seen)
        assert ("erase" in kitchen.run("files", "rescue=1").failed(code).err) == (code == "init-lua")


def test_rescue_puts_an_init_lua_aside(kitchen: Kitchen) -> None:
    kitchen.profile(files={"init.lua": INIT})
    kitchen.installed("init.lua")
    assert "init.lua.bad" in kitchen.run("files", "rescue=1").ok().out
    listed = kitchen.run("files").ok().out
    assert "init.lua.bad" in listed
    assert "init.lua " not in listed


def test_an_init_lua_that_sets_up_wifi_runs(kitchen: Kitchen) -> None:
    init = b'wifi.setmode(wifi.STATION) wifi.sta.config("n", "password") wifi.sta.connect() '
    init += b'print("up", wifi.sta.getip())'
    kitchen.profile(files={"init.lua": init})
    kitchen.more = "&inline=1&time=real"
    kitchen.installed("init.lua")
    assert "up\tnil" in kitchen.receipt()["verdict"]["log"]


def test_a_board_that_mirrors_its_profile(kitchen: Kitchen) -> None:
    kitchen.profile(files={"init.lua": INIT, "old.lua": MAIN, "home.cfg": b"x"})
    kitchen.flash().ok()
    kitchen.profile(files={"init.lua": INIT}, text="files_mirror: true\nfiles_mirror_except: ['*.cfg']")
    refused = kitchen.flash().failed("would-lose-data")
    assert "old.lua" in refused.text
    assert "home.cfg" not in refused.text
    assert "old.lua" in kitchen.run("files").ok().out
    kitchen.run("flash", "profile=kitchen", "yes=1").ok()
    listed = kitchen.run("files").ok().out
    assert "old.lua" not in listed
    assert "home.cfg" in listed
    (kept,) = (kitchen.project.folder / ".pipeline" / "backups").glob("*/files/*/old.lua")
    assert kept.read_bytes() == MAIN
    assert "removed" not in kitchen.flash().ok().text.replace("0 to be removed", "")


def test_a_template_is_what_this_board_gets(kitchen: Kitchen) -> None:
    kitchen.profile(files={}, text="values: {room: hall}\nfiles: {init.lua: {template: lua/t.lua}}")
    (kitchen.project.folder / "lua" / "t.lua").write_text("print(@room@, @mac@)\n")
    kitchen.flash().ok()
    assert kitchen.receipt()["files"][0]["size"] == len(f'print("hall", "{MAC}")\n')
    assert kitchen.flash().ok().wrote is False
    assert "same" in kitchen.run("files", "profile=kitchen").ok().out
