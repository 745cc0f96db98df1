"""One open connection to one board: reset, synchronise, identify, stub, baud, work, reset, boot log.

Everything a run does happens on one session, so that a board without reset wires needs one press only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pipeline.board import bootlog, chips, ports
from pipeline.board.loader import ROM_BAUD, Link
from pipeline.board.portmemory import note_slow_start, starts_slowly
from pipeline.board.tape import Tape, recorded
from pipeline.errors import (
    ConnectError,
    DeviceError,
    FlashUnknownError,
    PortLostError,
    StoppedError,
    WireError,
    WrongChipError,
)
from pipeline.events import Listener, Progress, Said, StepFinished, StepStarted, ignore

FAST_START: Final = 460800
"""Highest rate for a first synchronisation. The ROM measures the host's rate, its ceiling is unconfirmed (facts:
esp8266-protocol §3.3); above it the rate must be raised from 115200, which the stub takes for granted (§3.7)."""
PRESS_LIMIT_S: Final = 60.0
"""How long a person is given to put the board into download mode."""
READ_SLICE_S: Final = 0.05
NO_WIRE: Final = "the reset line does not reach the chip, which is still in its loader"
"""What is wrong with a silent board whose loader answers; bare modules on plain adapters are such boards."""


@dataclass(frozen=True, slots=True)
class Device:
    """What was found on the port."""

    port: str
    chip: str
    """As efuses name it, such as ESP8266EX or ESP8285N08."""
    family: str
    """`esp8266` or `esp8285`, as profiles say."""
    features: tuple[str, ...]
    mac: str
    crystal_mhz: int
    flash_id: int
    flash_size: int | None
    """Bytes, None where the ID is unknown."""
    flash_part: str
    virtual: bool
    sfdp_size: int | None = None
    """Bytes by the part's own tables; only `identify` reads them."""


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
    _held: ExitStack = field(default_factory=ExitStack)
    step_times: list[tuple[str, float]] = field(default_factory=list)
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
            self._held.enter_context(ports.lock_port(self.port))
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
        self._serial = self._link = None

    @property
    def wire(self) -> Any:
        """The open serial port, None while closed."""
        return self._serial

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
        with self.step("connect", self.port) as result:
            link = Link(self._serial, self.port)
            try:
                self.device = self._meet(link)
            except (DeviceError, StoppedError):
                self._let_run(link)  # it was only looked at: it goes on with what it did
                raise
            self._link = link
            result.append(f"{self.device.chip}, MAC {self.device.mac}, {self.device.flash_part}")

    def _meet(self, link: Link) -> Device:
        """Reach the loader, at the higher rate first where that can save the slow upload of the stub."""
        fast = min(self.baud, FAST_START)
        if fast > ROM_BAUD and self.baud <= FAST_START and self.resets_by_wire and not starts_slowly(self.port):
            with suppress(ConnectError, WireError, WrongChipError):  # the slower rate gives the last word
                self._reach_loader_fast(link, fast)
                return self._greet(link)
            self._reach_loader(link)
            note_slow_start(self.port)
        else:
            self._reach_loader(link)
        return self._greet(link)

    def _reach_loader_fast(self, link: Link, baud: int) -> None:
        if not link.sync(baud=baud) and not link.sync():
            sequence = "" if self.reset == "auto" else self.reset
            link.reset_into_loader(sequence, rounds=1, on_round=lambda _number: self.check_stop(), baud=baud)

    def _greet(self, link: Link) -> Device:
        link.check_chip()
        words, divider, found_at = link.efuses(), link.uart_divider(), int(self._serial.baudrate)
        self.check_stop()
        link.start_stub()
        self._raise_baud(link)
        self.check_stop()
        device = self._identify(link, words, divider, found_at)
        if device.flash_size is not None:
            link.set_flash_size(device.flash_size)
        return device

    def _reach_loader(self, link: Link) -> None:
        if link.sync():
            return
        by_hand = self.reset == "manual" or self.port.startswith("socket://")
        # Perhaps an earlier run left its stub at the higher rate; where no wire resets it, that is worth a try.
        if self.reset in {"none", "manual"} and self.baud != ROM_BAUD and link.sync(baud=self.baud):
            return
        if self.reset == "none":
            raise ConnectError(
                f"{self.port}: no loader answers and reset=none forbids to reset the board",
                "put it into download mode (GPIO0 low, then RESET), or leave out reset=none",
            )
        if by_hand:
            self._wait_for_press(link)
            return
        sequence = "" if self.reset == "auto" else self.reset
        link.reset_into_loader(sequence, on_round=lambda _number: self.check_stop())

    def _wait_for_press(self, link: Link) -> None:
        if self.prompt is None or not self.prompt(
            f"{self.port}: hold GPIO0 at GND (FLASH button), tap RESET, then release GPIO0 … waiting"
        ):
            raise ConnectError(
                f"{self.port}: this board needs a person to press RESET, and nobody can be asked here",
                "run it on a terminal, or put the board into download mode first and say reset=none",
            )
        deadline = time.monotonic() + PRESS_LIMIT_S
        while time.monotonic() < deadline:
            self.check_stop()
            if link.sync(attempts=3):
                self.say("download mode seen: you can release GPIO0")
                return
        raise ConnectError(
            f"{self.port}: no loader answered within {PRESS_LIMIT_S:.0f} s",
            "GPIO0 must be low at the moment RESET is released; GPIO15 low, CH_PD/EN high, 3.3 V",
        )

    def _raise_baud(self, link: Link) -> None:
        try:
            link.change_baud(self.baud)
        except WireError:
            if self.baud == ROM_BAUD or self.reset != "auto":
                raise
            self.say(f"{self.baud} baud does not work on this adapter: going on at {ROM_BAUD}")
            self.baud = ROM_BAUD
            link.reset_into_loader(on_round=lambda _number: self.check_stop())
            link.start_stub()

    def _identify(self, link: Link, words: tuple[int, int, int, int], divider: int, found_at: int) -> Device:
        chip = chips.identify_chip(words)
        flash_id = link.flash_id()
        if flash_id & 0xFF in {0x00, 0xFF}:
            raise FlashUnknownError(
                f"{self.port}: the flash does not answer (ID {flash_id:#08x})",
                "check the 3.3 V supply and that nothing is connected to GPIO6 to GPIO11",
            )
        part = chips.describe_flash(flash_id)
        return Device(
            port=self.port,
            chip=chip.name,
            family=chip.family,
            features=tuple(chip.features),
            mac=chips.decode_mac(words),
            crystal_mhz=chips.crystal_mhz(found_at, divider),
            flash_id=flash_id,
            flash_size=part.size,
            flash_part=f"{part.manufacturer} {part.part}".strip(),
            virtual=self.virtual,
        )

    # --- running -----------------------------------------------------------------------------------------------------

    @property
    def resets_by_wire(self) -> bool:
        """Whether this session may and can pulse the reset line."""
        return self.reset not in {"none", "manual"} and not self.port.startswith("socket://")

    def boot(self, *, timeout_s: float, wait_for: str = "", patient: bool = False) -> bootlog.Verdict:
        """Reset into the application and watch its boot log until it proves something, or says `wait_for`.

        `patient`: silence proves nothing before the time is over. NodeMCU up to 2.x formats its file system at first
        boot without a word, for most of a minute on 4 MB.

        Raises:
            ConnectError: a person would have to press RESET and nobody can be asked.
            PortLostError: the port went away.
        """
        self.open()
        crystal = self.device.crystal_mhz if self.device else 26
        with self._lost_if_gone():
            self._set_baud(bootlog.rom_baud(crystal))
        if self.resets_by_wire:
            (self._link or Link(self._serial, self.port)).reset_to_application()
        elif self.prompt is None or not self.prompt(f"{self.port}: release GPIO0, then tap RESET … waiting"):
            raise ConnectError(
                f"{self.port}: starting this board needs a person to press RESET, and nobody can be asked here",
                "say boot=off, or run it on a terminal",
            )
        self._link = None  # whatever answered before is gone
        watcher = bootlog.BootWatcher(
            now=time.monotonic(),
            crystal_mhz=crystal,
            timeout_s=timeout_s,
            wait_for=wait_for,
            quiet_s=timeout_s if patient else bootlog.ALIVE_S,
            # A person takes a while to press RESET.
            silence_s=bootlog.SILENCE_S if self.resets_by_wire else timeout_s,
        )
        verdict = self.watch(watcher, timeout_s)
        if verdict.kind == "silence" and self.resets_by_wire and self._still_in_loader():
            return replace(verdict, kind="download-mode", summary=NO_WIRE)
        return verdict

    def _still_in_loader(self) -> bool:
        link = Link(self._serial, self.port)
        return any(link.sync(baud=baud) for baud in dict.fromkeys((self.baud, ROM_BAUD)))

    def watch(self, watcher: bootlog.BootWatcher, timeout_s: float) -> bootlog.Verdict:
        """Serve a watcher with what the line says until it gives its verdict."""
        started = time.monotonic()
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
            elapsed = time.monotonic() - started
            if elapsed > 1:
                self.listener(Progress(self.port, "boot", int(elapsed), int(timeout_s)))

    def leave(self) -> None:
        """Let the board run its application without watching, where its reset line is wired."""
        if self._link is not None:
            self._let_run(self._link)

    def _let_run(self, link: Link) -> None:
        if self.resets_by_wire:
            link.reset_to_application()
            self._link = None

    def listen(self, baud: int, stop: threading.Event) -> Iterator[bytes]:
        """What the board says, in pieces, until `stop` is set.

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
