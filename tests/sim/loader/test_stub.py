"""Every reply of both stubs that the facts list (facts: stub-executed §1 to §5)."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any

import pytest
from flashpipe.sim import host_line
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD
from flashpipe.sim.loader.main_loop import checksum as xor_checksum

READ_MAGIC = HEADER.pack(0, 0x0A, 4, 0) + (0x40001000).to_bytes(4, "little")
BOTH = pytest.mark.parametrize("stub", [1, 2])


def start(bench: Any, stub: int, options: str = "fill=byte:0", **more: Any) -> Any:
    return bench.host(f"sim://esp12?start=stub-v{stub}&{options}", **more)


def standing_still() -> float:
    """The clock of a host that takes no time between two bytes: where rates differ, a pause decides what is heard."""
    return 0.0


def alive(host: Any) -> bool:
    return bool(host.frame(READ_MAGIC))


def deflated(size: int = 40000) -> tuple[bytes, bytes]:
    """Something that deflates to about two fifths, and its stream."""
    data = b"".join(hashlib.sha256(bytes([at & 0xFF, at >> 8])).digest() + bytes(48) for at in range(size // 80 + 1))
    return data[:size], zlib.compress(data[:size], 9)


# --- framing ---------------------------------------------------------------------------------------------------------


@BOTH
def test_one_stray_delimiter_kills_the_link_and_one_more_cures_it(bench: Any, stub: int) -> None:
    host = start(bench, stub)
    host.raw(b"\xc0")
    for _ in range(3):
        answers = host.frame(READ_MAGIC)
        assert answers == ([] if stub == 2 else [bytes.fromhex("0100020000000000ff00")])
    host.raw(b"\xc0")
    assert host.frame(READ_MAGIC) == [bytes.fromhex("010a020001c1f0ff0000")]


@pytest.mark.parametrize(("stub", "count", "answered", "then"), [
    (2, 2, 1, True), (2, 3, 1, False), (2, 8, 1, False), (1, 2, 2, True), (1, 6, 6, True), (1, 8, 7, True),
])  # fmt: skip
def test_frames_in_one_write(bench: Any, stub: int, count: int, answered: int, *, then: bool) -> None:
    host = start(bench, stub)
    frames, _ = bench.frames_in(host.raw(slip.encode(READ_MAGIC) * count))
    assert len(frames) == answered
    assert alive(host) == then


def test_five_syncs_in_one_write(bench: Any) -> None:
    sync = slip.encode(HEADER.pack(0, 8, 36, 0) + SYNC_PAYLOAD)
    assert len(bench.frames_in(start(bench, 1).raw(sync * 5))[0]) == 40
    host = start(bench, 2)
    assert len(bench.frames_in(host.raw(sync * 5))[0]) == 8
    assert not alive(host)


@BOTH
def test_baud_change_and_another_command_in_one_write(bench: Any, stub: int) -> None:
    host = start(bench, stub)
    change = slip.encode(HEADER.pack(0, 0x0F, 8, 0) + bench.words(115200, 115200))
    frames, _ = bench.frames_in(host.raw(change + slip.encode(READ_MAGIC)))
    assert [frame[1] for frame in frames] == ([0x0A] if stub == 1 else [0x0F])


def test_a_data_frame_sent_again_while_the_stub_writes_kills_the_link_of_stub2(bench: Any) -> None:
    for stub, kills in ((2, True), (1, False)):
        host = start(bench, stub)
        host.status(2, bench.words(0xC000, 3, 0x4000, 0, 0))
        body = bytes(0x4000)
        frame = slip.encode(HEADER.pack(0, 3, 16 + len(body), 0xEF) + bench.words(len(body), 0, 0, 0) + body)
        host.link.set_baud(2_000_000)
        host.link.board.uart.divider = 26
        # Faster than the flash programs: the second frame waits, the third comes while the first is still written.
        host.raw(frame * 3)
        assert alive(host) != kills, stub


def test_bad_escapes(bench: Any) -> None:
    bad = bytes.fromhex("c0000a040000db0100000014000060c0")
    host = start(bench, 2)
    assert host.raw(bad) == b""
    assert alive(host)
    host = start(bench, 1)
    host.frame(READ_MAGIC)
    host.frame(READ_MAGIC)
    frames, _ = bench.frames_in(host.raw(bad))
    assert frames == [bytes.fromhex("010a020001c1f0ff0000")], "executed with what the buffer held before"


@pytest.mark.parametrize(("stub", "frame", "answer"), [
    (2, "0001", "0008020000000000c000"), (2, "00000000000000", "0100020000000000c000"),
    (1, "00000000000000", "0100020000000000ff00"), (2, "010a040000000000001000 40", "010a020000000000c300"),
    (1, "010a04000000000000100040", "010a020001c1f0ff0000"), (2, "000a05000000000000100040", "010a020000000000c000"),
    (1, "000a05000000000000100040", "010a020000000000c000"),
])  # fmt: skip
def test_short_and_wrong_frames(bench: Any, stub: int, frame: str, answer: str) -> None:
    host = start(bench, stub)
    if frame == "0001":
        host.command(8, SYNC_PAYLOAD)
        host.command(8, SYNC_PAYLOAD)
        assert host.frame(b"\0")[0][1:2] == b"\x08"
        return
    assert [got.hex() for got in host.frame(bytes.fromhex(frame))] == [answer]


@pytest.mark.parametrize(("size", "answers"), [(0x4010, ["ff00"]), (0x4011, ["c0ee"]), (0x40F7, ["c0ee", "ff00"])])
def test_longest_frames_of_stub1(bench: Any, size: int, answers: list[str]) -> None:
    frames = start(bench, 1).command(0x77, bytes(size))
    assert [frame[-2:].hex() for frame in frames] == answers


# --- replies ---------------------------------------------------------------------------------------------------------


@BOTH
def test_sync_says_by_its_value_that_a_stub_runs(bench: Any, stub: int) -> None:
    host = start(bench, stub)
    assert host.command(8, SYNC_PAYLOAD) == [bytes.fromhex("01080200000000000000")] * 8
    assert host.command(8, bytes(36)) == [bytes.fromhex("01080200000000000000")] * 8
    assert host.status(8, bytes(35)) == "c000"


EMPTY = {
    2: dict.fromkeys((2, 4, 5, 6, 8, 0x0A, 0x0B, 0x0D, 0x0F, 0x10, 0x11, 0x12, 0x13, 0xD1, 0xD2), "c000")
    | dict.fromkeys((3, 7, 9), "c800"),
    1: dict.fromkeys((2, 8, 0x0A, 0x0F, 0x10, 0xD2), "c000")
    | dict.fromkeys((3, 4, 7, 0x11, 0x12), "c600")
    | dict.fromkeys((5, 6, 0x0B, 0x0D, 0xD1, 0x13), "0100")
    | {9: "0000"},
}


@pytest.mark.parametrize(("stub", "opcode"), [(stub, opcode) for stub in EMPTY for opcode in EMPTY[stub]])
def test_commands_without_data(bench: Any, stub: int, opcode: int) -> None:
    assert start(bench, stub).status(opcode) == EMPTY[stub][opcode]


REPLIES = [
    # opcode, data, reply of stub 1, reply of stub 2
    (0x77, b"", "ff00", "c300"),
    (0x14, b"", "ff00", "ff00"),
    (0x14, bytes(4), "ff00", "c000"),
    (0xD5, b"", "ff00", "ff00"),
    (0xEF, b"", "ff00", "ff00"),
    (0xD0, bytes(4), "0100", "0000"),
    (0x0A, bytes(8), "c000", "c000"),
    (0x09, bytes(12), "c000", "c800"),
    (0x0D, bytes(4), "0000", "0000"),
    (0x0D, bytes(8), "0100", "c000"),
    (0x0B, bytes(24), "0000", "0000"),
    (0x06, bytes(8), "0000", "c600"),
    (0x07, bytes(16) + b"abcd", "c600", "c600"),
    (0x02, bytes(12), "c000", "c000"),
    (0x02, bytes(24), "c000", "c000"),
    (0x02, bytes(8) + b"\x01\x40\0\0" + bytes(8), "c200", "0000"),
    (0x04, b"\x01\0\0\0", "c600", "c600"),
    (0x12, b"\x01\0\0\0", "c600", "c600"),
    (0x03, bytes(16) + b"abcd", "c600", "c600"),
    (0xD1, b"\x01\0\0\0\0\x10\0\0", "0100", "c000"),
    (0xD1, b"\0\x10\0\0\0\x01\0\0", "0100", "c000"),
    (0xD1, b"\0\x10\0\0\0\0\0\0", "0000", "0000"),
    (0xD2, bytes(12), "c000", "c000"),
    (0x13, bytes(8), "0100", "c000"),
]


@pytest.mark.parametrize(("opcode", "data", "first", "second"), REPLIES)
def test_replies(bench: Any, opcode: int, data: bytes, first: str, second: str) -> None:
    assert start(bench, 1).status(opcode, data) == first
    assert start(bench, 2).status(opcode, data) == second


@BOTH
def test_run_user_code_is_not_answered(bench: Any, stub: int) -> None:
    host = start(bench, stub)
    host.link.write(slip.encode(HEADER.pack(0, 0xD3, 0, 0)))
    assert host.link.board.mode == ("app" if stub == 1 else "stub-v2")
    if stub == 2:
        assert alive(host)


@BOTH
def test_an_unmapped_or_odd_address_is_the_stubs_end(bench: Any, stub: int) -> None:
    for address in (0, 0x40001002):
        host = start(bench, stub)
        host.command(0x0A, bench.words(address))
        assert not alive(host)
        assert host.link.board.mode == "off"


@BOTH
def test_ram_downloads(bench: Any, stub: int) -> None:
    host = start(bench, stub)
    assert host.status(5, bench.words(64, 1, 0x1800, 0x3FFE8000)) == "0000"
    assert host.status(7, bench.words(32, 0, 0, 0) + b"abcd" * 8, 0x99) == "0000", "the checksum is not looked at"
    assert host.value(0x0A, bench.words(0x3FFE8000)) == int.from_bytes(b"abcd", "little")
    assert host.status(7, bench.words(36, 1, 0, 0) + bytes(36)) == "c900"
    assert host.status(6, bench.words(1, 0)) == ("0100" if stub == 1 else "0000"), "stay, with data missing"


# --- writing ---------------------------------------------------------------------------------------------------------


@BOTH
def test_raw_data(bench: Any, stub: int) -> None:
    host = start(bench, stub)
    assert host.status(2, bench.words(0x500, 1, 0x4000, 0x1000, 0)) == "0000"
    body = bytes(range(256)) * 5
    head = bench.words(len(body), 0, 0, 0)
    assert host.status(3, head + body, 0) == "c100"
    assert host.status(4, bench.words(1)) == ("c800" if stub == 1 else "c000"), "too early"
    short = bench.words(len(body) + 1, 0, 0, 0)
    assert host.status(3, short + body, xor_checksum(body)) == ("c000" if stub == 1 else "c900")
    assert host.block(3, body + b"\xff" * (0x4000 - len(body))) == "0000"
    assert host.block(3, b"\0" * 64) == "0000", "past the announced end: trimmed"
    assert host.cells[0x1000:0x1500] == body
    assert host.cells[0x1500:0x2000] == b"\xff" * 0xB00
    assert host.cells[0x3000:0x4000] == bytes(0x1000)
    assert host.status(4, bench.words(1)) == "0000"
    assert host.status(4, bench.words(1)) == "c600"


@BOTH
def test_a_block_sent_twice_is_written_twice(bench: Any, stub: int) -> None:
    host = start(bench, stub)
    host.status(2, bench.words(0x8000, 2, 0x4000, 0, 0))
    assert host.block(3, b"\x11" * 0x4000, 0) == host.block(3, b"\x11" * 0x4000, 0) == "0000"
    assert host.cells[0:0x8000] == b"\x11" * 0x8000


@pytest.mark.parametrize("address", [0, 0x1, 0x104, 0x7998, 0xF000])
@BOTH
def test_deflated_data(bench: Any, stub: int, address: int) -> None:
    host = start(bench, stub)
    data, stream = deflated(100_001)
    blocks = [stream[at : at + 0x4000] for at in range(0, len(stream), 0x4000)]
    assert host.status(0x10, bench.words(len(data), len(blocks), 0x4000, address, 0)) == "0000"
    assert [host.block(0x11, block, number) for number, block in enumerate(blocks)] == ["0000"] * len(blocks)
    assert host.status(0x12, bench.words(1)) == "0000"
    cells = host.cells
    assert cells[address : address + len(data)] == data
    first, last = address // 0x1000 * 0x1000, -(-(address + len(data)) // 0x1000) * 0x1000
    assert set(cells[first:address]) <= {0xFF}
    assert set(cells[address + len(data) : last]) <= {0xFF}
    assert cells[last:] == bytes(len(cells) - last)
    assert set(cells[:first]) <= {0}


@BOTH
def test_flash_end_zero_resets_only_from_stub1(bench: Any, stub: int) -> None:
    host = start(bench, stub)
    host.status(2, bench.words(0, 0, 0x4000, 0, 0))
    host.link.write(slip.encode(HEADER.pack(0, 4, 4, 0) + bench.words(0)))
    assert host.link.board.mode == ("rom" if stub == 1 else "stub-v2")


@BOTH
def test_unlocking(bench: Any, stub: int) -> None:
    """Stub 2 never unlocks: protected blocks stay as they are, and nobody notices but the digest."""
    host = start(bench, stub, "fill=byte:0&fault=protect:7")
    host.status(2, bench.words(0x1000, 1, 0x4000, 0, 0))
    assert host.block(3, b"\x11" * 0x1000) == "0000"
    assert host.status(4, bench.words(1)) == "0000"
    assert host.cells[:0x1000] == (b"\x11" if stub == 1 else b"\0") * 0x1000


def test_late_errors_of_stub2_answer_the_next_command_whatever_it_is(bench: Any) -> None:
    host = start(bench, 2)
    host.status(0x10, bench.words(40000, 2, 0x4000, 0, 0))
    assert host.block(0x11, b"\x12\x34" * 50) == "0000"
    assert [frame.hex() for frame in host.command(8, SYNC_PAYLOAD)] == ["0108020000000000c700"]
    assert len(host.command(8, SYNC_PAYLOAD)) == 8
    assert host.status(0x12, bench.words(1)) == "c000"


def test_late_errors_of_stub1_only_answer_data_and_end(bench: Any) -> None:
    host = start(bench, 1)
    host.status(0x10, bench.words(40000, 2, 0x4000, 0, 0))
    assert host.block(0x11, b"\x12\x34" * 50) == "0000"
    assert alive(host)
    assert host.block(0x11, b"\x12\x34" * 50, 1) == "c700"
    assert host.status(0x12, bench.words(1)) == "c800"


def wrong_trailer(stream: bytes) -> bytes:
    return stream[:-4] + bytes(byte ^ 0xFF for byte in stream[-4:])


def test_a_wrong_adler32(bench: Any) -> None:
    small, packed = deflated(20_000)
    for stub, replies in ((2, ["c700", "c000"]), (1, ["c800", "c800"])):
        host = start(bench, stub)
        host.status(0x10, bench.words(len(small), 1, 0x4000, 0, 0))
        assert host.block(0x11, wrong_trailer(packed)) == "0000"
        assert [host.status(0x12, bench.words(1)) for _ in replies] == replies
        assert small not in host.cells
    data, stream = deflated(120_000)
    blocks = [wrong_trailer(stream)[at : at + 0x4000] for at in range(0, len(stream), 0x4000)]
    for stub, reply in ((2, "0000"), (1, "c800")):
        host = start(bench, stub)
        host.status(0x10, bench.words(len(data), len(blocks), 0x4000, 0, 0))
        for number, block in enumerate(blocks):
            host.block(0x11, block, number)
        assert host.status(0x12, bench.words(1)) == reply
        kept = len(data) if stub == 2 else len(data) // 0x8000 * 0x8000
        assert host.cells[:kept] == data[:kept]
        assert host.cells[: len(data)] == data if stub == 2 else host.cells[kept : kept + 64] != data[kept : kept + 64]


def test_a_stream_longer_than_announced(bench: Any) -> None:
    data, stream = deflated(40_000)
    blocks = [stream[:0x4000], stream[0x4000:]]
    # Inside the last announced sector.
    for stub, replies in ((2, "c000"), (1, "0000")):
        host = start(bench, stub)
        host.status(0x10, bench.words(len(data) - 200, 2, 0x4000, 0, 0))
        for number, block in enumerate(blocks):
            host.block(0x11, block, number)
        assert host.status(0x12, bench.words(1)) == replies
        assert (host.cells[: len(data)] == data) == (stub == 2)
    # Beyond it: stub 2 waits for sectors that it will never erase.
    for stub in (2, 1):
        host = start(bench, stub)
        host.status(0x10, bench.words(30_000, 2, 0x4000, 0, 0))
        for number, block in enumerate(blocks):
            host.block(0x11, block, number)
        assert host.status(0x12, bench.words(1)) == ("" if stub == 2 else "c900" if len(blocks[1]) > 4 else "0000")
        assert alive(host) == (stub == 1)


@BOTH
def test_a_stream_shorter_than_announced(bench: Any, stub: int) -> None:
    data, stream = deflated(20_000)
    host = start(bench, stub)
    host.status(0x10, bench.words(len(data) + 5000, 1, 0x4000, 0, 0))
    assert host.block(0x11, stream) == "0000"
    assert host.status(0x12, bench.words(1)) == ("c800" if stub == 1 else "c000")


def test_blank_sectors_are_skipped_by_stub2_up_to_the_first_dirty_one(bench: Any) -> None:
    for stub, erased in ((2, 0), (1, 16)):
        host = start(bench, stub, "fill=ff")
        host.status(2, bench.words(0x10000, 4, 0x4000, 0x10000, 0))
        for number in range(4):
            host.block(3, b"\x11" * 0x4000, number)
        assert host.link.board.nor.erased_sectors == erased, stub
    host = start(bench, 2, "fill=ff")
    host.link.board.nor.program(0x12000, b"\0")
    host.status(2, bench.words(0x8000, 2, 0x4000, 0x10000, 0))
    for number in range(2):
        host.block(3, b"\x11" * 0x4000, number)
    assert host.link.board.nor.erased_sectors == 6
    assert host.cells[0x10000:0x18000] == b"\x11" * 0x8000


@BOTH
def test_a_flash_that_never_gets_ready_means_silence(bench: Any, stub: int) -> None:
    host = start(bench, stub, "fill=byte:0&fault=stuck-busy:1")
    host.status(2, bench.words(0x4000, 1, 0x4000, 0, 0))
    assert host.block(3, b"\x11" * 0x4000) == "0000"
    assert not alive(host)


# --- reading and erasing ---------------------------------------------------------------------------------------------


@BOTH
def test_digests(bench: Any, stub: int) -> None:
    host = start(bench, stub, "fill=random:7")
    for address, size in ((0, 0), (1, 3), (0x1234, 0x5678), (0x3FF000, 0x1000)):
        (answer,) = host.command(0x13, bench.words(address, size, 0, 0))
        assert answer[8:24] == hashlib.md5(host.cells[address : address + size], usedforsecurity=False).digest()
    (answer,) = host.command(0x13, bench.words(0x3FF000, 0x2000, 0, 0))
    if stub == 2:
        assert answer[8:] == b"\xc4\0"
    else:
        wrapped = host.cells[0x3FF000:] + host.cells[:0x1000]
        assert answer[8:24] == hashlib.md5(wrapped, usedforsecurity=False).digest()


ROM_FLASH = 0x3FFFC714
"""The ROM's pointer to its words about the flash."""


def beyond(host: Any, bench: Any) -> list[str]:
    """Status of a digest, a read and a write of a sector beyond 4 MB of a part with 16 MB."""
    address, size = 0x7FF000, 0x1000
    digest = host.status(0x13, bench.words(address, size, 0, 0))
    read = host.command(0xD2, bench.words(address, size, 0x1000, 64))
    if len(read) > 1:
        host.frame(bench.words(size))
    else:
        assert host.frame(READ_MAGIC)[0][-2:].hex() == "c400", "which comes with the next answer"
    assert host.status(2, bench.words(size, 1, 0x4000, address, 0)) == "0000"
    host.block(3, b"\x11" * size)
    return [digest, "0000" if len(read) > 1 else "refused", host.status(4, bench.words(1))]


@pytest.mark.parametrize(("stub", "param", "answers"), [
    (2, "", ["c400", "refused", "c400"]),
    (2, "&param.rom_chip_size=16777216", ["0000", "0000", "0000"]),
    (1, "", ["0000", "0000", "0000"]),
    (1, "&param.rom_chip_words=0", ["0000", "0000", "0000"]),
])  # fmt: skip
def test_what_lies_beyond_the_size_that_the_rom_believes_in(
    bench: Any, stub: int, param: str, answers: list[str]
) -> None:
    host = bench.host(f"sim://d1-mini-pro?start=stub-v{stub}&fill=byte:0{param}")
    assert beyond(host, bench) == answers
    assert (host.cells[0x7FF000:0x800000] == b"\x11" * 0x1000) == (answers[2] == "0000")


def test_a_host_that_changes_the_roms_words_is_believed_by_stub2(bench: Any) -> None:
    host = bench.host("sim://d1-mini-pro?start=stub-v2&fill=byte:0")
    at = host.value(0x0A, bench.words(ROM_FLASH))
    known = [host.value(0x0A, bench.words(at + offset)) for offset in range(0, 24, 4)]
    assert known == [0x1640EF, 0x400000, 0x10000, 0x1000, 0x100, 0xFFFF]
    host.status(0x0B, bench.words(0, 0x1000000, 0x10000, 0x1000, 0x100, 0xFFFF))
    assert host.value(0x0A, bench.words(at + 4)) == 0x400000, "SPI_SET_PARAMS stays in the stub"
    host.status(0x09, bench.words(at + 4, 0x1000000, 0xFFFFFFFF, 0))
    assert beyond(host, bench) == ["0000", "0000", "0000"]


def test_a_place_that_nobody_knows_cannot_be_changed(bench: Any) -> None:
    host = bench.host("sim://d1-mini-pro?start=stub-v2&fill=byte:0&param.rom_chip_words=0")
    assert host.value(0x0A, bench.words(ROM_FLASH)) == 0
    assert beyond(host, bench) == ["c400", "refused", "c400"]


def test_a_digest_asked_for_wrongly_is_16_bytes_of_chance_from_stub1(bench: Any) -> None:
    (answer,) = start(bench, 1).command(0x13, bytes(8))
    assert (answer[:8].hex(), len(answer), answer[-2:].hex()) == ("0113120000000000", 8 + 16 + 2, "0100")
    assert [frame.hex() for frame in start(bench, 2).command(0x13, bytes(8))] == ["0113020000000000c000"]


@BOTH
def test_reading_one_packet_after_the_other(bench: Any, stub: int) -> None:
    host = start(bench, stub, "fill=random:7")
    got, want = bytearray(), host.cells[0x1002 : 0x1002 + 0x2801]
    first = host.command(0xD2, bench.words(0x1002, len(want), 0x1000, 64))
    assert first[0][-2:] == b"\0\0"
    packets = first[1:]
    while len(got) < len(want):
        assert len(packets) == 1
        got += packets[0]
        packets = host.frame(len(got).to_bytes(4, "little"))
    assert bytes(got) == want
    assert packets == [hashlib.md5(want, usedforsecurity=False).digest()]
    assert alive(host)


@BOTH
def test_anything_but_an_acknowledgement_ends_reading(bench: Any, stub: int) -> None:
    host = start(bench, stub, "fill=random:7")
    host.command(0xD2, bench.words(0, 0x3000, 0x1000, 64))
    (digest,) = host.frame(READ_MAGIC)
    assert digest == hashlib.md5(host.cells[:0x1000], usedforsecurity=False).digest()
    assert alive(host)


def test_acknowledgements_are_compared_by_stub1_only(bench: Any) -> None:
    for stub, count in ((2, 1), (1, 0)):
        host = start(bench, stub, "fill=random:7")
        host.command(0xD2, bench.words(0, 0x3000, 0x1000, 64))
        assert len(host.frame((0x800).to_bytes(4, "little"))) == count


def test_everything_acknowledged_at_once(bench: Any) -> None:
    host = start(bench, 2, "fill=random:7")
    host.command(0xD2, bench.words(0, 0x2000, 0x1000, 64))
    assert [len(frame) for frame in host.frame(bench.words(0x2000))] == [0x1000, 16]
    host = start(bench, 1, "fill=random:7")
    host.command(0xD2, bench.words(0, 0x2000, 0x1000, 64))
    assert [len(frame) for frame in host.frame(bench.words(0x2000))] == [16]


def test_packets_that_are_too_large(bench: Any) -> None:
    host = start(bench, 2)
    assert host.status(0xD2, bench.words(0, 0x2000, 0x1004, 64)) == "0000"
    assert host.status(0x0A, bench.words(0x40001000)) == "c000"
    assert alive(host)
    host = start(bench, 1)
    assert host.status(0xD2, bench.words(0, 0x2000, 0x1004, 64)) == "0000"
    assert not alive(host)


def test_packets_of_nothing_flood_the_line_from_stub1(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_line, "_TURNS", 20)  # of 2000 in one look: each is tens of thousands of packets
    assert len(start(bench, 1).command(0xD2, bench.words(0, 0x10, 0, 64))) > 100
    host = start(bench, 2)
    frames = host.command(0xD2, bench.words(0, 0x10, 0, 64))
    assert [len(frame) for frame in frames] == [10, 0]


@pytest.mark.parametrize(("size", "first", "second"), [(0x10000, 0, 1), (0x20000, 1, 2), (0x21000, 2, 2)])
def test_large_erase_units(bench: Any, size: int, first: int, second: int) -> None:
    for stub, blocks in ((1, first), (2, second)):
        host = start(bench, stub)
        kinds: list[str] = []
        host.link.board.nor.hook = lambda _nor, operation, kinds=kinds: kinds.append(operation.kind)
        assert host.status(0xD1, bench.words(0x10000, size)) == "0000"
        assert kinds.count("erase-block") == blocks
        assert kinds.count("erase-sector") == size // 0x1000 - 16 * blocks


@pytest.mark.parametrize(("se_us", "status"), [(300_000, "0000"), (500_000, "c400")])
def test_stub2_has_a_budget_for_each_sector(bench: Any, se_us: int, status: str) -> None:
    host = start(bench, 2, f"fill=byte:0&param.se_us={se_us}")
    assert host.status(0xD1, bench.words(0x1000, 0x3000)) == status


# --- the line --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("baud", "divider"), [(230400, 226), (460800, 113), (921600, 56), (1500000, 34), (3000000, 17)]
)
@BOTH
def test_rate_changes(bench: Any, stub: int, baud: int, divider: int) -> None:
    host = start(bench, stub, wall=standing_still)
    assert host.status(0x0F, bench.words(baud, 115200)) == "0000"
    assert host.link.board.uart.divider == divider
    assert not alive(host)
    host.link.set_baud(baud)
    host.raw(b"\xc0") if stub == 1 else None
    host = start(bench, stub, wall=standing_still)
    host.status(0x0F, bench.words(baud, 115200))
    host.link.set_baud(baud)
    assert alive(host)


def test_a_second_rate_change(bench: Any) -> None:
    for stub, divider in ((2, 7), (1, 56)):
        host = start(bench, stub)
        host.status(0x0F, bench.words(921600, 115200))
        host.link.set_baud(921600)
        host.status(0x0F, bench.words(921600, 921600))
        assert host.link.board.uart.divider == divider
