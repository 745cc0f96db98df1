"""The bytes of files between a board and us, faster than a line at a time: raw blocks at a higher rate.

A line of the console carries some 190 bytes and is echoed, compiled and answered. Here the board's UART gets a rate of
ours and no echo, and a few Lua functions take what comes: a block of up to 1002 bytes in chunks of 252 (a callback gets
255 at most, and the firmware's line buffer holds 256), written when its digest is right. That is reckoned when the
block is whole: while Lua does so, the next chunks would be lost. `+`, `-` or `!` answers each block (written, damaged,
no room), and the next is sent only then: a flash that is being written cannot listen. Towards us, each piece of up to
1000 bytes is followed by its digest. A digest is Adler-32, which Lua reckons in small numbers, so that integer builds
can, too.

After lost bytes nobody knows where a chunk begins: `GAP_MS` after the last one a timer makes the input a console's
again, and says `~`. Whoever dies in between leaves no deaf board: `WATCH_MS` later it goes back to its old rate.
Firmwares without timer objects (before 2.0) lend their timer 6 for that; a program that uses it loses it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from flashpipe.board.lua.console import Console
from flashpipe.errors import ConsoleError, LuaFailedError, PipelineError

FASTEST: Final = 460800
"""Baud. At twice that, a chunk comes in less time than Lua takes for one."""
WORTH: Final = 1024
"""Bytes from which it is worth the dozen lines that prepare it."""
CHUNK: Final = 252
HEAD: Final = 6
"""Bytes before a block's data: length and digest."""
BLOCK: Final = 4 * CHUNK - HEAD
PIECE: Final = 1000
PART: Final = 250
"""Bytes that the board reads at once: 0.9.x and 1.x give no more than 255."""
GAP_MS: Final = 400
WATCH_MS: Final = 5000
FAILURES: Final = 8
"""Damaged blocks of one file after which the wire is not trusted any more."""
_ANSWER_S: Final = 12.0
"""For a block that is written: a flash part may need seconds for its erasing, SPIFFS collects garbage."""
GREETINGS: Final = 3
"""How often a console is spoken to that may have half a line in its buffer."""
_SETTLE_S: Final = 0.05

Progress = Callable[[int], None]

_WATCH: Final = (
    '_fpz=function()uart.on("data")uart.setup(0,{old},8,0,1,1)end',
    "_fpt=tmr.create and tmr.create()",
    "_fpk=function(t,f)if _fpt then _fpt:alarm(t,0,f)else tmr.alarm(6,t,0,f)end end",
    "_fps=function()if _fpt then _fpt:stop()else tmr.stop(6)end end",
)
"""`_fpz` gives the console back, `_fpk` and `_fps` start and stop the timer."""
_DEFINE: Final = (
    "_fpd=function(d,i)local a,b,f=_fpa,_fpb,d.byte for i=i,#d do a=a+f(d,i)b=b+a end _fpa=a%65521 _fpb=b%65521 end",
    'function _fpy()uart.on("data")uart.write(0,126)_fpk({watch},_fpz)end',
    "_fpw=function(s)if _fpo then return _fp:write(s)end return file.write(s)end",
    (
        '_fpe=function(s)if #s==0 then uart.on("data")_fps()uart.write(0,43)'
        "else s=_fpw(s)and 43 or 33 _fpk({gap},_fpy)uart.write(0,s)end end"
    ),
    "_fpc=function(s)local f=s.byte return _fpa==f(s,5)*256+f(s,6)and _fpb==f(s,3)*256+f(s,4)end",
    (
        "_fpf=function()local s=table.concat(_fpq)_fpq={}_fpa=1 _fpb=0 _fpd(s,7)"
        "if _fpc(s)then _fpe(s:sub(7,_fpn))else uart.write(0,45)end end"
    ),
    (
        "_fpr=function(d)_fpk({gap},_fpy)local n=#_fpq+1 _fpq[n]=d if n==1 then _fpn=d:byte(1)*256+d:byte(2)+6 end "
        "if n*252>=_fpn or _fpn>1008 then _fpf()end end"
    ),
    (
        "_fpu=function(c)for i=1,c do local s if _fpo then s=_fp:read({part})else s=file.read({part})end "
        "if not s then break end uart.write(0,s)_fpd(s,1)end end"
    ),
    (
        '_fpg=function(o,c)if _fpo then _fp:seek("set",o)else file.seek("set",o)end _fpa=1 _fpb=0 print("=#<")_fpu(c)'
        'print("=#"..tostring(_fpb).."+"..tostring(_fpa)..">")end'
    ),
)
"""`_fpd` adds to a digest; `_fpr` takes a chunk, `_fpf` a whole block, `_fpc` compares its digest, `_fpe` sees to its
data, of which none ends the transfer, `_fpw` writes,
`_fpy` ends a transfer that has gone wrong; `_fpg` gives a piece of a file, read by `_fpu`. Files are used by
their objects, where there are some (`_fpo`): no program of the board can close those."""
_NAMES: Final = "_fpz,_fpt,_fpk,_fps,_fpy,_fpd,_fpw,_fpe,_fpc,_fpf,_fpr,_fpu,_fpg,_fpq,_fpa,_fpb,_fpn,_fpo"
_PIECE_END: Final = re.compile(rb"=#(\d+)\+(\d+)>")


class NoTransferError(Exception):
    """This board, or this wire, can only be reached line by line."""


class Transfer:
    """A console at a higher rate, with the functions that take and give blocks. Made by `open_transfer`."""

    def __init__(self, console: Console, old: int) -> None:
        self._console = console
        self._old = old

    def write(self, data: bytes, progress: Progress, *, objects: bool) -> bool:
        """Append to the file that is open for writing on the board, `_fp` or (not `objects`) the current one.

        Returns:
            False where the file system is full.

        Raises:
            ConsoleError: the board does not answer, or the wire damages too many blocks.
        """
        done, failures = 0, 0
        self._start(objects=objects)
        while True:
            part = data[done : done + BLOCK]
            answer = self._send(part)
            if answer == b"+":
                if not part:
                    return True
                done += len(part)
                progress(done)
            elif answer == b"!":
                self._recover()
                return False
            else:
                failures += 1
                if not self._recover(already=answer == b"~") or failures > FAILURES:
                    raise ConsoleError(f"{self._console.port}: {failures} blocks of a file arrived damaged")
                self._start(objects=objects)

    def _start(self, *, objects: bool) -> None:
        """Let the input be taken in chunks."""
        self._do(f"_fpq={{}}_fpa=1 _fpb=0 _fpo={str(objects).lower()}")
        self._do(f'uart.on("data",{CHUNK},_fpr,0)_fpk({GAP_MS},_fpy)')

    def _recover(self, *, already: bool = False) -> bool:
        """Wait until the input is the console's again; whether it answers."""
        if not already:
            self._heard(re.compile(rb"~"), _ANSWER_S)
        recovered = any(self._console.greets(self._console.knock()) for _ in range(GREETINGS))
        if recovered:
            self._do("_fps()")
        else:
            self._console.pass_over(WATCH_MS / 1000)
            self._console.tune(self._old)
        return recovered

    def _send(self, data: bytes) -> bytes:
        """One block; what the board says to it."""
        size = -(-(HEAD + len(data)) // CHUNK) * CHUNK
        padded = data.ljust(size - HEAD, b"\0")
        head = len(data).to_bytes(2, "big") + zlib.adler32(padded).to_bytes(4, "big")
        self._console.send_raw(head + padded)
        return self._heard(re.compile(rb"[-+!~]"), _ANSWER_S)

    def _heard(self, pattern: re.Pattern[bytes], limit_s: float) -> bytes:
        """The first match of a pattern in what comes; nothing where none comes."""
        end_s, heard = self._console.clock() + limit_s, b""
        while (left_s := end_s - self._console.clock()) > 0:
            heard += self._console.receive_raw(min(left_s, _SETTLE_S))
            if match := pattern.search(heard):
                return match[0]
        return b""

    def read(self, size: int, expected: bytes | None = None, *, objects: bool) -> bytes:
        """The contents of the file that is open for reading, of `size` bytes.

        Gives up at the first piece that is not as `expected`.

        Raises:
            ConsoleError: the board does not answer, or the wire damages what it says.
        """
        self._do(f"_fpo={str(objects).lower()}")
        data, failures = b"", 0
        while len(data) < size:
            part = self._read_piece(len(data), min(PIECE, size - len(data)))
            if part is None:
                failures += 1
                if failures > FAILURES:
                    raise ConsoleError(f"{self._console.port}: a file came damaged, {failures} times")
                continue
            data += part
            if not part or (expected is not None and not expected.startswith(data)):
                break
        return data

    def _read_piece(self, at: int, length: int) -> bytes | None:
        """Bytes of a file from `at` on, fewer where it ends before; None where they came damaged."""
        self._console.send_line(f"_fpg({at},{-(-length // PART)})")
        end_s, heard = self._console.clock() + _ANSWER_S, b""
        while self._console.clock() < end_s:
            heard += self._console.receive_raw(_SETTLE_S)
            if heard.endswith(b"> ") and (ends := list(_PIECE_END.finditer(heard))):
                start, end = heard.find(b"=#<") + 3, ends[-1]
                data = heard[start : end.start()].removeprefix(b"\r").removeprefix(b"\n")
                digest = int(end[1]) << 16 | int(end[2])
                return data if zlib.adler32(data) == digest else None
        return None

    def _do(self, statement: str) -> None:
        self._console.ask_secret(f"(function(){statement} end)()", _ANSWER_S)


@contextmanager
def open_transfer(console: Console, rate: int) -> Iterator[Transfer]:
    """Raise the rate and bring the functions to the board; all is as before when it is left.

    Args:
        console: at its prompt.
        rate: that this wire carries, in baud; no more than `FASTEST` is used.

    Raises:
        NoTransferError: nothing was changed: this firmware lacks what it takes, or the wire carries no more.
        ConsoleError: the console is lost.
    """
    old, rate = console.baud, min(rate, FASTEST)
    if rate <= old or console.port.startswith("socket://"):  # whose rate is somebody else's
        raise NoTransferError
    try:
        for line in _WATCH:
            console.ask_secret(f"(function(){line.replace('{old}', str(old))} end)()")
        console.ask_secret(f"(function()_fpk({WATCH_MS},_fpz)end)()")
        _change_rate(console, rate, f"uart.setup(0,{rate},8,0,1,0)")
        console.ask_secret("(function()_fps()end)()")
        for line in _DEFINE:
            console.ask_secret(f"(function(){_filled(line)} end)()")
    except LuaFailedError as error:
        _leave(console, old)
        raise NoTransferError from error
    try:
        yield Transfer(console, old)
    except BaseException:
        with suppress(PipelineError):  # what happened is told, and not that nobody answers any more
            _leave(console, old)
        raise
    _leave(console, old)


def _filled(line: str) -> str:
    for name, value in (("part", PART), ("gap", GAP_MS), ("watch", WATCH_MS)):
        line = line.replace(f"{{{name}}}", str(value))
    return line


def _leave(console: Console, old: int) -> None:
    """Give the console back; nothing of ours stays on the board."""
    if console.baud == old:
        console.ask_secret(f"(function(){_NAMES}=nil end)()")
        return
    try:
        _change_rate(console, old, f"if _fps then _fps()local z=_fpz {_NAMES}=nil z()end")
    except NoTransferError:
        raise ConsoleError(f"{console.port}: the Lua console has not come back to {old} baud") from None


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
            raise ConsoleError(f"{console.port}: the Lua console does not answer at {before} baud any more")
    raise NoTransferError
