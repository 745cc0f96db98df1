"""Events to lines: what a person, or a log, sees of a run.

On a terminal a step that takes time draws its progress in place, several boards a row each; in a log each step is one
line. Text is plain: no colours, and ASCII where the console cannot do better.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Final, TextIO

from flashpipe import terminal
from flashpipe.events import BoardDone, Event, Message, PlanMade, Progress, StepFinished, StepStarted, WireLine
from flashpipe.folding import folded, short_port, width_of
from flashpipe.masking import mask_urls
from flashpipe.text.look import look
from flashpipe.text.pace import Pace
from flashpipe.text.panel import Panel

REDRAW_S: Final = 0.1
PATIENCE_S: Final = 1.0
"""For another thread that is just writing, at the end."""
WIDTH: Final = 20
"""Characters of a bar."""
ROW_WIDTH: Final = 8
"""Of one that has the name of a port before it: rate and time left fit behind it."""
PORT_WIDTH: Final = 24
"""Columns of the name of a port before its bar."""
_LEAST_PORT: Final = 10
"""Columns that stay of it where the rest of the row needs them."""
SCREEN: Final = 80
"""Columns of a terminal that does not say how many it has."""


def somebody_reads(stream: TextIO | None = None) -> bool:
    """Whether a person sees what is written to the stream (standard error if None), and can act on it."""
    stream = sys.stderr if stream is None else stream
    try:
        return stream is not None and stream.isatty() and sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # one of them is closed
        return False


def print_result(text: str, stream: TextIO | None = None, end: str = "\n", *, kept: str = "") -> None:
    """One result (standard output if None), in one piece; `kept`: characters that go to the terminal as they are.

    Whole lines are folded to the width of a terminal; documents for programs and what a board says are not.
    """
    if end == "\n" and text[:1] not in {"{", "["}:
        text = folded(text, width_of(sys.stdout if stream is None else stream))
    terminal.write(text + end, stream, kept=kept)


def print_table(text: str, stream: TextIO | None = None) -> None:
    """What stands above the last line: nothing where people want that alone."""
    if not terminal.quiet:
        print_result(text, stream)


class ConsoleLines:
    """A listener that writes to a stream; several boards may share it."""

    def __init__(self, stream: TextIO | None = None, *, prefix: bool = False) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = _is_terminal(self._stream)
        self._prefix = prefix
        self._lock = threading.RLock()
        self._waiting = deque[Event]()
        self._text = ""
        """What is about to be written."""
        self._drawn = 0
        self._last: dict[str, float] = {}
        self._pace = Pace()
        self._panel = Panel(self._stream) if self._live and prefix else None
        self._encoding = getattr(self._stream, "encoding", None)  # what doit puts before it has none
        self._blocks = "#-" if (self._encoding or "").lower().replace("-", "") != "utf8" else "█░"

    def __call__(self, event: Event) -> None:
        """Show one event; where another thread is just showing something, it shows this as well."""
        if terminal.quiet or self._shows_nothing(event):
            return
        self._waiting.append(event)
        # No thread waits for another one's line: 64 boards would wait 0.4 s each, for the lock and for Python's own.
        while self._waiting and self._lock.acquire(blocking=False):
            try:
                self._show_waiting()
            finally:
                self._lock.release()

    def _show_waiting(self) -> None:
        with suppress(IndexError):
            while True:
                self._show(self._waiting.popleft())
        self._flush()

    def _show(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, StepStarted):
            self._pace.begin(event.port, event.step)
            self._draw(event.port, f"{event.step:<8} {event.detail} …")
        elif isinstance(event, StepFinished):
            self._line(f"{self._head(event.port)}{event.step:<8} {event.detail}  ({event.seconds:.1f} s)")
        elif isinstance(event, Message | WireLine):
            self._line(f"{self._head(event.port)}{event.text}")
        elif isinstance(event, PlanMade) and event.text:
            self._flush()
            print_result(event.text, self._stream if look.json else None)
        elif isinstance(event, BoardDone) and self._panel is not None:
            self._panel.done(event.port)

    def _shows_nothing(self, event: Event) -> bool:
        """Whether it is nothing to be seen now; asked without the lock, for which 64 boards would wait otherwise."""
        if isinstance(event, Progress):
            soon = time.monotonic() - self._last.get(event.port, 0.0) < REDRAW_S and event.done < event.total
            return soon or not self._live
        return isinstance(event, StepStarted) and not self._live

    def close(self) -> None:
        """Leave the terminal as it was; what waits to be shown is."""
        if self._lock.acquire(timeout=PATIENCE_S):
            try:
                self._show_waiting()
                self._erase_row()
                self._flush()
            finally:
                self._lock.release()
        if self._panel is not None:
            self._panel.close()

    @property
    def attended(self) -> bool:
        """Whether a person is there to be asked."""
        return somebody_reads(self._stream)

    def ask(self, text: str) -> bool:
        """Tell a person what to do; False where none is there."""
        if not self.attended:
            return False
        with self._lock:
            self.close()
            self._line(text)
            self._flush()
        return True

    def confirmed(self) -> bool:
        """Wait for a person's answer to the question that was just asked: whether it is yes."""
        with self._lock:
            self._line("Type yes to go on:")
            self._flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def _head(self, port: str) -> str:
        return f"{port}: " if self._prefix and port else ""

    def _progress(self, event: Progress) -> None:
        now = time.monotonic()
        self._last[event.port] = now
        share = min(1.0, event.done / event.total) if event.total else 1.0
        width = WIDTH if self._panel is None else ROW_WIDTH
        filled = int(share * width)
        bar = self._blocks[0] * filled + self._blocks[1] * (width - filled)
        self._draw(event.port, f"{event.step:<8} {bar} {share:4.0%}  {self._pace.told(event, now)}")

    def _draw(self, port: str, text: str) -> None:
        room = (width_of(self._stream) or SCREEN) - 1  # the cursor stands behind it
        most = max(_LEAST_PORT, min(PORT_WIDTH, room - len(text) - len(": ")))
        text = self._shown(f"{self._head(short_port(port, most))}{text}").replace("\n", " ")
        if self._panel is not None:
            self._flush()
            self._panel.show(port, text)
            return
        text = text[: max(0, room)]
        self._write("\r" + text + " " * max(0, self._drawn - len(text)))
        self._drawn = len(text)

    def _erase_row(self) -> None:
        if self._drawn:
            self._write("\r" + " " * self._drawn + "\r")
            self._drawn = 0

    def _line(self, text: str) -> None:
        self._erase_row()
        text = folded(self._shown(text).rstrip(), width_of(self._stream))
        if self._panel is None or not self._panel.line(text):
            self._write(text + "\n")

    def _shown(self, text: str) -> str:
        """As the stream can show it."""
        encoding = self._encoding or "utf-8"
        return terminal.visible(mask_urls(text)).encode(encoding, "replace").decode(encoding)

    def _write(self, text: str) -> None:
        self._text += text

    def _flush(self) -> None:
        """Write all that there is at once: whoever writes lets other threads run, and gets its turn again late."""
        text, self._text = self._text, ""
        if text:
            with suppress(OSError, ValueError):  # who reads our lines has gone: no reason to leave a board half written
                self._stream.write(text)
                self._stream.flush()


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False
