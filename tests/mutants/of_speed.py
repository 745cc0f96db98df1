"""Deliberate defects of what saves time: comparing, journal digests, streams."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

COMPARING, JOURNAL = "pipeline/flashpipe/board/loader/compare.py", "pipeline/flashpipe/records/journal.py"
WRITING, WRITER = "pipeline/flashpipe/flasher/write.py", "pipeline/flashpipe/board/loader/writer.py"
T_COMPARING, T_JOURNAL = "tests/board/loader/test_compare.py", "tests/records/test_journal.py"
T_PROBE, T_WRITER = "tests/flasher/test_probe.py", "tests/board/loader/test_writer.py"

COST, FRAMES, PACKING = (
    "pipeline/flashpipe/plan/cost.py",
    "pipeline/flashpipe/board/loader/frames.py",
    "pipeline/flashpipe/board/loader/compression.py",
)
T_COST, T_FRAMES, T_PACKING = (
    "tests/plan/test_cost.py",
    "tests/board/loader/test_frames.py",
    "tests/board/loader/test_compression.py",
)

SPEED: Final = (
    Mutant(
        "stored-digests-believed",
        COMPARING,
        "if digest == clues.known.get(block) and all(",
        "if clues.known.get(block) and all(",
        "what another tool wrote beside a changed sector stays there, and that is called a success",
        (f"{T_COMPARING}::test_stored_digests_never_hide_what_something_else_wrote",),
    ),
    Mutant(
        "stored-digests-unused",
        COMPARING,
        "if digest == clues.known.get(block) and all(",
        "if False and all(",
        "a known board is asked for every sector",
        (f"{T_COMPARING}::test_a_known_board_is_asked_for_each_block_once",),
    ),
    Mutant(
        "digests-count-while-writing",
        JOURNAL,
        'return digest_index(self.held) if self.state == "clean" else {}',
        "return digest_index(self.held)",
        "after an interrupted run the old digests say what to expect",
        (f"{T_JOURNAL}::test_digests_come_back_and_count_only_when_clean",),
    ),
    Mutant(
        "a-begun-write-given-up",
        COMPARING,
        "return clues.begun or (bool(",
        "return (bool(",
        "a run that was cut short early starts again from nothing",
        (f"{T_COMPARING}::test_what_a_run_began_is_found_however_little",),
    ),
    Mutant(
        "blank-sectors-are-telling",
        COMPARING,
        'if part.start and piece.cut(part).strip(b"\\xff")',
        "if part.start",
        "a blank board is compared sector by sector with an image that has padding",
        (f"{T_COMPARING}::test_what_a_blank_board_and_a_padded_image_share_is_no_likeness",),
    ),
    Mutant(
        "written-not-verified",
        WRITING,
        "return merge([*dirty, *guard])",
        "return guard",
        "a sector that did not take is called verified",
        (f"{T_PROBE}::test_volatile_parts_are_verified_before_the_first_boot",),
    ),
    Mutant(
        "boot-sector-in-the-stream",
        WRITER,
        'b"\\xff" * self.blank + self',
        "self.piece.data[: self.blank] + self",
        "a board that loses power in mid-write starts half a firmware",
        (f"{T_WRITER}::test_the_boot_sector_is_blank_until_all_else_is_written",),
    ),
    Mutant(
        "sectors-joined-across-what-is-kept",
        COST,
        "    for place in merge(room):",
        "    for place in [Region(0, max(part.end for part in room))] if room else []:",
        "a clean sector that belongs to the firmware is written again",
        (f"{T_COST}::test_no_run_leaves_what_may_be_written",),
    ),
    Mutant(
        "damaged-stream-sent",
        PACKING,
        "    if not sound:\n        return None",
        "    if False:\n        return None",
        "a cache that was damaged makes every write fail its verification",
        (f"{T_PACKING}::test_a_damaged_stream_is_made_again",),
    ),
    Mutant(
        "cache-without-bound",
        PACKING,
        "        if over <= 0:\n            return",
        "        return",
        "the cache fills the disk",
        (f"{T_PACKING}::test_the_least_recently_used_go_first",),
    ),
    Mutant(
        "blocks-grow-without-bound",
        FRAMES,
        "if in_step else GROWTH)",
        "if in_step else 1 << 30)",
        "a block of padding stops the line while the stub writes it",
        (f"{T_FRAMES}::test_padding_is_cut_where_the_stub_writes",),
    ),
    Mutant(
        "blocks-out-of-step",
        FRAMES,
        "GROWTH - done % GROWTH if in_step",
        "GROWTH if in_step",
        "on a fast line the stub waits for bytes after each 32 KiB it has written",
        (f"{T_FRAMES}::test_in_step_a_block_ends_where_the_stub_writes",),
    ),
    Mutant(
        "blank-blocks-programmed",
        WRITER,
        "blank = piece.blank_blocks(whole)",
        "blank: list[Region] = []",
        "the padding of a file takes longer than its firmware",
        (f"{T_WRITER}::test_whole_blocks_that_should_be_blank_are_erased_and_not_sent",),
    ),
    Mutant(
        "erasing-proves-the-line",
        WRITER,
        "if prove_line and not sent:",
        "if prove_line and not number:",
        "all is sent at a rate that nothing was sent at before",
        (f"{T_WRITER}::test_erasing_proves_nothing_of_a_line_on_trial",),
    ),
    Mutant(
        "half-a-block-erased-whole",
        "pipeline/flashpipe/flash.py",
        "range(-(-within.start // BLOCK_SIZE), within",
        "range(within.start // BLOCK_SIZE, within",
        "what lies before it in its 64 KiB is lost",
        (f"{T_WRITER}::test_a_part_of_a_block_is_not_erased_whole",),
    ),
    Mutant(
        "blank-by-its-first-sector",
        COMPARING,
        "(Region(block.start, block.start + SECTOR_SIZE), block))",
        "(Region(block.start, block.start + SECTOR_SIZE),))",
        "what another firmware left behind a blank sector stays",
        (f"{T_COMPARING}::test_on_a_foreign_board_blocks_that_shall_be_blank_are_looked_at",),
    ),
    Mutant(
        "digests-of-long-ago-are-a-likeness",
        COMPARING,
        "clues.known.get(first.block) == first.digest)",
        "first.block in clues.known)",
        "a board that something else wrote is compared sector by sector for nothing",
        (f"{T_COMPARING}::test_a_board_that_something_else_wrote_is_not_compared_for_what_it_once_held",),
    ),
    Mutant(
        "in-flight-counts-as-not-begun",
        WRITING,
        "list[Region](), done + GROWTH",
        "list[Region](), done",
        "what was written last is written again after each failure",
        ("tests/flasher/test_write.py::test_what_lies_behind_the_block_on_its_way_was_not_begun",),
    ),
    Mutant(
        "packed-by-every-board",
        PACKING,
        "turn.enter_context(exclusive(lock, path.name, PATIENCE_S))",
        "pass",
        "boards that begin at once, and hosts that share a folder, pack one image many times",
        (f"{T_PACKING}::test_boards_that_want_one_stream_at_once_have_it_made_once",),
    ),
)
