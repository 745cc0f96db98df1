"""Whatever place goes into a partition table: NodeMCU boots with it and finds it, by rules written apart from ours."""

from __future__ import annotations

from flashpipe.errors import ImageError
from flashpipe.firmware.image import Image
from flashpipe.firmware.partition_table import LFS, REST_OF_FLASH, SPIFFS, TABLE_ADDRESS, with_places
from flashpipe.firmware.spiffs import FileSystem
from flashpipe.firmware.survey import BoardContents, ResidentArea
from flashpipe.flash import FlashSettings, Region
from flashpipe.plan.area_decisions import KeepPolicy
from flashpipe.plan.keep import decide
from flashpipe.plan.make import make_plan
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.images import Builder
from tests.plan import partition_rules as rules

MAKE = Builder()
TABLE = slice(TABLE_ADDRESS, TABLE_ADDRESS + 0x1000)
SIZES = {"1MB": 0x100000, "2MB": 0x200000, "4MB": 0x400000}


@settings(max_examples=80, deadline=None)
@given(
    size=st.sampled_from(sorted(SIZES)),
    layout=st.sampled_from(["new", "old"]),
    code=st.sampled_from([0x20000, 0x31000, 0x60000]),
    built=st.tuples(st.sampled_from([0, 0x10000, 0x40000]), st.sampled_from([REST_OF_FLASH, 0x20000, 0x80000])),
    lfs=st.none() | st.tuples(st.integers(0x8, 0x7F), st.integers(1, 0x20)),
    files=st.none() | st.tuples(st.integers(0x8, 0x1F0), st.integers(4, 0x1F0)),
)
def test_nodemcu_settles_the_table_with_every_kept_partition_in_its_place(
    *,
    size: str,
    layout: str,
    code: int,
    built: tuple[int, int],
    lfs: tuple[int, int] | None,
    files: tuple[int, int] | None,
) -> None:
    capacity, holdings, found = SIZES[size], list[ResidentArea](), None
    if lfs:
        holdings.append(ResidentArea("lfs", Region(lfs[0] * 0x2000, (lfs[0] + lfs[1]) * 0x2000)))
    if files and (files[0] + files[1]) * 0x2000 <= capacity and not (lfs and lfs[0] + lfs[1] > files[0]):
        found = FileSystem(files[0] * 0x2000, files[1])
        holdings.append(ResidentArea("spiffs", found.region))
    data = bytearray(MAKE.combine(MAKE.pair_3x(code, layout=layout)))
    sizes = {LFS: Region(0, built[0]), SPIFFS: Region(0, built[1])}
    data[TABLE] = with_places(bytes(data[TABLE]), sizes) or b""
    try:
        plan = make_plan("p", "esp8266", FlashSettings("dio", size, "40m"), {0: Image("x.bin", bytes(data), "x")})
    except ImageError:
        reject()  # a build that boots on no such flash
    resident = BoardContents("nodemcu", "NodeMCU", "", "3.x", "3.x-new", tuple(holdings), found)

    decision = decide(plan, resident, KeepPolicy(), asked=False)
    page = with_places(bytes(data[TABLE]), dict(decision.places))
    assert page is not None
    table = rules.settled(page[4 : 4 + 4 * page[0]], capacity)  # a LookupError would be a hang

    regions = {part.kind: Region(part.address, part.address + part.size) for part in table}
    for area in decision.areas:
        if area.how in {"left", "table"} and area.name == "lfs":
            assert regions[rules.LFS] == area.region
        if area.how in {"left", "table"} and area.name == "spiffs":
            assert regions[rules.SPIFFS].start // 0x2000 * 0x2000 in {area.region.start, area.region.start - 0x2000}
            assert regions[rules.SPIFFS].end >= area.region.end
