"""Faults as data: `fault=NAME:ARGUMENT`, seeded and repeatable.

`NAME:ARGUMENT@WHEN:VALUE` begins later: `@byte:5000` when the host has sent so many bytes, `@time:2.5` at that board
time in seconds, `@command:0x11` when the host first sends that opcode.

Faults of the line change bytes on their way; faults of the flash stand before each program and erase; the others are
switches that board and link look at.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Final

from flashpipe.errors import BadValueError, PipelineError
from flashpipe.sim.chip.nor import PAGE, SECTOR, Nor, Operation
from flashpipe.units import parse_address, parse_size
from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault, for `--help` and for messages."""

    name: str
    argument: str
    """What follows the colon; empty where nothing does."""
    about: str


KINDS: Final = (
    FaultKind("noise", "RATE", "each byte to the host is wrong with this probability, such as 1e-4"),
    FaultKind("noise-out", "RATE", "each byte from the host is wrong with this probability"),
    FaultKind("lost", "RATE", "each byte to the host is lost with this probability"),
    FaultKind("lost-out", "RATE", "each byte from the host is lost with this probability"),
    FaultKind("unplug", "COUNT", "the port vanishes when the host has sent this many bytes"),
    FaultKind("stolen", "COUNT", "another program takes the port when the host has sent this many bytes"),
    FaultKind("power-loss", "OPERATION", "the supply fails in the middle of this flash operation, counted from 1"),
    FaultKind("power-loss-at", "ADDRESS", "the supply fails in the middle of the first program or erase there"),
    FaultKind("brown-out", "COUNT", "the chip resets at this erase, counted from 1: the supply is too weak"),
    FaultKind("weak-supply", "COUNT", "the chip resets at this erase, counted from 1, and at each one after it"),
    FaultKind("stuck-sector", "ADDRESS", "the sector there does not erase and does not program"),
    FaultKind("weak-page", "ADDRESS", "the page there does not program"),
    FaultKind("stuck-busy", "OPERATION", "the flash never finishes this operation, counted from 1"),
    FaultKind("bad-baud", "LIMIT", "above this rate the USB bridge garbles everything (a CH340 with a long cable)"),
    FaultKind("shaky-baud", "LIMIT", "above this rate one byte in some thousand is wrong"),
    FaultKind("silent-baud", "LIMIT", "above this rate nothing passes the USB bridge"),
    FaultKind("long-writes", "LIMIT", "of more bytes than this in one go the USB bridge loses the rest"),
    FaultKind("slow-flash", "MHZ", "with a faster SPI clock ROM and stub get and give the flash wrong bytes, 1 in 50"),
    FaultKind("shaky-flash", "MHZ", "with a faster SPI clock one byte in some 50,000 on the flash's bus is wrong"),
    FaultKind("stub-silent", "", "the uploaded stub never answers"),
    FaultKind("wrong-size", "SIZE", "the flash is smaller than its ID says; addresses wrap"),
    FaultKind("protect", "BITS", "block-protect bits of the status register, 1 to 7"),
    FaultKind("dout-only", "", "two of the flash's data lines are not connected: only dout works"),
    FaultKind("echo", "", "the adapter echoes what the host sends"),
    FaultKind("mute", "", "the board's TX does not reach the host"),
    FaultKind("deaf", "", "the host's TX does not reach the board"),
    FaultKind("no-flash", "", "the flash does not answer at all"),
    FaultKind("no-power", "", "the board has no supply"),
    FaultKind("starving", "MS", "the supply collapses and comes back all these milliseconds on the wall"),
    FaultKind("gpio0-open", "", "DTR does not reach GPIO0: a reset always starts the firmware"),
    FaultKind("en-open", "", "RTS does not reach EN: nothing resets the chip"),
    FaultKind("gpio15-high", "", "something pulls GPIO15 up: the ROM waits for an SDIO host"),
    FaultKind("gpio2-low", "", "something pulls GPIO2 down: the ROM starts nothing"),
    FaultKind("absent", "", "the port is not there when it is opened"),
    FaultKind("busy", "", "another program has the port when it is opened"),
    FaultKind("denied", "", "the user may not open the port"),
)
"""All faults."""
_BY_NAME: Final = {kind.name: kind for kind in KINDS}


_FLASH_RATES: Final = {"slow-flash": 1 / 50, "shaky-flash": 1 / 50_000}
"""Part of the bytes on the flash's bus that are wrong above a limit."""
SHAKY: Final = 1 / 5000
"""Part of the bytes that a shaky line damages."""
WHENS: Final = ("byte", "time", "command")
"""What a fault can wait for."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A fault that has not begun."""

    fault: str
    when: str
    value: float


class PortGoneError(Exception):
    """The port vanished while in use; the text says how, `fault` is the fault's name."""

    fault = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinFaults:
    """What is wrong with the wires of a board."""

    gpio0_open: bool = False
    en_open: bool = False
    gpio15_high: bool = False
    gpio2_low: bool = False


@dataclass(slots=True)
class Faults:
    """The faults of one board, and where in its life it stands."""

    seed: str = "0"
    rates: dict[str, float] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    switches: set[str] = field(default_factory=set)
    power_off: Callable[[], None] = lambda: None
    """Set by the link: cuts the supply."""
    brown_out: Callable[[], None] = lambda: None
    """Set by the link: the chip resets by itself."""
    sent: int = 0
    """Bytes the host has sent."""
    operations: int = 0
    erases: int = 0
    waiting: list[Trigger] = field(default_factory=list)
    """Faults that begin later."""
    gone: str = ""
    """Why the port is gone; empty while it is there."""
    starved_s: float = 0.0
    """Time on the wall of the last collapse of the supply."""
    _random: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311  noise, not a secret

    @classmethod
    def parse(cls, texts: Iterable[str], seed: str = "0") -> Faults:
        """Read `NAME` or `NAME:ARGUMENT`, several joined by `+`.

        Raises:
            BadValueError: an unknown fault or an argument that cannot be read.
        """
        faults = cls(seed=seed, _random=random.Random(seed))  # noqa: S311  noise, not a secret
        for text in (one for joined in texts for one in joined.split("+") if one):
            faults.add(text)
        return faults

    @property
    def pins(self) -> PinFaults:
        """Those of the wires."""
        return PinFaults(
            gpio0_open="gpio0-open" in self.switches,
            en_open="en-open" in self.switches,
            gpio15_high="gpio15-high" in self.switches,
            gpio2_low="gpio2-low" in self.switches,
        )

    def add(self, text: str) -> None:
        """Add one fault, also while the board runs.

        Raises:
            BadValueError: an unknown fault or an argument that cannot be read.
        """
        text, later, when = text.partition("@")
        if later:
            Faults().add(text)  # a mistake in it shows now, not when it begins
            self.waiting.append(_trigger(text, when))
            return
        name, _, argument = text.partition(":")
        kind = _BY_NAME.get(name)
        if kind is None:
            raise BadValueError(f"unknown fault {name!r}", "the faults are: " + ", ".join(_BY_NAME))
        if not kind.argument:
            if argument:
                raise BadValueError(f"fault {name!r} takes no argument, got {argument!r}", f"write fault={name}")
            self.switches.add(name)
        elif kind.argument == "RATE":
            self.rates[name] = _rate(name, argument)
        else:
            self.limits[name] = _number(kind, argument)

    @property
    def timed(self) -> bool:
        """Whether one of them begins, or comes again, by the clock."""
        return bool(self.waiting) or "starving" in self.limits

    def collapses(self, wall: float) -> bool:
        """Whether the supply collapses now, at this time on the wall."""
        period = self.limits.get("starving")
        if period is None or wall - self.starved_s < period / 1000:
            return False
        self.starved_s = wall
        return True

    def begin_due(self, now: float, data: bytes = b"") -> list[str]:
        """Begin those that have waited for board time `now`, or for `data`, which the host is about to send."""
        begun = []
        for trigger in list(self.waiting):
            reached = {"byte": self.sent + len(data) >= trigger.value and bool(data), "time": now >= trigger.value}
            reached["command"] = bytes((0xC0, 0, int(trigger.value) & 0xFF)) in data
            if reached[trigger.when]:
                self.waiting.remove(trigger)
                self.add(trigger.fault)
                begun.append(trigger.fault)
        return begun

    # --- the line ----------------------------------------------------------------------------------------------------

    def from_host(self, data: bytes, baud: float) -> bytes:
        """What reaches the board of bytes that the host sends at `baud`.

        Raises:
            PortGoneError: the port vanishes here.
        """
        self.check()
        for name, reason in (("unplug", "device disconnected"), ("stolen", "multiple access on port")):
            limit = self.limits.get(name)
            if limit is not None and self.sent + len(data) > limit:
                data = data[: max(0, limit - self.sent)]
                self.gone = reason
        self.sent += len(data)
        if "deaf" in self.switches:
            return b""
        data = data[: self.limits.get("long-writes", len(data))]
        return self._damage(data, baud, "noise-out", "lost-out")

    def to_host(self, data: bytes, baud: float) -> bytes:
        """What reaches the host of bytes that the board sends."""
        if "mute" in self.switches:
            return b""
        return self._damage(data, baud, "noise", "lost")

    def check(self) -> None:
        """See whether the port is still there.

        Raises:
            PortGoneError: it is not.
        """
        if self.gone:
            error = PortGoneError(self.gone)
            error.fault = "stolen" if "access" in self.gone else "unplug"
            raise error

    def _damage(self, data: bytes, baud: float, noise: str, lost: str) -> bytes:
        limit = self.limits.get("bad-baud")
        if limit is not None and baud > limit:
            return bytes(self._random.randrange(256) for _ in data)
        if baud > self.limits.get("silent-baud", baud):
            return b""
        shaky = SHAKY if baud > self.limits.get("shaky-baud", baud) else 0.0
        if noise in self.rates or lost in self.rates or shaky:
            draw = self._random.random
            wrong, gone = self.rates.get(noise, shaky), self.rates.get(lost, 0.0)
            kept = bytearray()
            for byte in data:
                if draw() >= gone:
                    kept.append(byte ^ (1 << self._random.randrange(8)) if draw() < wrong else byte)
            return bytes(kept)
        return data

    # --- the flash ---------------------------------------------------------------------------------------------------

    def flash_damage(self, spi_mhz: float) -> Callable[[bytes], bytes] | None:
        """What happens to bytes on the flash's bus at this clock; None where nothing does."""
        for name, rate in _FLASH_RATES.items():
            if spi_mhz > self.limits.get(name, spi_mhz):
                return lambda data: self._flip(data, rate)
        return None

    def _flip(self, data: bytes, rate: float) -> bytes:
        """One bit wrong in each of so many bytes; the distances between them are drawn, and not one number a byte."""
        flipped, at = bytearray(data), -1
        while True:
            at += 1 + int(math.log(1.0 - self._random.random()) / math.log(1.0 - rate))
            if at >= len(data):
                return bytes(flipped)
            flipped[at] ^= 1 << self._random.randrange(8)

    def before_flash(self, nor: Nor, operation: Operation) -> bool:
        """Hook of the NOR: whether the fault has dealt with the operation itself."""
        self.operations += 1
        self.erases += operation.kind != "program"
        if self.limits.get("stuck-busy") == self.operations:
            nor.stuck_busy = True
        if self._power_fails(operation):
            tear(nor, operation)
            self.power_off()
            return True
        if operation.kind != "program" and self._browns_out():
            tear(nor, operation)
            self.brown_out()
            return True
        return self._apply_around(nor, operation)

    def _browns_out(self) -> bool:
        weak = self.limits.get("weak-supply")
        return self.limits.get("brown-out") == self.erases or (weak is not None and self.erases >= weak)

    def _power_fails(self, operation: Operation) -> bool:
        if self.limits.get("power-loss") == self.operations:
            return True
        address = self.limits.get("power-loss-at")
        if address is None or not operation.address <= address < operation.address + operation.size:
            return False
        del self.limits["power-loss-at"]  # once: the power comes back
        return True

    def _apply_around(self, nor: Nor, operation: Operation) -> bool:
        """Leave out the cells that are broken."""
        holes = []
        if "stuck-sector" in self.limits:
            holes.append((self.limits["stuck-sector"] // SECTOR * SECTOR, SECTOR))
        if "weak-page" in self.limits and operation.kind == "program":
            holes.append((self.limits["weak-page"] // PAGE * PAGE, PAGE))
        end = operation.address + operation.size
        hit = [(at, size) for at, size in holes if at < end and at + size > operation.address]
        kept = [(at, bytes(nor.cells[at : at + size])) for at, size in hit]
        if not kept:
            return False
        nor.apply(operation)
        for at, old in kept:
            nor.cells[at : at + len(old)] = old
        return True


def tear(nor: Nor, operation: Operation) -> None:
    """The supply fails half-way: the first half of a program is there, half of an erase unit has undefined bits."""
    half = operation.size // 2
    if operation.kind == "program":
        nor.clear_bits(operation.address, operation.data[:half])
        return
    # Cells on their way to 1: half of them read blank, the others as before with every second bit set.
    old = bytes(nor.cells[operation.address + half : operation.address + operation.size])
    mixed = int.from_bytes(old, "little") | int.from_bytes(b"\x55" * len(old), "little")
    nor.cells[operation.address : operation.address + half] = b"\xff" * half
    nor.cells[operation.address + half : operation.address + operation.size] = mixed.to_bytes(len(old), "little")


def _trigger(fault: str, text: str) -> Trigger:
    when, _, value = text.partition(":")
    try:
        number = float(int(value, 0)) if when == "command" else float(value)
    except ValueError:
        number = -1.0
    if when not in WHENS or not 0 <= number < float("inf"):
        raise BadValueError(f"fault {fault}@{text}: cannot wait for that", "use @byte:5000, @time:2.5 or @command:0x11")
    return Trigger(fault, when, number)


def _rate(name: str, text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise BadValueError(f"fault {name}:{text} is no probability", f"give 0 to 1, such as {name}:1e-4")
    return rate


def _number(kind: FaultKind, text: str) -> int:
    try:
        return parse_size(text) if kind.argument in {"SIZE", "COUNT", "LIMIT", "MS", "MHZ"} else parse_address(text)
    except PipelineError as error:
        raise BadValueError(
            f"fault {kind.name}:{text}: {error.message}", f"write fault={kind.name}:{kind.argument}, such as 0x10000"
        ) from error


def describe_faults() -> Iterable[str]:
    """One line for each fault, for `--help`."""
    for kind in KINDS:
        yield f"{kind.name}{':' + kind.argument if kind.argument else ''}  {kind.about}"
