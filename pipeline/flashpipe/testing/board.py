"""A board in a test: Lua runs on it, its files are at hand, and of a virtual one pins, ADC and time.

A virtual board begins each test where its snapshot was taken: flashed, booted, at its prompt. A real one is restarted,
and gets back the files that a test has put or removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from flashpipe.board.boot.kinds import Verdict
from flashpipe.board.boot.verdict import classify
from flashpipe.board.lua import chunk
from flashpipe.board.lua.console import Console, LuaRun, find_console, quoted
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.board.lua.restarts import REASONS, start_reason
from flashpipe.errors import (
    BadValueError,
    BoardRestartedError,
    ConsoleError,
    LuaFailedError,
    LuaTimeoutError,
    VirtualOnlyError,
)
from flashpipe.flasher.boot_check import BootCheck
from flashpipe.flasher.lua_stage import open_console
from flashpipe.testing.files import Files
from flashpipe.testing.pins import GPIO, BoardPin
from flashpipe.testing.wire import DIES, RecordedLine
from flashpipe.units import parse_duration

if TYPE_CHECKING:
    from flashpipe.jobs.board_job import BoardRun

CODE: Final = "lua"
"""What errors call a piece of Lua that has no name."""
LUA_S: Final = 10.0
"""How long a piece of Lua may run unless the test says otherwise."""
_AGAIN: Final = re.compile(r"powered by Lua 5[^\n]*\n(?:.*\n)*?> $")
_AGAIN_S: Final = 12.0
"""For a board that restarts to come to its prompt: its hardware watchdog may have to bite first."""
_PANIC: Final = re.compile(r"PANIC: ")
"""Stands in the middle of a line where the echo of another one was under way."""
_BANNER: Final = re.compile(r"^.*(?:NodeMCU|powered by Lua 5).*$", re.MULTILINE)
_LOUD: Final = frozenset({"exception", "panic", "watchdog", "system-params", "rf-cal", "brown-out"})
"""Kinds that last words prove by themselves."""
_LARGE: Final = 1500
"""Characters of Lua that go to the board as text; more goes as a file."""
_SHORT: Final = 90
"""Characters of a literal, with a name, that have room in one line with all that is around them."""
_NAME: Final = 40
"""Characters of the name by which errors call a piece of Lua."""
_SHOWN: Final = 200
"""Bytes of the code that the log repeats."""
_SLICE_S: Final = 0.05
_HERE: Final = re.compile(r"^stdin:1: (?=[^\n]*:\d+: )")
"""The place of our own line, which `assert` puts before that of a mistake in the code."""
_RUNS: Final = "assert((loadstring or load)({},{}))()"


class _DiesError(Exception):
    """The board has said its last words, or the first ones after them."""


class Board:
    """What a test has in its hands."""

    def __init__(self, run: BoardRun, verdict: Verdict, base: Any = None, baud: int = 0) -> None:
        """Take a board that was flashed and booted well, or one of a snapshot.

        Args:
            run: Its session is open.
            verdict: Of its boot.
            base: The bench's snapshot where there is one: the board is there from now on.
            baud: The rate of its console then.
        """
        self._run = run
        self._session = run.session()
        self._session.open()
        self.port = self._session.port
        self.name = self.port.partition("?")[0]
        """The port as people know it: of a virtual board without its options."""
        self.verdict = verdict
        """What its last boot log proved: `kind`, `summary`, `log` and more."""
        self._bench = getattr(self._session.wire, "bench", None)
        self._base = base
        self._wire = RecordedLine(self._session)
        self._files: dict[str, bytes | None] = {}
        """Of a real board: what a file held before a test has touched it; None: it was not there."""
        self._lost = False
        self._begun_s = 0.0
        self.files = Files(self)
        """`list`, `get`, `put`, `rm`."""
        if base is not None:
            self._console = Console(self._wire, baud)
            self.fresh()
        else:
            self._console = open_console(self._session)
            self._take(self._console.baud)

    # --- for whoever runs tests --------------------------------------------------------------------------------------

    def snapshot(self) -> tuple[bytes, int] | None:
        """The board as it is now, at its prompt, and the rate of its console; None of a real one.

        From now on each test begins here.
        """
        if self._bench is None:
            return None
        saved = self._bench.save()
        self._base = self._bench.read(saved)
        return saved, self._console.baud

    def fresh(self) -> None:
        """Begin a test: at the snapshot, or after a restart.

        Raises:
            BootError: it does not start as it did before.
        """
        self._wire.heard = self._wire.recent = ""
        if self._base is not None and self._bench is not None:
            self._bench.restore(self._base)
            self._take(self._console.baud)
        else:
            self.restart()
        self._begun_s = self._wire.own_time()

    def put_back(self) -> None:
        """After a test on a real board: the files that it has touched are what they were."""
        if self._base is not None or not self._files:
            return
        if self._lost:
            self.restart()
        for name, data in self._files.items():
            self.store().remove(name)
            if data is not None:
                with self.quiet():
                    self.store().send([LuaFile(name, data)], self.store().names())
        self._files.clear()

    def store(self) -> BoardFiles:
        """Its file system."""
        self._ready()
        return BoardFiles(self._console, self._session.baud)

    def note_file(self, name: str) -> None:
        """A test is about to change a file."""
        if self._base is None and name not in self._files:
            there = self.files.list()
            self._files[name] = self.files.get(name) if name in there else None

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Contents of files pass: nothing is remembered of them."""
        with self._session.private():
            self._wire.silent = True
            try:
                yield
            finally:
                self._wire.silent = False

    def close(self) -> None:
        """Let go of the port; a real board is left running."""
        self._session.release()

    # --- for tests ---------------------------------------------------------------------------------------------------

    @property
    def virtual(self) -> bool:
        """Whether it is a virtual board whose pins, ADC and time are at hand."""
        return self._bench is not None

    @property
    def log(self) -> str:
        """What the board has said since the test began, and the code that it was given."""
        return self._wire.log

    def lua(self, code: str, timeout: float = LUA_S) -> str:
        """Run Lua code; what it prints.

        Args:
            code: Any number of statements. `local` names end with it.
            timeout: Seconds; of board time on a virtual board.

        Raises:
            LuaFailedError: it raised an error, whose text is in the message.
            LuaTimeoutError: it did not end.
            BoardRestartedError: the board restarted meanwhile.
        """
        __tracebackhide__ = True
        ran = self.run(code.encode(), CODE, timeout)
        if ran.error:
            raise LuaFailedError(f"{self.name}: {ran.error}", "the line counts from the first one of the code")
        if not ran.ended:
            raise LuaTimeoutError(
                f"{self.name}: the code did not end within {timeout:g} s", "give lua() a longer timeout, in seconds"
            )
        return ran.output.removesuffix("\n")

    def restart(self) -> Verdict:
        """Reset the board and watch it start; what its boot log proved.

        Raises:
            BootError: it does not start as the profile expects.
        """
        __tracebackhide__ = True
        expectation = replace(self._expected(), check=True)
        self.verdict = BootCheck(self._session, expectation, is_nodemcu=True).run()
        self._wire.remember(self.verdict.log)
        self._wire.recent = ""
        baud = self.verdict.baud or self._session.rate
        self._take(find_console(self._wire, baud).baud)
        return self.verdict

    def listen(self, seconds: float, until: Callable[[str], bool] = lambda _text: False) -> str:
        """What the board says by itself within so many seconds, or until that is so."""
        __tracebackhide__ = True
        end_s, text = self._wire.clock() + seconds, ""
        while (left := end_s - self._wire.clock()) > 0 and not until(text):
            text += self._wire.receive(min(left, _SLICE_S)).decode("latin-1").replace("\r", "")
        return text

    def pin(self, number: int) -> BoardPin:
        """A pin of a virtual board, by its number in Lua's `gpio` module: 4 is D4, which is GPIO2.

        Raises:
            VirtualOnlyError: this is no virtual board of this process.
        """
        if number not in range(len(GPIO)):
            raise ValueError(f"there is no pin {number}: 0 to {len(GPIO) - 1}")
        return BoardPin(number, self._behind("pin()"), self._begun_s)

    @property
    def adc(self) -> int:
        """What a virtual board measures at its ADC pin, 0 to 1024.

        Raises:
            VirtualOnlyError: this is no virtual board of this process.
        """
        return int(self._behind("adc").adc)

    @adc.setter
    def adc(self, value: int) -> None:
        self._behind("adc").adc = value

    def advance(self, duration: str | float) -> str:
        """Let time of a virtual board pass, `1h` or seconds, as fast as that goes; what it says meanwhile.

        A board that restarts meanwhile, or wakes from deep sleep, goes on; one that a fault has restarted is known to
        the next `lua`.

        Raises:
            VirtualOnlyError: this is no virtual board of this process.
            BadValueError: no time.
        """
        bench = self._behind("advance()")
        if not isinstance(duration, str | int | float):
            raise BadValueError(f"{duration!r} is no time", "seconds, or a text such as '90s' or '1h'")
        seconds = parse_duration(duration) if isinstance(duration, str) else float(duration)
        bench.advance(seconds)
        text = self._wire.receive(_SLICE_S).decode("latin-1").replace("\r", "")
        if DIES.search(self._wire.recent) and _last_words(self._wire.recent).kind not in _LOUD:
            self._wire.recent = ""
            self._take(self._console.baud)
        return text.removesuffix("> ")

    # --- running -----------------------------------------------------------------------------------------------------

    def run(
        self,
        code: bytes,
        name: str,
        timeout_s: float,
        finished: Callable[[str], bool] = lambda _text: True,
        show: Callable[[str], object] = lambda _text: None,
    ) -> LuaRun:
        """Run Lua code, and listen until it has ended and what it printed is `finished`.

        Args:
            code: Text of the program.
            name: What errors call it.
            timeout_s: For all of it.
            finished: Whether nothing more is to come from timers and callbacks.
            show: Takes what is printed as it comes, also of code that does not come to a good end.

        Raises:
            BoardRestartedError: the board restarted meanwhile.
            ConsoleError: it does not answer.
        """
        __tracebackhide__ = True
        self._ready()
        begun_s = self._wire.clock()
        self._wire.note(f"\n-- {_shown(code) if name == CODE else name}\n")
        file = LuaFile(name, code) if len(code) > _LARGE else None

        def told(text: str) -> None:
            show(_named(text, file))

        try:
            expression = self._placed(file) if file else self._typed(code, name)
            ran = self._console.run(expression, timeout_s, on_lines=told, waiting=self._look)
            self._look(0)
            if ran.ended and not ran.error and not finished(ran.output):
                ran = self._await(ran, timeout_s - (self._wire.clock() - begun_s), finished, told)
        except _DiesError:
            raise self._restarted() from None
        except ConsoleError:
            self._lost = True
            if DIES.search(self._wire.recent):
                raise self._restarted() from None
            raise
        finally:
            self._wire.heard = _named(self._wire.heard, file)
        ran = replace(ran, output=_named(ran.output, file), error=_HERE.sub("", _named(ran.error, file)))
        if not ran.ended and not ran.error:
            self._lost = True
        elif file:
            self.store().remove(file.temporary)
        self._wire.recent = self._wire.recent.rpartition("\n")[2]
        return ran

    def _look(self, _seconds: float) -> None:
        if DIES.search(self._wire.recent):
            raise _DiesError

    def _await(
        self, ran: LuaRun, limit_s: float, finished: Callable[[str], bool], record: Callable[[str], None]
    ) -> LuaRun:
        """Listen to what timers and callbacks print."""

        def enough(text: str) -> bool:
            self._look(0)
            return finished(ran.output + text)

        heard = len(self._wire.recent)
        try:
            output = ran.output + self.listen(limit_s, enough)
        finally:
            record(self._wire.recent[heard:])
        return replace(ran, output=output, ended=finished(output))

    def _placed(self, file: LuaFile) -> str:
        with self.quiet():
            return f'dofile("{self.store().place(file)}")'

    def _typed(self, code: bytes, name: str) -> str:
        """An expression that runs the code; longer code is sent before."""
        literal, called = quoted(code), quoted(f"={name[-_NAME:]}".encode())
        if len(literal) <= _SHORT - len(called):
            return _RUNS.format(literal, called)
        chunk.load(self._console, name[-_NAME:], code)
        return chunk.RUN

    def _restarted(self) -> BoardRestartedError:
        """The board has restarted: wait for its prompt, and find out why."""
        before = self._wire.recent
        if not _AGAIN.search(before):
            self.listen(_AGAIN_S, lambda text: _AGAIN.search(before + text) is not None)
        output = self._wire.recent
        self._lost = not _AGAIN.search(output)
        verdict = _last_words(output)
        if verdict.kind not in _LOUD:
            reason = "" if self._lost else start_reason(self._console)
            kind, summary = REASONS.get(reason, ("boot-loop", "nothing says why"))
            verdict = Verdict(kind, summary)
        self.verdict = replace(verdict, log=output)
        self._wire.recent = ""
        return BoardRestartedError(f"{self.name}: the board restarted: {verdict.summary}", verdict=self.verdict)

    # --- the console -------------------------------------------------------------------------------------------------

    def _expected(self) -> Any:
        from flashpipe.jobs.policy import boot_expectation  # noqa: PLC0415  loads what a snapshot spares

        return boot_expectation(self._run.inputs)

    def _take(self, baud: int) -> None:
        """A new conversation at the prompt."""
        self._session.tune(baud)
        self._console = Console(self._wire, baud)
        self._lost = False

    def _ready(self) -> None:
        """A board that was lost in the middle of something is restarted first."""
        if self._lost:
            self.restart()

    def _behind(self, what: str) -> Any:
        if self._bench is None:
            raise VirtualOnlyError(
                f"{self.name}: board.{what}: this is no virtual board of the test's own", VirtualOnlyError.remedy
            )
        return self._bench


def _last_words(output: str) -> Verdict:
    """What a board that has restarted said before."""
    banner, panic = _BANNER.search(output), _PANIC.search(output)
    return classify(output[panic.start() if panic else 0 : banner.start() if banner else None])


def _shown(code: bytes) -> str:
    return f"lua: {code[:_SHOWN].decode('utf-8', 'replace').strip()}"


def _named(text: str, file: LuaFile | None) -> str:
    """The text with a file's own name for its temporary one."""
    return text.replace(file.temporary, file.name) if file else text
