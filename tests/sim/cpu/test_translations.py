"""Translated code: when it is made, what it is known by, and how it is kept."""

from __future__ import annotations

import hashlib
import marshal
import os
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest
from flashpipe.sim.cpu import translations
from flashpipe.sim.cpu.decode import decode
from flashpipe.sim.cpu.execution import MARGIN
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.cpu.translate import LONGEST, InstructionTrace, follow, source
from flashpipe.sim.cpu.translations import TracedBytes, Translations, open_translations, traced_bytes
from flashpipe.sim.memory import DRAM_SIZE, DRAM_START, FLASH_SIZE, FLASH_START

from tests.sim.cpu.assembler import program
from tests.sim.cpu.cores import NewCore
from tests.sim.cpu.machines import CODE, DATA, RETURN, Bench

AREAS = ((DRAM_START, DRAM_SIZE), (FLASH_START, FLASH_SIZE))
LOOP = program(("s32i", 2, 3, 0), ("addi", 2, 2, -1), ("bnez", 2, -6), ("ret",))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLASHPIPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def trace_of(code: bytes, start: int = CODE, literal: int | None = 7) -> InstructionTrace:
    def fetch(pc: int) -> object:
        at = pc - CODE
        return decode(int.from_bytes(code[at : at + 3], "little"), pc) if 0 <= at < len(code) else None

    trace = follow(start, fetch, lambda _address: literal)  # type: ignore[arg-type]
    assert trace is not None
    return trace


# --- traces ----------------------------------------------------------------------------------------------------------


def test_a_trace_goes_on_over_branches_jumps_and_calls() -> None:
    code = program(("beqz", 2, 6), ("j", 6), ("ill",), ("call0", 4), ("movi", 2, 1), ("ret",))
    trace = trace_of(code)
    assert [line.pc - CODE for line in trace.lines] == [0, 3, 9, 12, 15]


@pytest.mark.parametrize(
    "last", [("rsil", 2, 0), ("waiti", 0), ("ill",), ("rsr", 2, 234), ("syscall",), ("break", 0, 0)]
)
def test_a_trace_ends_with_what_only_the_interpreter_knows(last: tuple[object, ...]) -> None:
    trace = trace_of(program(("nop",), last, ("nop",)))
    assert [line.stepped for line in trace.lines] == [False, True]
    assert source(trace).rstrip().endswith(f"return step({CODE + 3})")


def test_a_trace_ends_where_it_has_been() -> None:
    trace = trace_of(program(("nop",), ("j", -3)))
    assert (len(trace.lines), trace.end) == (2, CODE)
    assert "while True" in source(trace)


def test_a_trace_is_never_longer_than_the_margin_allows() -> None:
    trace = trace_of(program(*[("nop",)] * 100))
    assert len(trace.lines) == LONGEST < MARGIN
    assert trace.end == CODE + 3 * LONGEST


def test_an_origin_is_all_that_a_trace_was_made_of() -> None:
    code = program(("l32r", 2, -8), ("j", 9), ("ill",), ("ill",), ("addi", 2, 2, 1), ("ret",))
    memory = dict(enumerate(code, CODE)) | dict(enumerate(b"word", CODE - 8))

    def read(address: int, length: int) -> bytes:
        return bytes(memory[at] for at in range(address, address + length))

    origin = traced_bytes(trace_of(code), read)
    assert list(origin.areas()) == [(CODE - 8, 4), (CODE, 6), (CODE + 12, 6)]
    assert origin.contents == b"word" + code[:6] + code[12:18]
    unknown = traced_bytes(trace_of(code, literal=None), read)
    assert list(unknown.areas()) == [(CODE, 3)]


# --- when ------------------------------------------------------------------------------------------------------------


def test_code_is_translated_when_it_is_hot(cache: Path) -> None:
    bench = Bench(lambda memory, devices: PythonCore(memory, devices, hot=10))
    core = bench.core
    assert isinstance(core, PythonCore)
    bench.run(LOOP, {2: 8, 3: DATA})
    assert core._blocks == {}
    bench.run(LOOP, {2: 30, 3: DATA})
    assert set(core._blocks) == {CODE}
    assert bench.a(2) == 0
    assert not (cache / "translations").exists() or list((cache / "translations").iterdir()) == []


def test_a_known_translation_is_found_when_code_is_warm(cache: Path) -> None:
    first = Bench(lambda memory, devices: PythonCore(memory, devices, hot=0))
    first.run(LOOP, {2: 30, 3: DATA})
    second = Bench(lambda memory, devices: PythonCore(memory, devices, hot=1000, warm=3))
    second.run(LOOP, {2: 30, 3: DATA})
    assert isinstance(second.core, PythonCore)
    assert CODE in second.core._blocks
    assert cache.exists()


def test_a_hook_in_the_middle_of_a_known_translation_still_stops(cache: Path) -> None:
    first = Bench(lambda memory, devices: PythonCore(memory, devices, hot=0))
    first.run(LOOP, {2: 3, 3: DATA})
    second = Bench(lambda memory, devices: PythonCore(memory, devices, hot=0))
    second.core.set_hooks(frozenset({CODE + 3}))
    second.run(LOOP, {2: 3, 3: DATA})
    assert second.state.pc == CODE + 3
    assert cache.exists()


@pytest.mark.parametrize("first", [0, 8, -8])
@pytest.mark.parametrize("end", [DRAM_START, DRAM_START + DRAM_SIZE, FLASH_START, FLASH_START + FLASH_SIZE])
def test_words_at_the_ends_of_memory(new_core: NewCore, end: int, first: int) -> None:
    code = program(("l32i", 4, 2, 0), ("l32i", 5, 2, 8), ("l32i", 6, 2, 16), ("ret",))
    bench = Bench(new_core)
    bench.run(code, {2: end + first - 8})
    there = [any(start <= end + first - 8 + offset < start + size for start, size in AREAS) for offset in (0, 8, 16)]
    if all(there):
        assert bench.state.pc == RETURN
    else:
        wrong = there.index(False)
        assert (bench.state.epc1, bench.state.excvaddr) == (CODE + 3 * wrong, end + first - 8 + 8 * wrong)


# --- kept ------------------------------------------------------------------------------------------------------------


def code_object(number: int) -> CodeType:
    return compile(f"a = {number}", "<test>", "exec")


def origin(number: int) -> TracedBytes:
    return TracedBytes((0x100 * number).to_bytes(4, "little") + b"\4\0\0\0", number.to_bytes(4, "big"))


def put(kept: Translations, numbers: range) -> None:
    for number in numbers:
        kept.put(0x100 * number, origin(number), code_object(number))


def found(kept: Translations, number: int, at_hand: int | None = None) -> CodeType | None:
    """What is found at the start of `number`, where the bytes of `at_hand` lie."""
    there = origin(number if at_hand is None else at_hand).contents
    known = kept.find(0x100 * number, lambda _address, _length: there)
    return known and known[1]


def filled(path: Path, numbers: range) -> Translations:
    kept = Translations(path)
    put(kept, numbers)
    kept.save()
    return kept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept.bin"


def test_translations_are_found_by_the_next_process(path: Path) -> None:
    filled(path, range(30))
    again = Translations(path)
    assert found(again, 7) == code_object(7)
    assert found(again, 30) is None
    assert len(again) == 30


def test_what_was_made_of_other_bytes_is_not_found(path: Path) -> None:
    kept = filled(path, range(30))
    assert found(kept, 7, at_hand=8) is None
    kept.put(0x700, TracedBytes(origin(7).spans, origin(8).contents), code_object(8))
    assert [found(kept, 7), found(kept, 7, at_hand=8)] == [code_object(7), code_object(8)]
    assert len(kept) == 31


def test_a_few_new_ones_are_not_worth_a_file(path: Path) -> None:
    filled(path, range(translations.WORTH_SAVING - 1))
    assert not path.exists()


def test_what_another_process_has_saved_is_kept(path: Path) -> None:
    one, two = Translations(path), Translations(path)
    put(one, range(30))
    put(two, range(100, 130))
    one.save()
    two.save()
    assert len(Translations(path)) == 60


def test_the_file_is_bounded_and_what_was_used_last_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(path, range(100))
    whole = path.stat().st_size
    monkeypatch.setattr(translations, "LARGEST", whole // 2)
    filled(path, range(200, 230))
    left = Translations(path)
    assert path.stat().st_size <= whole // 2 + 4096
    assert all(found(left, number) is not None for number in range(200, 230))
    assert found(left, 0) is None
    assert found(left, 99) is not None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_file_is_as_good_as_none(path: Path, damage: str) -> None:
    filled(path, range(30))
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes({"cut": bytes(data[:-5]), "flipped": bytes(data), "empty": b"", "other": b"x" * 500}[damage])
    assert len(Translations(path)) == 0
    filled(path, range(30))
    assert len(Translations(path)) == 30


@pytest.mark.skipif(os.name != "posix", reason="rights of files")
def test_a_file_that_others_can_write_is_not_loaded(path: Path) -> None:
    body = marshal.dumps({})
    path.write_bytes(hashlib.sha256(body).digest() + body)
    filled(path, range(30))
    path.chmod(0o666)
    assert len(Translations(path)) == 0


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    kept = Translations(tmp_path / "missing" / "deeper")
    (tmp_path / "missing").write_text("a file, not a folder")
    put(kept, range(30))
    kept.save()
    assert found(kept, 0) is not None


def test_all_cores_of_a_process_share_them(cache: Path) -> None:
    assert open_translations() is open_translations()
    assert (cache / "translations").is_dir()


def test_another_translator_has_a_file_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = translations.version()
    translations.version.cache_clear()
    monkeypatch.setattr(translations, "_SOURCES", ("translate.py",))
    assert translations.version() != before
    translations.version.cache_clear()


SCRIPT = f"""
from flashpipe.sim.cpu.python_core import PythonCore
from flashpipe.sim.memory import Memory
memory = Memory()
core = PythonCore(memory, None)
for start in range({CODE}, {CODE} + 0x1000, 0x40):
    memory.write(start, {LOOP!r})
    for _ in range(2):
        core.state.a[0], core.state.a[2], core.state.a[3] = 0x40000000, 100, {DATA}
        core.state.pc, core.state.horizon = start, core.state.cycles + 10_000
        core.run()
print(len(core._blocks), sum(core._heat.values()))
"""


def test_a_second_start_finds_what_the_first_has_made(cache: Path) -> None:
    heat = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
        blocks, entered = map(int, done.stdout.split())
        assert blocks == 64
        heat.append(entered)
    assert heat[1] < heat[0] // 5
    assert [file.suffix for file in (cache / "translations").iterdir()] == [".bin"]
