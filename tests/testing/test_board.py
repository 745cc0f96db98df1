"""A board in a test: Lua, files, restarts; pins, ADC and time of a virtual one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from flashpipe.errors import (
    BadValueError,
    BoardFileMissingError,
    BoardRestartedError,
    LuaFailedError,
    LuaFileNameError,
    LuaTimeoutError,
)
from flashpipe.testing.board import Board
from flashpipe.testing.pins import GPIO

BLINK = """
gpio.mode(4, gpio.OUTPUT)
gpio.write(4, 0)
tmr.create():alarm(1000, tmr.ALARM_AUTO, function() gpio.write(4, 1 - gpio.read(4)) end)
"""


# --- Lua -------------------------------------------------------------------------------------------------------------


def test_lua_gives_what_is_printed(own: Board) -> None:
    assert own.lua("print(1 + 1)") == "2"
    assert own.lua("local a = 1") == ""
    assert own.lua('print("a") print("b")') == "a\nb"
    assert own.lua('dofile("hello.lua")') == "hello"


@pytest.mark.parametrize("code", ["print('x')", "-- " + "long " * 30 + "\nprint('x')", "\n" * 1600 + "print('x')"])
def test_code_of_any_length_runs(own: Board, code: str) -> None:
    assert own.lua(code) == "x"


@pytest.mark.parametrize("text", ["\r", "\n", "\0", "\\", '"', "]]", "ä", "\xff", "=#1+"])
def test_any_character_arrives(own: Board, text: str) -> None:
    data = text.encode()
    literal = "".join(f"\\{byte:03d}" for byte in data)
    assert own.lua(f'local s, n = "{literal}{literal * 40}", {41 * len(data)} print(#s == n)') == "true"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("local a = 1\nerror('boom')", "lua:2: boom"),
        ("local a = 1\nif then", "lua:2:"),
        ("\n" * 1600 + "error('boom')", "lua:1601: boom"),
        ("nothing.there()", "nothing"),
    ],
)
def test_an_error_of_lua_is_raised_with_its_text(own: Board, code: str, words: str) -> None:
    with pytest.raises(LuaFailedError, match=words):
        own.lua(code)
    assert own.lua("print(7)") == "7"


def test_what_does_not_end_is_told_and_the_next_call_has_a_board(own: Board) -> None:
    with pytest.raises(LuaTimeoutError):
        own.lua("for i = 1, 30 do tmr.delay(50000) tmr.wdclr() end", timeout=0.5)
    assert own.lua("print(7)") == "7"


def test_a_reset_is_a_failure_with_its_verdict(own: Board) -> None:
    with pytest.raises(BoardRestartedError) as caught:
        own.lua("while true do end")
    assert own.verdict.kind == "watchdog"
    assert caught.value.verdict is own.verdict
    assert own.lua("print(7)") == "7"


def test_a_panic_while_other_code_runs_is_told(own: Board) -> None:
    own.lua("tmr.create():alarm(1, tmr.ALARM_SINGLE, function() error('late') end)")
    with pytest.raises(BoardRestartedError, match="late"):
        own.lua("print(1)")
    assert own.verdict.kind == "panic"


def test_words_of_a_banner_that_are_printed_are_no_reset(own: Board) -> None:
    assert own.lua("print('say: powered by Lua 5.1')") == "say: powered by Lua 5.1"


def test_the_log_shows_what_was_run_and_said(own: Board) -> None:
    own.lua("print('first')")
    own.files.put("secret.txt", "not in the log" * 20)
    own.lua("print('second')")
    assert "-- lua: print('first')\nfirst\n" in own.log
    assert "second" in own.log
    assert "not in the log" not in own.log
    assert "=#" not in own.log


# --- files -----------------------------------------------------------------------------------------------------------


def test_files_are_put_fetched_and_removed(own: Board, tmp_path: Path) -> None:
    (tmp_path / "here.bin").write_bytes(bytes(range(256)))
    own.files.put("a.txt", "text")
    own.files.put("b.bin", tmp_path / "here.bin")
    assert own.files.list() == {"a.txt": 4, "b.bin": 256, "hello.lua": 15}
    assert own.files.get("b.bin") == bytes(range(256))
    own.files.rm("a.txt")
    own.files.rm("a.txt")
    with pytest.raises(BoardFileMissingError):
        own.files.get("a.txt")
    with pytest.raises(LuaFileNameError):
        own.files.put("a" * 40, b"")


def test_each_test_finds_the_board_as_the_first_one_did(own: Board) -> None:
    own.lua("left = 1")
    own.files.rm("hello.lua")
    own.pin(1).set(0)
    own.fresh()
    assert own.lua("print(left)") == "nil"
    assert list(own.files.list()) == ["hello.lua"]
    assert own.pin(1).level == 1


def test_a_restart_forgets_what_lua_knew_and_keeps_files(own: Board) -> None:
    own.lua("left = 1")
    own.files.put("kept.txt", "x")
    assert own.restart().kind == own.verdict.kind == "prompt"
    assert own.lua("print(left)") == "nil"
    assert "kept.txt" in own.files.list()


# --- pins, ADC, time -------------------------------------------------------------------------------------------------


def test_pins_are_those_of_luas_gpio_module(own: Board) -> None:
    # GPIO6 to 8 and 11 are the flash's; 1 and 3 are the console's; 9 and 10 the flash's in four-line modes.
    for number in (0, 1, 2, 5, 6, 7):
        own.lua(f"gpio.mode({number}, gpio.INPUT)")
        for level in (0, 1):
            own.pin(number).set(level)
            assert own.lua(f"print(gpio.read({number}))") == str(level), GPIO[number]
    with pytest.raises(ValueError, match="pin 13"):
        own.pin(13)


@pytest.mark.parametrize("level", [2, -1, "x", None])
def test_a_pin_has_two_levels(own: Board, level: int) -> None:
    with pytest.raises(BadValueError):
        own.pin(4).set(level)


def test_edges_have_the_time_since_the_test_began(own: Board) -> None:
    own.lua(BLINK)
    own.advance("3500ms")
    edges = own.pin(4).edges()
    assert [level for _, level in edges] == [0, 1, 0, 1]
    times = [at for at, _ in edges]
    assert 0 <= times[0] < 1, "not since the board was made"
    assert [later - one for one, later in pairwise(times[1:])] == pytest.approx([1, 1], abs=0.002)
    assert own.pin(4).level == 1


def test_an_interrupt_of_a_pin_reaches_lua(own: Board) -> None:
    own.lua("n = 0 gpio.mode(1, gpio.INT) gpio.trig(1, 'down', function() n = n + 1 end)")
    for level in (0, 1, 0):
        own.pin(1).set(level)
        own.advance(0.1)
    assert own.lua("print(n)") == "2"


def test_the_adc_measures_what_it_is_told(own: Board) -> None:
    own.adc = 512
    assert own.adc == 512
    assert own.lua("print(adc.read(0))") == "512"
    for value in (2000, -1, 1.5, "x", None):
        with pytest.raises(BadValueError):
            own.adc = value  # type: ignore[assignment]


@pytest.mark.parametrize(("code", "reason"), [("node.restart()", 4), ("node.dsleep(2000000)", 5)])
def test_a_board_that_restarts_or_wakes_while_time_passes_goes_on(own: Board, code: str, reason: int) -> None:
    own.lua(code)
    said = own.advance("10s")
    assert "rst cause:" in said
    assert "powered by Lua 5" in said
    assert own.lua("print((select(2, node.bootreason())))") == str(reason)


def test_a_board_that_an_error_restarts_while_time_passes_is_known_to_be_new(own: Board) -> None:
    own.lua("tmr.create():alarm(100, tmr.ALARM_SINGLE, function() error('boom') end)")
    assert "powered by Lua 5" in own.advance("10s")
    with pytest.raises(BoardRestartedError, match="boom"):
        own.lua("print(1)")


def test_what_is_no_time_does_not_pass(own: Board) -> None:
    with pytest.raises(BadValueError):
        own.advance(None)  # type: ignore[arg-type]


def test_time_passes_when_it_is_told_and_what_is_said_meanwhile_is_given(own: Board) -> None:
    own.lua("tmr.create():alarm(60000, tmr.ALARM_AUTO, function() print('tick') end)")
    assert own.advance("150s").split() == ["tick", "tick"]
    assert own.listen(31).split() == ["tick"]
