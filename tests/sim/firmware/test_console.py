"""The Lua console: line ends, echo, prompts, errors, and the functions it knows."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from flashpipe.sim.lua import syntax as lua_syntax
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Maker = Callable[..., bytes]


@pytest.fixture
def new(boot: Any, cells: Any, nodemcu_3x: Maker) -> Any:
    """A board with NodeMCU 3.x at its prompt."""
    return boot(cells(nodemcu_3x(size_frequency=0x20), 1024 * 1024))


@pytest.fixture
def old(boot: Any, cells: Any, nodemcu_2x: Maker) -> Any:
    """A board with NodeMCU 2.x at its prompt."""
    return boot(cells(nodemcu_2x(size_frequency=0x20), 1024 * 1024))


def send(board: Any, data: bytes) -> str:
    board.application.receive(data, board.application.baud, board.now)
    return str(board.advance())


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\r"])
def test_each_line_end_counts_once(end: bytes, new: Any) -> None:
    assert send(new, b"print(1)" + end + b"print(2)" + end) == "print(1)\r\n1\r\n> print(2)\r\n2\r\n> "


def test_two_equal_line_ends_are_two_lines(new: Any) -> None:
    assert send(new, b"\r\r") == "\r\n> \r\n> "


def test_backspace_takes_back(new: Any) -> None:
    assert send(new, b"=12\x083\x7f4\r") == "=12\b \b3\b \b4\r\n14\r\n> "
    assert send(new, b"\x08\r") == "\r\n> "


def test_too_long_a_line_starts_anew(new: Any) -> None:
    assert send(new, b"x" * 255 + b"=7\r").endswith("=7\r\n7\r\n> ")


def test_unfinished_chunk_is_continued(new: Any) -> None:
    assert new.type("for i=1,2 do") == ">> "
    assert new.type("print(i)") == ">> "
    assert new.type("") == ">> "
    assert new.type("end") == "1\r\n2\r\n> "
    assert new.type("s=[[a") == ">> "
    assert new.type("b]] print(s)") == "a\r\nb\r\n> "


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("=1+2*3^2-4/8", "18.5"),
        ("=7%3, -7%3, 2^0.5", "1\t2\t1.4142135623731"),
        ("='a'..1 ..'b', #'four'", "a1b\t4"),
        ("=1==1.0, 1=='1', nil==false, not nil", "true\tfalse\tfalse\ttrue"),
        ("=nil and 1, false or 'x', 1 and 2", "nil\tx\t2"),
        ("=1<2, 'a'<'b', 2>=3, 1~=2", "true\ttrue\tfalse\ttrue"),
        ("=10==10 and 'yes' or 'no'", "yes"),
        ("=2^53, 1e15, 0x10, 10000000000000", "9.007199254741e+15\t1e+15\t16\t10000000000000"),
        ("=1/0, -1/0, 0/0 ~= 0/0", "inf\t-inf\ttrue"),
        ("=({1,2,3})[2], #{1,2,nil}, ({a=1}).a", "2\t2\t1"),
        ("=tostring(nil), tonumber('0x1F'), tonumber('zz'), tonumber('ff',16)", "nil\t31\tnil\t255"),
        ("=type(print), type({}), type(''), type(nil)", "function\ttable\tstring\tnil"),
        ("=('x'):rep(3), ('abc'):sub(2), ('abc'):sub(-2,-2), ('aB'):upper()", "xxx\tbc\tb\tAB"),
        ("=string.byte('A'), string.char(72,105), string.format('%5.1f|%-4s|%03d|%x', 1.25, 'a', 7, 255)",
         "65\tHi\t  1.2|a   |007|ff"),
        ("=table.concat({1,2,3}, '-'), select('#', 1, nil, 3), select(2, 'a', 'b')", "1-2-3\t3\tb"),
        ("=math.floor(-1.5), math.max(1,3,2), (math.ceil(1.2))", "-2\t3\t2"),
        ("=pcall(error, 'no')", "false\tstdin:1: no"),
        ("=loadstring('return 1+1')()", "2"),
        ("=_G.print == print, select(-1, 1, 2)", "true\t2"),
        ("print()", ""),
        ("local a, b = (function(...) return ... end)(1, 2, 3) print(a, b)", "1\t2"),
        ("t={} t[1]='a' t.x=2 for k,v in pairs(t) do print(k,v) end", "1\ta\r\nx\t2"),
        ("for i,v in ipairs{'a','b'} do print(i..v) end", "1a\r\n2b"),
        ("for i=3,1,-1 do if i==2 then break end print(i) end", "3"),
        ("local n=0 repeat n=n+1 until n>=3 print(n)", "3"),
        ("local n=0 while true do n=n+1 if n>5 then break end end print(n)", "6"),
        ("function f(n) return n<2 and 1 or n*f(n-1) end print(f(10))", "3628800"),
        ("local o={n=1} function o:up() self.n=self.n+1 return self.n end print(o:up(), o:up())", "2\t3"),
        ("-- nothing", None),
        ("print('a\\tb\\065\\\\')", "a\tbA\\"),
        ("print(#[==[]]]==]) --[[ a comment ]]", "2"),
    ],
)  # fmt: skip
def test_answers(line: str, answer: str | None, new: Any) -> None:
    assert new.type(line) == ("> " if answer is None else f"{answer}\r\n> ")


ERRORS = [
    ("foo()", "attempt to call global 'foo' (a nil value)"),
    ("node.nothing()", "attempt to call field 'nothing' (a nil value)"),
    ("local x x.y=1", "attempt to index local 'x' (a nil value)"),
    ("=q.w", "attempt to index global 'q' (a nil value)"),
    ("=1+nil", "attempt to perform arithmetic on a nil value"),
    ("=1+zz", "attempt to perform arithmetic on global 'zz' (a nil value)"),
    ("='a'..{}", "attempt to concatenate a table value"),
    ("=1<'2'", "attempt to compare number with string"),
    ("={}<{}", "attempt to compare two table values"),
    ("=#nil", "attempt to get length of a nil value"),
    ("('x'):nope()", "attempt to call method 'nope' (a nil value)"),
    ("error('mine')", "mine"),
    ("file.open()", "bad argument #1 to 'open' (string expected, got no value)"),
    ("file.exists('" + "n" * 32 + "')", "bad argument #1 to 'exists' (filename invalid)"),
    ("for i='a',2 do end", "'for' initial value must be a number"),
]


@pytest.mark.parametrize(("line", "message"), ERRORS)
def test_errors_of_a_running_chunk(line: str, message: str, new: Any, old: Any) -> None:
    trace = "\r\nstack traceback:\r\n\tstdin:1: in main chunk\r\n\t[C]: in ?"
    assert new.type(line) == f"Lua error: \tstdin:1: {message}{trace}\r\n> "
    assert old.type(line) == f"stdin:1: {message}\r\n> "


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("5", "unexpected symbol near '5'"),
        ("x ==", "'=' expected near '=='"),
        ("print 1", "'=' expected near '1'"),
        ("end", "'<eof>' expected near 'end'"),
        ("local 1", "<name> expected near '1'"),
        ("if x the", "'then' expected near 'the'"),
        ("print('a", "unfinished string near ''a'"),
        ("x = @", "unexpected symbol near '@'"),
        ("for i do end", "'=' or 'in' expected near 'do'"),
        ("f() = 1", "syntax error near '='"),
    ],
)
def test_errors_of_syntax(line: str, message: str, new: Any, old: Any) -> None:
    if message.startswith("unfinished string"):
        # a quote left open at the end of the input is incomplete for Lua, too
        assert new.type(line) == ">> "
        return
    assert new.type(line) == f"Lua error: \tstdin:1: {message}\r\n> "
    assert old.type(line) == f"stdin:1: {message}\r\n> "


def test_old_3x_prints_errors_without_a_tab(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    board = boot(cells(nodemcu_3x(old=True)))
    assert board.type("5") == "Lua error: stdin:1: unexpected symbol near '5'\r\n> "


def test_node_info_of_3x(new: Any) -> None:
    assert new.type("=node.info('hw').flash_size") == "1024\r\n> "
    lines = new.type("for k,v in pairs(node.info('hw')) do print(k,v) end").split("\r\n")
    assert sorted(lines[:-1]) == [
        "chip_id\t14097545",
        "flash_id\t1458415",
        "flash_mode\t2",
        "flash_size\t1024",
        "flash_speed\t40000000",
    ]
    assert new.type("=node.info('sw_version').git_release") == "3.0.0-release_x\r\n> "
    assert new.type("i=node.info('sw_version') print(i.git_branch, i.node_version_major)") == "release\t3\r\n> "
    assert new.type("b=node.info('build_config') print(b.ssl, b.modules, b.number_type, b.lfs_size)") == (
        "false\tfile,node,wifi\tfloat\t0\r\n> "
    )
    assert new.type("=node.info('lfs').lfs_size") == "0\r\n> "
    assert new.type("=node.info('hw')").startswith("table: 0x3fff")
    assert "bad argument #1 to 'info' (invalid option 'x')" in new.type("node.info('x')")


def test_node_info_without_a_group(new: Any, old: Any) -> None:
    values = "14097545\t1458415\t1024\t2\t40000000\r\n> "
    assert new.type("=node.info()") == (
        "Warning, deprecated API! node.info() without parameter. It will be removed in the next version. "
        f"See documentation for details.\r\n3\t0\t0\t{values}"
    )
    assert old.type("=node.info()") == f"2\t2\t1\t{values}"
    assert old.type("=node.info('hw')") == f"2\t2\t1\t{values}"


def test_board_values(new: Any) -> None:
    assert new.type("=node.flashsize(), node.flashid(), node.chipid()") == "1048576\t1458415\t14097545\r\n> "
    assert new.type("=wifi.sta.getmac()") == "5c:cf:7f:d7:1c:89\r\n> "
    assert new.type("p=node.getpartitiontable() print(p.spiffs_addr, p.lfs_size)") == "98304\t0\r\n> "


def test_integer_build(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    board = boot(cells(nodemcu_3x(kind="integer")))
    assert board.type("=7/2, 7%2") == "3\t1\r\n> "
    assert "attempt to divide by zero" in board.type("=1/0")


def test_lua_53(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    board = boot(cells(nodemcu_3x().replace(b"Lua 5.1.4", b"Lua 5.3.6")))
    assert board.type("=4/2, 3") == "2.0\t3\r\n> "
    assert "attempt to call a nil value (global 'foo')" in board.type("foo()")
    assert board.type("foo") == ">> "


# --- files


def test_files_persist(new: Any, boot: Any) -> None:
    assert new.type("file.open('a.lua','w')") == "> "
    assert new.type("=file.writeline('print(42)'), file.write('-- end')") == "true\ttrue\r\n> "
    assert new.type("file.close()") == "> "
    assert new.type("dofile('a.lua')") == "42\r\n> "
    again = boot(new.application._machine.flash)
    assert "Formatting" not in again.text()
    assert again.type("for n,s in pairs(file.list()) do print(n,s) end") == "a.lua\t16\r\n> "
    assert again.type("=file.getcontents('a.lua')") == "print(42)\r\n-- end\r\n> "


def test_init_lua_runs_at_start(new: Any, boot: Any) -> None:
    new.type("file.putcontents('init.lua', 'print(\"up\") x = 5')")
    again = boot(new.application._machine.flash)
    assert again.text().endswith("SDK 3.0.1-dev(fce080e)\r\nup\r\n> ")
    assert again.type("=x") == "5\r\n> "


def test_broken_init_lua_shows_its_error(new: Any, boot: Any) -> None:
    new.type("file.putcontents('init.lua', 'nope(')")
    assert "init.lua:1: unexpected symbol near '<eof>'\r\n> " in boot(new.application._machine.flash).text()


def test_reading_writing_renaming_removing(new: Any) -> None:
    new.type("f=file.open('a','w') f:write('one\\ntwo\\nthree') f:close()")
    assert new.type(
        "file.open('a') print(file.readline()) print(file.read(2), file.seek('set',1), file.read()) file.close()"
    ) == ("one\r\n\r\ntw\t1\tne\r\ntwo\r\nthree\r\n> ")
    assert new.type("file.open('a','a+') file.write('!') file.close() print(file.stat('a').size)") == "14\r\n> "
    assert new.type("=file.rename('a','b'), file.exists('a'), file.exists('b')") == "true\tfalse\ttrue\r\n> "
    assert new.type("=file.rename('none','c'), file.open('none')") == "false\tnil\r\n> "
    assert new.type("file.remove('b') print(next(file.list()))") == "nil\r\n> "
    assert "open a file first" in new.type("file.write('x')")
    assert new.type("file.close()") == "> "


def test_full_file_system_refuses(new: Any) -> None:
    assert (
        new.type("s=('x'):rep(1000) for i=1,1000 do if not file.putcontents('f'..i, s) then print(i) break end end")
        != "> "
    )
    left, used, total = (int(word) for word in new.type("=file.fsinfo()").removesuffix("\r\n> ").split("\t"))
    assert left == total - used
    assert 0 < left < 10_000


def test_many_writes_of_one_file_fit(new: Any, boot: Any) -> None:
    new.type("for i=1,400 do file.putcontents('log', ('y'):rep(4000)..i) end")
    assert new.type("=#file.getcontents('log')") == "4003\r\n> "
    assert boot(new.application._machine.flash).type("=#file.getcontents('log')") == "4003\r\n> "


def test_format_takes_its_time_and_empties(new: Any, old: Any) -> None:
    new.type("file.putcontents('a','b')")
    start = new.now
    answer = new.type("file.format()")
    sectors = (0x100000 - 0x3000 - 0x18000) // 0x2000 * 2
    assert answer == "." * -(-sectors // 16) + "format done.\r\n> "
    assert new.now - start == pytest.approx(sectors * 0.0146, rel=0.1)
    assert new.type("print(next(file.list()))") == "nil\r\n> "
    assert old.type("file.format()") == "format done.\r\n> "


def real_pages(name: bytes, data: bytes) -> list[bytes]:
    """One file as SPIFFS lays it out: its pieces, then the index page, then a deleted copy of that."""
    pages = [
        struct.pack("<HHB", 1, span, 0xFC) + data[span * 251 : span * 251 + 251] for span in range(-(-len(data) // 251))
    ]
    head = struct.pack("<HHB3xIB32s", 0x8001, 0, 0xF8, len(data), 1, name)
    return [page.ljust(256, b"\xff") for page in [*pages, head, head[:4] + b"\x78" + head[5:]]]


def test_a_real_file_system_is_read_and_left_alone(new: Any, boot: Any) -> None:
    flash = new.application._machine.flash
    data = bytes(range(32, 127)) * 6
    for index, page in enumerate(real_pages(b"real.txt", data)):
        flash.program(0x18000 + 256 * (1 + index), page)
    before = bytes(flash.cells)
    board = boot(flash)
    assert "Formatting" not in board.text()
    assert board.type("for n,s in pairs(file.list()) do print(n,s) end") == "real.txt\t570\r\n> "
    assert board.type("=file.getcontents('real.txt')") == data.decode() + "\r\n> "
    assert board.type("=file.open('x','w'), file.putcontents('x','y')") == "nil\tfalse\r\n> "
    assert board.type("file.remove('real.txt') print(file.exists('real.txt'))") == "true\r\n> "
    assert bytes(flash.cells) == before


# --- trouble


def test_endless_loop_ends_in_a_restart(new: Any) -> None:
    start = new.now
    answer = new.type("while true do end")
    assert answer.startswith("\r\n ets Jan  8 2013,rst cause:2")
    assert 2 < new.now - start < 20


def test_endless_recursion_is_an_error(new: Any) -> None:
    assert "stack overflow" in new.type("function f() return 1 + f() end f()")
    assert new.type("=1") == "1\r\n> "


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(line=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_whatever_is_typed_a_prompt_comes_back(line: str, new: Any) -> None:
    answer = new.type(line)
    assert answer.endswith(("> ", ">> "))
    if answer.endswith(">> "):
        send(new, b"]]'\")))}}} end end end ) @@@ ''\r")


PIECES = (
    "x 1 'a' = ( ) { } , ; . : .. + - * ^ == < # not and or nil if then else end for in do while repeat until function "
    "return local break print node file pairs [ ] ..."
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES.split()), max_size=14).map(" ".join))
def test_parser_gives_a_tree_or_a_syntax_error(source: str) -> None:
    message, incomplete = "", False
    try:
        lua_syntax.Parser(source).parse()
    except lua_syntax.LuaSyntaxError as error:
        message, incomplete = error.message, error.incomplete
    assert incomplete == message.endswith("near '<eof>'")
