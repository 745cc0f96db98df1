"""One board on the page: what is known of it, what is done on it, one thing after the other, in a thread of its own.

Nothing here hangs on a browser: work goes on where nobody looks, and whoever comes later sees how far it is.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from importlib import import_module
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from flashpipe.errors import BootError, PipelineError
from flashpipe.flash import SIZE_BYTES
from flashpipe.jobs import sessions
from flashpipe.limits import limits_told
from flashpipe.masking import without_login
from flashpipe.page import memory
from flashpipe.page.choice import Choice, Folders
from flashpipe.page.console import BoardConsole
from flashpipe.page.face import PageFace
from flashpipe.page.job_log import JobLog
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.jobs.board_job import BoardRun

Tell = Callable[["BoardOnPage", str], None]
"""Takes a board, and the name of the part of it that has changed (`work`, `bar`, `device`, `plan`, ...)."""
LONGEST: Final = 36
"""Characters of a name on a card."""
WAITING: Final = 8
"""Pieces of work that may wait for one board."""
_one_prepares: Final = threading.Lock()
"""Sixteen threads that read profiles at once leave no time to whoever looks at the page, and are no sooner ready."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that was asked for: a task, how people call it, its variables, and what does it."""

    task: str
    label: str
    run: Callable[[BoardRun, BoardOnPage], str]
    """Takes the run and the board; gives what has come of it, in a line; empty where an event says so."""
    variables: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    """The same as somebody on a terminal would have them, where that is something else."""
    action: str = ""
    """The last word of the address that is clicked to do it again; empty where more would have to be said."""


def _name(port: str) -> str:
    """Of a virtual board that has a name, or a MAC, that and its kind; else the port, its middle left out."""
    url = urlsplit(port)
    options = parse_qs(url.query) if url.scheme == "sim" else {}
    named = options.get("board") or options.get("mac")
    if named and len(named[0]) <= LONGEST:
        return f"{named[0]} ({url.hostname})"
    return port if len(port) <= LONGEST else f"{port[: LONGEST // 2]}…{port[-LONGEST // 2 :]}"


class BoardOnPage:
    """A port, and the board behind it."""

    def __init__(self, port: str, slug: str, folders: Folders, tell: Tell) -> None:
        self.port = port
        self.slug = slug
        self.folders = folders
        self.shown_port = without_login(port)
        self.name = _name(self.shown_port)
        """Short enough for a card."""
        self.about: Mapping[str, object] = {}
        """What the system says of the port."""
        self.present = True
        """Whether the port is there."""
        self.choice = Choice()
        self.firmware: Mapping[str, object] = {}
        """What the chosen firmware is, and what the gate says of it."""
        self._sized: int | None = None
        """Bytes of flash for which it was looked at."""
        self.device: Mapping[str, object] = {}
        self.fitting: list[str] = []
        self.preview: Mapping[str, object] = {}
        """What a flash would do, or did, to this very board."""
        self.flashed: Choice | None = None
        """What it holds, as far as is known: what that would write on an empty board is of no interest then."""
        self.log: JobLog | None = None
        """What is done on it, or was done last."""
        self.files: Mapping[str, object] = {}
        self.node: Mapping[str, object] = {}
        self.fetched: dict[str, bytes] = {}
        """Files of the board that were read for a browser, by name."""
        self.sent: list[str] = []
        """SHA-256 of the files that were sent last: it has them now."""
        self.console = BoardConsole(self)
        self._tell = tell
        self._face: PageFace | None = None
        self._stop: sessions.OwnStop | None = None
        self._waiting = deque[Work]()
        self._left = False
        self._guard = threading.Condition()
        self._thread: threading.Thread | None = None

    def choose_demo(self) -> None:
        """The virtual board for a first try comes with its profile."""
        self.choice = Choice(profile="demo")

    def look_at_firmware(self, *, again: bool = False) -> None:
        """What is chosen is looked at; what an earlier choice would have done to the board counts no more.

        `again`: nothing was chosen; the profile, or a file, may be another one than when it was looked at.
        """
        chosen, before = self.choice, self.firmware
        if again and not before:
            return
        if not again:
            self.preview, self._sized = {}, self._flash_size
        firmware = import_module("flashpipe.page.firmware").look(chosen, self.folders, self._sized)
        if self.choice is chosen and not (again and firmware == before):
            self.preview, self.firmware = {}, firmware
            for part in ("firmware", "plan", "card"):
                self.changed(part)

    def show_plan(self, shown: Mapping[str, object]) -> None:
        """Show what a flash would do, or does, to this board; empty: what is known without it."""
        self.preview = shown
        self.changed("plan")

    # --- asked for by browsers ---------------------------------------------------------------------------------------

    def start(self, work: Work) -> bool:
        """Do something, once what was asked for before is done; False where too much waits already.

        What is under way, or waits, is not done once more: a click was meant once that came twice.
        """
        with self._guard:
            if work.action and work.action in self._asked_for():
                return True
            if len(self._waiting) >= WAITING:
                return False
            self._waiting.append(work)
            self._wake()
        self.changed("work")
        return True

    def _asked_for(self) -> set[str]:
        """What is under way, or waits, by the last word of its address."""
        running = {self.log.action} if self.log is not None and not self.log.ended else set[str]()
        return running | {work.action for work in self._waiting}

    def wake(self) -> None:
        """There may be something to do, or to leave."""
        with self._guard:
            self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._go, name=f"board {self.slug}", daemon=True)
            self._thread.start()
        self._guard.notify_all()

    def stop(self) -> None:
        """End what is under way as soon as it can be left, and begin nothing of what waits."""
        with self._guard:
            self._waiting.clear()
            if self._stop is not None:
                self._stop.set()
                if self.log is not None:
                    self.log.stopping = True
        self.changed("work")

    def leave(self) -> None:
        """It is not on the page any more: its thread ends."""
        self._left = True
        self.console.end()
        with self._guard:
            self._guard.notify_all()

    def answer(self, *, agreed: bool) -> None:
        """Somebody has answered the question."""
        face = self._face
        if face is not None:
            face.answer(agreed=agreed)

    @property
    def mac(self) -> str:
        """Of the board that was there last; empty where none has answered yet."""
        return str(self.device.get("mac", ""))

    @property
    def likely(self) -> bool:
        """Whether a board may be expected behind it: not behind a serial port that is built into this machine."""
        return not self.about.get("local") or bool(self.about.get("usb") or self.about.get("virtual"))

    @property
    def busy(self) -> bool:
        """Whether something is done, or waits."""
        return bool(self._waiting) or (self.log is not None and not self.log.ended)

    @property
    def waiting(self) -> list[str]:
        """What waits, for people."""
        with self._guard:
            return [work.label for work in self._waiting]

    def changed(self, part: str) -> None:
        """A part of what is shown is not what it was."""
        self._tell(self, part)

    # --- its own thread ----------------------------------------------------------------------------------------------

    def has_work(self) -> bool:
        """Whether an open console shall step aside."""
        return bool(self._waiting)

    def _go(self) -> None:
        while not self._left:
            with self._guard:
                while not (self._waiting or self.console.wanted or self._left):
                    self._guard.wait()
                if self._left:
                    return
                work, choice = self._waiting.popleft() if self._waiting else None, self.choice
                if work is not None:
                    self._stop = sessions.OwnStop()
                    self.log = self._new_log(work, choice)
            if work is None:
                self.console.listen()
            else:
                self._do(work, choice)

    def _new_log(self, work: Work, choice: Choice) -> JobLog:
        shown = {**(work.shown or work.variables), "port": self.port}
        dropped = bool(work.shown) or (choice.folder is not None and "image" in choice.variables(work.task))
        return JobLog(work.task, work.label, choice.command(work.task, shown), self.port, dropped, work.action)

    def _do(self, work: Work, choice: Choice) -> None:
        """Do it; where it fails, nothing of what waits is begun: the failure is what is shown."""
        with memory.at_work():
            self._carry_out(work, choice)

    def _carry_out(self, work: Work, choice: Choice) -> None:
        log, stop = self.log, self._stop
        assert log is not None
        assert stop is not None
        self._face = PageFace(
            log, stop, lambda: self.changed("work"), lambda: self.changed("bar"), lambda: self._note_device(log)
        )
        self.changed("work")
        error: PipelineError | None = None
        summary = state = ""
        try:
            summary, error = self._run(work, choice, self._face, stop)
        except Exception:  # noqa: BLE001  a defect in one piece of work shall not take the page down; it is shown
            traceback.print_exc(file=sys.stderr)
            error = PipelineError("a defect of flashpipe; the terminal in which the page was started shows where")
        finally:
            if stop.is_set():
                with suppress(PipelineError):
                    state = sessions.state_of(sessions.find(self.port))
            sessions.close(self.port)
            with self._guard:
                self._stop = self._face = None
                if error is not None and self._waiting:
                    left = ", ".join(one.label for one in self._waiting)
                    self._waiting.clear()
                    state = "; ".join(filter(None, (state, f"not begun after that: {left}")))
                log.end(error, summary, state)
        self.console.after(work.task, log)
        for part in ("work", "device"):
            self.changed(part)

    def _run(
        self, work: Work, choice: Choice, face: PageFace, stop: sessions.OwnStop
    ) -> tuple[str, PipelineError | None]:
        from flashpipe.jobs.board_job import BoardRun  # noqa: PLC0415  0.2 s, which the first page does not wait for
        from flashpipe.jobs.inputs import RunInputs  # noqa: PLC0415  likewise

        try:
            with _one_prepares:
                given = choice.variables(work.task, **{**work.variables, "port": self.port})
                inputs = RunInputs(choice.command_line(self.folders, work.task, given), listener=face)
                run = BoardRun(inputs, self.port, face, stop, lasting=True)
        except PipelineError as error:
            return "", error
        with run.turn():
            try:
                with limits_told():
                    return work.run(run, self), None
            except PipelineError as error:
                run.failed(error, work.task)
                if isinstance(error, BootError) and error.verdict is not None:
                    self.console.booted(error.verdict.log_for_people(), error.verdict.baud)
                return "", error
            finally:
                if log := run.last_outcome().verdict.log_for_people():
                    self.console.booted(log, run.session().rate)

    def _note_device(self, log: JobLog) -> None:
        if log.device is None:
            return
        if log.device.get("mac") != self.device.get("mac"):  # another board: what was known is of no use
            self.fitting, self.files, self.node = [], {}, {}
        before, self.device = self._flash_size, {**self.device, **log.device}
        self.changed("device")
        plan = self.firmware.get("plan")
        if isinstance(plan, Mapping) and plan["size_from_board"] and self._flash_size != before:
            self.look_at_firmware()

    @property
    def _flash_size(self) -> int | None:
        """Bytes of the board's flash; None where that is not known."""
        size = self.device.get("flash_size")
        return size if isinstance(size, int) and size in SIZE_BYTES.values() else None
