"""One open connection to one board: reset, synchronise, identify, stub, baud, work, reset, boot log.

Everything a run does happens on one session, so that a board without reset wires needs one press only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field, replace
from typing import Any, Final, Protocol, TypeVar

from pipeline.board import bootlog, hands, ports, reaching
from pipeline.board.bootprogress import BootProgress
from pipeline.board.device import Device
from pipeline.board.ladder import EXCHANGED, START, WORK, Ladder, usual
from pipeline.board.loader import ROM_BAUD, Link
from pipeline.board.portlock import PortLock
from pipeline.board.romlink import RomLink
from pipeline.board.tape import Tape, recorded
from pipeline.errors import ConnectError, DeviceError, PortLostError, StoppedError, WrongBoardError
from pipeline.events import Listener, Progress, Said, StepFinished, StepStarted, ignore
from pipeline.values import dataclass

__all__ = ["NO_WIRE", "Device", "Session"]

READ_SLICE_S: Final = 0.05
T = TypeVar("T")
IN_LOADER: Final = "the chip is in its serial loader; nothing was reset"
ECHO_S: Final = 0.05
"""A pause that ends the echo of what was typed."""
ECHO_READS: Final = 40
"""Pieces of it at most: a program may print without a pause."""
NO_WIRE: Final = "the reset line does not reach the chip, which is still in its loader"
"""What is wrong with a silent board whose loader answers; bare modules on plain adapters are such boards."""


class Flag(Protocol):
    """Like an event: set once it is time to end."""

    def is_set(self) -> bool:
        """Whether it is."""


@dataclass
class Session:
    """A connection, opened when first needed. Not thread-safe: one worker owns it."""

    port: str
    baud: int = 460800
    reset: str = "auto"
    """`auto`, `manual`, `none` or esptool's custom reset text."""
    listener: Listener = ignore
    stop: threading.Event = field(default_factory=threading.Event)
    prompt: Callable[[str], bool] | None = None
    """Tells a person to do something; None where nobody listens (a pipe, a build server)."""
    device: Device | None = None
    _serial: Any = None
    _link: Link | None = None
    _ladder: Ladder | None = None
    _hands: hands.Hands | None = None
    _held: ExitStack = field(default_factory=ExitStack)
    step_times: list[tuple[str, float]] = field(default_factory=list)
    offers: bool = False
    """It only listens, and gives the port to whoever asks for it (`lock`)."""
    lock: PortLock | None = None
    """Ours while the port is open."""
    doing: str = ""
    """Name of the step that was begun last."""
    tape: Tape = field(default_factory=Tape)
    """The last bytes on the wire, for diagnoses."""

    # --- life --------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Lock and open the port; nothing is sent.

        Raises:
            PortError: missing, denied or busy.
        """
        if self._serial is None:
            self.lock = self._held.enter_context(ports.lock_port(self.port, ask=not self.offers))
            try:
                self._serial = self._held.enter_context(
                    _closing(recorded(ports.open_port(self.port, ROM_BAUD), self.tape))
                )
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Give the port back; harmless when closed."""
        self._held.close()
        self._serial = self._link = self.lock = None

    @property
    def wire(self) -> Any:
        """The open serial port, None while closed."""
        return self._serial

    @property
    def ladder(self) -> Ladder:
        """What is tried when something fails; begins with what worked last on this adapter."""
        if self._ladder is None:
            sequence = "" if self.reset in {"auto", "manual", "none"} else self.reset
            self._ladder = Ladder(self.port, usual(self.baud, sequence), self.say, self._can_be_reset)
            self.baud = self._ladder.way.baud
        return self._ladder

    def _can_be_reset(self) -> bool:
        return self.resets_by_wire or (self.reset != "none" and self.prompt is not None)

    @property
    def hands(self) -> hands.Hands:
        """The person who presses the buttons where no wire does."""
        if self._hands is None:
            self._hands = hands.Hands(self.port, self.prompt, self.say)
        return self._hands

    def climb(self, work: Callable[[], T]) -> T:
        """Do the work; where it fails as another attempt may cure, connect again in another way and begin it anew.

        Raises:
            PipelineError: the first failure; what was tried after it is said.
        """
        done = self.ladder.climb(work, WORK, self._let_go)
        if self.device is not None:
            self.ladder.won(self.device.mac)
        return done

    def _let_go(self) -> None:
        """The conversation is broken: the next one begins with a reset, in the way that the ladder has chosen."""
        self.check_stop()
        self._link = None
        self.baud = self.ladder.way.baud

    @property
    def link(self) -> Link:
        """The loader conversation; connects at first use."""
        if self._link is None:
            self.connect()
        assert self._link is not None
        return self._link

    def connected(self) -> Device:
        """The device on the port; connects at first use."""
        if self._link is None:
            self.connect()
        assert self.device is not None
        return self.device

    @property
    def virtual(self) -> bool:
        """Whether a virtual board sits behind the port."""
        return ports.is_virtual(self.port)

    # --- telling -----------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """One line for the person."""
        self.listener(Said(self.port, text))
        self.tell(text)

    def tell(self, text: str) -> None:
        """One line for a monitor that has given up the port for us."""
        if self.lock is not None:
            self.lock.tell(text)

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[list[str]]:
        """Time a step; the body may append its one-line result to the list it is given."""
        self.check_stop()
        self.doing = name
        self.listener(StepStarted(self.port, name, detail))
        started, result = time.monotonic(), list[str]()
        try:
            yield result
        finally:
            self.step_times.append((name, round(time.monotonic() - started, 3)))
        self.listener(StepFinished(self.port, name, self.step_times[-1][1], " ".join(result)))
        self.tell(f"{name:<8} {' '.join(result)}")

    def progress(self, step: str) -> Callable[[int, int], None]:
        """A callback for loops: tells the listener, and leaves the loop when the run shall stop."""

        def on_progress(done: int, total: int) -> None:
            self.check_stop()
            self.listener(Progress(self.port, step, done, total))

        return on_progress

    def check_stop(self) -> None:
        """Raises StoppedError once somebody asked to stop."""
        if self.stop.is_set():
            raise StoppedError(f"{self.port}: stopped on request")

    # --- download mode -----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Get the chip into its loader, start the stub, raise the baud rate, find out what it is.

        Raises:
            ConnectError: it does not answer.
            WrongChipError: it is not an ESP8266.
            FlashUnknownError: its flash does not answer.
        """
        self.open()
        self.ladder.climb(self._connect_once, START, self._let_go)
        assert self.device is not None
        self.ladder.won(self.device.mac)

    def _connect_once(self) -> None:
        before = self.device
        with self.step("connect", self.port) as result:
            link = self._new_link()
            try:
                self.device = reaching.meet(self, link)
                if before is not None and before.mac != self.device.mac:
                    raise WrongBoardError(
                        f"{self.port}: another board answers now: {self.device.mac}, it was {before.mac}",
                        "leave the board on its port until the run is over",
                    )
            except (DeviceError, StoppedError):
                self._let_run(link)  # it was only looked at: it goes on with what it did
                raise
            self._link = link
            result.append(f"{self.device.chip}, MAC {self.device.mac}, {self.device.flash_part}")

    def _new_link(self) -> Link:
        way = self.ladder.way
        link = Link(self._serial, self.port) if way.stub else RomLink(self._serial, self.port, self.progress("read"))
        link.block, link.exchanged = way.block, way.sequence == EXCHANGED
        return link

    # --- running -----------------------------------------------------------------------------------------------------

    @property
    def resets_by_wire(self) -> bool:
        """Whether this session may and can pulse the reset line."""
        return self.reset not in {"none", "manual"} and not self.port.startswith("socket://")

    def boot(
        self, *, timeout_s: float, wait_for: str = "", patient: bool = False, look: bool = False
    ) -> bootlog.Verdict:
        """Reset into the application and watch its boot log until it proves something, or says `wait_for`.

        `patient`: silence proves nothing before the time is over. NodeMCU up to 2.x formats its file system at first
        boot without a word, for most of a minute on 4 MB. `look`: where no wire resets the board and nobody can be
        asked to, judge it as it runs.

        Raises:
            ConnectError: a person would have to press RESET and nobody can be asked.
            PortLostError: the port went away.
        """
        self.open()
        crystal = self.device.crystal_mhz if self.device else 26

        def watch(silence_s: float, first: bytes = b"") -> bootlog.Verdict:
            watcher = bootlog.BootWatcher(
                now=time.monotonic(),
                crystal_mhz=crystal,
                timeout_s=timeout_s,
                wait_for=wait_for,
                quiet_s=timeout_s if patient else bootlog.ALIVE_S,
                silence_s=silence_s,
            )
            watcher.feed(first, time.monotonic())
            return self.watch(watcher, timeout_s)

        link = (self._link or self._new_link()) if self.resets_by_wire else None
        with self._lost_if_gone():
            self._set_baud(bootlog.rom_baud(crystal))  # after the link, which begins at a rate of its own
            self._serial.reset_input_buffer()  # of what was said before the reset, nothing counts
        if link is None:
            if look and self.reset == "none":
                return self._look(watch)
            try:
                return self._boot_by_hand(lambda first: watch(bootlog.SILENCE_S, first))
            except ConnectError:  # nobody can be asked
                if look:
                    return self._look(watch)
                raise
        link.reset_to_application()
        self._link = None  # whatever answered before is gone
        verdict = watch(bootlog.SILENCE_S)
        if verdict.kind == "silence" and self._still_in_loader():
            return replace(verdict, kind="download-mode", summary=NO_WIRE)
        return verdict

    def _look(self, watch: Callable[[float], bootlog.Verdict]) -> bootlog.Verdict:
        """The verdict on a board as it runs; every usual rate is knocked at."""
        self._link = None
        verdict = watch(bootlog.SWEEP_S)
        if verdict.kind == "silence" and self._still_in_loader():
            return replace(verdict, kind="download-mode", summary=IN_LOADER)
        return replace(verdict, summary=f"{verdict.summary}; it was not reset")

    def _boot_by_hand(self, watch: Callable[[bytes], bootlog.Verdict]) -> bootlog.Verdict:
        """A person resets the board, again where GPIO0 was still low; the time for the log runs from the reset on."""
        person, rate, asked_again = self.hands, self.rate, False
        person.into_application()
        self._link = None
        until = person.clock() + hands.LIMIT_S
        while True:
            self.tune(rate)
            first = b""
            while not first and person.clock() < until:
                first = self.hear(READ_SLICE_S)
                person.remind()
            if first:
                person.heard()
            verdict = watch(first)
            if verdict.kind == "silence" and self._still_in_loader():
                verdict = replace(verdict, kind="download-mode", summary="the chip is still in its loader")
            if verdict.kind == "download-mode" and not asked_again:
                asked_again, until = True, person.clock() + hands.LIMIT_S
                person.request(hands.STILL_HELD)
            elif verdict.kind != "silence" or person.clock() >= until:  # else only a wire was touched
                return verdict

    def _still_in_loader(self) -> bool:
        link = Link(self._serial, self.port)
        return any(link.sync(baud=baud) for baud in dict.fromkeys((self.baud, ROM_BAUD)))

    def watch(self, watcher: bootlog.BootWatcher, timeout_s: float) -> bootlog.Verdict:
        """Serve a watcher with what the line says until it gives its verdict."""
        progress = BootProgress(self.port, self.listener, timeout_s)
        while True:
            self.check_stop()
            wish = watcher.next(time.monotonic())
            if isinstance(wish, bootlog.Verdict):
                return wish
            with self._lost_if_gone():
                if isinstance(wish, bootlog.Send):
                    self._serial.write(wish.data)
                    continue
                self._set_baud(wish.baud)
                self._serial.timeout = max(0.001, min(READ_SLICE_S, wish.until_s - time.monotonic()))
                data = self._serial.read(max(1, self._serial.in_waiting))
            watcher.feed(data, time.monotonic())
            progress.show(watcher)

    def leave(self) -> None:
        """Let the board run its application without watching, where its reset line is wired."""
        if self._link is not None:
            self._let_run(self._link)

    def _let_run(self, link: Link) -> None:
        if self.resets_by_wire:
            link.reset_to_application()
            self._link = None

    def listen(self, baud: int, stop: Flag) -> Iterator[bytes]:
        """What the board says, in pieces, until `stop` is set; opens the port without resetting the board.

        Raises:
            PortLostError: the port went away.
        """
        self.open()
        with self._lost_if_gone():
            self._set_baud(baud)
            self._serial.timeout = READ_SLICE_S
        while not stop.is_set():
            with self._lost_if_gone():
                data = self._serial.read(max(1, self._serial.in_waiting))
            if data:
                yield bytes(data)

    @property
    def rate(self) -> int:
        """The baud rate last listened at."""
        return int(self._serial.baudrate) if self._serial is not None else ROM_BAUD

    def tune(self, baud: int) -> None:
        """Listen and talk at `baud`; opens the port where it is not open.

        Raises:
            PortError: the port cannot be opened, or went away.
        """
        self.open()
        self._link = None
        with self._lost_if_gone():
            self._set_baud(baud)

    @contextmanager
    def private(self) -> Iterator[None]:
        """What passes meanwhile are the contents of files: the tape remembers how much, not what."""
        self.tape.private = True
        try:
            yield
        finally:
            with suppress(PortLostError, StoppedError):  # the echo of the last line still belongs to it
                for _ in range(ECHO_READS):
                    if self._serial is None or not self.hear(ECHO_S):
                        break
            self.tape.private = False

    def hear(self, limit_s: float) -> bytes:
        """What the board says: at once where something is there, else what comes first within `limit_s`.

        Raises:
            PortLostError: the port went away.
            StoppedError: somebody asked to stop.
        """
        self.check_stop()
        with self._lost_if_gone():
            self._serial.timeout = limit_s
            return bytes(self._serial.read(max(1, self._serial.in_waiting)))

    def send(self, data: bytes) -> None:
        """Bytes to the board's console.

        Raises:
            PortLostError: the port went away.
        """
        with self._lost_if_gone():
            self._serial.write(data)

    @contextmanager
    def _lost_if_gone(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # pyserial's SerialException is one
            raise PortLostError(
                f"{self.port}: the port went away: {error}",
                "check cable and hub, plug in again, run the same command again",
            ) from error

    def _set_baud(self, baud: int) -> None:
        if self._serial.baudrate != baud:
            self._serial.baudrate = baud


@contextmanager
def _closing(port: Any) -> Iterator[Any]:
    try:
        yield port
    finally:
        with suppress(OSError):  # it may be gone already
            port.close()
