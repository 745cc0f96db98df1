"""Real Lua 5.1 answers on an executed board, where an imitation once did not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.executed import MB, Booted


@pytest.fixture(scope="module")
def nodemcu(firmware: Path) -> Booted:
    """NodeMCU 1.5.4.1 at its prompt."""
    board = Booted.of(firmware, MB)
    board.until("^> $")
    return board


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (
            "local t=setmetatable({},{__index=function(t,k) return k..'!' end}) print(t.a)",
            "a!",
        ),
        (
            (
                "local mt={__add=function(a,b) return a.v+b.v end} local "
                "a,b=setmetatable({v=1},mt),setmetatable({v=2},mt) print(a+b)"
            ),
            "3",
        ),
        (
            (
                "local co=coroutine.create(function(a) local b=coroutine.yield(a+1) print(b) return 9 "
                "end) print(coroutine.resume(co,1)) print(coroutine.resume(co,5)) "
                "print(coroutine.status(co))"
            ),
            "true\t2\n5\ntrue\t9\ndead",
        ),
        (
            (
                ""
                "print(string.format('%5.2f|%-5d|%05d|%q|%s|%x|%X|%c|%e|%g',1.234,7,42,'a\"b','z',255,255,65,12345.678,0.0001))"
            ),
            ' 1.23|7    |00042|"a\\"b"|z|ff|FF|A|1.234568e+04|0.0001',
        ),
        (
            "local t={5,2,8,1} table.sort(t) print(table.concat(t,' '))",
            "1 2 5 8",
        ),
        (
            "local t={5,2,8,1} table.sort(t,function(a,b) return a>b end) print(table.concat(t,' '))",
            "8 5 2 1",
        ),
        (
            "print(pcall(function() error('msg',2) end))",
            "false\tmsg",
        ),
        (
            "print(xpcall(function() error('e') end, function(m) return 'H:'..m end))",
            "false\tH:stdin:1: e",
        ),
        (
            "print(#{1,2,3,nil,5})",
            "5",
        ),
        (
            "print(string.gsub('abc def','%f[%w]%w+',string.upper))",
            "ABC DEF\t2",
        ),
        (
            (
                "local t=setmetatable({},{__call=function(self,a) return a*2 end,__tostring=function() "
                "return 'T' end,__len=function() return 42 end}) print(t(4),tostring(t),#t)"
            ),
            "8\tT\t0",
        ),
        (
            "local t=setmetatable({},{__newindex=function(t,k,v) rawset(t,k,v*2) end}) t.x=3 print(t.x)",
            "6",
        ),
        (
            (
                "local t=setmetatable({},{__eq=function() return true end,__lt=function() return true "
                "end,__le=function() return false end,__concat=function() return 'C' end,__unm=function() "
                "return 'U' end}) print(t..'x',-t)"
            ),
            "C\tU",
        ),
        (
            "print(getmetatable('').__index==string)",
            "true",
        ),
        (
            "local function loop(n) if n==0 then return 'done' end return loop(n-1) end print(loop(10000))",
            "done",
        ),
        (
            "print(table.unpack and table.unpack({1,2},2) or unpack({1,2},2))",
            "2",
        ),
        (
            "print(pcall(string.rep)) print(pcall(setmetatable,1,{}))",
            (
                "false\tbad argument #1 to '?' (string expected, got no value)\n"
                "false\tbad argument #1 to '?' (table expected, got number)"
            ),
        ),
    ],
)
def test_it_answers_like_lua(line: str, answer: str, nodemcu: Booted) -> None:
    assert nodemcu.ask(line) == answer


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("print(math.huge, -math.huge)", "Infinity\t-Infinity"),
        ("print(type(print), type(string.find), type(function() end))", "lightfunction\tlightfunction\tfunction"),
        ("print(os, io, math.fmod)", "nil\tnil\tnil"),
        ("print(math.ceil(-0.5))", "0"),
    ],
)
def test_where_nodemcu_has_its_own_way_it_is_nodemcus(line: str, answer: str, nodemcu: Booted) -> None:
    assert nodemcu.ask(line) == answer


def test_an_access_point_that_was_stopped_comes_back(nodemcu: Booted) -> None:
    """The SDK begins it anew once its last beacon is sent."""
    nodemcu.ask("wifi.setmode(wifi.SOFTAP)")
    address = nodemcu.ask("print(wifi.ap.getip())")
    assert address.startswith("192.168.4.1")
    nodemcu.ask("wifi.setmode(wifi.STATION)")
    assert nodemcu.ask("print(wifi.ap.getip())") == "nil"
    nodemcu.ask("wifi.setmode(wifi.SOFTAP)")
    nodemcu.ask("tmr.delay(200000)")
    assert nodemcu.ask("print(wifi.ap.getip())") == address
