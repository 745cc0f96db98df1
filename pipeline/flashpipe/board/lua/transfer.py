"""The bytes of files between a board and us, faster than a line at a time: raw blocks at a higher rate.

A line of the console carries some 190 bytes and is echoed, compiled and answered. Here the board's UART gets a rate of
ours and no echo, and a few Lua functions take what comes: a block of up to 2004 bytes in chunks of 252 (a callback gets
255 at most, and the firmware's line buffer holds 256), written when its digest is right. That is reckoned chunk by
chunk, in a fifth of the time in which the next one comes. `+`, `-` or `!` answers each block (written, damaged, no
room), and the next is sent only then: a flash that is being written cannot listen. Towards us, each piece of up to 4032
bytes is followed by its digest; what was written is read back by the board alone, which tells digests only.

A digest is two sums, as Adler-32's, but of groups of twelve bytes: one call of `string.byte` for each group is what
makes it three times as fast (executed 1.5.4.1 and 3.0: 4.2 against 14 ms for 1000 bytes). Its numbers are small, so
that integer builds can, too. Bytes at even places count twice: two that change their places are noticed.

After lost bytes nobody knows where a chunk begins: `GAP_MS` after the last one a timer makes the input a console's
again, and says `~`. Whoever dies in between leaves no deaf board: `WATCH_MS` later it goes back to its old rate.
Firmwares without timer objects (before 2.0) lend their timer 6 for that; a program that uses it loses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from flashpipe.board.lua.console import Console
from flashpipe.board.lua.hex_digits import name_literal
from flashpipe.board.lua.open_file import close
from flashpipe.errors import ConsoleError, LuaFailedError, PipelineError
from flashpipe.next_steps import Advice, repeat, setting

FASTEST: Final = 460800
"""Baud. At twice that, a chunk comes in less time than Lua takes for one."""
WORTH: Final = 1024
"""Bytes from which it is worth the dozen lines that prepare it."""
GROUP: Final = 12
"""Bytes that go into a digest together; more names than these do not fit in a line of the console."""
CHUNK: Final = 21 * GROUP
"""Bytes that the board takes, or reads, at once: 0.9.x and 1.x give no more than 255."""
HEAD: Final = GROUP
"""Bytes before a block's data: length, digest, and what makes them a group."""
MEMORY: Final = ((8, 28_000), (4, 21_000))
"""Chunks of a block, and the bytes of heap from which on a board takes such ones. The functions need 10 KB, two copies
of a block and the garbage of its digest the rest; with less, executed 1.5.4.1 and 3.0 panic (tried from 6 KB on)."""
PIECE: Final = 16 * CHUNK
"""Bytes that are asked for at once."""
CHECKED: Final = 64 * CHUNK
"""Bytes whose digest is asked for at once: a tenth of a second for the board."""
GAP_MS: Final = 400
WATCH_MS: Final = 5000
FAILURES: Final = 8
"""Damaged blocks of one file after which the wire is not trusted any more."""
_ANSWER_S: Final = 12.0
"""For a block that is written: a flash part may need seconds for its erasing, SPIFFS collects garbage."""
GREETINGS: Final = 3
"""How often a console is spoken to that may have half a line in its buffer."""
_SETTLE_S: Final = 0.05

_CABLE: Final = Advice("check cable and supply; ", setting(baud="115200"), " is slower and surer")
_RESET: Final = Advice("reset the board and ", repeat("run it again"))
OPENED: Final = Advice("its programs may hold too many files open: reset the board and ", repeat("run it again"))
_PRIME: Final = 65521
_LAST: Final = 0x8000
"""In the length of a block: no other follows."""

Progress = Callable[[int], None]

_WATCH: Final = (
    '_fpz=function()uart.on("data")uart.setup(0,{old},8,0,1,1)end',
    "_fpt=tmr.create and tmr.create()",
    "_fpk=function(t,f)if _fpt then _fpt:alarm(t,0,f)else tmr.alarm(6,t,0,f)end end",
    "_fps=function()if _fpt then _fpt:stop()else tmr.stop(6)end end",
)
"""`_fpz` gives the console back, `_fpk` and `_fps` start and stop the timer."""
_DEFINE: Final = (
    (
        "_fpd=function(s,i)local x,y,f=_fpa,_fpb,s.byte for i=i,#s,12 do "
        "local a,b,c,d,e,g,h,j,k,l,m,n=f(s,i,i+11)local o=b+d+g+j+l+n "
        "x=x+a+c+e+h+k+m+o+o y=y+x end _fpa=x%65521 _fpb=y%65521 end"
    ),
    '_fpo=function()return type(_fp)=="userdata"end',
    f"_fpx=function(){close('_fp')} _fp=nil end",
    'function _fpy()uart.on("data")uart.write(0,126)_fpk({watch},_fpz)end',
    "_fpw=function(s)if _fpo()then return _fp:write(s)end return file.write(s)end",
    (
        '_fpe=function(s)local w=#s==0 or _fpw(s)if w and _fpl then uart.on("data")_fps()_fpx()'
        "else _fpk({gap},_fpy)end uart.write(0,w and 43 or 33)end"
    ),
    "_fpc=function(s)local f=s.byte return _fpa==f(s,5)*256+f(s,6)and _fpb==f(s,3)*256+f(s,4)end",
    (
        "_fpf=function()local q=_fpq _fpq={}"
        "if not _fpc(q[1])then uart.write(0,45)return end q[1]=q[1]:sub(13)q=table.concat(q)"
        "if _fpn<#q+12 then q=q:sub(1,_fpn-12)end _fpe(q)end"
    ),
    "_fph=function(d)_fpa=d:byte(1)*256+d:byte(2)_fpb=0 _fpl=_fpa>32767 _fpn=_fpa%32768+12 end",
    (
        "_fpr=function(d)_fpk({gap},_fpy)local n=#_fpq+1 _fpq[n]=d if n==1 then _fph(d)end "
        "_fpd(d,n==1 and 13 or 1)if n*252>=_fpn or _fpn>{most} then _fpf()end end"
    ),
    'function _fpj()_fpq={}if _fp then uart.on("data",252,_fpr,0)_fpk({gap},_fpy)end return type(_fp)end',
    'function _fpm(o,w)if _fpo()then return _fp:seek(w or"set",o)end return file.seek(w or"set",o)end',
    "_fpv=function(n)if _fpo()then return _fp:read(n)end return file.read(n)end",
    (
        "_fpu=function(c,q)while c>0 do local n=c<252 and c or 252 local s=_fpv(n)if not s then break end c=c-n "
        'if not q then uart.write(0,s)end _fpd(s..("\\0"):rep((12-#s%12)%12),1)end end'
    ),
    (
        '_fpg=function(o,c,q)_fpm(o)_fpa=0 _fpb=0 print("=#<")_fpu(c,q)'
        'print("=#"..tostring(_fpb).."+"..tostring(_fpa)..">")end'
    ),
)
"""`_fpd` adds to a digest. `_fpr` takes a chunk, `_fph` the head in the first one, `_fpf` a whole block, `_fpc`
compares its digest, `_fpe` sees to its data, and ends the transfer with the last one (`_fpl`); `_fpj` begins and goes
on with it, `_fpy` ends one that has gone wrong. `_fpg` gives a piece of a file, or with `q` its digest only, by `_fpu`,
which asks for no more than there is: `read` of executed 3.0 gives nothing where 128 bytes are left and more are wanted.
`_fpw`, `_fpv`, `_fpx` and `_fpm` write, read, close and seek. Files are used by their objects, where there are some
(`_fpo`): no program of the board can close those."""
_NAMES: Final = (
    "_fpz,_fpt,_fpk,_fps,_fpy,_fpd,_fpw,_fpe,_fpc,_fpf,_fpr,_fpu,_fpg,_fpq,_fpa,_fpb,_fpn,_fpo,_fpx,_fph,_fpj,_fpm,"
    "_fpl,_fpv"
)
_PIECE_END: Final = re.compile(rb"=#(\d{1,10})\+(\d{1,10})>")


def digest(data: bytes, start: int = 0) -> int:
    """What the board's `_fpd` makes of these bytes, 32 bits; `start` is what its first sum begins with.

    >>> hex(digest(b"ab")), hex(digest(b"ba"))
    ('0x1250125', '0x1240124')
    """
    padded = data + bytes(-len(data) % GROUP)
    first, second = start, 0
    for at in range(0, len(padded), GROUP):
        group = padded[at : at + GROUP]
        first += sum(group) + sum(group[1::2])
        second += first
    return second % _PRIME << 16 | first % _PRIME


class NoTransferError(Exception):
    """This board, or this wire, can only be reached line by line."""


def stopped(port: str, name: str) -> ConsoleError:
    """Of a board that says nothing any more while a file is sent, at whatever rate: no program of its own does that."""
    hint = Advice("restore its power, look at its wires and ", repeat("run the same command again"), ": it continues")
    return ConsoleError(f"{port}: the board stopped answering in the middle of {name}", hint)


class Transfer:
    """A console at a higher rate, with the functions that take and give blocks. Made by `open_transfer`."""

    def __init__(self, console: Console, old: int, chunks: int) -> None:
        self._console = console
        self._old = old
        self.block = chunks * CHUNK - HEAD
        """Bytes of a file that are sent at once."""

    def write(self, name: str, data: bytes, progress: Progress) -> bool:
        """Write a file; it is closed then.

        Returns:
            False where the file system is full; the file is still open.

        Raises:
            ConsoleError: the board does not answer, or the wire damages too many blocks.
        """
        done, failures = 0, 0
        self._open(f'_fp=file.open({name_literal(name)},"w")return _fpj()', name)
        while True:
            part = data[done : done + self.block]
            answer = self._send(part, last=done + len(part) == len(data))
            if answer == b"+":
                done += len(part)
                progress(done)
                if done == len(data):
                    return True
            elif answer == b"!":
                self._recover()
                return False
            else:
                failures += 1
                if not self._recover(already=answer == b"~") or failures > FAILURES:
                    raise ConsoleError(f"{self._console.port}: {failures} blocks of a file arrived damaged", _CABLE)
                if self._ask(f"if _fp then _fpm({done})end return _fpj()") == "nil":
                    return True  # the last block was written and its answer lost; what is there is looked at anyway

    def _open(self, code: str, name: str) -> None:
        """Let a file be opened; 0.9.x and 1.x give true for one, later ones an object."""
        if self._ask(code) not in {"userdata", "boolean"}:
            raise ConsoleError(f"{self._console.port}: {name} cannot be opened on the board", OPENED)

    def _recover(self, *, already: bool = False) -> bool:
        """Wait until the input is the console's again; whether it answers."""
        if not already:
            self._heard(re.compile(rb"~"), _ANSWER_S)
        recovered = any(self._console.greets(self._console.knock()) for _ in range(GREETINGS))
        if recovered:
            self._ask("_fps()")
        else:
            self._console.pass_over(WATCH_MS / 1000)
            self._console.tune(self._old)
        return recovered

    def _send(self, data: bytes, *, last: bool) -> bytes:
        """One block; what the board says to it."""
        size = -(-(HEAD + len(data)) // CHUNK) * CHUNK
        padded = data.ljust(size - HEAD, b"\0")
        length = len(data) | (_LAST if last else 0)
        head = length.to_bytes(2, "big") + digest(padded, length).to_bytes(4, "big")
        self._console.send_raw(head.ljust(HEAD, b"\0") + padded)
        return self._heard(re.compile(rb"[-+!~]"), _ANSWER_S)

    def _heard(self, pattern: re.Pattern[bytes], limit_s: float) -> bytes:
        """The first match of a pattern in what comes; nothing where none comes."""
        end_s, heard = self._console.clock() + limit_s, b""
        while (left_s := end_s - self._console.clock()) > 0:
            heard += self._console.receive_raw(min(left_s, _SETTLE_S))
            if match := pattern.search(heard):
                return match[0]
        return b""

    def read(self, name: str, size: int, expected: bytes | None = None) -> bytes:
        """The contents of a file of `size` bytes; gives up at the first piece that is not as `expected`.

        Raises:
            ConsoleError: the board does not answer, or the wire damages what it says.
        """
        self._open_to_read(name)
        data, failures = b"", 0
        while len(data) < size:
            part = self._read_piece(len(data), min(PIECE, size - len(data)))
            if part is None:
                failures += 1
                if failures > FAILURES:
                    raise ConsoleError(f"{self._console.port}: a file came damaged, {failures} times", _CABLE)
                continue
            data += part
            if not part or (expected is not None and not expected.startswith(data)):
                break
        self._ask("_fpx()")
        return data

    def holds(self, name: str, data: bytes) -> bool:
        """Whether a file has these contents, by its length and by digests that the board reckons.

        Enough to know that what was sent has been written; files of unknown origin are read.

        Raises:
            ConsoleError: the board does not answer.
        """
        opened = f'_fp=file.open({name_literal(name)},"r")return _fp and _fpm(0,"end")'
        same = self._ask(opened) == str(len(data))
        for at in range(0, max(1, len(data)), CHECKED):
            part = data[at : at + CHECKED]
            piece = self._ask_piece(at, len(part), quiet=True, then="_fpx()" if at + CHECKED >= len(data) else "")
            same = same and piece is not None and piece[1] == digest(part)
        return same

    def _open_to_read(self, name: str) -> None:
        self._open(f'_fp=file.open({name_literal(name)},"r")return _fp and type(_fp)', name)

    def _read_piece(self, at: int, length: int) -> bytes | None:
        """Bytes of a file from `at` on, fewer where it ends before; None where they came damaged."""
        piece = self._ask_piece(at, length)
        return piece[0] if piece is not None and digest(piece[0]) == piece[1] else None

    def _ask_piece(self, at: int, length: int, *, quiet: bool = False, then: str = "") -> tuple[bytes, int] | None:
        """Bytes of a file and the board's digest of them, only that where `quiet`; None where no digest came."""
        self._console.send_line(f"_fpg({at},{length}{',1' if quiet else ''}){then}")
        end_s, heard = self._console.clock() + _ANSWER_S, b""
        while self._console.clock() < end_s:
            heard += self._console.receive_raw(_SETTLE_S)
            if heard.endswith(b"> ") and (ends := list(_PIECE_END.finditer(heard))):
                start, end = heard.find(b"=#<") + 3, ends[-1]
                data = heard[start : end.start()].removeprefix(b"\r").removeprefix(b"\n")
                return data, int(end[1]) << 16 | int(end[2])
        return None

    def _ask(self, statement: str) -> str:
        return self._console.ask_secret(f"(function(){statement} end)()", _ANSWER_S)


@contextmanager
def open_transfer(console: Console, rate: int) -> Iterator[Transfer]:
    """Raise the rate and bring the functions to the board; all is as before when it is left.

    Args:
        console: at its prompt.
        rate: that this wire carries, in baud, or 0; between that of the console and `FASTEST` it is used.

    Raises:
        NoTransferError: nothing was changed: this firmware lacks what it takes, or the wire carries no more.
        ConsoleError: the console is lost.
    """
    old = console.baud
    rate = max(old, min(rate, FASTEST)) if rate else 0
    if not rate or console.address.startswith("socket://"):  # whose rate is somebody else's
        raise NoTransferError
    taken, chunks = False, _chunks(console)
    try:
        for line in _WATCH:
            console.ask_secret(f"(function(){line.replace('{old}', str(old))} end)()")
        console.ask_secret(f"(function()_fpk({WATCH_MS},_fpz)end)()")
        _change_rate(console, rate, f"uart.setup(0,{rate},8,0,1,0)")
        taken = True
        console.ask_secret("(function()_fps()end)()")
        for line in _DEFINE:
            console.ask_secret(f"(function(){_filled(line, chunks)} end)()")
    except LuaFailedError as error:
        _leave(console, old, taken=taken)
        raise NoTransferError from error
    try:
        yield Transfer(console, old, chunks)
    except BaseException:
        with suppress(PipelineError):  # what happened is told, and not that nobody answers any more
            _leave(console, old, taken=True)
        raise
    _leave(console, old, taken=True)


def _chunks(console: Console) -> int:
    """How many chunks a block may have, by the memory that the board has left.

    Raises:
        NoTransferError: it has too little, or does not tell.
    """
    try:
        heap = console.ask_secret("(function()collectgarbage()return node.heap()end)()")
    except LuaFailedError as error:
        raise NoTransferError from error
    for chunks, need in MEMORY:
        if heap.isdecimal() and int(heap) >= need:
            return chunks
    raise NoTransferError


def _filled(line: str, chunks: int) -> str:
    for name, value in (("gap", GAP_MS), ("watch", WATCH_MS), ("most", chunks * CHUNK)):
        line = line.replace(f"{{{name}}}", str(value))
    return line


def _leave(console: Console, old: int, *, taken: bool) -> None:
    """Give the console back; nothing of ours stays on the board. `taken`: its rate and echo may be ours."""
    if not taken:
        console.ask_secret(f"(function(){_NAMES}=nil end)()")
        return
    try:
        _change_rate(console, old, f"if _fps then _fps()local z=_fpz {_NAMES}=nil z()end")
    except NoTransferError:
        raise ConsoleError(f"{console.port}: the Lua console has not come back to {old} baud", _RESET) from None


def _change_rate(console: Console, rate: int, line: str) -> None:
    """Let the board go to another rate, by `line`, and follow it.

    Raises:
        NoTransferError: it cannot be heard there; it has come back to its old rate.
        ConsoleError: nor at its old one.
    """
    before = console.baud
    console.send_line(line)
    console.pass_over(_SETTLE_S)  # the echo leaves at the old rate
    console.tune(rate)
    if any(console.greets(console.knock()) for _ in range(GREETINGS)):
        return
    console.tune(before)
    if not console.greets(console.knock()):
        console.pass_over(WATCH_MS / 1000)
        if not console.greets(console.knock()):
            raise ConsoleError(f"{console.port}: the Lua console does not answer at {before} baud any more", _RESET)
    raise NoTransferError
