"""The console of a board on the page: what it says, what is typed to it; open whenever nothing else needs the port."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from flashpipe.errors import PipelineError
from flashpipe.events import Event, Message
from flashpipe.jobs import sessions
from flashpipe.masking import mask_urls
from flashpipe.page.choice import Choice, Folders
from flashpipe.page.job_log import JobLog
from flashpipe.page.words import failure_facts, on_page
from flashpipe.terminal import visible
from flashpipe.text.crash_names import CrashAnnotator

KEPT: Final = 200_000
"""Characters of what was said that a page shows that is opened later."""
LOOK_S: Final = 0.2
NEW_LINE: Final = "\n"
FIRMWARE_BAUD: Final = 115200
"""What NodeMCU and most firmware talk at (facts: esp8266 §2.6)."""


class Owner(Protocol):
    """The board whose console it is."""

    port: str
    folders: Folders
    choice: Choice

    def wake(self) -> None:
        """There may be something to do, or to leave."""

    def changed(self, part: str) -> None:
        """A part of what is shown is not what it was."""

    def has_work(self) -> bool:
        """Whether an open console shall step aside."""


class _Quiet:
    """The face of an open console: its lines stand between those of the board."""

    attended = False

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put

    def __call__(self, event: Event) -> None:
        """Show a line."""
        if isinstance(event, Message):
            self._put(mask_urls(on_page(event.text)))

    def ask(self, text: str) -> bool:
        """A console asks nothing."""
        del text
        return False

    def confirmed(self) -> bool:
        """Nor does it get an answer."""
        return False


class BoardConsole:
    """What a board says, and what it is told."""

    def __init__(self, board: Owner) -> None:
        self._board = board
        self.wanted = False
        """Whether it is open, or will be once the port is free."""
        self.open = False
        self.baud = 0
        """Rate that somebody has chosen, 0: the one that is known to be right."""
        self.boot_log = ""
        """What the board said when it was last seen to start."""
        self.failure: Mapping[str, object] = {}
        """Why it was closed; empty where somebody has closed it."""
        self.given_to = ""
        """Another program that has the port now, and will give it back."""
        self._rate = FIRMWARE_BAUD
        self._text = ""
        self._end = 0
        """Characters that were ever shown."""
        self._guard = threading.Lock()
        self._typed = queue.Queue[str]()

    # --- asked for by browsers ---------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """All that is kept of what was said."""
        return self._text

    def since(self, heard: int) -> tuple[int, int, str]:
        """Where it begins and ends, counted in characters, and what was said after the first `heard` ones.

        What was forgotten, or cleared, is left out.
        """
        with self._guard:
            begins = max(heard, self._end - len(self._text))
            return begins, self._end, self._text[len(self._text) - (self._end - begins) :]

    @property
    def rate(self) -> int:
        """Baud that it listens at."""
        return self.baud or self._rate

    def begin(self, baud: int = 0) -> None:
        """Open it; `baud` 0: at the rate that is known to be right. Where it is open at another rate, anew."""
        self.baud, self.wanted, self.failure = baud, True, {}
        self._board.wake()
        self._board.changed("console")

    def end(self) -> None:
        """Close it."""
        self.wanted = False
        self._board.changed("console")

    def type(self, line: str) -> None:
        """Send a line to the board."""
        self.put(f"{line}\n")
        self._typed.put(line)

    def clear(self) -> None:
        """Forget what was said."""
        with self._guard:
            self._text = ""
        self._board.changed("console")

    # --- the board's thread ------------------------------------------------------------------------------------------

    def put(self, text: str) -> None:
        """Show a text: whatever a browser or a screen reader would take for more than that is shown as what it is."""
        shown = visible(text, kept="\b")
        with self._guard:
            self._text = (self._text + shown)[-KEPT:]
            self._end += len(shown)
        self._board.changed("said")

    def note(self, text: str) -> None:
        """Show a line of ours between those of the board."""
        self.put(f"{'' if self._text.endswith(NEW_LINE) or not self._text else NEW_LINE}-- {text}{NEW_LINE}")

    def booted(self, log: str, rate: int) -> None:
        """A boot was watched: its log is kept, and the rate at which it was understood; 0: at none."""
        self.boot_log, self._rate = visible(log), rate or self._rate
        self._board.changed("console")

    def after(self, task: str, log: JobLog) -> None:
        """Something else was done with the port."""
        if self.wanted:
            self.note(f"{task}: {log.outcome}")

    def listen(self) -> None:
        """Have it open until it is closed, or the port is needed for something else."""
        from flashpipe.jobs.board_job import BoardRun  # noqa: PLC0415  0.2 s, which the first page does not wait for
        from flashpipe.jobs.crash_addresses import explainer  # noqa: PLC0415  likewise
        from flashpipe.jobs.inputs import RunInputs  # noqa: PLC0415  likewise
        from flashpipe.jobs.monitor import listen  # noqa: PLC0415  likewise

        board, stop, over, rate = self._board, sessions.OwnStop(), threading.Event(), self.rate
        face = _Quiet(self.note)
        try:
            given = board.choice.variables("monitor", port=board.port)
            given.pop("baud", None)  # that of the write phase
            command = board.choice.command_line(board.folders, "monitor", given)
            run = BoardRun(RunInputs(command, listener=face), board.port, face, stop)
            names = CrashAnnotator(_named(run, explainer))
            self.open = True
            board.changed("console")
            with run.turn():
                listen(
                    run.session(),
                    lambda text: self.put(names.show(text)) if text else None,
                    self._lines(over),
                    baud=rate,
                    ended=lambda: board.has_work() or not self.wanted or self.rate != rate,
                    stop=stop,
                    given=self._given,
                )
        except PipelineError as error:
            self.wanted, self.failure = False, failure_facts(error)
            self.note(f"{self.failure['message']} [code: {error.code}]; next: {self.failure['next']}")
        finally:
            over.set()
            self.open, self.given_to = False, ""
            sessions.close(board.port)
            board.changed("console")

    def _given(self, owner: str) -> None:
        self.given_to = owner
        self._board.changed("console")

    def _lines(self, over: threading.Event) -> Iterator[str]:
        while not over.is_set():
            with suppress(queue.Empty):
                yield self._typed.get(timeout=LOOK_S)


def _named(run: Any, explainer: Callable[..., Any]) -> Any:
    """What explains the addresses of a crash; nothing, where the profile cannot be read."""
    try:
        return explainer(run.inputs, run.notify)
    except PipelineError:
        return lambda _line: []
