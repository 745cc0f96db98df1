"""Registers that a core may serve by itself: whether it does or not, everything comes to the same."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from flashpipe.sim.cpu import c_core as core_in_c
from flashpipe.sim.devices import device, mac
from flashpipe.sim.memory import IRAM_START
from flashpipe.sim.register_file import AREAS, SIZE, WORDS, Counter, RegisterFile, RegisterKind, Words, place

from tests.sim.cpu.assembler import program
from tests.sim.cpu.cores import CORES, NewCore, c_core
from tests.sim.executed import CODE, MS, Bench

BASES = {2: 0x60000200, 3: 0x3FF20C00, 4: 0x60000600, 5: 0x3FF00000, 6: 0x60000000, 7: 0x60009A00, 8: 0x60001200}
"""Flash, MAC, timers, system, UART, radio, RTC memory."""
OFFSETS = {2: (0x08, 0xF8), 3: (0x00, 0x04), 4: (0x04, 0x24), 5: (0x0C, 0x20), 6: (0x1C,), 7: (0, 8), 8: (0, 4)}
WRITTEN = {2: (0x08,), 4: (0x20, 0x28), 5: (0x0C,), 7: (0, 8), 8: (0, 4)}
SOURCE = Path(core_in_c.__file__).with_name("core.c")
FRC2_CONTROL, FRC2_LOAD = 0x60000628, 0x60000620


def random_accesses(seed: int) -> bytes:
    """A loop of loads, some of them again and again, and of stores."""
    random = Random(seed)
    lines: list[tuple[str, int, int, int]] = []
    for _ in range(random.randrange(2, 24)):
        base = random.choice(list(OFFSETS))
        if base in WRITTEN and random.random() < 0.2:
            lines.append(("s32i", random.randrange(9, 15), base, random.choice(WRITTEN[base])))
        else:
            line = ("l32i", random.randrange(9, 15), base, random.choice(OFFSETS[base]))
            lines += [line] * random.choice((1, 1, 2, 12))
    code = program(*lines)
    return code + program(("j", -len(code)))


def ran(seed: int, make_core: NewCore, *, fast: bool, watched: bool = False) -> tuple[object, ...]:
    bench = Bench(make_core, seed=seed)
    heard: list[tuple[str, int, int]] = []
    if watched:
        bench.devices.bus.watch(lambda *access: heard.append(access))
    random = Random(seed)
    for register in range(9, 15):
        bench.state.a[register] = random.getrandbits(32)
    for register, base in BASES.items():
        bench.state.a[register] = base
    bench.devices.timers.write(FRC2_LOAD, random.getrandbits(32))
    bench.devices.timers.write(FRC2_CONTROL, random.choice((0x80, 0x84, 0x88, 0)))
    bench.state.set_fast(fast)
    bench.state.pc = bench.load(random_accesses(seed), CODE)
    bench.state.ps = 0x2F
    begun = bench.state.cycles = random.choice((0, 10 * MS))
    for end in sorted(random.randrange(1, MS // 2) for _ in range(4)):
        bench.machine.advance(begun + end)
    bench.state.horizon = 0
    return bytes(bench.state), bench.devices.snapshot(), bytes(bench.memory.flash[:16]), tuple(heard)


@pytest.mark.parametrize("seed", range(16))
def test_a_core_that_serves_them_comes_to_the_same(seed: int) -> None:
    python, c = (ran(seed, CORES[name], fast=bool(seed & 1)) for name in ("translated", "c"))
    assert c == python


@pytest.mark.parametrize("seed", range(3))
def test_who_watches_sees_every_access_and_changes_nothing(seed: int) -> None:
    alone, watched = (ran(seed, c_core, fast=False, watched=watched) for watched in (False, True))
    assert watched[:3] == alone[:3]
    assert watched[3] == ran(seed, CORES["python"], fast=False, watched=True)[3]
    assert watched[3]


def test_python_is_asked_for_none_that_only_remembers_or_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(c_core)
    asked: list[int] = []
    read = bench.devices.bus.read

    def noted(address: int, size: int) -> int:
        asked.append(address)
        return read(address, size)

    monkeypatch.setattr(bench.devices.bus, "read", noted)
    for register, base in BASES.items():
        bench.state.a[register] = base
    loads = [("l32i", 9, base, offset) for base in (2, 3, 4, 7, 8) for offset in OFFSETS[base][-1:]]
    bench.state.pc = bench.load(program(*loads, ("l32i", 9, 6, 0x1C), ("s32i", 9, 7, 0), ("ill",)), CODE)
    bench.machine.advance(bench.state.cycles + 40)
    assert asked == [BASES[6] + 0x1C]


def test_the_core_in_c_has_the_same_numbers() -> None:
    known = {
        name: int(text, 0) for name, text in re.findall(r"\b([A-Z_0-9]+) = (0x[0-9A-F]+|\d+)\b", SOURCE.read_text())
    }
    polling = {name: getattr(device, name) for name in ("POLLS", "POLL_CYCLES", "READ_CYCLES", "WRITE_CYCLES")}
    idle = {name: getattr(mac, name) for name in ("IDLE_AFTER", "IDLE_GAP", "IDLE_ASKS", "CYCLES_PER_US")}
    names = {
        "PLAIN_READ": "READ",
        "PLAIN_WRITE": "WRITE",
        **{name: name for name in ("CACHE", "FRC2", "TIME", "CLOCK")},
    }
    kinds = {name: int(RegisterKind[word]) for name, word in names.items()}
    numbers = {**polling, **idle, **kinds, "POLLED": device.POLLED_REGISTERS}
    assert {name: known[name] for name in numbers} == numbers
    starts = ("SYSTEM_START", "MAC_START", "RADIO_START", "DPORT_START")
    assert [known[name] for name in starts] == [area.start for area in AREAS]


def test_all_that_devices_keep_has_a_place() -> None:
    kept = [address for block in Bench().devices.all for area in block.kept for address in area[::4]]
    places = [place(address) for address in kept]
    assert min(places) >= 0
    assert max(places) < WORDS
    assert len(set(places)) == len(places)
    assert place(IRAM_START) == place(AREAS[0].stop) == -1


def test_words_of_one_device() -> None:
    file = RegisterFile()
    assert len(file.buffer) == SIZE
    first, second = (Words(file, (range(start, start + 0x100),)) for start in (0x60009800, 0x60009900))
    first.update({0x60009804: 5, 0x60009808: 0})
    second[0x60009900] = 6
    assert list(first.items()) == [(0x60009804, 5)]
    first.clear()
    assert (first.get(0x60009804), second[0x60009900]) == (0, 6)


def test_kinds_add_up() -> None:
    file = RegisterFile()
    area = range(0x60009800, 0x60009808)
    file.mark(area, RegisterKind.READ | RegisterKind.WRITE)
    file.mark(area[:4], RegisterKind.CLOCK)
    file.unmark(area.start, RegisterKind.WRITE)
    file.unmark(0, RegisterKind.WRITE)
    first = place(area.start)
    assert list(file.kinds[first : first + 2]) == [
        RegisterKind.READ | RegisterKind.CLOCK,
        RegisterKind.READ | RegisterKind.WRITE,
    ]
    assert file.counters[Counter.ALONE] == 1
