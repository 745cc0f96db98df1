"""One connection to one board: reset, synchronise, identify, stub, baud, work, reset, boot log.

Everything a run does happens on one session, so that a board without reset wires needs one press only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Final, TypeVar

from flashpipe.board.loader.device import Device
from flashpipe.board.loader.link import ROM_BAUD, EsptoolLoader
from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.ports.modem_lines import has_lines
from flashpipe.board.session.auto_rate import AutoRate
from flashpipe.board.session.connect import connect
from flashpipe.board.session.fallbacks import EXCHANGED, START, WORK, Fallbacks, as_declared
from flashpipe.board.session.line import SerialLine
from flashpipe.board.session.manual_reset import ManualReset
from flashpipe.errors import DeviceError, StoppedError, WrongBoardError
from flashpipe.events import BoardFound
from flashpipe.reset_mode import ResetMode, custom_sequence
from flashpipe.values import dataclass

T = TypeVar("T")
START_S: Final = 0.5
"""Within so long the first byte of a start has come, by whatever network it comes."""


@dataclass
class Session(SerialLine):
    """A line with a board on it, connected when first needed. Not thread-safe: one worker owns it."""

    declared_baud: int = 460800
    """Rate of the write phase as the profile or the user has it; `baud` is the one in force."""
    device: Device | None = None
    """What was found on the port; None before the first connection."""
    auto: AutoRate | None = None
    """What is known of rates above the declared one, with `baud=auto`."""
    identified: Callable[[str], None] = lambda _mac: None
    """Is told the MAC as soon as it is known: a third of a second passes then until the stub runs."""
    flash_mhz: int = 0
    """Clock that the flash was written with, where that was faster than the loader's own."""
    _link: EsptoolLoader | None = None
    _fallbacks: Fallbacks | None = None
    _manual_reset: ManualReset | None = None

    def close(self) -> None:
        """Give the port back; harmless when closed."""
        super().close()
        self._link = None

    # --- what fails --------------------------------------------------------------------------------------------------

    @property
    def fallbacks(self) -> Fallbacks:
        """What is tried when something fails; begins with what worked last on this adapter."""
        if self._fallbacks is None:
            declared = as_declared(self.declared_baud, custom_sequence(self.reset))
            self._fallbacks = Fallbacks(self.port, declared, self.notify, self.can_be_reset, auto=self.auto)
        return self._fallbacks

    @property
    def baud(self) -> int:
        """Rate of the write phase as it is now; `rate` is what the line has."""
        return self._fallbacks.settings.baud if self._fallbacks is not None else self.declared_baud

    def can_be_reset(self) -> bool:
        """Whether a wire or a person resets the board."""
        return self.resets_by_wire or (self.reset != ResetMode.NONE and self.prompt is not None)

    @property
    def manual_reset(self) -> ManualReset:
        """The person who presses the buttons where no wire does."""
        if self._manual_reset is None:
            self._manual_reset = ManualReset(self.port, self.prompt, self.notify)
        return self._manual_reset

    def retry(self, work: Callable[[], T]) -> T:
        """Do the work; where it fails as another attempt may cure, connect again in another way and begin it anew.

        Raises:
            PipelineError: the first failure; what was tried after it is said.
        """
        result = self.fallbacks.retry(work, WORK, self._let_go)
        if self.device is not None:
            self.fallbacks.remember_success(self.device.mac)
        return result

    def _let_go(self) -> None:
        """The conversation is broken: the next one begins with a reset, by the settings that are tried next."""
        self.check_stop()
        self._link = None

    # --- download mode -----------------------------------------------------------------------------------------------

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

    def connect(self) -> None:
        """Get the chip into its loader, start the stub, raise the baud rate, find out what it is.

        Raises:
            ConnectError: it does not answer.
            WrongChipError: it is not an ESP8266.
            FlashUnknownError: its flash does not answer.
        """
        self.open()
        self.fallbacks.retry(self._connect_once, START, self._let_go)
        assert self.device is not None
        self.fallbacks.remember_success(self.device.mac)

    def _connect_once(self) -> None:
        before = self.device
        with self.step("connect", self.port) as result:
            link = self._new_link()
            try:
                self.device = connect(self, link, self.fallbacks, self.manual_reset, self.identified)
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
            self.listener(BoardFound(self.port, self.device.mac, asdict(self.device)))

    def _new_link(self) -> EsptoolLoader:
        settings = self.fallbacks.settings
        link = (
            EsptoolLoader(self._serial, self.port)
            if settings.stub
            else RomLink(self._serial, self.port, self.progress("read"))
        )
        link.block, link.exchanged = settings.block, settings.sequence == EXCHANGED
        link.stub_version = settings.stub_version
        return link

    def in_loader(self) -> bool:
        """Whether the loader answers, although nobody put the chip into it just now."""
        link = EsptoolLoader(self._serial, self.port)
        return any(link.sync(baud=baud) for baud in dict.fromkeys((self.baud, ROM_BAUD)))

    def use_rate(self, baud: int) -> None:
        """From here on this is the rate of the write phase, and what fails fails at it."""
        self.fallbacks.use_rate(baud)

    def begin_anew(self, baud: int) -> Device:
        """Reset the board and connect again, whatever the line is like now; `baud` is the rate from then on.

        Raises:
            PipelineError: as `connect`.
        """
        self._link = None
        self.use_rate(baud)
        self.connect()
        return self.connected()

    def rate_held(self) -> None:
        """All that was written at the rate in force has been verified."""
        if self.auto is not None:
            self.auto.held(self.baud)

    # --- running -----------------------------------------------------------------------------------------------------

    def restart(self, baud: int) -> bool:
        """Reset the board by wire, and hear it at `baud` from its first byte on; False: no wire resets it.

        Raises:
            PortLostError: the port went away.
        """
        self.open()
        link = (self._link or self._new_link()) if self.resets_by_wire else None
        with self._lost_if_gone():
            self._set_baud(baud)  # after the link, which begins at a rate of its own
        self.clock()  # from here on, it is this time that counts
        with self._lost_if_gone():
            self._serial.reset_input_buffer()  # of what was said before the reset, nothing counts
        if link is not None:
            link.reset_to_application()
        self._link = None  # whatever answered before is gone
        return link is not None

    def leave(self) -> None:
        """Let the board run its application without watching, where its reset line is wired."""
        if self._link is not None:
            self._let_run(self._link)

    def leave_heard(self) -> bool:
        """As `leave`; False where it is still in its loader: no wire resets it, or not a sign of its start comes.

        A port without such lines is not waited at.

        Raises:
            PortLostError: the port went away.
        """
        link, wired = self._link, self.resets_by_wire and has_lines(self._serial)
        if link is not None and wired:
            with self._lost_if_gone():
                self._serial.reset_input_buffer()
        self.leave()
        # The ROM speaks within milliseconds, at a rate of its own: any byte will do.
        return link is None or (wired and bool(self.receive(START_S)))

    def _let_run(self, link: EsptoolLoader) -> None:
        if self.resets_by_wire:
            link.reset_to_application()
            self._link = None

    def tune(self, baud: int) -> None:
        """Listen and talk at `baud`; opens the port where it is not open. A loader conversation ends with that.

        Raises:
            PortError: the port cannot be opened, or went away.
        """
        super().tune(baud)
        self._link = None
