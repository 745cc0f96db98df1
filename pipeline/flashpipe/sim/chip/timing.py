"""What things cost in board time, and how board time runs against the clock on the wall.

Every figure is a parameter: `param.NAME=VALUE` in a URL, `--param NAME=VALUE` on the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, fields, replace
from typing import Any, Final

from flashpipe.errors import BadValueError
from flashpipe.values import dataclass


def _cost(default: float | None, unit: str, about: str) -> Any:
    return field(default=default, metadata={"unit": unit, "about": about})


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost parameters. Facts: stub-executed §6 unless another source is named."""

    se_us: float | None = _cost(None, "µs", "sector erase, 4 KB (the part's own figure if not given)")
    be_us: float | None = _cost(None, "µs", "block erase, 64 KB (the part's own figure if not given)")
    ce_us: float | None = _cost(None, "µs", "chip erase (the part's own figure if not given)")
    pp_us: float | None = _cost(None, "µs", "page program of 256 bytes (the part's own figure if not given)")
    spi_call_cycles: float = _cost(110.0, "CPU cycles", "ROM SPIRead/SPIWrite, per 32-byte transaction")
    cpu_mhz: float = _cost(52.0, "MHz", "CPU and bus clock in the loader: twice the 26 MHz crystal")
    rxtout_bits: float = _cost(8.0, "bit times", "one unit of the UART's receive time-out")
    v1_rxtout: float = _cost(2.0, "units", "receive time-out of stub 1 (ROM default)")
    v2_rxtout: float = _cost(10.0, "units", "receive time-out of stub 2")
    v1_command_us: float = _cost(22.0, "µs", "stub 1: from interrupt to reply of a small command")
    v2_command_us: float = _cost(30.0, "µs", "stub 2: from interrupt to reply of a small command")
    checksum_cycles: float = _cost(7.0, "CPU cycles", "checksum of DATA, per byte")
    tx_cycles: float = _cost(59.0, "CPU cycles", "sending one byte through SLIP and the ROM")
    v1_inflate_out: float = _cost(8.0, "CPU cycles", "stub 1: inflate, per byte that comes out")
    v1_inflate_in: float = _cost(45.0, "CPU cycles", "stub 1: inflate, per byte that goes in")
    v2_inflate_out: float = _cost(4.5, "CPU cycles", "stub 2: inflate, per byte that comes out")
    v2_inflate_in: float = _cost(47.0, "CPU cycles", "stub 2: inflate, per byte that goes in")
    md5_cycles: float = _cost(820.0, "CPU cycles", "MD5, per 64 bytes (800 to 837 measured on compiled code)")
    v1_start_us: float = _cost(1850.0, "µs", "stub 1: from its entry to OHAI")
    v2_start_us: float = _cost(12_400.0, "µs", "stub 2: from its entry to OHAI")
    v2_blank_cycles: float = _cost(12.0, "CPU cycles", "stub 2: looking whether a sector is blank, per word read")
    poll_us: float = _cost(2.14, "µs", "stub 2: one turn of the erase-region loop, the status read's 16 clocks apart")
    rom_command_us: float = _cost(1000.0, "µs", "ROM: from the end of a command to its reply (unconfirmed)")
    rom_sync_us: float = _cost(8000.0, "µs", "ROM: answer to SYNC (esp8266-flash-timing §7.2: about 8 ms)")
    rom_lost_syncs: float = _cost(0.0, "frames", "ROM: SYNC frames lost to measuring the baud rate (often 1)")
    rom_max_baud: float = _cost(921_600.0, "Bd", "ROM: fastest rate it measures (unconfirmed)")
    rom_chip_size: float = _cost(4_194_304.0, "bytes", "flash that the ROM believes in, until it is told (§5, R)")
    rom_chip_words: float = _cost(
        0x3FFFC718, "address", "where the ROM keeps that; 0: at a place that its pointer at 0x3fffc714 does not tell"
    )
    reset_us: float = _cost(3000.0, "µs", "from EN high to the first byte of the banner (unconfirmed)")

    def with_values(self, values: Mapping[str, str]) -> Costs:
        """A copy with some values replaced.

        Raises:
            BadValueError: an unknown name, or a value that is not a number of at least 0.
        """
        known = {entry.name for entry in fields(self)}
        changed: dict[str, float] = {}
        for name, text in values.items():
            if name not in known:
                raise BadValueError(f"unknown parameter {name!r}", "the parameters are: " + ", ".join(sorted(known)))
            try:
                changed[name] = float(text)
            except ValueError:
                changed[name] = -1.0
            if not 0 <= changed[name] < float("inf"):
                raise BadValueError(f"parameter {name}={text!r} is not a number of at least 0", f"such as {name}=100")
        return replace(self, **changed)

    def cycles(self, count: float) -> float:
        """Seconds that `count` CPU cycles take."""
        return count / self.cpu_mhz * 1e-6

    def spi_time(self, size: int, spi_mhz: float) -> float:
        """Seconds on the flash's bus: 32-byte transactions of 288 SPI clocks plus calling costs (§6)."""
        transactions = -(-size // 32)
        return transactions * (288 / spi_mhz * 1e-6 + self.cycles(self.spi_call_cycles))

    def md5(self, size: int) -> float:
        """Seconds of hashing `size` bytes."""
        return self.cycles(-(-size // 64) * self.md5_cycles)


def describe_costs() -> Iterator[str]:
    """One line for each parameter, with unit, default and meaning, for `--help`."""
    for entry in fields(Costs):
        default = "part" if entry.default is None else f"{entry.default:g}"
        yield f"{entry.name} [{entry.metadata['unit']}, {default}]: {entry.metadata['about']}"


FAST_RATE: Final = 100.0
"""How much faster than the wall the board's firmware runs with `time=fast`; the loaders do not wait at all."""


class Clock:
    """Board time from wall time.

    `time=real` is factor 1, `time=0.25` a quarter of the real durations, `time=fast` factor 0: the loaders' waits cost
    nothing, those of the firmware a hundredth, so that a boot loop stays a loop and not a flood.
    """

    def __init__(self, factor: float, wall: float = 0.0) -> None:
        self.factor = factor
        self._wall = wall
        self._board = 0.0
        self._pace: float | None = None
        """Other seconds of board time in one on the wall than `rate`."""

    @property
    def fast(self) -> bool:
        """Whether nothing is paced."""
        return self.factor == 0

    @property
    def rate(self) -> float:
        """Seconds of board time in one second on the wall."""
        return FAST_RATE if self.fast else 1 / self.factor

    def now(self, wall: float) -> float:
        """Board time at `wall`."""
        return self._board + max(0.0, wall - self._wall) * self.pace

    @property
    def pace(self) -> float:
        """Seconds of board time that pass in one second on the wall just now."""
        return self.rate if self._pace is None else self._pace

    def go(self, wall: float, pace: float | None = None) -> None:
        """From now on, let time pass at another pace: 0 stops it, None is the clock's own."""
        self._board, self._wall, self._pace = self.now(wall), wall, pace

    def jump(self, board: float, wall: float) -> None:
        """Let board time continue from `board`, if that is later than now."""
        if board > self.now(wall):
            self._board, self._wall = board, wall

    def set(self, board: float, wall: float) -> None:
        """Let board time continue from `board`, even if that is earlier than now."""
        self._board, self._wall = board, wall

    def wall_until(self, board: float, wall: float) -> float:
        """Seconds on the wall until it is `board` on the board."""
        return max(0.0, board - self.now(wall)) / self.rate


def parse_factor(text: str) -> float:
    """`real`, `fast`, or a factor such as 0.25.

    Raises:
        BadValueError: none of these.
    """
    words = {"fast": 0.0, "real": 1.0}
    if text in words:
        return words[text]
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 < factor < float("inf"):
        raise BadValueError(f"time={text!r} is not a board time", "use fast, real, or a factor such as 0.25")
    return factor
