"""The Lua console of NodeMCU: what it does with each byte typed, and how it answers (facts: usb-nodemcu §9.4).

One line ends with CR, LF, or a pair of both; input is echoed; an unfinished chunk is continued after `>> `; `=x` means
`return x`. Errors look as the version at hand prints them: 2.x the bare message, 3.x `Lua error:` in front.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

from flashpipe.sim.firmware.identify import Run, Texts
from flashpipe.sim.firmware.program import Listen, Machine, Say, Step, Wait, text
from flashpipe.sim.firmware.spiffs import Files
from flashpipe.sim.lua.interpreter import HangError, Interpreter
from flashpipe.sim.lua.syntax import LuaSyntaxError, Parser
from flashpipe.sim.lua.values import Function, LuaError
from flashpipe.sim.nodemcu import api as nodemcu_api

PROMPT: Final = b"> "
CONTINUE: Final = b">> "
LINE_LIMIT: Final = 255
"""A longer line silently starts the buffer anew (LUA_MAXINPUT 256)."""

ON_ERROR_S: Final = 2.0
"""From the report of an uncaught error to the restart, 3.x (facts: usb-nodemcu §9.4)."""

BACKSPACES: Final = frozenset(b"\x08\x7f")
ENDS: Final = frozenset(b"\r\n")


class Console:
    """A running Lua on one machine.

    Args:
        machine: the chip.
        texts: what the image says about itself.
        files: the mounted file system, or None.
    """

    def __init__(self, machine: Machine, texts: Texts, files: Files | None) -> None:
        self._machine = machine
        self._new_errors = "lua-error" in texts.found
        self._tab = "\t" if "strerror" in texts.found and "lua-error-line" not in texts.found else ""
        self._strerror = "strerror" in texts.found
        self.lua = Interpreter(new="Lua 5.3" in texts.banner, integers=nodemcu_api.is_integer_build(texts))
        self.board = nodemcu_api.LuaApi(machine, texts, files, self.lua)
        self._line = bytearray()
        self._chunk: list[str] = []
        self._last = 0

    def run(self) -> Run:
        """init.lua, then the prompt, for ever; True when Lua restarts the chip."""
        if self._machine.settings.trouble == "panic":
            yield Say(text("PANIC: unprotected error in call to Lua API (not enough memory)\n"))
            yield Wait(self._machine.settings.crash_s)
            return True
        try:
            yield from self._init()
            yield Say(PROMPT)
            self._machine.listening = True
            while True:
                yield Listen(self.board.timers.next_due())
                typed, self._machine.inbox[:] = bytes(self._machine.inbox), b""
                for byte in typed:
                    yield from self._key(byte)
                yield from self._callbacks()
        except (nodemcu_api.RestartError, HangError):
            return True

    def _init(self) -> Iterator[Step]:
        files = self.board.files
        source = files.contents.get("init.lua") if files else None
        if source is None:
            yield Say(text("cannot open init.lua: \n" if self._strerror else "lua: cannot open init.lua\n"))
            return
        yield from self._execute(source.decode("latin-1"), "init.lua")

    def _callbacks(self) -> Iterator[Step]:
        """Run what timers have come due; an error that nobody catches restarts the chip."""
        while (callback := self.board.timers.take_due()) is not None:
            yield from self._callback(callback)

    def _callback(self, callback: Function) -> Iterator[Step]:
        # Before 3.x a panic of Lua's, since then a report and a restart after a while (facts: usb-nodemcu §9.4).
        try:
            yield from self.lua.called(callback)
        except LuaError as error:
            message = self.lua.tostring(error.value)
            panic = f"PANIC: unprotected error in call to Lua API ({message})\n"
            yield Say(text(self._complaint(message, "timer") if self._new_errors else panic))
            yield Wait(ON_ERROR_S if self._new_errors else self._machine.settings.crash_s)
            raise nodemcu_api.RestartError from None

    def _key(self, byte: int) -> Iterator[Step]:
        if byte in ENDS and self._last in ENDS and byte != self._last:
            self._last = 0  # second half of CR LF or LF CR
            return
        self._last = byte
        if byte in BACKSPACES:
            if self._line:
                self._line.pop()
                yield Say(b"\b \b")
            return
        if byte in ENDS:
            yield Say(b"\r\n")
            yield from self._enter()
            return
        yield Say(bytes((byte,)))
        if len(self._line) >= LINE_LIMIT:
            self._line.clear()
        self._line.append(byte)

    def _enter(self) -> Iterator[Step]:
        line = self._line.decode("latin-1")
        self._line.clear()
        if not line:
            yield Say(CONTINUE if self._chunk else PROMPT)
            return
        if not self._chunk and line.startswith("="):
            line = f"return {line[1:]}"
        self._chunk.append(line)
        done = yield from self._execute("\n".join(self._chunk), "stdin")
        if done:
            self._chunk.clear()
        yield Say(PROMPT if done else CONTINUE)

    def _execute(self, source: str, name: str) -> Generator[Step, None, bool]:
        """Run a chunk and print its results or its error; False where more of it is needed."""
        try:
            body = Parser(source, name, new=self.lua.new).parse()
        except LuaSyntaxError as error:
            if error.incomplete and name == "stdin":
                return False
            yield Say(text(self._complaint(error.message)))
            return True
        except RecursionError:
            yield Say(text(self._complaint(f"{name}:1: chunk has too many syntax levels")))
            return True
        try:
            values = yield from self.lua.chunk(body, name)
        except LuaError as error:
            yield Say(text(self._complaint(self.lua.tostring(error.value), name)))
            return True
        if values:
            yield Say(text("\t".join(self.lua.tostring(value) for value in values) + "\n"))
        return True

    def _complaint(self, message: str, traced: str = "") -> str:
        """An error as this version prints it; `traced` is the chunk it was running in."""
        if not self._new_errors:
            return f"{message}\n"
        # The trace's last line is unconfirmed; that there is a trace is certain (lua53/lua.c, msghandler)
        trace = f"\nstack traceback:\n\t{traced}:1: in main chunk\n\t[C]: in ?" if traced else ""
        return f"Lua error: {self._tab}{message}{trace}\n"
