"""The board's time against logs from real boards (facts: stub-executed §6, flash-timing §7)."""

from __future__ import annotations

import random
import sys
import zlib
from dataclasses import dataclass

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.board import VirtualBoard
from flashpipe.sim.chip import flash_clock
from flashpipe.sim.chip.timing import Clock, Costs, describe_costs, parse_factor
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD
from flashpipe.sim.loader.main_loop import checksum as xor_checksum
from flashpipe.sim.options import parse_options

QUARTER, HALF = 0x313, 0x101
TURNAROUND_S = 0.003
"""USB and host, from the last byte of a reply to the first of the next request (facts: stub-executed §6)."""


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


class TimedHost:
    """Stop-and-wait as esptool does it, in board time, without waiting for anything."""

    def __init__(self, options: list[tuple[str, str]], baud: int, board: str = "esp12") -> None:
        self.board = VirtualBoard(parse_options(board, options).spec)
        self.baud = float(baud)
        self.now = 1.0

    def command(self, opcode: int, data: bytes, check: int = 0, replies: int = 1) -> bytes:
        self.board.receive(slip.encode(HEADER.pack(0, opcode, len(data), check) + data), self.baud, self.now)
        line, got = self.board.uart.outbound, b""
        while got.count(b"\xc0") < 2 * replies:
            due = self.board.wake_at()
            self.now = max(self.now, line.free_at if due is None else due)
            self.board.advance(self.now)
            while (burst := line.head()) is not None:
                self.now = max(self.now, burst.end)
                got += line.take(burst.left)
        self.now += TURNAROUND_S
        return got

    def register(self, address: int) -> int:
        answer = slip.unescape(self.command(0x0A, words(address)).strip(b"\xc0"))
        assert answer is not None
        return int.from_bytes(answer[4:8], "little")

    def set_register(self, address: int, value: int, mask: int = 0xFFFFFFFF) -> None:
        self.command(0x09, words(address, value, mask, 0))

    def clock_flash(self, speed: int) -> None:
        """Set the clock bits of SPI_CTRL."""
        self.set_register(flash_clock.CTRL, speed, flash_clock.SPEED_BITS)

    def digest_s(self) -> float:
        """Seconds that the digest of a MiB takes."""
        begun = self.now
        self.command(0x13, words(0, 1 << 20, 0, 0))
        return self.now - begun

    def wait_until_silent(self) -> None:
        """Let a banner pass."""
        self.now += 0.1
        self.board.advance(self.now)
        self.board.uart.outbound.clear()

    def start(self) -> float:
        """Rate as wanted, and the time from which things are measured."""
        if self.board.mode == "rom":
            self.command(8, SYNC_PAYLOAD, replies=8)
        elif self.baud != 115200:
            self.board.uart.divider = self.board.uart.divider * 115200 // int(self.baud)
        return self.now

    def write(self, data: bytes, offset: int, *, packed: bool) -> float:
        """Seconds of BEGIN, all blocks and END through a stub."""
        stream = zlib.compress(data, 9) if packed else data
        step = 0x4000
        blocks = [stream[at : at + step] for at in range(0, len(stream), step)]
        begun = self.start()
        words = (len(data), len(blocks), step, offset, 0)
        self.command(0x10 if packed else 2, b"".join(word.to_bytes(4, "little") for word in words))
        for number, block in enumerate(blocks):
            head = b"".join(word.to_bytes(4, "little") for word in (len(block), number, 0, 0))
            self.command(0x11 if packed else 3, head + block, xor_checksum(block))
        self.command(0x12 if packed else 4, b"\x01\0\0\0")
        assert bytes(self.board.cells[offset : offset + len(data)]) == data
        return self.now - begun

    def write_rom(self, data: bytes, asked: int) -> tuple[float, float]:
        """Seconds of erasing and of writing through the ROM."""
        begun = self.start()
        blocks = [data[at : at + 0x400].ljust(0x400, b"\xff") for at in range(0, len(data), 0x400)]
        self.command(2, b"".join(word.to_bytes(4, "little") for word in (asked, len(blocks), 0x400, 0)))
        erased = self.now
        for number, block in enumerate(blocks):
            head = b"".join(word.to_bytes(4, "little") for word in (len(block), number, 0, 0))
            self.command(3, head + block, xor_checksum(block))
        assert bytes(self.board.cells[0 : len(data)]) == data
        return erased - begun, self.now - erased


def firmware(size: int, packed: int) -> bytes:
    """Bytes that deflate from `size` to about `packed`: random ones between repeated ones."""
    piece = 64
    count = -(-size // piece)
    noise = random.Random(size).randbytes(count * piece)

    def build(chosen: int) -> bytes:
        return b"".join(noise[at : at + chosen] + bytes(piece - chosen) for at in range(0, size, piece))[:size]

    few, many = build(16), build(48)
    small, large = len(zlib.compress(few, 9)), len(zlib.compress(many, 9))
    exact = 16 + 32 * (packed - small) / (large - small)
    chosen = int(exact)
    # A fraction of the pieces gets one random byte more.
    border = round((exact - chosen) * count) * piece
    return build(chosen + 1)[:border] + build(chosen)[border:]


@dataclass(frozen=True)
class Row:
    """One log: what was written, how, and the seconds it took."""

    what: str
    size: int
    packed: int
    baud: int
    seconds: float
    part: str = "W25Q32"
    board: str = "esp12"
    demanded: bool = True


ROWS = [
    Row("ESP8285, stub-executed §6", 272_800, 200_778, 115_200, 17.7, "P25Q80H", "esp8285"),
    Row("ESP-07 with W25Q64, §6", 639_680, 428_052, 115_200, 37.8, "W25Q64"),
    Row("D1 mini, §6", 633_688, 416_262, 460_800, 9.4, "XM25QH32C", "d1-mini"),
    Row("Sonoff 1 MB, §6", 524_288, 326_299, 115_200, 29.2, "W25Q80"),
    Row("NodeMCU raw, §7.1", 421_888, 0, 115_200, 36.5),
    Row("NodeMCU raw, §7.1", 413_696, 0, 115_200, 35.7),
    Row("generic raw, §7.1", 634_880, 0, 115_200, 55.2),
    Row("Sonoff 1 MB whole, §7.1", 1_048_576, 319_796, 115_200, 34.6, "W25Q80", demanded=False),
    Row("D1 mini v4, slow flash, §7.1", 597_664, 398_357, 115_200, 48.1, "XM25QH32C", demanded=False),
    Row("Puya P25D80H, §7.1", 604_872, 394_893, 115_200, 43.4, "P25Q80H", demanded=False),
    Row("ESP8285H16 first, §7.1", 802_528, 573_124, 115_200, 53.2, "P25Q16H", demanded=False),
    Row("ESP8285H16 second, §7.1", 802_528, 573_124, 115_200, 71.3, "P25Q16H", demanded=False),
]
"""Parts are those of the log or the usual ones of the board; their figures are the same in every row."""


def seconds_of(row: Row, stub: int = 1) -> float:
    host = TimedHost(
        [("start", f"stub-v{stub}"), ("fill", "byte:0"), ("part", row.part)], row.baud, row.board
    )  # fmt: skip
    data = firmware(row.size, row.packed) if row.packed else random.Random(1).randbytes(row.size)
    assert not row.packed or len(zlib.compress(data, 9)) == pytest.approx(row.packed, rel=0.01)
    return host.write(data, 0, packed=bool(row.packed))


def test_field_logs(capsys: pytest.CaptureFixture[str]) -> None:
    lines, wrong = [], []
    for row in ROWS:
        seconds = seconds_of(row)
        off = seconds / row.seconds - 1
        lines.append(
            f"{row.what:32} {row.size:9} {row.packed:8} {row.baud:7} {row.seconds:6.1f} {seconds:6.2f} {off:+7.1%}"
        )
        if row.demanded and abs(off) > 0.10:
            wrong.append(lines[-1])
    erasing, writing = TimedHost([("start", "rom"), ("fill", "byte:0"), ("part", "W25Q32")], 115_200).write_rom(
        random.Random(1).randbytes(236_544), 42 * 0x1000
    )
    host = TimedHost([("start", "stub-v1"), ("part", "W25Q64"), ("size", "8MB"), ("fill", "ff")], 115_200)
    begun = host.start()
    host.command(0xD0, b"")
    chip = host.now - begun
    for what, real, seconds, demanded in (
        ("--no-stub, writing, §7.1", 24.9, writing, True),
        ("--no-stub, erasing, §7.1", 1.93, erasing, False),
        ("chip erase 8 MB, §7.2", 16.0, chip, True),
    ):
        off = seconds / real - 1
        lines.append(f"{what:58} {real:6.2f} {seconds:6.2f} {off:+7.1%}")
        if demanded and abs(off) > 0.10:
            wrong.append(lines[-1])
    with capsys.disabled():
        table = ["log                                   bytes   packed    baud   real  model", *lines]
        sys.stdout.write("\n" + "\n".join(table) + "\n")
    assert not wrong, "\n".join(wrong)


def test_both_stubs_take_the_wires_time() -> None:
    row = ROWS[0]
    assert seconds_of(row, 2) == pytest.approx(17.72, rel=0.03)
    assert seconds_of(row, 1) == pytest.approx(17.70, rel=0.03)


@pytest.mark.parametrize(("baud", "seconds"), [(115_200, 24.5), (230_400, 12.4), (460_800, 6.5), (921_600, 3.8)])
def test_nodemcu_on_a_dirty_chip_as_measured_on_the_emulated_stub(baud: int, seconds: float) -> None:
    """409600 bytes, 276300 packed, stub 2, 13 MHz SPI (facts: stub-executed §6)."""
    host = TimedHost([("start", "stub-v2"), ("fill", "byte:0")], baud)
    assert host.write(firmware(409_600, 276_300), 0, packed=True) == pytest.approx(seconds, rel=0.10)


@pytest.mark.parametrize(("speed", "seconds"), [(QUARTER, 1.06), (HALF, 0.69)])
@pytest.mark.parametrize("stub", [1, 2])
def test_digest_of_a_mebibyte_at_the_clock_that_the_register_says(stub: int, speed: int, seconds: float) -> None:
    """Facts: stub-executed §6."""
    host = TimedHost([("start", f"stub-v{stub}")], 115_200)
    host.clock_flash(speed)
    assert host.digest_s() == pytest.approx(seconds, rel=0.05)


def test_the_clock_of_user_commands_is_another_one() -> None:
    host = TimedHost([("start", "stub-v2")], 115_200)
    host.set_register(flash_clock.CLOCK, 0x1001)
    assert host.register(flash_clock.CLOCK) == 0x1001
    assert host.digest_s() == pytest.approx(1.06, rel=0.05)


def test_the_flash_clock_is_a_quarter_after_each_attach_and_reset() -> None:
    host = TimedHost([("start", "stub-v2"), ("gpio0", "low")], 115_200)
    assert host.register(flash_clock.CTRL) == flash_clock.ATTACHED
    host.clock_flash(HALF)
    assert host.register(flash_clock.CTRL) == 0x00288101, "the other bits are as they were"
    host.command(0x0D, bytes(4))
    assert host.register(flash_clock.CTRL) == flash_clock.ATTACHED
    assert host.digest_s() == pytest.approx(1.06, rel=0.05)
    host.clock_flash(HALF)
    host.board.reset(host.now)
    host.wait_until_silent()
    host.command(8, SYNC_PAYLOAD, replies=8)
    assert host.register(flash_clock.CTRL) == flash_clock.AFTER_RESET[flash_clock.CTRL]
    host.command(2, bytes(16))
    assert host.register(flash_clock.CTRL) == flash_clock.ATTACHED


@pytest.mark.parametrize(("speed", "milliseconds"), [(QUARTER, 3.33), (HALF, 1.95)])
def test_looking_whether_a_sector_is_blank(speed: int, milliseconds: float) -> None:
    """Facts: stub-executed §6."""
    host = TimedHost([("start", "stub-v2"), ("fill", "ff")], 115_200)
    host.clock_flash(speed)
    times = []
    for size in (0, 0x1000):  # with nothing to write there is no sector to look at
        begun = host.now
        host.command(2, words(size, 1, 0x1000, 0, 0))
        times.append((host.now - begun) * 1e3)
    assert times[1] - times[0] == pytest.approx(milliseconds, rel=0.03)


@pytest.mark.parametrize(("speed", "turn_us"), [(QUARTER, 3.37), (HALF, 2.75)])
def test_how_long_erasing_is_waited_for(speed: int, turn_us: float) -> None:
    """120,000 turns for a sector, with a status read in each (facts: stub-executed §5)."""
    host = TimedHost([("start", "stub-v2"), ("fill", "byte:0"), ("param.se_us", "1e6")], 115_200)
    host.clock_flash(speed)
    begun = host.now
    assert b"\xc4\x00" in host.command(0xD1, words(0, 0x1000))
    assert host.now - begun == pytest.approx(turn_us * 0.12, abs=0.01)


@pytest.mark.parametrize(("start", "passes"), [("stub-v1", 1), ("stub-v2", 2)])
def test_programming_is_faster_with_a_faster_clock(start: str, passes: int) -> None:
    """By what 288 clocks for each 32 bytes come to: one pass programs, one of stub 2 looks whether all is blank."""
    size, seconds = 0x8000, []
    for speed in (QUARTER, HALF):
        host = TimedHost([("start", start), ("fill", "ff"), ("param.pp_us", "0"), ("param.se_us", "0")], 115_200)
        host.clock_flash(speed)
        seconds.append(host.write(bytes(size), 0, packed=True))
    assert seconds[0] - seconds[1] == pytest.approx(passes * size / 32 * 288 * (1 / 13 - 1 / 26) * 1e-6, rel=0.05)


@pytest.mark.parametrize(("stub", "baud", "latency_ms"), [(2, 115_200, 0.72), (2, 921_600, 0.12), (1, 115_200, 0.16)])
def test_latency_of_a_register_read(stub: int, baud: int, latency_ms: float) -> None:
    host = TimedHost([("start", f"stub-v{stub}")], baud)
    begun = host.start()
    got = host.command(0x0A, (0x40001000).to_bytes(4, "little"))
    wire = (14 + len(got)) * 10 / host.board.uart.baud
    assert (host.now - begun - TURNAROUND_S - wire) * 1e3 == pytest.approx(latency_ms, abs=0.05)


def test_every_cost_is_listed_with_its_unit() -> None:
    lines = list(describe_costs())
    for name in ("se_us", "be_us", "ce_us", "pp_us", "cpu_mhz"):
        assert any(line.startswith(f"{name} [") and line.split("[")[1].split(",")[0] for line in lines)


@pytest.mark.parametrize(("name", "value"), [("nonsense", "1"), ("se_us", "x"), ("se_us", "-1"), ("se_us", "inf")])
def test_bad_costs_are_refused(name: str, value: str) -> None:
    with pytest.raises(BadValueError) as caught:
        Costs().with_values({name: value})
    assert name in str(caught.value)


@pytest.mark.parametrize("text", ["", "0", "-1", "slow", "nan", "inf"])
def test_bad_factors_are_refused(text: str) -> None:
    with pytest.raises(BadValueError):
        parse_factor(text)


def test_clocks() -> None:
    quarter = Clock(0.25, wall=100.0)
    assert quarter.now(101.0) == pytest.approx(4.0)
    assert quarter.wall_until(8.0, 101.0) == pytest.approx(1.0)
    fast = Clock(0.0, wall=0.0)
    fast.jump(50.0, wall=0.0)
    assert fast.now(0.0) == 50.0
    fast.jump(10.0, wall=0.0)
    assert fast.now(0.0) == 50.0, "time does not go back"
