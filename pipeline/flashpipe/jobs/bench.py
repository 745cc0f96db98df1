"""How fast adapter, cable and board are: which rates hold, and what connecting, writing, verifying and booting take.

A region in the middle of the flash is used for that. What stood there is kept as a backup before anything is written,
and put back at the end, also after a failure; the journal says `writing` for as long as it is not.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from flashpipe.board.boot.watch import boot_check
from flashpipe.board.loader.device import Device
from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.loader.spi_clock import HALF, QUARTER, clock_bits, divider, set_clock
from flashpipe.board.ports.names import is_pseudo_terminal, is_url
from flashpipe.board.session.auto_rate import TRIAL_S, USUAL, AutoRate
from flashpipe.board.session.rate_search import try_rate
from flashpipe.board.session.session import Session
from flashpipe.errors import FlashUnknownError, PipelineError, WireError
from flashpipe.flash import Region
from flashpipe.flasher.backup import about, save_regions
from flashpipe.flasher.bench_figures import AMOUNT, Clocked, Figures, LeftOut, Rate, Written, place
from flashpipe.flasher.model import Outcome, RunRecord
from flashpipe.flasher.restore import put
from flashpipe.flasher.restore_source import RestoreSelection, RestoreSource, file_source, stored_source
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.port_choice import adapter_of
from flashpipe.records import journal
from flashpipe.records.backups import Store
from flashpipe.units import format_size

BELOW: Final = (115_200, 230_400, USUAL)
"""Rates that are tried although any adapter should do them."""
SAMPLE_S: Final = 0.5
"""About how long a rate is listened to."""
BOOT_S: Final = 20.0
PACKABLE: Final = 44
"""Of 64 bytes so many are random: firmware packs to some 70 % (facts: flash-timing §7.1)."""
ESPTOOL_BAUDS: Final = (115_200, USUAL)
"""Its own default, and the usual rate."""
ESPTOOL_LIMIT_S: Final = 120.0
EVERYBODYS: Final = ("rfc2217://", "socket://")
"""URLs that whatever uses pyserial can open."""
UNRESET: Final = "nothing resets this board"


def measure(board: BoardRun) -> Figures:
    """Measure, once that is agreed to; the board then holds what it held.

    Raises:
        ConfirmationError: it is not.
        FlashUnknownError: nobody knows the size of the flash.
        PipelineError: the board cannot be reached, read or written.
    """
    board.command.require_own_records()
    session, measured = board.session(), list[Figures]()
    began = time.monotonic()
    device = session.connected()
    connect_s = time.monotonic() - began
    if not device.flash_size:
        raise FlashUnknownError(f"{device.port}: flash ID {device.flash_id:#08x} is of no known size")
    region = place(device.flash_size)
    board.confirm(f"writes {format_size(AMOUNT)} of flash at {region} several times, and puts back what stands there")

    def run(_record: RunRecord) -> Outcome:
        store = Store(board.command.backups_folder, device.mac)
        entry = journal.read(device.mac)
        manifest = save_regions(session, store, [region], "asked", about(device.mac))
        bench = _Bench(board, session, device, region, manifest.id)
        source = stored_source(store, manifest)
        try:
            rates = bench.rates()
            written = bench.write_at([rate.baud for rate in rates if rate.holds])
            clocks = bench.clocks()
            if any(clock.holds for clock in clocks[1:]):
                written += (bench.write_faster(clocks[-1].mhz),)
            esptool = bench.esptool()
            bench.put_back(source, entry)
        except PipelineError:
            if not bench.rescued(source, entry):
                board.notify(f"what stood at {region} was not put back: `flashpipe restore backup={source.name}` does")
            raise
        boot, boot_s = bench.boot()
        bridge = adapter_of(session.port)
        adapter = f"{bridge['usb']} {bridge['name']}".strip() if bridge else ""
        left = tuple(bench.left_out)
        figures = Figures(device, adapter, region, connect_s, rates, clocks, written, esptool, boot, boot_s, left)
        measured.append(figures)
        return Outcome("restored", device, reason=f"{region} measured and put back", backup=manifest.id)

    board.recorded("bench", run)
    return measured[0]


class _Bench:
    """The measurements on one board."""

    def __init__(self, board: BoardRun, session: Session, device: Device, region: Region, backup: str) -> None:
        """`backup`: id of what stood in the region."""
        self._board, self._session, self._device, self._region = board, session, device, region
        self._backup = backup
        self._random = Random(device.mac)  # noqa: S311  contents, not a secret
        self.left_out = list[LeftOut]()
        self._usual = USUAL
        """The usual rate, or the fastest below it that holds here."""

    def rates(self) -> tuple[Rate, ...]:
        """Each rate that adapter and chip can make, from below; the first that fails is the last.

        Where nobody can reset the board, what any adapter does: only a reset brings the stub back from one that fails.
        """
        tried = list[Rate]()
        if isinstance(self._session.link, RomLink):
            self.left_out.append(LeftOut("rates", "the ROM loader alone keeps to one"))
            return ()
        above = AutoRate(self._session.port).above(USUAL) if self._resets else ()
        if not self._resets:
            self.left_out.append(
                LeftOut(f"rates above {USUAL}", f"{UNRESET}, and only a reset helps after one that fails")
            )
        with self._session.step("rates", "which hold") as result:
            for baud in (*BELOW, *above):
                self._session.check_stop()
                tried.append(self._rate(baud))
                if not tried[-1].holds:
                    break
            self._usual = max((rate.baud for rate in tried if rate.holds and rate.baud <= USUAL), default=BELOW[0])
            self._go_back()
            result.append(", ".join(str(rate.baud) for rate in tried if rate.holds))
        return tuple(tried)

    @property
    def _resets(self) -> bool:
        """Whether a wire or a person resets the board; a pseudo-terminal has no wire."""
        return self._session.can_be_reset() and not is_pseudo_terminal(self._session.port)

    def _go_back(self) -> None:
        """To the usual rate, or what this line carries of it."""
        if self._resets:
            self._session.begin_anew(self._usual)
        else:
            self._session.use_rate(self._usual)
            self._session.link.change_baud(self._usual)

    def _rate(self, baud: int) -> Rate:
        packets = max(1, min(AMOUNT, int(baud / 10 * SAMPLE_S)) // 0x1000)
        sample = Region(self._region.start, self._region.start + packets * 0x1000)
        try:
            seconds = try_rate(self._session, baud, sample, 4 * TRIAL_S)
            return Rate(baud, holds=True, bytes_per_s=int(sample.size / seconds))
        except WireError as error:
            return Rate(baud, holds=False, why=error.without(self._session.port))

    def write_at(self, rates: Sequence[int]) -> tuple[Written, ...]:
        """Write at the usual rate, and at the fastest that holds."""
        return tuple(self._write(baud) for baud in dict.fromkeys((self._usual, *rates[-1:])) if baud in rates)

    def clocks(self) -> tuple[Clocked, ...]:
        """The loader's own clock of the flash and the faster one, by a digest of what was written; the first rules."""
        session = self._session
        if isinstance(session.link, RomLink) or clock_bits(session.link) != QUARTER:
            return ()
        with session.step("flash clock", "which holds") as result:
            bus_mhz = 2 * self._device.crystal_mhz
            usual = self._digest()
            try:
                set_clock(session.link, HALF)
                faster = self._digest()
                set_clock(session.link, QUARTER)
            except WireError:  # a flash that does not follow keeps the stub waiting
                faster = (b"", 0.0)
                session.begin_anew(session.baud)
            clocks = tuple(
                Clocked(bus_mhz // divider(bits), digest == usual[0], seconds)
                for bits, (digest, seconds) in ((QUARTER, usual), (HALF, faster))
            )
            result.append(", ".join(f"{clock.mhz} MHz" for clock in clocks if clock.holds))
        return clocks

    def _digest(self) -> tuple[bytes, float]:
        began = time.monotonic()
        digest = self._session.link.md5(self._region)
        return digest, time.monotonic() - began

    def write_faster(self, mhz: int) -> Written:
        """Write once more at the rate in force, the flash clocked faster."""
        set_clock(self._session.link, HALF)
        try:
            return replace(self._write(self._session.baud), flash_mhz=mhz)
        finally:
            set_clock(self._session.link, QUARTER)

    def _write(self, baud: int) -> Written:
        session = self._session
        if session.baud != baud:
            session.use_rate(baud)
            session.link.change_baud(baud)
        before = len(session.step_times)
        source = file_source(Path("bench"), self._contents(), self._region.start, self._device.flash_size or 0)
        entry = journal.JournalEntry(mac=self._device.mac, port=session.port, backup=self._backup)
        put(session, source, RestoreSelection((self._region,)), entry)
        steps = dict(session.step_times[before:])
        return Written(session.baud, steps.get("write", 0.0), steps.get("verify", 0.0))

    def _contents(self) -> bytes:
        """Other bytes each time, which pack as firmware does."""
        blank = bytes(64 - PACKABLE)
        return b"".join(self._random.randbytes(PACKABLE) + blank for _ in range(AMOUNT // 64))

    def esptool(self) -> tuple[tuple[int, float], ...]:
        """What esptool takes for the same, as a command of its own; nothing where it cannot reach port or loader."""
        ours = is_url(self._session.port) and not self._session.port.lower().startswith(EVERYBODYS)
        if ours or not self._resets:
            why = "no other program reaches this port" if ours else UNRESET
            self.left_out.append(LeftOut("esptool write-flash", why))
            return ()
        self._session.close()
        times = list[tuple[int, float]]()
        with self._session.step("esptool", "write-flash"), tempfile.TemporaryDirectory() as folder:
            for baud in ESPTOOL_BAUDS:
                self._session.check_stop()
                path = Path(folder) / "bench.bin"
                path.write_bytes(self._contents())
                words = ["--chip", "esp8266", "--port", self._session.address, "--baud", str(baud), "write-flash"]
                command = [sys.executable, "-m", "esptool", *words, hex(self._region.start), str(path)]
                began = time.monotonic()
                with suppress(subprocess.TimeoutExpired):
                    process = subprocess.run(command, capture_output=True, check=False, timeout=ESPTOOL_LIMIT_S)
                    if process.returncode == 0:
                        times.append((baud, time.monotonic() - began))
                        continue
                self.left_out.append(LeftOut(f"esptool write-flash at {baud}", "esptool failed"))
        return tuple(times)

    def put_back(self, source: RestoreSource, entry: journal.JournalEntry) -> None:
        """What stood there stands there again, and the journal says what it said.

        Raises:
            PipelineError: it does not.
        """
        self._go_back()
        now = replace(entry, port=self._session.port)
        begun = journal.JournalEntry(mac=entry.mac, port=self._session.port, backup=source.name)
        put(self._session, source, RestoreSelection((self._region,)), begun)
        journal.write(now)

    def rescued(self, source: RestoreSource, entry: journal.JournalEntry) -> bool:
        """Whether it could be put back after a failure."""
        try:
            self.put_back(source, entry)
        except PipelineError:
            return False
        return True

    def boot(self) -> tuple[str, float]:
        """How the board starts, and how long that takes; nothing where no wire resets it."""
        if not self._resets or not self._session.resets_by_wire:
            self.left_out.append(LeftOut("boot", UNRESET if not self._resets else "no wire resets this board"))
            return "", 0.0
        began = time.monotonic()
        with self._session.step("boot", "reading the boot log") as result:
            verdict = boot_check(self._session, timeout_s=BOOT_S)
            result.append(verdict.summary)
        return verdict.kind, time.monotonic() - began
