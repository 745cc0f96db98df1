"""Functions of the mask ROM that stand there as instructions: what they are, and what they do."""

from __future__ import annotations

import pytest
from flashpipe.sim.cpu.contract import Cause
from flashpipe.sim.rom.code import CODE, MachineCode
from flashpipe.sim.rom.names import NAMES
from hypothesis import example, given
from hypothesis import strategies as st

from tests.sim.cpu.assembler import SR, asm
from tests.sim.cpu.cores import CORES
from tests.sim.executed import Bench

WORDS = st.one_of(st.integers(0, 0xFFFFFFFF), st.integers(0, 40), st.integers(0xFFFFFFC0, 0xFFFFFFFF))
MASK = 0xFFFFFFFF


def signed(word: int) -> int:
    return (word ^ 0x80000000) - 0x80000000


@pytest.mark.parametrize("code", CODE, ids=lambda code: code.name)
def test_bytes_are_those_of_the_assembly(code: MachineCode) -> None:
    lines = [(line[:8].strip(), line[8:].strip()) for line in code.listing.splitlines()]
    labels, at = {}, code.address
    for data, text in lines:
        if not data:
            labels[text.rstrip(":")] = at
        at += len(data) // 2
    at = code.address
    for data, text in lines:
        if data:
            name, _, rest = text.partition(" ")
            operands = [_operand(word, at, labels) for word in rest.replace(",", " ").split()]
            assert asm(name, *operands).hex() == data, text
            at += len(data) // 2


def _operand(word: str, at: int, labels: dict[str, int]) -> int:
    if word in SR:
        return SR[word]
    if word in labels:
        return labels[word] - at
    if word.startswith("0x"):
        return int(word, 16) - at
    return int(word.removeprefix("a"))


def test_no_code_runs_into_the_next_function() -> None:
    starts = sorted({*NAMES, *(code.address for code in CODE)})
    for code in CODE:
        following = next((start for start in starts if start > code.address), 0x40010000)
        assert code.address + len(code.data) + 2 <= following, code.name


@pytest.fixture(scope="module", params=CORES)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(CORES[request.param])


@given(WORDS, WORDS)
@example(0x80000000, 0xFFFFFFFF)
@example(0xFFFFFFFF, 1)
def test_divisions(bench: Bench, left: int, right: int) -> None:
    if not right:
        return
    assert bench.call("__udivsi3", left, right) == left // right
    assert bench.call("__umodsi3", left, right) == left % right
    quotient = abs(signed(left)) // abs(signed(right))
    negative = (left ^ right) & 0x80000000
    assert bench.call("__divsi3", left, right) == (-quotient if negative else quotient) & MASK


@pytest.mark.parametrize("name", ["__udivsi3", "__umodsi3", "__divsi3"])
def test_a_division_by_zero_fails_where_crash_logs_show_it(name: str) -> None:
    bench = Bench()
    seen = []

    def unhandled() -> None:
        seen.append((bench.state.epc1, bench.state.exccause))
        bench._stopped()

    bench.machine.rom._calls[0x4000DC44] = unhandled
    bench.call(name, 7, 0)
    assert seen == [(0x4000DCE5, Cause.ILLEGAL_INSTRUCTION)]


def test_a_trace_sees_them_all_the_same() -> None:
    bench = Bench()
    called: list[int] = []
    bench.machine.rom.watch(called.append)
    assert bench.call("__udivsi3", 100, 7) == 14
    assert 0x4000E21C in called
