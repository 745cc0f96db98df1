"""What becomes of an init.lua that the board does not survive: the profile's takes its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from flashpipe.board.boot.kinds import ERRORS
from flashpipe.board.boot.watcher import Verdict
from flashpipe.board.lua.acceptance import Acceptance, AcceptanceFinding, LuaPolicy
from flashpipe.board.lua.console import Console, LuaRun
from flashpipe.board.lua.files import FileState, LuaFile
from flashpipe.board.session.session import Session
from flashpipe.errors import AcceptanceOutputError, BootError, LuaFailedError, StartFileError
from flashpipe.flasher import lua_stage as luastage
from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.lua_stage import accept, first_boot_check, restart, start_error

PROMPT = Verdict("prompt", "at its prompt", log="NodeMCU 3.0.0.0\n powered by Lua 5.1.4\n> ")
INIT = LuaPolicy(files=(LuaFile("init.lua", b""),))
SENT = [FileState("init.lua", 1, "00", "sent")]


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """One that says `heard` after the boot check, on a board whose init.lua can be put aside."""
    made = Session("port")
    monkeypatch.setattr(luastage, "disable_init_lua", lambda *_: "init.lua.bad")
    monkeypatch.setattr(luastage, "_listen", lambda *_: "")
    return made


class Answers(BootCheck):
    """A boot check of which it is known what comes out, time after time; after the last one a prompt."""

    def __init__(self, *answers: BootError | Verdict) -> None:
        object.__setattr__(self, "answers", list(answers))

    def run(self, *, passive: bool = False) -> Verdict:
        del passive
        answers: list[BootError | Verdict] = self.answers  # type: ignore[attr-defined]
        answer = answers.pop(0) if answers else PROMPT
        if isinstance(answer, BootError):
            raise answer
        return answer


def test_a_panic_over_an_init_lua_that_is_replaced_anyway_is_no_end(session: Session) -> None:
    assert first_boot_check(session, INIT, Answers(ERRORS["panic"]("PANIC"))) is PROMPT


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        (LuaPolicy(files=(LuaFile("main.lua", b""),)), ERRORS["panic"]("PANIC")),
        (LuaPolicy(), ERRORS["panic"]("PANIC")),
        (INIT, ERRORS["silence"]("silence")),
    ],
)
def test_any_other_failure_stands(wish: LuaPolicy, error: BootError, session: Session) -> None:
    with pytest.raises(type(error)):
        first_boot_check(session, wish, Answers(error))


def test_without_a_way_in_the_panic_stands(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luastage, "disable_init_lua", lambda *_: None)
    with pytest.raises(ERRORS["panic"]):
        first_boot_check(session, INIT, Answers(ERRORS["panic"]("PANIC")))


@pytest.mark.parametrize(
    ("log", "heard", "error"),
    [
        ("hello\n> ", "", None),
        ("hello\n> ", "tick\ntick\n", None),
        ("lua: init.lua:3: no\n> ", "", LuaFailedError),
        ("Lua error: \tinit.lua:3: no\nstack traceback:\n\t?\n> ", "", LuaFailedError),
        ("> ", "PANIC: unprotected error in call to Lua API (init.lua:1: pwd=hunter2)\n", StartFileError),
        ("> Lua error: \tinit.lua:2: no\n", "", StartFileError),
        ("> ", "Lua error: \tinit.lua:2: no\n", StartFileError),
        ("", "\nNodeMCU 3.0.0.0\n build x powered by Lua 5.1.4 on SDK 3\n", StartFileError),
    ],
)
def test_a_new_init_lua_is_watched(
    log: str, heard: str, error: type[Exception] | None, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(luastage, "_listen", lambda *_: heard)
    kind = "prompt" if "> " in log else "banner"
    verdict = Verdict(kind, "", log=f"NodeMCU 3.0.0.0\n powered by Lua 5.1.4\n{log}")
    if error is None:
        assert restart(session, 115200, SENT, Answers(verdict)) is verdict
        return
    with pytest.raises(error) as failure:
        restart(session, 115200, SENT, Answers(verdict))
    assert "hunter2" not in str(failure.value)


def test_a_boot_that_fails_over_a_new_init_lua_is_its_fault(session: Session) -> None:
    failure = ERRORS["panic"]("PANIC", "", Verdict("panic", "Lua panic: not enough memory"))
    with pytest.raises(StartFileError, match="not enough memory") as put_aside:
        restart(session, 115200, SENT, Answers(failure))
    assert "init.lua.bad" in put_aside.value.hint
    with pytest.raises(ERRORS["panic"]):
        restart(session, 115200, [FileState("main.lua", 1, "00", "sent")], Answers(failure))


def test_files_beside_init_lua_need_no_watching(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luastage, "_listen", lambda *_: cast("str", pytest.fail("was watched")))
    assert restart(session, 115200, [FileState("main.lua", 1, "00", "sent")], Answers(PROMPT)) is PROMPT


BANNERS = {
    "0.9.5": "NodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4\n",
    "2.2": " powered by Lua 5.1.4 on SDK 2.2.1(cfd48f3)\n",
    "3.0": " powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\n",
}
TRACE = "stack traceback:\n\t[C]: in function 'error'\n\tinit.lua:1: in main chunk\n\t[C]: ?\n> "


@pytest.mark.parametrize(
    ("version", "said", "error"),
    [
        ("0.9.5", "lua: not enough memory\n> ", "not enough memory"),
        ("0.9.5", "lua: main.lua:2: attempt to\n> ", "main.lua:2: attempt to"),
        ("0.9.5", "lua: plain\n> ", "plain"),
        ("0.9.5", "lua: (error object is not a string)\n> ", "(error object is not a string)"),
        ("0.9.5", "lua: cannot open init.lua\n> ", ""),
        ("0.9.5", "\nlua: fine\nready\n> ", ""),
        ("2.2", "E:M 528\nlua: not enough memory\n> ", "not enough memory"),
        ("2.2", f"lua: main.lua:2: attempt to\n{TRACE}", "main.lua:2: attempt to"),
        ("2.2", f"lua: plain\n{TRACE}", "plain"),
        ("2.2", "lua: init.lua:1: unexpected symbol near '='\n> ", "init.lua:1: unexpected symbol near '='"),
        ("2.2", "lua: (error object is not a string)\n> ", "(error object is not a string)"),
        ("2.2", "lua: cannot open init.lua\n> ", ""),
        ("2.2", "lua: fine\n> ", ""),
        ("3.0", "E:M 536\nnot enough memory\n> ", "not enough memory"),
        ("3.0", f"main.lua:2: attempt to\n{TRACE}", "main.lua:2: attempt to"),
        ("3.0", f"plain\n{TRACE}", "plain"),
        ("3.0", f"(error object is a table value)\n{TRACE}", "(error object is a table value)"),
        ("3.0", "cannot open init.lua: \n> ", ""),
        ("3.0", "main.lua:2: x\n> ", ""),
        ("3.0", f"hello\n> print(1)\nplain\n{TRACE}", ""),
    ],
)
def test_how_an_init_lua_that_ended_with_an_error_is_known(version: str, said: str, error: str) -> None:
    """As these firmwares say it, executed. What is only printed is no error, nor is what comes after the prompt."""
    assert start_error("\ncsum 0x85\n" + BANNERS[version] + said) == error


def test_an_error_of_a_file_that_init_lua_runs_fails_the_run(session: Session) -> None:
    log = BANNERS["3.0"] + f"main.lua:2: attempt to\n{TRACE}"
    with pytest.raises(LuaFailedError, match=r"main\.lua:2"):
        restart(session, 115_200, SENT, Answers(Verdict("prompt", "at its prompt", log=log)))


@pytest.mark.parametrize(
    ("prints", "output", "settled", "found"),
    [
        ("/T=(?P<temp>[0-9.]+)/", "T=210.5\n", False, {"temp": 210.5}),
        ("/T=(?P<temp>[0-9.]+)/", "T=1\nT=2", True, {"temp": 1}),
        ("/(?s:.*)T=(?P<temp>[0-9.]+)/", "T=210.5\nT=3", False, {"temp": 210.5}),
        ("/T=1[0-9]$/", "T=150\n", True, None),
        ("/PASS(?!.*but)/", "PASS, but\n", False, None),
        ("PASS", "PASS", False, {}),
        ("/T=(?P<temp>[0-9.]+)/", "T=21", True, {"temp": 21}),
        ("/T=(?P<temp>[0-9.]+)/", "T=21", False, None),  # its time is over in the middle of a line
    ],
)
def test_what_a_test_prints_decides_by_whole_lines(
    *,
    prints: str,
    output: str,
    settled: bool,
    found: dict[str, float] | None,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run_file(*_args: object, until: Callable[[str], bool], **_how: object) -> LuaRun:
        said = next((output[:end] for end in range(len(output)) if until(output[:end])), output)
        return LuaRun(said, ended=True, settled=said == output and settled and not until(output))

    monkeypatch.setattr(luastage, "run_file", run_file)
    findings: list[AcceptanceFinding] = []
    wanted = Acceptance(run=LuaFile("test.lua", b""), prints=prints)
    if found is None:
        with pytest.raises(AcceptanceOutputError):
            accept(session, cast("Console", None), wanted, "", findings)
    else:
        accept(session, cast("Console", None), wanted, "", findings)
        assert [finding.values for finding in findings] == [found]
