"""esptool's own command line, run as a process, judges the board; the board's cells judge what it did."""

from __future__ import annotations

import os
import random
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.options import parse_url
from flashpipe.sim.servers.attach import AttachServer
from flashpipe.sim.servers.rfc2217 import Rfc2217Server

from tests import forked
from tests.sim.lines import until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no pseudo-terminals here")
BLANK = b"\xff"
Esptool = Callable[..., str]


class Bed:
    """A board, a port, and esptool."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server = server
        self.folder = folder

    @property
    def link(self) -> HostLine:
        link: HostLine = self.server.link
        return link

    def cells(self, start: int, end: int) -> bytes:
        return self.link.board.nor.read(start, end - start)

    def run(self, *words: object, chip: str = "esp8266", fails: bool = False) -> str:
        command = ["--port", self.server.name, "--chip", chip, *map(str, words)]
        done = forked.run("esptool", command, self.folder, {**os.environ, "PYTHONIOENCODING": "utf-8"}, 60)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def file(self, name: str, data: bytes) -> Path:
        (self.folder / name).write_bytes(data)
        return self.folder / name


@pytest.fixture
def bed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bed]:
    from flashpipe.sim.servers.pty import PtyPort  # noqa: PLC0415  POSIX only

    url = getattr(request, "param", "sim://esp12?start=rom&fill=byte:0x5a")
    server = PtyPort(parse_url(url).build(), reset_on_sync=True)
    server.start()
    yield Bed(server, tmp_path)
    server.stop()


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Bed]:
    """A board whose DTR and RTS esptool can move."""
    server = AttachServer(parse_url("sim://esp12").build())
    server.start()
    yield Bed(server, tmp_path)
    server.stop()


def on(url: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bed", [url], indirect=True)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def text(size: int) -> bytes:
    """Something that deflates well but is not periodic in sectors."""
    return b"".join(struct.pack("<I", number * 2654435761 & 0xFFFFFFFF) + b"flash" for number in range(size // 9 + 1))[
        :size
    ]


def image(mode: int = 2, size_frequency: int = 0x20) -> bytes:
    """A small bootable image, header DIO 1 MB 40 MHz unless told otherwise."""
    body = bytes(range(64))
    head = struct.pack("<BBBBI", 0xE9, 1, mode, size_frequency, 0x40100000) + struct.pack("<II", 0x40100000, len(body))
    padded = head + body
    checksum = 0xEF
    for byte in body:
        checksum ^= byte
    return padded + bytes(15 - len(padded) % 16) + bytes([checksum])


# --- who is there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stub", [[], ["--no-stub"], ["--stub-version", "1"]], ids=["stub 2", "ROM", "stub 1"])
def test_identity(bed: Bed, stub: list[str]) -> None:
    mac = bed.link.board.spec.mac
    told = bed.run(*stub, "chip-id", chip="auto")
    assert re.search(rf"Chip ID:\s+0x00{mac[9:].replace(':', '')}", told)
    assert "ESP8266EX" in told
    assert "26MHz" in told
    assert re.search(rf"MAC:\s+{mac}", bed.run(*stub, "read-mac"))
    told = bed.run(*stub, "flash-id")
    assert "Manufacturer: ef" in told
    assert "Device: 4016" in told
    assert "Detected flash size: 4MB" in told


@on("sim://esp8285?start=rom")
def test_esp8285(bed: Bed) -> None:
    told = bed.run("flash-id")
    assert "ESP8285N08" in told
    assert "Embedded Flash" in told
    assert "Detected flash size: 1MB" in told


@on("sim://esp12?start=rom&crystal=40")
def test_crystal_of_40_mhz(bed: Bed) -> None:
    assert "40MHz" in bed.run("chip-id")


@pytest.mark.parametrize(("bed", "size"), [(f"sim://esp12?start=rom&fill=ff&part={part}", size) for part, size in (
    ("W25Q40", "512KB"), ("GD25Q80B", "1MB"), ("XM25QH16C", "2MB"), ("W25Q64", "8MB"), ("W25Q128", "16MB"),
    ("AT25SF041", "512KB"))], indirect=["bed"])  # fmt: skip
def test_size_detection(bed: Bed, size: str) -> None:
    assert f"Detected flash size: {size}" in bed.run("flash-id")


def test_wrong_chip_is_refused(bed: Bed) -> None:
    assert "This chip is ESP8266, not ESP32. Wrong chip argument?" in bed.run("flash-id", chip="esp32", fails=True)


# --- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["-u"], ["--no-compress", "--no-progress"]], ids=["packed", "raw", "quiet"])
@pytest.mark.parametrize("stub", [["--stub-version", "2"], ["--stub-version", "1"]], ids=["stub 2", "stub 1"])
def test_write_flash(bed: Bed, stub: list[str], options: list[str]) -> None:
    data = text(70_001)
    told = bed.run(*stub, "write-flash", *options, "0x11000", bed.file("a", data))
    assert "Hash of data verified." in told
    assert bed.cells(0x11000, 0x11000 + 70_001) == data
    end = 0x11000 + -(-70_001 // 0x1000) * 0x1000
    assert bed.cells(0x11000 + 70_001, end) == BLANK * (end - 0x11000 - 70_001)
    assert bed.cells(0x10000, 0x11000) == bed.cells(end, end + 0x1000) == b"\x5a" * 0x1000


def test_write_flash_without_stub(bed: Bed) -> None:
    """The ROM erases one sector too many where an odd number is asked for: the workaround rounds up (facts §3.6)."""
    data = noise(0x5000 - 100)
    bed.run("--no-stub", "write-flash", "0x10000", bed.file("a", data))
    assert bed.cells(0x10000, 0x10000 + len(data)) == data
    assert bed.cells(0x15000, 0x16000) == BLANK * 0x1000
    assert bed.cells(0x16000, 0x17000) == bed.cells(0xF000, 0x10000) == b"\x5a" * 0x1000


@pytest.mark.parametrize("address", [0x1, 0x104, 0x7998])
def test_write_flash_unaligned(bed: Bed, address: int) -> None:
    data = noise(5001)
    bed.run("write-flash", hex(address), bed.file("a", data))
    assert bed.cells(address, address + 5001) == data


def test_several_files_keep_what_is_between(bed: Bed) -> None:
    first, second = noise(0x1000, 1), noise(300, 2)
    bed.run("write-flash", "0x3000", bed.file("b", second), "0x1000", bed.file("a", first))
    assert bed.cells(0x1000, 0x2000) == first
    assert bed.cells(0x2000, 0x3000) == b"\x5a" * 0x1000
    assert bed.cells(0x3000, 0x3000 + 300) == second


def test_erase_all_skip_flashed_and_diff(bed: Bed) -> None:
    old = noise(0x8000)
    bed.run("write-flash", "--erase-all", "0x10000", bed.file("old", old))
    assert bed.cells(0, 0x10000) == BLANK * 0x10000
    programs = bed.link.board.nor.programs
    assert "skip" in bed.run("write-flash", "--skip-flashed", "0x10000", bed.file("old", old)).lower()
    assert bed.link.board.nor.programs == programs
    new = bytearray(old)
    new[0x3005] ^= 0xFF
    erased = bed.link.board.nor.erased_sectors
    bed.run("write-flash", "0x10000", bed.file("new", bytes(new)), "--diff-with", bed.file("old", old))
    assert bed.cells(0x10000, 0x18000) == bytes(new)
    assert bed.link.board.nor.erased_sectors == erased + 1


def test_header_patching(bed: Bed) -> None:
    told = bed.run("write-flash", "-fm", "dout", "-ff", "20m", "-fs", "detect", "0x0", bed.file("a", image()))
    assert "Flash parameters set to 0x0342" in told
    assert bed.cells(0, 4) == b"\xe9\x01\x03\x42"
    assert bed.cells(4, len(image())) == image()[4:]


@pytest.mark.parametrize("baud", [74880, 230400, 460800, 921600, 1500000, 2000000])
def test_every_baud_rate(bed: Bed, baud: int) -> None:
    data = noise(20_000, baud)
    bed.run("--baud", baud, "write-flash", "0x10000", bed.file("a", data))
    assert bed.cells(0x10000, 0x10000 + 20_000) == data


def test_a_write_that_does_not_take_is_found(bed: Bed) -> None:
    bed.link.add_fault("weak-page:0x10100")
    assert "MD5 of file does not match" in bed.run("write-flash", "0x10000", bed.file("a", noise(0x1000)), fails=True)


# --- reading, erasing, status ----------------------------------------------------------------------------------------


def test_read_and_verify(bed: Bed) -> None:
    data = noise(0x3000)
    bed.link.board.nor.erase_block(0)
    bed.link.board.nor.program(0x1000, data)
    bed.run("read-flash", "0x1001", "0x2abc", "out")
    assert (bed.folder / "out").read_bytes() == data[1 : 1 + 0x2ABC]
    assert "successful" in bed.run("verify-flash", "0x1000", bed.file("a", data)).lower()
    assert "failed" in bed.run("verify-flash", "--diff", "0x1000", bed.file("b", b"x" + data[1:]), fails=True).lower()


def test_erasing(bed: Bed) -> None:
    bed.run("erase-region", "0x2000", "0x3000")
    assert bed.cells(0x2000, 0x5000) == BLANK * 0x3000
    assert bed.cells(0x1000, 0x2000) == bed.cells(0x5000, 0x6000) == b"\x5a" * 0x1000
    bed.run("erase-flash")
    assert bed.cells(0, 4 << 20) == BLANK * (4 << 20)


def test_status_and_sfdp(bed: Bed) -> None:
    bed.run("write-flash-status", "--non-volatile", "--bytes", "2", "0x0204")
    assert (bed.link.board.nor.status, bed.link.board.nor.status2) == (0x04, 0x02)
    assert "0x0204" in bed.run("read-flash-status", "--bytes", "2")
    assert "0x53 0x46 0x44 0x50" in bed.run("read-flash-sfdp", "0", "4")


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stub", [[], ["--no-stub"]], ids=["stub", "ROM"])
def test_memory(bed: Bed, stub: list[str]) -> None:
    assert "= 0xfff0c101" in bed.run(*stub, "read-mem", "0x40001000").lower()
    bed.run(*stub, "write-mem", "0x3FFE8004", "0xdeadbeef", "0xffffffff")
    bed.run(*stub, "dump-mem", "0x40001000", "64", "out")
    assert (bed.folder / "out").read_bytes()[:4] == b"\x01\xc1\xf0\xff"


def test_load_ram(bed: Bed) -> None:
    body = b"\x12\xc1\xf0\x09\x01\0\0\0" + b"Hello from RAM!\n\0".ljust(24, b"\0")
    head = struct.pack("<BBBBI", 0xE9, 1, 0, 0, 0x40100000) + struct.pack("<II", 0x40100000, len(body))
    checksum = 0xEF
    for byte in body:
        checksum ^= byte
    data = head + body
    data += bytes(15 - len(data) % 16) + bytes([checksum])
    bed.run("--no-stub", "load-ram", bed.file("a", data))
    assert until(lambda: bed.link.board.mode == "ram")


# --- before and after ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "mode", "again"), [
    ("hard-reset", "app", "Stub flasher running"), ("no-reset-stub", "stub-v2", "already running"),
    ("no-reset", "stub-v2", "already running"), ("soft-reset", "stub-v2", "already running"),
])  # fmt: skip
def test_after_with_stub2(wired: Bed, after: str, mode: str, again: str) -> None:
    wired.run("--after", after, "flash-id")
    assert until(lambda: wired.link.board.mode == mode)
    before = ["--before", "no-reset"] if mode != "app" else []
    assert again in wired.run(*before, "flash-id")


@pytest.mark.parametrize(("after", "mode"), [("no-reset", "rom"), ("soft-reset", "app"), ("no-reset-stub", "stub-v1")])
def test_after_with_stub1(wired: Bed, after: str, mode: str) -> None:
    wired.run("--stub-version", "1", "--after", after, "flash-id")
    assert until(lambda: wired.link.board.mode == mode)


def test_before(wired: Bed) -> None:
    assert "Stub flasher running" in wired.run("--before", "default-reset", "--after", "no-reset-stub", "flash-id")
    assert "Manufacturer: ef" in wired.run("--before", "no-reset-no-sync", "--after", "no-reset-stub", "flash-id")
    wired.link.pull(lambda board, now: board.reset(now, download=False))
    assert "Failed to connect" in wired.run(
        "--before", "no-reset", "--connect-attempts", "1", "flash-id", fails=True
    )  # fmt: skip


def test_run_leaves_the_loader(wired: Bed) -> None:
    wired.run("run")
    assert until(lambda: wired.link.board.mode == "app")


def test_a_board_without_reset_wires_says_what_esptool_says_of_it(tmp_path: Path) -> None:
    server = AttachServer(parse_url("sim://esp12?wiring=none&start=app").build())
    server.start()
    try:
        told = Bed(server, tmp_path).run("--connect-attempts", "1", "flash-id", fails=True)
        assert "Failed to connect" in told
    finally:
        server.stop()


def test_attached_board_end_to_end(wired: Bed) -> None:
    data = noise(30_000)
    wired.run("--baud", "921600", "write-flash", "0x10000", wired.file("a", data))
    assert wired.cells(0x10000, 0x10000 + 30_000) == data
    assert until(lambda: wired.link.board.mode == "app")


def test_over_rfc2217(tmp_path: Path) -> None:
    server = Rfc2217Server(parse_url("sim://esp12").build())
    server.start()
    try:
        bed = Bed(server, tmp_path)
        assert "Detected flash size: 4MB" not in bed.run("--no-stub", "read-mac")
        assert server.link.board.mode == "app", "RTS has reset it"
    finally:
        server.stop()
