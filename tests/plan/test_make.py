"""Laws of plans, over images of every kind and settings of every size, and the figures of the table."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import pytest
from flashpipe.errors import (
    AggregatedInSplitError,
    ImageSizeError,
    KeepError,
    PipelineError,
    PlanAlignmentError,
    PlanBoundsError,
    PlanOverlapError,
    SwappedSplitError,
)
from flashpipe.firmware.image import Image
from flashpipe.flash import FREQUENCY_CODES, MODE_CODES, SIZE_CODES, FlashSettings, Region, merge
from flashpipe.plan import make as plans
from flashpipe.plan.make import make_plan, with_real_size
from flashpipe.plan.model import FlashPlan
from flashpipe.plan.table import estimate, rows
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.images import Builder

MAKE = Builder()
SECTOR = 0x1000
DIO_4MB = FlashSettings("dio", "4MB", "40m")
PLAIN = MAKE.boot()
DATA = bytes(range(0x80, 0x90))


def image(data: bytes, name: str = "fw.bin", origin: str = "") -> Image:
    return Image(name, data, origin or name)


def plan_of(parts: Mapping[int, bytes], flash: FlashSettings | None = DIO_4MB, *, erase_all: bool = False) -> FlashPlan:
    named = {address: image(data, f"{address:#07x}.bin") for address, data in parts.items()}
    return make_plan("esp12", "esp8266", flash, named, erase_all=erase_all)


def kinds() -> dict[str, dict[int, bytes]]:
    """Every kind of firmware, with code of 24 KB."""
    two, three, old = MAKE.pair_2x(0x6000), MAKE.pair_3x(0x6000), MAKE.pair_3x(0x6000, layout="old")
    return {
        "any": {0: PLAIN},
        "2.x": {0: MAKE.combine(two)},
        "2.x pair": {0: two[0], 0x10000: two[1]},
        "3.x": {0: MAKE.combine(three)},
        "3.x pair": {0: three[0], 0x10000: three[1]},
        "3.x old": {0: MAKE.combine(old)},
        "sketch": {0: MAKE.sketch(0x2000)},
    }


KINDS = kinds()
SETTINGS = st.builds(
    FlashSettings,
    st.sampled_from(sorted(MODE_CODES)),
    st.sampled_from([name for name in SIZE_CODES if name != "16MB"]),  # 16 MB adds time and no case
    st.sampled_from(sorted(FREQUENCY_CODES)),
)
EXTRAS = st.dictionaries(
    st.integers(0, 0x90).map(lambda number: number * SECTOR),
    st.binary(min_size=1, max_size=0x2200).map(lambda data: b"\xa5" + data),
    max_size=3,
)


@dataclass
class Accepted:
    """A plan and what it was made of; its repr is short, for hypothesis prints it."""

    plan: FlashPlan
    parts: dict[int, bytes]

    def __repr__(self) -> str:
        files = {hex(address): len(data) for address, data in self.parts.items()}
        return f"{files} for {self.plan.settings}, erase_all={self.plan.erase_all}"


@st.composite
def accepted(draw: st.DrawFn) -> Accepted:
    """A firmware and a few more files beside it, as far as the plan admits them."""
    parts = {**draw(EXTRAS), **draw(st.sampled_from(list(KINDS.values())))}
    try:
        return Accepted(plan_of(parts, draw(SETTINGS), erase_all=draw(st.booleans())), parts)
    except PipelineError:
        assume(condition=False)
        raise


def regions(capacity: int) -> st.SearchStrategy[list[Region]]:
    starts = st.integers(0, capacity // SECTOR - 1)
    one = st.builds(lambda start, count: Region(start * SECTOR, (start + count) * SECTOR), starts, st.integers(1, 9))
    return st.lists(one, max_size=5)


FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


# --- what is written, and what is not --------------------------------------------------------------------------------


@FEW
@given(accepted())
def test_segments_own_whole_sectors_inside_the_flash_and_share_none(found: Accepted) -> None:
    plan = found.plan
    for segment in plan.segments:
        assert segment.region == segment.region.sectors()
        assert segment.region.end <= plan.settings.capacity
        assert len(segment.data) - segment.size < SECTOR
    for left, right in pairwise(plan.segments):
        assert left.region.end <= right.address


@FEW
@given(accepted())
def test_every_byte_of_an_image_stands_where_it_shall_and_only_the_header_is_set(found: Accepted) -> None:
    plan = found.plan
    assert [segment.address for segment in plan.segments] == sorted(found.parts)
    for segment in plan.segments:
        want = bytearray(found.parts[segment.address])
        if segment.address == 0:
            want[2:4] = plan.settings.header_bytes()
        assert segment.data[: segment.size] == want
        assert set(segment.data[segment.size :]) <= {0xFF}
        assert segment.md5 == hashlib.md5(segment.data, usedforsecurity=False).hexdigest()


@FEW
@given(accepted(), st.data())
def test_a_plan_touches_no_byte_outside_the_sectors_of_its_segments(found: Accepted, data: st.DataObject) -> None:
    plan = found.plan
    differing = data.draw(st.none() | regions(plan.settings.capacity))
    owned = [segment.region for segment in plan.segments]
    for row in rows(plan, 115200, differing):
        inside = any(region.contains(row.region) for region in owned)
        assert inside == (row.action in {"write", "skip", "volatile"}), row
        assert row.action != "erase" or plan.erase_all


@FEW
@given(accepted())
def test_volatile_parts_lie_inside_segments(found: Accepted) -> None:
    plan = found.plan
    for region in plan.volatile_regions():
        assert region.size > 0
        assert any(segment.region.contains(region) for segment in plan.segments)


@FEW
@given(accepted(), st.data())
def test_the_table_covers_the_whole_flash_without_gaps_or_overlaps(found: Accepted, data: st.DataObject) -> None:
    plan = found.plan
    differing = data.draw(st.none() | regions(plan.settings.capacity))
    table = rows(plan, 460800, differing, firmware_owned=data.draw(st.booleans()))
    assert table[0].region.start == 0
    assert table[-1].region.end == plan.settings.capacity
    assert all(row.region.size > 0 and row.what for row in table)
    assert all(left.region.end == right.region.start for left, right in pairwise(table))


@FEW
@given(accepted(), st.data())
def test_everything_that_differs_is_written_and_settled_parts_are_not_called_equal(
    found: Accepted, data: st.DataObject
) -> None:
    plan = found.plan
    differing = data.draw(regions(plan.settings.capacity))
    table = rows(plan, 460800, differing, firmware_owned=True)
    written = [row.region for row in table if row.action == "write"]
    for region in differing:
        for segment in plan.segments:
            part = region.common(segment.region)
            assert part.size <= 0 or not list(part.without(written))
    skipped = [row.region for row in table if row.action == "skip"]
    assert not any(region.overlaps(part) for region in skipped for part in plan.volatile_regions())


def test_a_board_that_holds_the_plan_gets_nothing_even_with_erase_all() -> None:
    plan = plan_of({0: PLAIN}, erase_all=True)
    assert {row.action for row in rows(plan, 115200, [])} == {"skip", "keep"}
    assert {row.action for row in rows(plan, 115200)} == {"write", "erase"}
    assert {row.action for row in rows(plan, 115200, [Region(0, SECTOR)])} == {"write", "erase"}


def test_the_boot_sector_is_shown_as_the_guard_it_is() -> None:
    plan = plan_of(KINDS["2.x"])
    table = rows(plan, 115200, [Region(0x13000, 0x14000)])
    assert [row.region for row in table if row.action == "write"] == [Region(0, SECTOR), Region(0x13000, 0x14000)]


def test_after_a_boot_the_firmwares_own_parts_are_volatile_by_name() -> None:
    table = rows(plan_of(KINDS["3.x"]), 460800, [], firmware_owned=True)
    assert [(str(row.region), row.what) for row in table if row.action == "volatile"] == [
        ("0x00d000..0x00e000", "RF calibration"),
        ("0x00f000..0x010000", "SDK init data"),
        ("0x010000..0x011000", "NodeMCU partition table"),
    ]
    header = rows(plan_of(KINDS["2.x"]), 460800, [], firmware_owned=True)
    assert [(str(row.region), row.what) for row in header if row.action == "volatile"] == [
        ("0x000003..0x000004", "flash size in the image header")
    ]


# --- fingerprint -----------------------------------------------------------------------------------------------------


@FEW
@given(st.sampled_from(sorted(KINDS)), st.text(min_size=1, max_size=9), st.text(max_size=9), st.booleans())
def test_names_and_paths_do_not_count(kind: str, name: str, origin: str, erase_all: bool) -> None:  # noqa: FBT001
    plan = plan_of(KINDS[kind])
    renamed = {address: image(data, name, origin) for address, data in KINDS[kind].items()}
    other = make_plan(name, "esp8266", DIO_4MB, renamed, erase_all=erase_all)
    assert other.fingerprint == plan.fingerprint


@FEW
@given(st.sampled_from(sorted(KINDS)), SETTINGS, SETTINGS)
def test_the_fingerprint_follows_the_header(kind: str, one: FlashSettings, two: FlashSettings) -> None:
    try:
        plans_ = [plan_of(KINDS[kind], choice) for choice in (one, two)]
    except PlanBoundsError:
        return
    except ImageSizeError:
        return
    equal = plans_[0].fingerprint == plans_[1].fingerprint
    assert equal == (one.header_bytes() == two.header_bytes())


def test_every_byte_and_address_counts() -> None:
    base = plan_of({0: PLAIN, 0x10000: DATA})
    assert plan_of({0: PLAIN, 0x10000: DATA[::-1]}).fingerprint != base.fingerprint
    assert plan_of({0: PLAIN, 0x11000: DATA}).fingerprint != base.fingerprint
    assert plan_of({0: PLAIN}).fingerprint != base.fingerprint
    assert plan_of({0: PLAIN, 0x10000: DATA + b"\xff"}).fingerprint == base.fingerprint, "the flash holds the same"


# --- refusals --------------------------------------------------------------------------------------------------------


@FEW
@given(st.integers(1, 0xFF).map(lambda number: number * 0x800 + 0x800).filter(lambda address: address % SECTOR))
def test_an_address_inside_a_sector_is_refused_with_the_nearest_ones(address: int) -> None:
    with pytest.raises(PlanAlignmentError) as caught:
        plan_of({0: PLAIN, address: DATA})
    below = address // SECTOR * SECTOR
    text = str(caught.value)
    for number in (address, below, below + SECTOR):
        assert f"{number:#08x}" in text


@FEW
@given(st.integers(1, 3), st.integers(2, 0x1800))
def test_shared_sectors_are_refused_naming_both_and_the_next_free_one(number: int, size: int) -> None:
    first = image(bytes(size + number * SECTOR), "first.bin")
    second = image(DATA, "second.bin")
    with pytest.raises(PlanOverlapError) as caught:
        make_plan("p", "esp8266", DIO_4MB, {0x20000: first, 0x20000 + number * SECTOR: second})
    free = 0x20000 + -(-(size + number * SECTOR) // SECTOR) * SECTOR
    for word in ("first.bin", "second.bin", f"{0x20000:#08x}", f"{0x20000 + number * SECTOR:#08x}"):
        assert word in caught.value.message
    assert f"{free:#08x}" in caught.value.hint
    make_plan("p", "esp8266", DIO_4MB, {0x20000: first, free: second})


def test_neighbours_are_welcome_and_tails_within_one_sector_are_not() -> None:
    plan_of({0: PLAIN, 0x1000: b"\xa5" * SECTOR, 0x2000: DATA})
    with pytest.raises(PlanOverlapError):
        plan_of({0: PLAIN, 0x1000: b"\xa5" * (SECTOR + 1), 0x2000: DATA})


@pytest.mark.parametrize("size", ["256KB", "512KB", "1MB", "2MB", "4MB", "8MB"])
def test_what_ends_past_the_flash_is_refused_with_both_sizes(size: str) -> None:
    flash = FlashSettings("dio", size, "40m")
    plan_of({0: PLAIN, flash.capacity - SECTOR: b"\xa5" * SECTOR}, flash)
    with pytest.raises(PlanBoundsError) as caught:
        plan_of({0: PLAIN, flash.capacity - SECTOR: b"\xa5" * (SECTOR + 1)}, flash)
    assert f"{flash.capacity - SECTOR:#07x}" in caught.value.message
    assert "1 bytes past" in caught.value.message
    assert caught.value.hint


def test_a_whole_firmware_beside_the_part_it_holds_is_named_as_what_it_is() -> None:
    two = MAKE.pair_2x()
    with pytest.raises(AggregatedInSplitError):
        plan_of({0: MAKE.combine(two), 0x10000: two[1]})


# --- keep ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "keep"),
    [
        ("3.x", ["rf"]),  # FF stands there in the gap of the aggregated file: nothing to write
        ("3.x old", ["wifi"]),
        ("3.x pair", ["spiffs", "wifi", "lfs", "rf"]),
        ("2.x", ["spiffs", "wifi", "lfs", "rf"]),
    ],
)
def test_nothing_is_refused_that_need_not_be_written(kind: str, keep: list[str]) -> None:
    plans.check_kept(plan_of(KINDS[kind]), keep)


@pytest.mark.parametrize(("address", "keep"), [(0xD010, "rf"), (0xFFFF, "rf"), (0x3F0000, "spiffs")])
def test_a_plan_with_bytes_of_its_own_where_something_is_kept_is_refused(address: int, keep: str) -> None:
    data = bytearray(MAKE.combine(MAKE.pair_3x()).ljust(address + 1, b"\xff"))
    data[address] = 0
    plan = plan_of({0: bytes(data)})
    plans.check_kept(plan, [word for word in ("spiffs", "wifi", "lfs", "rf") if word != keep])
    with pytest.raises(KeepError) as caught:
        plans.check_kept(plan, [keep])
    assert f"keep: {keep}" in caught.value.message
    assert plan.segments[0].name in caught.value.message


# --- the size that the board has -------------------------------------------------------------------------------------


@FEW
@given(st.sampled_from(sorted(KINDS)), st.sampled_from(["1MB", "2MB", "4MB", "8MB"]), st.sampled_from(["dio", "dout"]))
def test_size_auto_becomes_the_plan_of_the_real_size(kind: str, size: str, mode: str) -> None:
    named = {address: image(data) for address, data in KINDS[kind].items()}
    open_ = make_plan("p", "esp8266", None, named, mode=mode, frequency="80m")
    assert open_.size_from_board
    real = FlashSettings(mode, size, "80m")
    fixed = with_real_size(open_, real.capacity)
    assert fixed.settings == real
    assert fixed.fingerprint == make_plan("p", "esp8266", real, named).fingerprint
    assert fixed.segments[0].data[2:4] == real.header_bytes()
    assert with_real_size(fixed, real.capacity) is fixed, "what was decided stays so"
    assert len(fixed.segments) == len(named)


def test_a_size_that_the_profile_names_is_left_as_it_is() -> None:
    plan = plan_of({0: PLAIN})
    assert with_real_size(plan, 0x100000) is plan


def test_a_flash_too_small_for_the_images_is_refused_once_it_is_known() -> None:
    open_ = plan_of({0: PLAIN, 0x200000: DATA}, None)
    with pytest.raises(PlanBoundsError):
        with_real_size(open_, 0x100000)
    with pytest.raises(PlanBoundsError, match="no code for a flash of 131072 bytes"):
        with_real_size(open_, 0x20000)


def test_erase_all_survives_the_size_of_the_board() -> None:
    assert with_real_size(plan_of({0: PLAIN}, None, erase_all=True), 0x100000).erase_all


# --- what it costs ---------------------------------------------------------------------------------------------------

BAUDS = st.sampled_from([9600, 74880, 115200, 230400, 460800, 921600, 2000000])


@FEW
@given(st.binary(min_size=1, max_size=0x3000).map(lambda data: data * 3), BAUDS, BAUDS)
def test_estimates_respect_the_wire_and_fall_with_its_rate(data: bytes, one: int, two: int) -> None:
    wire, seconds = estimate(data, one)
    assert 0 < wire <= len(data)
    assert wire <= len(zlib.compress(data, 6))
    assert seconds >= wire * 10 / one, "ten bits for each byte"
    if one <= two:
        assert seconds >= estimate(data, two)[1]


@FEW
@given(st.integers(1, 12), st.integers(1, 12), BAUDS)
def test_estimates_grow_with_the_blocks(few: int, more: int, baud: int) -> None:
    few, more = sorted((few, more))
    data = bytes(range(256)) * 256  # 64 KiB: less may cost more, for only that much is erased at once
    assert estimate(data * few, baud)[1] <= estimate(data * more, baud)[1]


def test_blank_data_costs_the_flash_not_the_wire() -> None:
    wire, seconds = estimate(b"\xff" * 0x100000, 115200)
    assert wire < 2000
    assert 2 < seconds < 5  # 1 MiB of erasing, and no programming (facts: flash-timing §6.3)


@FEW
@given(accepted(), BAUDS)
def test_the_sum_of_the_rows_is_bounded_by_the_bytes(found: Accepted, baud: int) -> None:
    plan = found.plan
    table = rows(plan, baud)
    assert sum(row.wire_bytes for row in table) <= plan.size
    assert sum(row.region.size for row in table if row.action == "write") == plan.size
    assert all((row.seconds > 0) == (row.action == "write") for row in table)


@FEW
@given(accepted(), st.data())
def test_writing_less_costs_no_more(found: Accepted, data: st.DataObject) -> None:
    plan = found.plan
    differing = merge(data.draw(regions(plan.settings.capacity)))
    size = sum(row.region.size for row in rows(plan, 115200, differing) if row.action == "write")
    assert size <= plan.size


def test_a_file_whose_name_is_another_address_is_a_slip_of_the_hand() -> None:
    pair = {0: image(PLAIN, "0x00000.bin"), 10000 // SECTOR * SECTOR: image(DATA, "bin/0x10000.bin")}
    with pytest.raises(SwappedSplitError, match="its name says 0x010000"):
        make_plan("esp12", "esp8266", DIO_4MB, pair)
    make_plan("esp12", "esp8266", DIO_4MB, {0: image(PLAIN, "0x00000.bin"), 0x20000: image(DATA, "data.bin")})
