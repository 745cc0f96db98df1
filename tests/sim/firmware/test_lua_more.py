"""Patterns, hashes and timers of the virtual NodeMCU's Lua."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

Maker = Callable[..., bytes]
MODULES = b"modules: file,node,wifi"


@pytest.fixture
def new(boot: Any, cells: Any, nodemcu_3x: Maker) -> Any:
    """A board with NodeMCU 3.x at its prompt, hash modules included."""
    image = nodemcu_3x(size_frequency=0x20).replace(MODULES + b"\n", MODULES + b",tmr,crypto,encoder\n")
    return boot(cells(image, 1024 * 1024))


@pytest.fixture
def old(boot: Any, cells: Any, nodemcu_2x: Maker) -> Any:
    """A board with NodeMCU 2.x at its prompt."""
    return boot(cells(nodemcu_2x(size_frequency=0x20), 1024 * 1024))


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("=('hello world'):find('o w'), ('a.b'):find('.', 1, true)", "5\t2\t2"),
        ("=('key=value'):match('(%w+)=(%w+)')", "key\tvalue"),
        ("=('  x '):match('^%s*(.-)%s*$')..'|'", "x|"),
        ("=('abc'):find('b()')", "2\t2\t3"),
        ("=('f(a(b)c)d'):match('%b()')", "(a(b)c)"),
        ("=('2024-03-01'):match('^(%d+)-(%d+)')", "2024\t03"),
        ("=('[x]'):match('[%]x]+'), ('b-c'):match('[a-c-]+'), ('q'):match('[^a-c]')", "x]\tb-c\tq"),
        ("=('aXbX'):gsub('X', '-'), ('abc'):gsub('%w', '%0%0', 2)", "a-b-\taabbc\t2"),
        ("=(('ab'):gsub('.', function(c) return string.format('%02x', c:byte()) end))", "6162"),
        ("=(('$a $b'):gsub('%$(%w)', {a='1'}))", "1 $b"),
        ("for k in ('x,y'):gmatch('%a') do print(k) end", "x\r\ny"),
        ("=('aa'):gsub('', '-')", "-a-a-\t3"),
        ("=('abab'):match('^(ab)%1$'), ('x'):match('y')", "ab\tnil"),
        ("=('a1b'):match('%a%d%a'), ('ab'):match('a?b+'), ('b'):match('a-b')", "a1b\tab\tb"),
        ("=encoder.toHex('Az'), encoder.fromHex('417a'), encoder.toBase64('hi'), encoder.fromBase64('aGk=')",
         "417a\tAz\taGk=\thi"),
        ("=#crypto.hash('SHA256', ''), crypto.toHex(crypto.hash('md5', 'a'))", "32\t0cc175b9c0f1b6a831c399e269772661"),
    ],
)  # fmt: skip
def test_answers(line: str, answer: str, new: Any) -> None:
    assert new.type(line) == f"{answer}\r\n> "


@pytest.mark.parametrize("pattern", ["%", "[a", "(", "a)", "%b(", "%1"])
def test_a_malformed_pattern_is_an_error(pattern: str, new: Any) -> None:
    assert "Lua error" in new.type(f"=('a'):find('{pattern}')")


def test_a_file_is_hashed_by_the_board(new: Any) -> None:
    new.type("file.putcontents('a.txt', 'some text')")
    answer = new.type("=crypto.toHex(crypto.fhash('SHA256', 'a.txt')), crypto.fhash('SHA256', 'none')")
    assert answer == f"{hashlib.sha256(b'some text').hexdigest()}\tnil\r\n> "
    assert "invalid hash algorithm" in new.type("crypto.hash('rot13', '')")


def test_a_build_without_hash_modules_has_none(old: Any) -> None:
    assert old.type("=crypto, encoder") == "nil\tnil\r\n> "


def test_a_timer_speaks_between_two_lines(new: Any) -> None:
    new.type(
        "n=0 t=tmr.create() t:alarm(500, tmr.ALARM_AUTO, function(x) n=n+1 print('tick') if n==3 then x:stop() end end)"
    )
    assert new.text().count("tick\r\n") == 3
    assert new.type("=n") == "3\r\n> "


def test_numbered_timers_of_old_builds(old: Any) -> None:
    old.type("tmr.alarm(0, 100, 0, function() print('once') end)")
    assert old.text().endswith("once\r\n")
    assert "bad argument #1 to 'alarm'" in old.type("tmr.alarm(9, 100, 0, print)")


def test_an_uncaught_error_of_a_callback_restarts_3x_after_a_report(new: Any) -> None:
    before = new.now
    new.type("tmr.create():alarm(100, 0, function() error('gone') end)")
    log = new.text()
    assert "Lua error: \tstdin:1: gone" in log
    assert log.count("NodeMCU 3.0.0.0") == 2
    assert new.now - before > 2


def test_an_uncaught_error_of_a_callback_is_a_panic_before_3x(old: Any) -> None:
    old.type("tmr.alarm(0, 100, 0, function() error('gone') end)")
    log = old.text()
    assert "PANIC: unprotected error in call to Lua API (stdin:1: gone)" in log
    assert log.count("NodeMCU custom build") == 2


def test_writing_stops_where_the_file_system_is_full(new: Any) -> None:
    assert new.type("r=file.fsinfo() file.putcontents('big', ('x'):rep(r-2000))") == "> "
    answer = new.type("f=file.open('b','w') print(f:write(('y'):rep(400)), f:write(('y'):rep(4000))) f:close()")
    assert answer == "true\tnil\r\n> "
