"""One board of one command line: its port, its session, what was found and what was done, in the order of the tasks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from pathlib import Path
from typing import IO, Final

from flashpipe.board.loader.chips import describe_flash
from flashpipe.board.loader.device import Device
from flashpipe.board.ports.names import is_virtual
from flashpipe.board.session.auto_rate import AutoRate
from flashpipe.board.session.execution import of_port
from flashpipe.board.session.session import Session
from flashpipe.errors import (
    BootError,
    ConfirmationError,
    NoPortError,
    PipelineError,
    RecordError,
    StoppedError,
    SystemLimitError,
)
from flashpipe.events import BoardDone, Message, WireLine
from flashpipe.files import shortest, take_room
from flashpipe.flash import Region
from flashpipe.flasher.flash import flash, journal_line
from flashpipe.flasher.model import NOTHING_DONE, Origin, Outcome, Policy, Probe, RunRecord
from flashpipe.flasher.probe import probe
from flashpipe.flasher.verify import verify
from flashpipe.flasher.write_receipt import write_receipt
from flashpipe.jobs import sessions
from flashpipe.jobs.board_end import board_done
from flashpipe.jobs.face import Face
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.policy import boot_expectation, run_policy
from flashpipe.jobs.port_choice import adapter_of, choose, remember, with_options
from flashpipe.jobs.request import CommandLine
from flashpipe.limits import limits_told
from flashpipe.masking import mask
from flashpipe.next_steps import Advice, setting
from flashpipe.plan.keep import lines
from flashpipe.plan.model import FlashPlan
from flashpipe.records import journal
from flashpipe.records.project_folder import make_folder
from flashpipe.units import parse_duration
from flashpipe.values import dataclass

PLANNED: Final = frozenset({"flash", "files", "verify"})
"""Commands about a plan; the receipts of others do not speak of the one that an earlier task of the run had."""


@dataclass
class BoardRun:
    """A board as the tasks of one run see it."""

    inputs: RunInputs
    named_port: str
    """What `port=` says of this board, empty for the profile's."""
    face: Face
    stop: threading.Event = field(default_factory=lambda: sessions.stop)
    """Set once this run shall end; by default that of the whole process."""
    probed: Probe | None = None
    outcome: Outcome | None = None
    record: RunRecord = field(default_factory=RunRecord)
    """How far the run that is under way has come, for its receipt."""
    error: PipelineError | None = None
    """A failure that the probe met after it knew that nothing needs to be written: the flash task reports it."""
    started: float = field(default_factory=time.monotonic)
    """When work for this board began, by `time.monotonic`."""
    admit: Callable[[Session], None] = field(default=lambda _session: None)
    """Looks at the board before anything is compared, and may refuse it, or give `inputs` the values of its unit."""
    fitted: Callable[[Probe, Sequence[Region]], None] = field(default=lambda _probe, _dirty: None)
    """Is told what a flash is about to write, and which sectors differ; before anything is asked, or written."""
    lasting: bool = False
    """Whether this process goes on after the run."""
    station: dict[str, object] = field(default_factory=dict)
    """What a station wants to find in the receipt."""
    _done: BoardDone | None = None
    """The end of the last task."""
    _told: PipelineError | None = None
    """The failure that was told last, as the end of a task."""
    _port: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _receipt_lock: threading.Lock = field(default_factory=threading.Lock)
    _at_work: tuple[str, FlashPlan | None] | None = None
    """Command and plan of the receipt that is due; None where none is."""
    _room: IO[bytes] | None = None
    """Room on the disk for that receipt: what was done to a board must not be left untold because the disk is full."""

    @property
    def command(self) -> CommandLine:
        """What the user asked for."""
        return self.inputs.command

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One task at a time on one board; their order is the command line's."""
        with self._lock, sessions.Working(self.named_port or "board", self._abandon):
            try:
                yield
            finally:
                self._give_room()

    def _give_room(self) -> None:
        """Let go of the room on the disk that was kept for the receipt."""
        room, self._room = self._room, None
        if room is not None:
            room.close()

    # --- people ------------------------------------------------------------------------------------------------------

    def notify(self, text: str, *, warning: bool = False) -> None:
        """One line about this board."""
        self.face(Message(self._port or self.named_port, text, warning=warning))
        self.notify_monitor(text)

    def notify_monitor(self, text: str) -> None:
        """One line for a monitor that has given up the port for this run."""
        session = sessions.find(self._port)
        if session is not None:
            session.notify_monitor(text)

    def confirm(self, what: str) -> None:
        """Ask a person, or take yes=1.

        Raises:
            ConfirmationError: no, or nobody to ask.
        """
        if self.command.variables.flag("yes"):
            return
        port = self.port()
        if not self.face.ask(f"{port}: this {what}."):
            raise ConfirmationError(f"{port}: this {what}", Advice("say ", setting(yes="1")))
        if not self._confirmed():
            raise ConfirmationError(f"{port}: not confirmed, nothing was done")

    def _agrees(self, loss: str) -> bool:
        """Whether a person, or yes=1, agrees to a loss."""
        if self.command.variables.flag("yes"):
            return True
        return self.face.ask(f"{self.port()}: {loss}.") and self._confirmed()

    def _confirmed(self) -> bool:
        with sessions.waiting_for_person():
            if not (agreed := self.face.confirmed()) and self.stop.is_set():
                raise StoppedError(f"{self._port}: stopped on request")
        return agreed

    # --- the port ----------------------------------------------------------------------------------------------------

    def port(self) -> str:
        """The port, chosen once; says how it was chosen where that is not obvious.

        Raises:
            PortError: none or several fit.
        """
        if not self._port:
            chosen, why = choose(self.inputs, self.named_port)
            self._port = with_options(chosen, self.command.variables)
            if why:
                self.notify(why)
        return self._port

    def session(self) -> Session:
        """The session on the port, not yet connected.

        Raises:
            PipelineError: no port, or a bad profile.
        """
        port = self.port()
        return sessions.session(port, lambda: self._make(port))

    def _accountable(self) -> Session:
        """The session, for a run that leaves a receipt: one that cannot shall not touch the board.

        Raises:
            PipelineError: as `session`, or receipts that cannot be written.
        """
        if self._room is None:
            make_folder(self.command.folder)
        session = self.session()
        if self._room is None:
            self._room = take_room(self.command.receipts_folder)
        return session

    def _make(self, port: str) -> Session:
        serial = self.inputs.serial()
        wait = self.command.variables.text("port_wait")
        session = Session(
            port,
            declared_baud=serial.baud,
            auto=AutoRate(port, self.command.profile_name) if serial.auto_baud else None,
            reset=serial.reset,
            busy_wait_s=parse_duration(wait) if wait else 0.0,
            listener=self.face,
            lasting=self.lasting,
            stop=self.stop,
            prompt=self.face.ask if self.face.attended else None,
        )
        if self.command.variables.flag("verbose"):
            self._show_wire(session)
        return session

    def _show_wire(self, session: Session) -> None:
        """Tell what passes on the line; contents of flash and of files stay out of it."""
        from flashpipe.board.session.traffic_text import LiveLines  # noqa: PLC0415  2 ms, and only where it was asked

        session.traffic.watch = LiveLines(lambda line: self.face(WireLine(session.port, mask(line))))

    def device(self) -> Device | None:
        """What was found on the port; None before a connection."""
        session = sessions.find(self._port)
        return session.device if session else None

    # --- the work ----------------------------------------------------------------------------------------------------

    def probe(self) -> bool:
        """Compare the board with the plan; where it holds it, judge its boot at once. Whether it holds it."""
        session = self._accountable()
        self._at_work = ("flash", None)
        try:
            with limits_told():
                session.retry(lambda: self.admit(session))
                self.probed = probe(session, self.inputs.plan(), run_policy(self.inputs))
            session.check_stop()  # here, while the receipt and the board are taken care of
        except PipelineError as error:
            self.record = RunRecord()
            self._leave_receipt("flash", error, self.inputs.plan())  # also where no board was reached
            raise
        self._at_work = None
        self._remember_port()
        if self.probed.up_to_date:
            try:
                self.flash()
            except PipelineError as error:
                self.error = error
        return self.probed.up_to_date

    def flash(self) -> Outcome:
        """Write what differs and judge the boot, once; a failure that the probe met is raised again."""
        if self.error is not None:
            raise self.error
        if self.outcome is None:
            if self.probed is None:
                self.probe()
                return self.flash()
            probed = self.probed
            policy = self.policy()
            self.outcome = self.recorded("flash", lambda record: flash(self.session(), probed, policy, record))
        return self.outcome

    def policy(self) -> Policy:
        """What profile and command line say about the run; whoever looks on can be asked.

        Raises:
            PipelineError: a bad profile or variable.
        """
        return replace(
            run_policy(self.inputs), ask=self._agrees if self.face.attended else None, fitted=self._may_write
        )

    def _may_write(self, probed: Probe, dirty: Sequence[Region]) -> None:
        """Tell what is about to be written; without a profile somebody agrees to it, and to what is lost."""
        self.fitted(probed, dirty)
        if not self.command.profile_name:
            losses = [line.text for line in lines(probed.decision) if line.at_stake] if probed.decision else []
            self.confirm("; ".join((f"writes {probed.plan.firmware.title()} to board {probed.device.mac}", *losses)))

    def verify(self) -> Outcome:
        """Compare the board with the plan, read-only.

        Raises:
            PipelineError: it differs, or could not be compared.
        """
        plan, policy = self.inputs.plan(), run_policy(self.inputs)
        return self.recorded("verify", lambda _record: verify(self.session(), plan, policy), plan)

    @property
    def up_to_date(self) -> bool:
        """Whether this run has seen the board hold the plan and boot well: then there is nothing left to do."""
        return self.outcome is not None and self.outcome.outcome == "skipped" and self.error is None

    def let_run(self) -> None:
        """After a failure or a stop: a board that was not being written goes on with what it did before."""
        session = sessions.find(self._port)
        if session is None or session.device is None:
            return
        with suppress(PipelineError):  # it is gone, or its record is: what failed first is told
            if journal.read(session.device.mac).state != "writing":
                session.leave()

    def forget_findings(self) -> None:
        """The board was changed under us: what was found before holds no longer."""
        self.probed = self.outcome = self.error = None

    def last_outcome(self) -> Outcome:
        """Of this run; before there is one, that nothing was done: no boot was checked, and the log is empty."""
        return self.outcome or NOTHING_DONE

    # --- endings -----------------------------------------------------------------------------------------------------

    def recorded(self, command: str, run: Callable[[RunRecord], Outcome], plan: FlashPlan | None = None) -> Outcome:
        """Run, and write the receipt whatever the ending; the run tells its record how far it has come.

        Raises:
            PipelineError: whatever the run raises; the receipt is then that of a failure.
        """
        self._accountable()
        self.record, self._at_work = RunRecord(), (command, plan)
        try:
            with limits_told():
                outcome = self.record.note(run(self.record))
        except ConfirmationError:  # before anything was done: a run that nobody wants leaves no receipt
            self._at_work = None
            raise
        except PipelineError as error:
            if isinstance(error, BootError) and error.verdict is not None:
                self._name_crash_addresses(error.verdict.log)
            self._leave_receipt(command, error, plan)
            raise
        self._leave_receipt(command, None, plan)
        return outcome

    def _name_crash_addresses(self, log: str) -> None:
        """Say where the firmware has crashed, if the profile names its ELF."""
        from flashpipe.jobs.crash_addresses import explainer  # noqa: PLC0415  3 ms, and only after a crash

        explain = explainer(self.inputs, self.notify)
        for place in dict.fromkeys(place for line in log.splitlines() for place in explain(line)):
            self.notify(place)

    def explain(self, error: PipelineError, plan: FlashPlan | None = None) -> None:
        """Give a failure its diagnosis, once; looks at the board for it."""
        if error.diagnosis is not None or isinstance(error, StoppedError | SystemLimitError) or sessions.ending():
            return
        from flashpipe.flasher import explain_failure  # noqa: PLC0415  31 ms, and only after a failure

        session = sessions.find(self._port)
        if session is None:
            explain_failure.explain(error)
            return
        plan = self.probed.plan if self.probed else plan
        expect = ""
        with suppress(PipelineError):  # a bad profile or variable is what has failed, perhaps
            expect = boot_expectation(self.inputs).expect
        folder: Path | None = None
        with suppress(PipelineError):
            folder = make_folder(self.command.folder)
        explain_failure.explain_on(session, error, plan, self.record, folder=folder, expect=expect)

    def failed(self, error: PipelineError, command: str = "") -> None:
        """The task `command` has failed on this board: find the cause, let it run, say in which state it is."""
        self.explain(error)
        self.let_run()
        state = ""
        with suppress(RecordError):  # it cannot be read, which is what has failed, perhaps
            state = journal_line(error, self.device())
        if state and not isinstance(error, StoppedError):  # the line about a stop says it all
            self.notify(state, warning=True)
        self.notify_monitor(f"failed: {error.message} [code: {error.code}]")
        if self._told is not error:
            self._tell_end(command, error)

    def _abandon(self) -> None:
        """The process ends before the work on this board does: its receipt says so."""
        work = self._at_work
        if work is not None:
            port = self._port or self.named_port
            with suppress(PipelineError, OSError):
                self._leave_receipt(work[0], StoppedError(f"{port}: stopped at once, on request"), work[1])

    def _leave_receipt(self, command: str, error: PipelineError | None, plan: FlashPlan | None = None) -> None:
        with self._receipt_lock:  # one for each piece of work: whoever works may come to its end after all
            if self._at_work is not None:
                self._at_work = None
                self._write_receipt(command, error, plan)

    def _write_receipt(self, command: str, error: PipelineError | None, plan: FlashPlan | None = None) -> None:
        plan = (self.probed.plan if self.probed else plan) if command in PLANNED else None
        if error is not None:
            self.explain(error, plan)
        if self._room is None:
            make_folder(self.command.folder)
        origin, outcome = self._origin(images=plan is not None), self.record.outcome
        folder = self.command.receipts_folder
        self._give_room()
        path = write_receipt(folder, command, self.session(), plan, outcome, error=error, origin=origin)
        if not isinstance(error, StoppedError):  # a stop is told in one line
            self.notify(f"receipt  {self.short(path)}")
        self._tell_end(command, error, str(path))

    def ended(self, command: str, reason: str) -> None:
        """The task `command`, which leaves no receipt, has ended well; `reason` is what it has found."""
        self.record = RunRecord(Outcome("done", self.device(), reason=reason))
        self._tell_end(command, None)

    def _tell_end(self, command: str, error: PipelineError | None, receipt: str = "") -> None:
        self._told, session = error, sessions.find(self._port)
        port, device = self._port or self.named_port, self.device()
        self._done = board_done(
            port,
            command,
            self.record.outcome if receipt or error is None else NOTHING_DONE,
            error,
            plan=self.probed.plan if self.probed and command in PLANNED else None,
            asked=self.command,
            mac=device.mac if device else "",
            execution=session.execution if session else of_port(None, virtual=bool(port) and is_virtual(port)),
            seconds=time.monotonic() - self.started,
            steps=tuple(session.step_times) if session else (),
            receipt=receipt,
            forgets=session is not None and session.forgets,
        )
        self.face(self._done)

    def facts(self) -> dict[str, str]:
        """What other programs' tasks may want to know of the board; empty texts where it is not known.

        Returns:
            `port`, `mac`, `flash_id` (as JEDEC counts, such as ef4016), `outcome` (as in receipts), `verdict` (kind of
            the boot's) and `receipt` (its path).
        """
        device, outcome = self.device(), self._done
        return {
            "port": self._port or self.named_port,
            "mac": device.mac if device else "",
            "flash_id": describe_flash(device.flash_id).jedec if device else "",
            "outcome": outcome.outcome if outcome else "",
            "verdict": outcome.verdict if outcome else "",
            "receipt": outcome.receipt if outcome else "",
        }

    def _origin(self, *, images: bool) -> Origin:
        origin = self.inputs.origin() if images else Origin()
        return replace(origin, adapter=adapter_of(self._port), station=self.station)

    def short(self, path: Path) -> str:
        """The shortest path that leads there from where the user stands."""
        return shortest(path, self.command.caller)

    def _remember_port(self) -> None:
        device = self.session().device
        if device is None:
            raise NoPortError(f"{self._port}: nothing was found on it")
        remember(self._port, device.mac, self.command.profile_name)
