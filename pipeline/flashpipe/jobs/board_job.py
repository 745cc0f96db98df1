"""One board of one command line: its port, its session, what was found and what was done, in the order of the tasks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final

from flashpipe.errors import BootError, NoPortError, PipelineError, StoppedError
from flashpipe.events import Message
from flashpipe.files import check_writable
from flashpipe.jobs import sessions
from flashpipe.jobs.request import Request
from flashpipe.records.project_folder import make_folder
from flashpipe.text.lines import ConsoleLines
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.session.session import Device, Session
    from flashpipe.flasher.model import Origin, Outcome, Probe
    from flashpipe.plan.make import FlashPlan

PLANNED: Final = frozenset({"flash", "files", "verify"})
"""Commands about a plan; the receipts of others do not speak of the one that an earlier task of the run had."""


@dataclass
class BoardRun:
    """A board as the tasks of one run see it. `wanted` is the text of `port=`, empty for the profile's."""

    request: Request
    wanted: str
    lines: ConsoleLines
    found: Probe | None = None
    outcome: Outcome | None = None
    error: PipelineError | None = None
    """A failure that the probe met after it knew that nothing needs to be written: the flash task reports it."""
    _port: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One task at a time on one board; their order is doit's (`command_line.preceding`)."""
        with self._lock, sessions.Working(self.wanted or "board"):
            yield

    def say(self, text: str) -> None:
        """One line about this board."""
        self.lines(Message(self._port or self.wanted, text))
        self.tell(text)

    def tell(self, text: str) -> None:
        """One line for a monitor that has given up the port for this run."""
        found = sessions.find(self._port)
        if found is not None:
            found.tell(text)

    def boot_log(self) -> str:
        """What the board has said in the boot check of this run."""
        return self.outcome.verdict.log if self.outcome is not None else ""

    # --- the port ----------------------------------------------------------------------------------------------------

    def port(self) -> str:
        """The port, chosen once; says how it was chosen where that is not obvious.

        Raises:
            PortError: none or several fit.
        """
        if not self._port:
            from flashpipe.jobs.port_choice import choose  # noqa: PLC0415  lists devices

            self._port, why = choose(self.request, self.wanted)
            if why:
                self.say(why)
        return self._port

    def session(self) -> Session:
        """The session on the port, not yet connected.

        Raises:
            PipelineError: no port, a bad profile, or records that cannot be written.
        """
        make_folder(self.request.folder)
        port = self.port()
        return sessions.session(port, lambda: self._make(port))

    def _accountable(self) -> Session:
        """The session, for a run that leaves a receipt: one that cannot shall not touch the board.

        Raises:
            PipelineError: as `session`, or receipts that cannot be written.
        """
        session = self.session()
        check_writable(self.request.folder / "receipts")
        return session

    def _make(self, port: str) -> Session:
        from flashpipe.board.session.session import Session  # noqa: PLC0415  imports the board's room

        wish = self.request.serial()
        return Session(
            port,
            baud=wish.baud,
            reset=wish.reset,
            listener=self.lines,
            stop=sessions.stop,
            prompt=self.lines.ask if self.lines.heard else None,
        )

    def device(self) -> Device | None:
        """What was found on the port; None before a connection."""
        session = sessions.find(self._port)
        return session.device if session else None

    # --- the work ----------------------------------------------------------------------------------------------------

    def probe(self) -> bool:
        """Compare the board with the plan; where it holds it, judge its boot at once. Whether it holds it."""
        from flashpipe.flasher.probe import probe  # noqa: PLC0415

        session = self._accountable()
        try:
            self.found = probe(session, self.request.plan(), self.request.policy())
            session.check_stop()  # here, while the receipt and the board are taken care of
        except PipelineError as error:
            self._keep("flash", error, self.request.plan())  # also where no board was reached
            raise
        self._remember()
        if self.found.holds:
            try:
                self.flash()
            except PipelineError as error:
                self.error = error
        return self.found.holds

    def flash(self) -> Outcome:
        """Write what differs and judge the boot, once; a failure that the probe met is raised again."""
        from flashpipe.flasher.flash import flash  # noqa: PLC0415

        if self.error is not None:
            raise self.error
        if self.outcome is None:
            if self.found is None:
                self.probe()
                return self.flash()
            found = self.found
            policy = replace(self.request.policy(), ask=self._agrees if self.can_ask else None)
            self.outcome = self.recorded("flash", lambda: flash(self.session(), found, policy))
        return self.outcome

    @property
    def can_ask(self) -> bool:
        """Whether somebody can answer a question."""
        return sys.stdin.isatty()

    def _agrees(self, loss: str) -> bool:
        """Whether a person, or yes=1, agrees to a loss."""
        if self.request.variables.flag("yes"):
            return True
        return self.lines.ask(f"{self.port()}: {loss}. Type yes to go on:") and sessions.said_yes()

    @property
    def settled(self) -> bool:
        """Whether this run has seen the board hold the plan and boot well: then there is nothing left to do."""
        return self.outcome is not None and self.outcome.outcome == "skipped" and self.error is None

    def let_go(self) -> None:
        """After a failure or a stop: a board that was not being written goes on with what it did before."""
        from flashpipe.records import journal  # noqa: PLC0415

        session = sessions.find(self._port)
        if session is None or session.device is None:
            return
        with suppress(PipelineError):  # it is gone, or its record is: what failed first is told
            if journal.read(session.device.mac).state != "writing":
                session.leave()

    def forget_findings(self) -> None:
        """The board was changed under us: what was found before holds no longer."""
        self.found = self.outcome = self.error = None

    def recorded(self, command: str, run: Callable[[], Outcome], plan: FlashPlan | None = None) -> Outcome:
        """Run, and write the receipt whatever the ending.

        Raises:
            PipelineError: whatever the run raises; the receipt is then that of a failure.
        """
        self._accountable()
        try:
            done = run()
        except PipelineError as error:
            if isinstance(error, BootError) and error.verdict is not None:
                self._name_places(error.verdict.log)
            self._keep(command, error, plan)
            raise
        self._keep(command, done, plan)
        return done

    def _name_places(self, log: str) -> None:
        """Say where the firmware has crashed, if the profile names its ELF."""
        from flashpipe.text.crash_names import annotator  # noqa: PLC0415  only of use after a crash

        explain = annotator(self.request, self.say)
        for place in dict.fromkeys(place for line in log.splitlines() for place in explain(line)):
            self.say(place)

    def explain(self, error: PipelineError, plan: FlashPlan | None = None) -> None:
        """Give a failure its diagnosis, once; looks at the board for it."""
        if error.diagnosis is not None or isinstance(error, StoppedError) or sessions.ending():
            return
        from flashpipe.flasher import explain_failure as diagnosing  # noqa: PLC0415  the rules of the board's room

        session = sessions.find(self._port)
        if session is None:
            diagnosing.explain(error)
            return
        plan = self.found.plan if self.found else plan
        diagnosing.explain_on(self, session, error, plan)

    def _keep(self, command: str, ending: Outcome | PipelineError, plan: FlashPlan | None = None) -> None:
        from flashpipe.flasher.write_receipt import write_receipt  # noqa: PLC0415

        plan = (self.found.plan if self.found else plan) if command in PLANNED else None
        if isinstance(ending, PipelineError):
            self.explain(ending, plan)
        folder = make_folder(self.request.folder) / "receipts"
        path = write_receipt(
            folder, command, self.session(), plan, ending, origin=self._origin(images=plan is not None)
        )
        if not isinstance(ending, StoppedError):  # a stop is told in one line
            self.say(f"receipt  {self._short(path)}")

    def _origin(self, *, images: bool) -> Origin:
        from flashpipe.flasher.model import Origin  # noqa: PLC0415
        from flashpipe.jobs.port_choice import adapter_of  # noqa: PLC0415

        adapter = adapter_of(self._port)
        return replace(self.request.origin(), adapter=adapter) if images else Origin(adapter=adapter)

    def _short(self, path: Any) -> str:
        return str(path.relative_to(self.request.project)) if path.is_relative_to(self.request.project) else str(path)

    def _remember(self) -> None:
        from flashpipe.jobs.port_choice import remember  # noqa: PLC0415

        device = self.session().device
        if device is None:
            raise NoPortError(f"{self._port}: nothing was found on it")
        remember(self._port, device.mac, self.request.profile_name)
