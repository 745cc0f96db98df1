"""Blocks: together they are the stream, and none stands for more flash than the stub writes at a time."""

from __future__ import annotations

import zlib
from itertools import accumulate
from random import Random

import pytest
from flashpipe.board.loader.frames import BLOCK, GROWTH, blocks
from hypothesis import given
from hypothesis import strategies as st

CONTENTS = st.lists(
    st.tuples(st.integers(0, 60_000), st.sampled_from(["blank", "random", "text"]), st.integers(0, 99)), max_size=5
).map(lambda parts: b"".join(content(*part) for part in parts))


def content(size: int, kind: str, seed: int) -> bytes:
    if kind == "random":
        return Random(seed).randbytes(size)
    return (b"\xff" if kind == "blank" else b"some text that repeats, number %d; " % seed) * size


@given(data=CONTENTS, in_step=st.booleans())
def test_compressed_blocks_are_the_stream_in_order(data: bytes, *, in_step: bool) -> None:
    wire = zlib.compress(data[:3_000_000], 9)
    parts = list(blocks(wire, compressed=True, in_step=in_step))
    assert b"".join(block for block, _ in parts) == wire
    assert sum(size for _, size in parts) == len(data[:3_000_000])
    assert all(0 < len(block) <= BLOCK and size <= GROWTH for block, size in parts)


def test_in_step_a_block_ends_where_the_stub_writes() -> None:
    data = b"".join(content(0x3000, "random", seed) + content(20, "text", seed) for seed in range(20))
    parts = list(blocks(zlib.compress(data, 9), compressed=True, in_step=True))
    ends = set(accumulate(size for _, size in parts))
    assert set(range(GROWTH, len(data), GROWTH)) <= ends


def test_padding_is_cut_where_the_stub_writes() -> None:
    parts = list(blocks(zlib.compress(b"\xff" * 0x100000, 9), compressed=True))
    assert len(parts) in {0x100000 // GROWTH, 0x100000 // GROWTH + 1}


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_raw_blocks_are_padded_to_full_size(size: int) -> None:
    data = Random(size).randbytes(size)
    parts = list(blocks(data, compressed=False))
    assert b"".join(block for block, _ in parts)[:size] == data
    assert {len(block) for block, _ in parts} == {BLOCK}
    assert sum(count for _, count in parts) == size
