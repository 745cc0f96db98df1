"""One open connection to one board: reset, synchronise, identify, stub, baud, work, reset, boot log.

Everything a run does happens on one session, so that a board without reset wires needs one press only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from flashpipe.board.loader.device import Device
from flashpipe.board.loader.link import ROM_BAUD, EsptoolLoader
from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.ports import choice as ports
from flashpipe.board.ports.lock import PortLock
from flashpipe.board.session import connect as reaching
from flashpipe.board.session.fallbacks import EXCHANGED, START, WORK, Fallbacks, usual
from flashpipe.board.session.traffic import TrafficLog, recorded
from flashpipe.errors import DeviceError, PortLostError, StoppedError, WrongBoardError
from flashpipe.events import Listener, Message, Progress, StepFinished, StepStarted, ignore
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.session import manual_reset as hands

__all__ = ["Device", "Session"]

READ_SLICE_S: Final = 0.05
T = TypeVar("T")
ECHO_S: Final = 0.05
"""A pause that ends the echo of what was typed."""
ECHO_READS: Final = 40
"""Pieces of it at most: a program may print without a pause."""


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
    _link: EsptoolLoader | None = None
    _ladder: Fallbacks | None = None
    _hands: hands.ManualReset | None = None
    _held: ExitStack = field(default_factory=ExitStack)
    step_times: list[tuple[str, float]] = field(default_factory=list)
    offers: bool = False
    """It only listens, and gives the port to whoever asks for it (`lock`)."""
    lock: PortLock | None = None
    """Ours while the port is open."""
    doing: str = ""
    """Name of the step that was begun last."""
    tape: TrafficLog = field(default_factory=TrafficLog)
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
    def ladder(self) -> Fallbacks:
        """What is tried when something fails; begins with what worked last on this adapter."""
        if self._ladder is None:
            sequence = "" if self.reset in {"auto", "manual", "none"} else self.reset
            self._ladder = Fallbacks(self.port, usual(self.baud, sequence), self.say, self._can_be_reset)
            self.baud = self._ladder.way.baud
        return self._ladder

    def _can_be_reset(self) -> bool:
        return self.resets_by_wire or (self.reset != "none" and self.prompt is not None)

    @property
    def hands(self) -> hands.ManualReset:
        """The person who presses the buttons where no wire does."""
        if self._hands is None:
            from flashpipe.board.session import manual_reset as hands  # noqa: PLC0415  nobody is needed where a wire resets

            self._hands = hands.ManualReset(self.port, self.prompt, self.say)
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
    def link(self) -> EsptoolLoader:
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
        self.listener(Message(self.port, text))
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
                self.device = reaching.connect(self, link)
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

    def _new_link(self) -> EsptoolLoader:
        way = self.ladder.way
        link = (
            EsptoolLoader(self._serial, self.port)
            if way.stub
            else RomLink(self._serial, self.port, self.progress("read"))
        )
        link.block, link.exchanged = way.block, way.sequence == EXCHANGED
        return link

    # --- running -----------------------------------------------------------------------------------------------------

    @property
    def resets_by_wire(self) -> bool:
        """Whether this session may and can pulse the reset line."""
        return self.reset not in {"none", "manual"} and not self.port.startswith("socket://")

    def restart(self, baud: int) -> bool:
        """Reset the board by wire, and hear it at `baud` from its first byte on; False: no wire resets it.

        Raises:
            PortLostError: the port went away.
        """
        self.open()
        link = (self._link or self._new_link()) if self.resets_by_wire else None
        with self._lost_if_gone():
            self._set_baud(baud)  # after the link, which begins at a rate of its own
            self._serial.reset_input_buffer()  # of what was said before the reset, nothing counts
        if link is not None:
            link.reset_to_application()
        self._link = None  # whatever answered before is gone
        return link is not None

    def in_loader(self) -> bool:
        """Whether the loader answers, although nobody put the chip into it just now."""
        link = EsptoolLoader(self._serial, self.port)
        return any(link.sync(baud=baud) for baud in dict.fromkeys((self.baud, ROM_BAUD)))

    def leave(self) -> None:
        """Let the board run its application without watching, where its reset line is wired."""
        if self._link is not None:
            self._let_run(self._link)

    def _let_run(self, link: EsptoolLoader) -> None:
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
