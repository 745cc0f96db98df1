"""One open serial line: its lock, reads and writes, rates, steps, and the request to stop.

A line knows no loader. What talks to one works on a `session.Session`, which is a line with a board on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Protocol

from flashpipe.board.ports import names
from flashpipe.board.ports.lock import PortLock, lock_port
from flashpipe.board.ports.open import open_port
from flashpipe.board.ports.places import is_place, place_port
from flashpipe.board.session.execution import Execution, of_port
from flashpipe.board.session.listening_clock import ListeningClock
from flashpipe.board.session.traffic import TrafficLog, recorded
from flashpipe.errors import NoPortError, PortBusyError, PortLostError, StoppedError
from flashpipe.events import Listener, Message, Progress, StepFailed, StepFinished, StepStarted, ignore
from flashpipe.next_steps import Advice, repeat
from flashpipe.reset_mode import NO_WIRE, ResetMode
from flashpipe.values import dataclass

if TYPE_CHECKING:
    import serial

    from flashpipe.board.ports.lease import Lease

OPEN_BAUD: Final = 115200
"""Rate of a port that nobody has tuned yet: that of the ROM loader and of most firmware."""
READ_SLICE_S: Final = 0.05
ECHO_S: Final = 0.05
"""A pause that ends the echo of what was typed."""
ECHO_READS: Final = 40
"""Pieces of it at most: a program may print without a pause."""


_LOOK_S: Final = 0.25
"""Between two attempts to get a port that somebody else has."""


class Flag(Protocol):
    """Like an event: set once it is time to end."""

    def is_set(self) -> bool:
        """Whether it is."""


_CONTINUED: Final = frozenset({"erase", "write", "verify", "backup", "send", "blocks"})
"""Steps of which the same command, run again, finds what was done, and does the rest."""
_GOES_ON: Final = Advice(repeat("run the same command again"), ": it continues")


@dataclass
class SerialLine:
    """A serial line, opened when first needed. Not thread-safe: one worker owns it."""

    port: str
    reset: str = ResetMode.AUTO.value
    """A word of `ResetMode`, or esptool's custom reset text."""
    listener: Listener = ignore
    stop: threading.Event = field(default_factory=threading.Event)
    prompt: Callable[[str], bool] | None = None
    """Tells a person to do something; None where nobody listens (a pipe, a build server)."""
    busy_wait_s: float = 0.0
    """How long a port that somebody else has is waited for."""
    offers: bool = False
    """It only listens, and gives the port to whoever asks for it (`lock`)."""
    lasting: bool = False
    """Whether this process goes on after the work on the board: so do its virtual boards."""
    lock: PortLock | None = None
    """Ours while the port is open."""
    lease: Lease | None = None
    """The place in a lab that the port names, once it is ours."""
    doing: str = ""
    """Name of the step that was begun last."""
    step_times: list[tuple[str, float]] = field(default_factory=list)
    traffic: TrafficLog = field(default_factory=TrafficLog)
    """The last bytes on the wire, for diagnoses."""
    _listening: ListeningClock = field(default_factory=ListeningClock)
    _serial: Any = None
    _execution: Execution | None = None
    _open: ExitStack = field(default_factory=ExitStack)
    _locked: ExitStack = field(default_factory=ExitStack)

    @property
    def forgets(self) -> bool:
        """Whether the board on the port will be a new one next time: only a `sim://` port knows that of its board."""
        return not self.lasting and bool(getattr(self.wire, "forgets", False))

    # --- life --------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Lock and open the port; nothing is sent.

        Raises:
            PortError: missing, denied or busy.
        """
        until, announced = time.monotonic() + self.busy_wait_s, False
        while self._serial is None:
            busy = self._busy_or_open()
            if busy is None:
                return
            if time.monotonic() >= until:
                raise busy
            if not announced:
                words = busy.without(self.port)
                self.notify(f"{words}: waiting up to {self.busy_wait_s:g} s")
            announced = True
            self.stop.wait(_LOOK_S)
            self.check_stop()

    def _busy_or_open(self) -> PortBusyError | None:
        try:
            self._open_once()
        except PortBusyError as error:
            return error
        return None

    def _open_once(self) -> None:
        """Lock, acquire, open: of a place that is only described by tags it shows last which one is to be locked."""
        if self.lease is None and is_place(self.port) and not place_port(self.port):
            self._acquire()
        named = self.lease.port if self.lease is not None else place_port(self.port) or self.port
        try:
            self.lock = self._locked.enter_context(lock_port(named, ask=not self.offers))
            if self.lease is None and is_place(self.port):
                self._acquire()
            opened = self._opened()
            self._serial = self._open.enter_context(_closing(recorded(opened, self.traffic)))
            if getattr(opened, "virtual", False) or names.is_virtual(self.address):
                names.note_virtual(self.port)
            self._execution = of_port(opened, virtual=self.virtual)
        except BaseException:
            self.close()
            raise

    def _acquire(self) -> None:
        """Make the place in a lab ours, for as long as this line is used."""
        from flashpipe.board.ports.lab_client import LabClient  # noqa: PLC0415  3 ms, and only for a lab
        from flashpipe.board.ports.lease import PlaceTaker  # noqa: PLC0415  with it

        with self.step("acquire", self.port) as result:
            self.lease = PlaceTaker(LabClient.here(), self.notify, self.check_stop).take(self.port, self.busy_wait_s)
            result.append(f"place {self.lease.place.name}, {self.lease.address}")

    def _opened(self) -> serial.SerialBase:
        try:
            return open_port(self.address, OPEN_BAUD)
        except NoPortError:
            if self.lease is None or not self.lease.look_again():
                raise
            return open_port(self.address, OPEN_BAUD)

    @property
    def address(self) -> str:
        """What is opened: the port, or where the place is that it names."""
        return self.lease.address if self.lease is not None else self.port

    def close(self) -> None:
        """Give the port back; harmless when closed. A place in a lab stays ours."""
        self._open.close()
        self._locked.close()
        self._serial = self.lock = None

    def release(self) -> None:
        """Give the port back, and the place in a lab that it was, before another flashpipe of this user comes."""
        self._open.close()
        lease, self.lease = self.lease, None
        if lease is not None:
            lease.release(self.notify)
        self.close()

    @property
    def wire(self) -> Any:
        """The open serial port, None while closed."""
        return self._serial

    @property
    def virtual(self) -> bool:
        """Whether a virtual board sits behind the port."""
        return names.is_virtual(self.port) or names.is_virtual(self.address)

    @property
    def execution(self) -> Execution:
        """How the firmware of the board runs, as the port told when it was last opened."""
        return self._execution or of_port(None, virtual=self.virtual)

    @property
    def resets_by_wire(self) -> bool:
        """Whether this end may and can pulse the reset line."""
        return self.reset not in NO_WIRE and not self.address.startswith("socket://")

    # --- telling -----------------------------------------------------------------------------------------------------

    def notify(self, text: str) -> None:
        """One line for the person."""
        self.listener(Message(self.port, text))
        self.notify_monitor(text)

    def notify_monitor(self, text: str) -> None:
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
        except BaseException:
            self.step_times.append((name, round(time.monotonic() - started, 3)))
            self.listener(StepFailed(self.port, name, self.step_times[-1][1]))
            raise
        self.step_times.append((name, round(time.monotonic() - started, 3)))
        self.listener(StepFinished(self.port, name, self.step_times[-1][1], " ".join(result)))
        self.notify_monitor(f"{name:<8} {' '.join(result)}")

    def progress(self, step: str) -> Callable[[int, int], None]:
        """A callback for loops: tells the listener, and leaves the loop when the run shall stop."""

        def on_progress(done: int, total: int) -> None:
            self.check_stop()
            self.listener(Progress(self.port, step, done, total))

        return on_progress

    def check_stop(self) -> None:
        """Raises StoppedError once somebody asked to stop."""
        if self.stop.is_set():
            raise StoppedError(f"{self.port}: stopped on request", _GOES_ON if self.doing in _CONTINUED else "")

    # --- reading and writing -----------------------------------------------------------------------------------------

    @property
    def rate(self) -> int:
        """The baud rate last listened at."""
        return int(self._serial.baudrate) if self._serial is not None else OPEN_BAUD

    def tune(self, baud: int) -> None:
        """Listen and talk at `baud`; opens the port where it is not open.

        Raises:
            PortError: the port cannot be opened, or went away.
        """
        self.open()
        with self._lost_if_gone():
            self._set_baud(baud)

    def clock(self) -> float:
        """The time in which this line's limits count, in seconds; opens the port where it is not open.

        That is time for which somebody listens. A virtual board has its own, and does not stop being a good board where
        its machine is slow or busy.

        Raises:
            PortError: the port cannot be opened, or went away.
        """
        return self._listening.now(self.own_time())

    def own_time(self) -> float:
        """The time of the board itself where it is a virtual one, else that of this machine, in seconds.

        Raises:
            PortError: the port cannot be opened, or went away.
        """
        self.open()
        with self._lost_if_gone():
            return self._time()

    def _time(self) -> float:
        own_time = getattr(self._serial, "own_time", None)
        return time.monotonic() if own_time is None else float(own_time())

    def receive(self, limit_s: float, *, from_person: bool = False) -> bytes:
        """What the board says: at once where something is there, else what comes first within `limit_s` by `clock`.

        `from_person`: somebody has to press a button before, and people do not live in the time of virtual boards.

        Raises:
            PortLostError: the port went away.
            StoppedError: somebody asked to stop.
        """
        self.check_stop()
        hear, now = getattr(self._serial, "hear", None), self._time
        if from_person:
            hear, now = None, time.monotonic
        with self._lost_if_gone():
            begun_s = now()
            if hear is not None:
                data = hear(limit_s)
            else:
                self._serial.timeout = limit_s
                data = self._serial.read(max(1, self._serial.in_waiting))
            self._listening.listened(begun_s, now(), limit_s)
        return bytes(data)

    def send(self, data: bytes) -> None:
        """Bytes to the board's console.

        Raises:
            PortLostError: the port went away.
        """
        with self._lost_if_gone():
            self._serial.write(data)

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

    @contextmanager
    def private(self) -> Iterator[None]:
        """What passes meanwhile are the contents of files: the traffic log remembers how much, not what."""
        self.traffic.private = True
        try:
            yield
        finally:
            with suppress(PortLostError, StoppedError):  # the echo of the last line still belongs to it
                for _ in range(ECHO_READS):
                    if self._serial is None or not self.receive(ECHO_S):
                        break
            self.traffic.private = False

    @contextmanager
    def _lost_if_gone(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # pyserial's SerialException is one
            raise PortLostError(
                f"{self.port}: the port went away: {error}",
                Advice("check cable and hub, plug in again, ", repeat("run the same command again")),
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
