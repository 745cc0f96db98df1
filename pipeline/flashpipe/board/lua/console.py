"""The Lua console of a running NodeMCU: to find it, and to ask it so that nothing else is taken for its answer.

What is known of it (facts: usb-nodemcu §9.4): a line ends with CR; it is echoed, unless somebody switched that off; one
of more than 255 characters is silently lost; an unfinished chunk is continued after `>> `; what comes while Lua works
waits in a small buffer. And a program may print at any time between two lines. Hence the rules:

1. One line at a time, well below the limit, and the next only when the answer to the last is there.
2. An answer stands between marks with a number: `=#7+` … `#=`. The line that asks for it spells the marks in pieces, so
   that its echo is never taken for the answer, nor is what an earlier line or a program printed.
3. No number is put together with a text by `..` alone: NodeMCU may move its stack meanwhile, and restarts
   (nodemcu-firmware#795; 2.0 to 3.0, executed, still do). `tostring` is safe.
4. Every wait has an end. A line that Lua did not understand shows itself by a prompt without an answer.
5. Of secret lines (the contents of files) nothing ever reaches a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from flashpipe.board.boot.rates import COMMON_BAUDS
from flashpipe.board.lua.program_output import ProgramOutput
from flashpipe.board.session.text import ends_in_garbage, garbage_bytes, readable
from flashpipe.errors import ConsoleError, LuaFailedError, NoLuaPromptError
from flashpipe.masking import mask, mask_cut
from flashpipe.next_steps import Advice, command, repeat
from flashpipe.values import dataclass

LINE_LIMIT: Final = 250
"""Characters of a line that is sent; the firmware's limit is 255 (facts: usb-nodemcu §9.4)."""
BAUDS: Final = (*COMMON_BAUDS[:3], 74880, *COMMON_BAUDS[3:])
"""Rates at which a prompt is looked for, the likeliest first; 9600 is NodeMCU 0.9.x (facts: usb-nodemcu §9.3)."""
ANSWER_S: Final = 3.0
"""How long a short expression may take."""
FIND_S: Final = 10.0
"""How long a prompt is looked for at all rates."""
FORMAT_S: Final = 180.0
"""Formatting 16 MB takes about a minute (facts: esp8266 §2.5); slow flash parts need more."""

_KNOCK_S: Final = 0.45
"""How long to wait for the answer to a line end; a board at its prompt answers at once."""
_LAST, _LONG = 60, 160
"""Characters shown of what was said last, and of a panic."""
_QUIET_S: Final = 0.12
"""A pause that is longer than an adapter holds bytes back: what was said is complete."""
_SETTLED_S: Final = 0.5
"""A pause in which a program has most likely said what it had to say."""
_GARBLED_S: Final = 30.0
"""A pause behind what is no text: an end that is said at another rate is never heard."""
_SLICE_S: Final = 0.03
_BREAK_OUT: Final = b"]] ]=] ]==] end\r"
"""Ends a long text or comment that is open, and is an error in whatever is open besides: back to the plain prompt."""
_COMPLAINT: Final = re.compile(r"^(?:> )*(?:Lua error:\s*)?(stdin:\d+: .*|not enough memory.*)$", re.MULTILINE)
"""Lua's words about a line that was typed; those about a program name its file instead."""
_RESTARTED: Final = re.compile(
    r"^(?:> )*(?:PANIC: (?P<why>[^\n]+)|Fatal exception|NodeMCU \d| ?powered by Lua 5)", re.MULTILINE
)
_STARTED: Final = re.compile(r"powered by Lua 5[^\n]*\n(?:[^\n]*\n)*?> $")
"""A banner, and the prompt behind it."""
_STARTING: Final = 4096
"""Characters in which they are looked for."""
_BANNER: Final = re.compile(r"^(?:> )*(?:NodeMCU \d| ?powered by Lua 5)", re.MULTILINE)
"""Of a board that starts again and again, which comes to no prompt."""
_RESCUE: Final = Advice("if its own programs do that: ", command("files", rescue="1"), " puts its init.lua aside")
_FORMATTING: Final = re.compile(r"ormatting file system|^\.{2,}", re.MULTILINE)
_PROMPT: Final = re.compile(r"(?:^|\n)(?:> )*(>>? )$")

Progress = Callable[[int, int], None]


class Wire(Protocol):
    """What the console needs of a session."""

    port: str

    def tune(self, baud: int) -> None:
        """Listen and talk at `baud`."""

    def receive(self, limit_s: float) -> bytes:
        """What comes first within `limit_s`; nothing is fine."""

    def send(self, data: bytes) -> None:
        """Bytes to the board."""

    def clock(self) -> float:
        """Seconds in which the limits count."""


@dataclass(frozen=True, slots=True)
class LuaRun:
    """What running Lua code gave."""

    output: str
    """What was printed, the last 256 KB of it, LF at line ends."""
    ended: bool
    """Whether the code came to its end; False: the time was over first, or `until` was met."""
    error: str = ""
    """Lua's error, empty if there was none."""
    restarted: bool = False
    """Whether the board has started again: before the code came to its end, or behind that while it was listened to."""
    settled: bool = False
    """Whether nothing more had come for a while when the listening ended."""
    garbled: bool = False
    """Whether the code was not heard to end, and what came last was no text: it may have changed the rate."""


class Console:
    """A Lua prompt on a wire that is tuned to `baud`. Answers are Latin-1: a byte each."""

    def __init__(self, wire: Wire, baud: int) -> None:
        self._wire = wire
        self.baud = baud
        self.port: str = wire.port
        self.address = str(getattr(wire, "address", wire.port))
        self.before = ""
        """What the board said while it was looked for: its boot log, where it was just starting."""
        self._number = 0
        self._received = ""

    def ask(self, expression: str, timeout_s: float = ANSWER_S) -> str:
        """The value of a Lua expression, as `tostring` shows it.

        Raises:
            LuaFailedError: evaluating it raised an error.
            ConsoleError: no answer within `timeout_s`, or none that can be understood.
        """
        number = self._next()
        self._type(
            f"local o,v=pcall(function()return {expression} end)"
            f'print("=#".."{number}"..(o and"+"or"-")..tostring(v).."#=")'
        )
        sign, value = self._answer(number, timeout_s)
        if sign == "-":
            raise LuaFailedError(f"{self.port}: Lua says: {value}")
        return value

    def ask_secret(self, expression: str, timeout_s: float = ANSWER_S) -> str:
        """As `ask`, in fewer characters and for contents that no message may repeat."""
        number = self._next()
        self._type(f'print("=#".."{number}+"..tostring(({expression})).."#=")')
        return self._answer(number, timeout_s, secret=True)[1]

    @staticmethod
    def room(expression: str) -> int:
        """Characters that a line of `ask_secret` has left beside `expression`."""
        return LINE_LIMIT - len(expression) - len('print("=#".."00000+"..tostring(()).."#=")')

    def lines(self, statement: str, timeout_s: float = ANSWER_S, *, secret: bool = True) -> list[str]:
        """What a Lua statement prints, one element for each `print`, of which each has one text without line ends.

        `secret`: it prints contents that no message may repeat.

        The statement calls `p` where it would call `print`, so that what others print is not taken for it.
        """
        number = self._next()
        self._type(
            f'local function p(s)print("=#".."{number}:"..tostring(s))end {statement} print("=#".."{number}+#=")'
        )
        start = self._wire.clock()
        answer = self._until(re.compile(rf"=#{number}\+#="), start + timeout_s, secret=secret)
        return re.findall(rf"=#{number}:([^\n]*)\n", answer)

    def run(
        self,
        expression: str,
        timeout_s: float,
        *,
        until: Callable[[str], bool] = lambda _: False,
        linger_s: float = 0.0,
        may_restart: bool = False,
        on_lines: Callable[[str], None] = lambda _: None,
        waiting: Callable[[float], None] = lambda _: None,
    ) -> LuaRun:
        """Evaluate an expression for what it prints.

        Args:
            expression: Lua, such as `dofile("test.lua")`.
            timeout_s: for all of it.
            until: ends the waiting when true of the output so far, the last 256 KB of it. A board that starts again
                ends it, too.
            linger_s: go on listening after the code came to its end, for what timers and callbacks print.
            may_restart: a board that starts again behind the end is listened to all the same.
            on_lines: given the output, whole lines as they come, and in the end what is left.
            waiting: given the seconds so far, again and again.
        """
        number = self._next()
        self._type(
            f'print("=#".."{number}:")local o,v=pcall(function()return {expression} end)'
            f'print("=#".."{number}"..(o and"+"or"-")..tostring(v).."#=")'
        )
        output, started_s = ProgramOutput(number, on_lines), self._wire.clock()
        heard_s, end_s, prompt_s, enough, restarted = started_s, started_s + timeout_s, 0.0, False, False
        while True:
            data, self._received = self._received, ""
            was_over = output.ended
            output.add(data)
            now = self._wire.clock()
            heard_s = now if data else heard_s
            if output.ended and not was_over:
                end_s, prompt_s = min(end_s, now + linger_s), now + _QUIET_S
            enough = enough or bool(data and until(output.text))
            said = output.behind if output.ended else output.text[-_STARTING:]
            restarted = restarted or bool(data and _STARTED.search(said))
            lost = restarted and not (output.ended and may_restart)
            garbled = not output.ended and _is_garbled(said)
            lost = lost or (garbled and now - heard_s >= _GARBLED_S)
            half_prompt = output.ended and not output.whole and now < prompt_s  # its rest is not for who listens next
            if not half_prompt and (enough or output.error or lost or now >= end_s):
                output.close()
                restarted = restarted or _BANNER.search(output.behind) is not None
                settled = now - heard_s >= _SETTLED_S
                return LuaRun(output.text, output.ended, output.error, restarted, settled, garbled)
            if not output.begun:
                self._check(output.before, secret=False)
            waiting(now - started_s)
            self._more(_SLICE_S)

    # --- the wire ----------------------------------------------------------------------------------------------------

    def clock(self) -> float:
        """Seconds in which limits count."""
        return self._wire.clock()

    def pass_over(self, seconds: float) -> None:
        """Wait, whatever comes."""
        end_s = self.clock() + seconds
        while (left_s := end_s - self.clock()) > 0:
            self._wire.receive(left_s)

    def tune(self, baud: int) -> None:
        """Go on at another rate."""
        self._wire.tune(baud)
        self.baud = baud

    def send_line(self, line: str) -> None:
        """Type a line that is not asked for its answer."""
        self._type(line)

    def send_raw(self, data: bytes) -> None:
        """Bytes for a program that has taken the console's input."""
        self._wire.send(data)

    def receive_raw(self, limit_s: float) -> bytes:
        """Bytes as they come, those that come first within `limit_s`."""
        return self._wire.receive(limit_s)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _type(self, line: str) -> None:
        if len(line) > LINE_LIMIT:
            raise ConsoleError(f"{self.port}: a line of {len(line)} characters is too long for the Lua console")
        self._received = ""
        self._wire.send(line.encode("latin-1") + b"\r")

    def _more(self, limit_s: float) -> bool:
        data = self._wire.receive(limit_s)
        self._received += data.decode("latin-1").replace("\r", "")
        return bool(data)

    def _answer(self, number: int, timeout_s: float, *, secret: bool = False) -> tuple[str, str]:
        pattern = re.compile(rf"=#{number}([+-])(.*?)#=", re.DOTALL)
        answer = self._until(pattern, self._wire.clock() + timeout_s, secret=secret)
        match = pattern.search(answer)
        assert match is not None
        return match[1], match[2]

    def _until(self, pattern: re.Pattern[str], deadline_s: float, *, secret: bool) -> str:
        """Everything heard up to and with `pattern`; then waits for the prompt, a moment only."""
        quiet_s = self._wire.clock()
        while not (match := pattern.search(self._received)):
            now = self._wire.clock()
            if now >= deadline_s:
                raise self._silence(secret=secret)
            if self._more(_SLICE_S):
                quiet_s = self._wire.clock()
            elif now - quiet_s > _QUIET_S:
                self._check(self._received, secret=secret)
        answer, end_s = self._received[: match.end()], self._wire.clock() + _QUIET_S
        while "> " not in self._received[match.end() :] and self._wire.clock() < end_s:
            self._more(_SLICE_S)
        return answer

    def _check(self, text: str, *, secret: bool) -> None:
        """Raise where a prompt shows that Lua has finished with the line, or wants more of it, without an answer."""
        prompt = _PROMPT.search(text)
        if prompt is None:
            return
        if prompt[1] == ">> ":
            self._wire.send(_BREAK_OUT)
            raise ConsoleError(f"{self.port}: the Lua console lost a part of a line", Advice(repeat("run it again")))
        complaint = _COMPLAINT.search(text)
        if complaint is not None:
            raise LuaFailedError(f"{self.port}: Lua says: {'an error' if secret else mask(complaint[1])}")

    def _silence(self, *, secret: bool) -> ConsoleError:
        """Why no answer came, as far as the board has said it."""
        text = readable(self._received.encode("latin-1"))
        if restart := _RESTARTED.search(text):
            why = f": {mask_cut(restart['why'], _LONG)}" if restart["why"] else ""
            return ConsoleError(f"{self.port}: the board restarted meanwhile{why}", _RESCUE)
        words = text.strip().splitlines()
        last = f'; it last said "{mask_cut(words[-1], _LAST)}"' if words and not secret else ""
        return ConsoleError(f"{self.port}: the Lua console does not answer{last}", ConsoleError.remedy)

    # --- finding it --------------------------------------------------------------------------------------------------

    def knock(self) -> str:
        """Send a line end; what came back, readable, empty where it is silence or garbage."""
        text, noise = self._knock()
        if noise and not text:  # a board that is just starting: its ROM speaks at another rate
            text, _ = self._knock()
        return text

    def _knock(self) -> tuple[str, bool]:
        self._wire.send(b"\r")
        end_s, data = self._wire.clock() + _KNOCK_S, b""
        while (now := self._wire.clock()) < end_s:
            got = self._wire.receive(min(_SLICE_S, end_s - now))
            data += got
            if not got and data and _PROMPT.search(data.decode("latin-1").replace("\r", "")):
                break
        return readable(data), garbage_bytes(data) > 0

    def greets(self, reply: str) -> bool:
        """Whether Lua answers here; `reply` is what a knock brought."""
        if reply.endswith(">> ") and not reply.endswith(">>> "):
            self._wire.send(_BREAK_OUT)
            self.knock()
        try:
            return self.ask_secret('"lua"', 0.7) == "lua"
        except ConsoleError:
            return False


def find_console(
    wire: Wire,
    first: int = 0,
    *,
    limit_s: float = FIND_S,
    bauds: Sequence[int] = BAUDS,
    waiting: Progress = lambda _done, _total: None,
) -> Console:
    """The Lua prompt behind a wire, at whatever rate; the board is not reset. Waits for a file system being formatted.

    Args:
        wire: an open session.
        first: the rate at which the board was heard last; 0: unknown.
        limit_s: how long to look.
        bauds: the rates to try.
        waiting: told the seconds while a board formats.

    Raises:
        NoLuaPromptError: there is none.
    """
    started = wire.clock()
    end_s, last, before = started + limit_s, "", ""
    rates = tuple(dict.fromkeys((first, *bauds) if first else bauds))
    while True:
        for baud in rates:
            wire.tune(baud)
            console = Console(wire, baud)
            reply = console.knock()
            while reply:
                before += reply
                last = f'; at {baud} baud it says "{_shown(reply)}"'
                if console.greets(reply):
                    console.before = before
                    return console
                if _FORMATTING.search(reply):
                    end_s = started + FORMAT_S
                    waiting(int(wire.clock() - started), int(FORMAT_S))
                if wire.clock() >= end_s or not (_FORMATTING.search(reply) or "> " in reply):
                    break
                reply = console.knock() or ("..." if end_s == started + FORMAT_S else "")
            if wire.clock() >= end_s:
                raise NoLuaPromptError(
                    f"{wire.port}: no Lua prompt at {', '.join(map(str, rates))} baud{last}",
                    NoLuaPromptError.remedy,
                )


def _is_garbled(said: str) -> bool:
    return not said.endswith("\n") and ends_in_garbage(said[-_LAST:].encode("latin-1"))


def _shown(reply: str) -> str:
    lines = [line for line in reply.strip().splitlines() if line.strip()]
    return mask_cut(lines[-1].strip(), _LAST) if lines else ""


def quoted(data: bytes) -> str:
    r"""A Lua string literal of any bytes, printable ASCII only: it survives consoles, line ends and editors.

    >>> print(quoted(b'say "hi"' + bytes([0, 10, 255])))
    "say \"hi\"\0\n\255"
    """
    return '"' + "".join(pieces(data)) + '"'


_ESCAPES: Final = {0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x22: '\\"', 0x5C: "\\\\"}


def pieces(data: bytes) -> list[str]:
    """Each byte as it stands in a Lua string literal."""
    out = []
    for index, byte in enumerate(data):
        following = data[index + 1 : index + 2]
        if byte in _ESCAPES:
            out.append(_ESCAPES[byte])
        elif 0x20 <= byte < 0x7F:  # noqa: PLR2004  printable ASCII
            out.append(chr(byte))
        else:
            out.append(f"\\{byte:03d}" if following.isdigit() else f"\\{byte}")
    return out


def portions(data: bytes, room: int) -> Iterator[tuple[str, int]]:
    """Pieces of a string literal of at most `room` characters, and the bytes that each stands for."""
    literal, size = "", 0
    for word in pieces(data):
        if len(literal) + len(word) > room:
            yield literal, size
            literal, size = "", 0
        literal += word
        size += 1
    if size:
        yield literal, size
