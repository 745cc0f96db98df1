"""QEMU judges the cores: it has the same processor. Step by step, registers and memory must be equal.

    python -m tests.bench.against_qemu words   [--count 20000] [--seed 1]      one random instruction each
    python -m tests.bench.against_qemu streams [--count 500] [--seed 1]        random programs
    python -m tests.bench.against_qemu functions IMAGE… [--count 200]          functions of real images
    python -m tests.bench.against_qemu record  [--seed 1]                      renew tests/sim/cpu/data/qemu.json

Needs `qemu-system-xtensa` (Debian: qemu-system-misc; tried with 7.2.22). Every core of this machine takes part.

Where the two cannot be compared a stream ends there, uncounted (`incomparable`):

- RER, WER: QEMU 7.2 ends itself at an external register that it does not know.
- RFI 0 and 1: QEMU takes the registers of no level; here they are illegal, as the manual's table has no such return.
- WAITI: QEMU sleeps until an interrupt that nobody sends.
- CCOUNT, CCOMPARE0: QEMU's own clock. ICOUNT, IBREAK, DBREAK: QEMU acts on them, the cores only keep them.
- SLLI by 32, which no assembler makes: QEMU shifts by 0; the funnel shifter of the manual gives 0.
- Bytes and halves on the instruction bus: QEMU allows what raises LoadStoreError on the chip.
- Stores to the flash window and all addresses without RAM: QEMU has RAM, or a bus error (14, 15), in their place.

Bits that PS, EPS2, EPS3, EXCCAUSE and INTENABLE do not have (gdb-config of the lx106) QEMU keeps; they are masked.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random

from flashpipe.sim.cpu.decode import decode
from flashpipe.sim.memory import (
    DRAM_SIZE,
    DRAM_START,
    FLASH_SIZE,
    FLASH_START,
    IRAM_SIZE,
    IRAM_START,
    BusError,
    Memory,
)

from tests.bench.qemu_guest import QemuGuest
from tests.sim.cpu.cases import COMPARED, MASKS, RECORD, Case, IncomparableError, Player, ResumeError, put, resumed
from tests.sim.cpu.cores import CORES
from tests.sim.cpu.machines import CODE, RETURN, USER
from tests.sim.cpu.programs import SHAPES, TAME, random_program, random_registers, tame_registers


class Judge:
    """QEMU and our cores on the same cases."""

    def __init__(self, guest: QemuGuest, players: dict[str, Player], base: Memory) -> None:
        self.guest = guest
        self.players = players
        self.base = base
        self.steps = 0
        self.ends: Counter[str] = Counter()
        self.faults: list[str] = []
        for start, area in ((DRAM_START, base.dram), (IRAM_START, base.iram), (FLASH_START, base.flash)):
            guest.write(start, bytes(area))

    def try_case(self, case: Case) -> dict[str, int]:
        """Step through a case; the registers at its end. What differs is noted in `faults`."""
        self.guest.set_registers(case.start())
        put(self.guest.write, case)
        for player in self.players.values():
            player.memory.restore(self.base.snapshot())
            player.begin(case)
        found = case.start()
        steps = 0
        while steps < case.steps:
            try:
                ours = self._step_ours()
            except ResumeError:
                changes = resumed(found)
                found |= changes
                self.guest.set_registers(changes)
                for player in self.players.values():
                    player.resume()
                steps += 1
                continue
            except IncomparableError as end:
                self.ends[str(end).split(" of ")[0]] += 1
                break
            self.guest.step()
            steps += 1
            found = self._registers()
            if any(registers != found for registers in ours.values()):
                self._blame(case, steps, found, ours)
                break
        self.steps += steps
        case.steps = steps
        self._compare_memory(case)
        return found

    def _registers(self) -> dict[str, int]:
        found = self.guest.registers()
        return {name: found[name] & MASKS.get(name, ~0) for name in COMPARED}

    def _step_ours(self) -> dict[str, dict[str, int]]:
        for player in self.players.values():
            player.check_comparable()
        return {name: player.step() for name, player in self.players.items()}

    def _blame(self, case: Case, step: int, found: dict[str, int], ours: dict[str, dict[str, int]]) -> None:
        for core, registers in ours.items():
            wrong = {
                name: f"{value:#x}, QEMU {found[name]:#x}" for name, value in registers.items() if value != found[name]
            }
            if wrong:
                self.faults.append(f"{core} at step {step}, {self.players[core].last}: {wrong} in {case}")

    def _compare_memory(self, case: Case) -> None:
        """Compare all RAM, and put back what the case has changed."""
        for start, size in ((DRAM_START, DRAM_SIZE), (IRAM_START, IRAM_SIZE)):
            found = self.guest.read(start, size)
            for core, player in self.players.items():
                ours = player.memory.read(start, size)
                if ours != found:
                    at = next(at for at in range(size) if ours[at] != found[at])
                    self.faults.append(f"{core}: memory at {start + at:#x} after {case}")
            before = self.base.read(start, size)
            for at in range(0, size, 64):
                if before[at : at + 64] != found[at : at + 64]:
                    self.guest.write(start + at, before[at : at + 64])
        if case.at >= FLASH_START:
            length = len(case.code) // 2
            self.guest.write(case.at, self.base.read(case.at, length))


# --- cases -----------------------------------------------------------------------------------------------------------


def words(random: Random, count: int) -> Iterator[Case]:
    """Single random words, most of which are no instruction."""
    for _ in range(count):
        yield Case(
            random.randbytes(3).hex(), registers=random_registers(random), sar=random.randrange(33), steps=1,
            ps=random.choice([USER, USER | 2, USER | 0x10]), data=random.randbytes(64).hex(),
        )  # fmt: skip


def streams(random: Random, count: int) -> Iterator[Case]:
    """Random programs, wild ones and ones that go on for longer."""
    for number in range(count):
        at = random.choice([CODE, CODE + 1, CODE + 2, FLASH_START + 0x1003])
        wild = number % 3 == 0
        yield Case(
            random_program(random, 40, SHAPES if wild else TAME).hex(), at,
            random_registers(random, at) if wild else tame_registers(random), random.randrange(33),
            random.choice([USER, USER, USER | 1, USER | 0x10, 0]), random.choice([0, 0, 0x80]),
            data=random.randbytes(64).hex(),
        )  # fmt: skip


def load_image(image: bytes, memory: Memory) -> None:
    """Put a flash image into memory as the mask ROM does: its segments in RAM, all of it behind the window."""
    memory.flash[: len(image)] = image[:FLASH_SIZE]
    at = 8
    for _ in range(image[1]):
        address, length = struct.unpack_from("<II", image, at)
        memory.write(address, image[at + 8 : at + 8 + length])
        at += 8 + length


def functions(memory: Memory, random: Random, count: int) -> Iterator[Case]:
    """Functions of an image: what some CALL0 calls and begins with a stack frame (`addi a1, a1, -…`)."""
    entries = set()
    for start, area in ((IRAM_START, bytes(memory.iram)), (FLASH_START, bytes(memory.flash))):
        for at in range(len(area) - 3):
            if area[at] & 0x3F == 0x05:
                target = decode(int.from_bytes(area[at : at + 3], "little"), start + at).imm
                entries.add(target)
    frames = sorted(entry for entry in entries if _begins_with_a_frame(memory, entry))
    for entry in random.sample(frames, min(count, len(frames))):
        registers = random_registers(random)
        registers[0], registers[1] = RETURN, DRAM_START + DRAM_SIZE - 0x400
        yield Case("", entry, registers, steps=400, data=random.randbytes(256).hex())


def _begins_with_a_frame(memory: Memory, address: int) -> bool:
    try:
        code = memory.read(address, 3)
    except BusError:
        return False
    return code[:2] == b"\x12\xc1" and code[2] >= 0x80


# --- the commands ----------------------------------------------------------------------------------------------------


def judge(cases: Iterator[Case], base: Memory) -> int:
    """Let QEMU judge cases; exit status."""
    with QemuGuest() as guest:
        judge = Judge(guest, {name: Player(new) for name, new in CORES.items()}, base)
        count = 0
        for count, case in enumerate(cases, 1):  # noqa: B007
            judge.try_case(case)
            if len(judge.faults) >= 20:
                break
    print(f"{count} cases, {judge.steps} instructions compared on {', '.join(CORES)}; ends: {dict(judge.ends)}")
    for fault in judge.faults:
        print(f"DIFFERS: {fault}")
    return 1 if judge.faults else 0


def record(seed: int) -> int:
    """Write a slice of random streams with QEMU's results, for the tests that run without it."""
    random = Random(seed)
    base = Memory()
    rows = []
    with QemuGuest() as guest:
        judge = Judge(guest, {name: Player(new) for name, new in CORES.items()}, base)
        player = next(iter(judge.players.values()))
        for case in (*words(random, 200), *streams(random, 80)):
            found = judge.try_case(case)
            start = case.start()
            changed = {name: value for name, value in found.items() if value != start[name]}
            ram = zlib.crc32(player.memory.iram, zlib.crc32(player.memory.dram))
            rows.append({"case": asdict(case), "changed": changed, "ram": ram})
    if judge.faults:
        print("\n".join(judge.faults))
        return 1
    RECORD.parent.mkdir(exist_ok=True)
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    RECORD.write_text(f"[\n{text}\n]\n")
    print(f"{len(rows)} cases, {judge.steps} instructions, {RECORD.stat().st_size} bytes")
    return 0


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Let QEMU judge the cores of the virtual board.")
    parser.add_argument("what", choices=("words", "streams", "functions", "record"))
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    random = Random(given.seed)
    if given.what == "record":
        return record(given.seed)
    if given.what != "functions":
        return judge((words if given.what == "words" else streams)(random, given.count), Memory())
    status = 0
    for image in given.images:
        print(image.name, end=": ", flush=True)
        base = Memory()
        load_image(image.read_bytes(), base)
        status |= judge(functions(base, random, given.count), base)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
