"""The Lua console: found at any rate, and asked so that nothing else is taken for its answer."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from flashpipe.board.lua import console as module
from flashpipe.board.lua.console import LINE_LIMIT, Console, find_console, pieces, quoted
from flashpipe.errors import ConsoleError, LuaFailedError, NoLuaPromptError
from hypothesis import given
from hypothesis import strategies as st

from tests.board.lua.literals import value_of

Answer = Callable[[str], str]


class Talker:
    """A wire at 9600 baud whose other end answers each line as a test says; it echoes like NodeMCU."""

    def __init__(self, answer: Answer, *, echo: bool = True, baud: int = 9600) -> None:
        self.port = "talker"
        self._answer, self._echo, self._baud = answer, echo, baud
        self._tuned = baud
        self._said = b""
        self.lines: list[str] = []
        self.piece = 7

    def tune(self, baud: int) -> None:
        self._tuned = baud

    def receive(self, limit_s: float) -> bytes:
        if not self._said:
            time.sleep(min(limit_s, 0.002))
        said, self._said = self._said[: self.piece], self._said[self.piece :]  # a wire cuts anywhere
        return said

    def clock(self) -> float:
        return time.monotonic()

    def send(self, data: bytes) -> None:
        if self._tuned != self._baud:
            self._said += bytes(byte | 0x80 for byte in data)
            return
        line = data.decode("latin-1").rstrip("\r")
        self.lines.append(line)
        echo = f"{line}\r\n" if self._echo else ""
        self._said += (echo + self._answer(line)).encode("latin-1")


def marked(line: str, sign: str, value: str) -> str:
    """What a board prints for a line that asks with a number."""
    number = line.partition('print("=#".."')[2].partition('"')[0].rstrip("+:")
    return f"=#{number}{sign}{value}#=\r\n> "


def good(line: str) -> str:
    return marked(line, "+", "lua" if '"lua"' in line else "42") if line else "> "


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KNOCK_S", 0.05)
    monkeypatch.setattr(module, "_QUIET_S", 0.02)


@pytest.mark.parametrize("echo", [True, False])
def test_a_prompt_is_found_at_its_rate_with_and_without_an_echo(*, echo: bool) -> None:
    found = find_console(Talker(good, echo=echo))
    assert found.baud == 9600
    assert found.ask("6*7") == "42"


def test_chatter_before_within_and_after_is_not_the_answer() -> None:
    console = Console(Talker(lambda line: "tick\r\n> =#0+no#=\r\n" + marked(line, "+", "a\r\nb") + "tick\r\n"), 9600)
    assert console.ask("x") == "a\nb"
    assert console.ask("y") == "a\nb"


def test_an_answer_to_an_earlier_line_does_not_count() -> None:
    late = iter(["", "=#1+old#=\r\n> =#2+new#=\r\n> "])
    console = Console(Talker(lambda _: next(late)), 9600)
    with pytest.raises(ConsoleError):
        console.ask("1", 0.05)
    assert console.ask("2") == "new"


def test_an_error_of_lua_is_named() -> None:
    console = Console(Talker(lambda line: marked(line, "-", "stdin:1: no such thing")), 9600)
    with pytest.raises(LuaFailedError, match="no such thing"):
        console.ask("x.y")


@pytest.mark.parametrize(
    "words", ["stdin:1: unexpected symbol near 'x'", "Lua error: \tstdin:1: no", "not enough memory"]
)
def test_a_line_that_lua_refuses_ends_the_waiting(words: str) -> None:
    console = Console(Talker(lambda _: f"{words}\r\n> "), 9600)
    with pytest.raises(LuaFailedError):
        console.ask("x", 60.0)


def test_a_restart_is_the_reason_for_no_answer() -> None:
    panic = "PANIC: unprotected error in call to Lua API (main.lua:9: boom)\r\n\r\nNodeMCU 1.5.4.1 build\r\n> "
    with pytest.raises(ConsoleError, match=r"restarted meanwhile: .*main.lua:9: boom") as failure:
        Console(Talker(lambda _: panic), 9600).ask_secret("x", 0.05)
    assert "rescue=1" in failure.value.hint


def test_of_contents_no_message_says_anything() -> None:
    console = Console(Talker(lambda line: f"stdin:1: near '{line}'\r\n> "), 9600)
    with pytest.raises(LuaFailedError) as failure:
        console.ask_secret('f("pwd=hunter2")', 60.0)
    silent = Console(Talker(lambda line: line), 9600)
    with pytest.raises(ConsoleError) as silence:
        silent.ask_secret('f("pwd=hunter2")', 0.05)
    assert "hunter2" not in str(failure.value) + str(silence.value)


def test_a_line_that_lost_its_end_is_broken_off() -> None:
    wire = Talker(lambda line: "> " if line.startswith("]]") else ">> ")
    with pytest.raises(ConsoleError):
        Console(wire, 9600).ask("x", 60.0)
    assert wire.lines[-1].startswith("]] ")


def test_an_unfinished_chunk_is_left_before_lua_is_greeted() -> None:
    state = {"open": True}

    def answer(line: str) -> str:
        if line.startswith("]]"):
            state["open"] = False
        return ">> " if state["open"] else good(line)

    assert find_console(Talker(answer)).baud == 9600


def test_another_prompt_is_not_lua() -> None:
    with pytest.raises(NoLuaPromptError, match=">>>"):
        find_console(Talker(lambda _: "NameError\r\n>>> "), limit_s=0.5)


def test_silence_is_no_lua() -> None:
    with pytest.raises(NoLuaPromptError, match="115200, 9600"):
        find_console(Talker(lambda _: "", echo=False), limit_s=0.2)


def test_formatting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORMAT_S", 30.0)
    turns = iter(["Formatting file system. Please wait...\r\n", ".", "", "..\r\n", "> ", "> "])
    seconds: list[int] = []

    def answer(line: str) -> str:
        return good(line) if line.startswith("print") and not any(True for _ in turns) else next(turns, "> ")

    found = find_console(
        Talker(answer, echo=False), limit_s=0.3, bauds=(9600,), waiting=lambda done, _: seconds.append(done)
    )
    assert found.baud == 9600
    assert seconds


def test_a_line_too_long_for_the_board_is_never_sent() -> None:
    wire = Talker(good)
    console = Console(wire, 9600)
    with pytest.raises(ConsoleError, match="too long"):
        console.ask("x" * LINE_LIMIT)
    assert not wire.lines
    console.ask_secret("x" * console.room(""))
    assert len(wire.lines[0]) <= LINE_LIMIT


def test_printed_lines_come_one_by_one() -> None:
    console = Console(Talker(lambda _: "=#1:a b\r\ntick\r\n=#1:\r\n=#1+#=\r\n> "), 9600)
    assert console.lines("p('a b')p('')") == ["a b", ""]


@pytest.mark.parametrize("piece", range(1, 40))
def test_wherever_the_wire_cuts_no_part_of_the_prompt_is_left(piece: int) -> None:
    talker = Talker(lambda _: "=#1:\r\none\r\n=#1+nil#=\r\n> ok - late\r\n", echo=False)
    talker.piece = piece
    output = Console(talker, 9600).run("f()", 60.0).output
    while said := talker.receive(0.0):
        output += said.decode().replace("\r", "")
    assert output == "one\nok - late\n"


def test_a_run_gives_what_was_printed_between() -> None:
    ran = Console(Talker(lambda line: "=#1:\r\none\r\ntwo\r\n" + marked(line.rpartition("print")[0], "+", "nil")), 9600)
    done = ran.run("f()", 5.0)
    assert done.output == "one\ntwo\n"
    assert done.ended
    assert not done.error


def test_a_run_names_its_error_and_ends_at_once() -> None:
    ran = Console(Talker(lambda _: "=#1:\r\none\r\n=#1-t.lua:3: oops#=\r\n> "), 9600).run("f()", 60.0, linger_s=60.0)
    assert ran.error == "t.lua:3: oops"
    assert ran.output == "one\n"


def test_a_run_that_never_ends_is_left() -> None:
    ran = Console(Talker(lambda _: "=#1:\r\none\r\n"), 9600).run("f()", 0.1)
    assert (ran.output, ran.ended, ran.settled) == ("one\n", False, False)


def test_what_comes_after_the_end_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    talker = Talker(lambda line: "=#1:\r\n" + marked(line.rpartition("print")[0], "+", "nil") + "later\r\n")
    shown: list[str] = []
    ran = Console(talker, 9600).run("f()", 900.0, linger_s=100.0, on_lines=shown.append)
    assert (ran.output, ran.ended, ran.settled, shown) == ("later\n", True, True, ["later\n"])
    assert next(clock) < 200


@given(st.binary(max_size=80))
def test_any_bytes_survive_as_a_literal(data: bytes) -> None:
    literal = quoted(data)
    assert literal.isascii()
    assert literal.isprintable()
    assert len(pieces(data)) == len(data)
    assert value_of(literal) == data
