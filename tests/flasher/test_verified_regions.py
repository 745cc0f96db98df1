"""What a receipt says of a plain file that was put back: how far its code reaches, and where its files begin."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.flash import Region, merge
from flashpipe.flasher.restore_source import RestoreSelection, file_source
from flashpipe.flasher.verified_regions import DATA, FIRMWARE, of_restore

from tests.images import Builder
from tests.nodemcu import IN_PACKAGE, MB, find_image, formatted, lines


def firmware_of(flash: bytes) -> list[Region]:
    """Where the receipt of such a file says that firmware stands."""
    source = file_source(Path("d.bin"), flash, 0, len(flash))
    rows = of_restore(source, RestoreSelection(source.regions))
    assert merge(row.region for row in rows) == [Region(0, len(flash))]
    assert {row.kind for row in rows} >= {FIRMWARE, DATA}
    return merge(row.region for row in rows if row.kind == FIRMWARE)


@pytest.mark.parametrize("name", lines(IN_PACKAGE, "2.0.0", "2.1.0", "2.2 integer", "2.2"))
@pytest.mark.parametrize("megabytes", [2, 4])
def test_all_code_of_a_nodemcu_is_firmware_and_no_file_is(
    name: str, megabytes: int, request: pytest.FixtureRequest
) -> None:
    image = find_image(name, request)
    size = len(image.read_bytes())
    (code,) = firmware_of(formatted(image, megabytes * MB))
    assert code == Region(0, size).sectors()


@pytest.mark.parametrize("name", lines("0.9.5", "1.5.1"))
def test_where_the_files_of_a_nodemcu_begin_right_behind_its_code_only_its_start_is_firmware(
    name: str, request: pytest.FixtureRequest
) -> None:
    assert firmware_of(formatted(find_image(name, request), 4 * MB)) == [Region(0, 0x10000)]


def test_code_behind_a_boot_loader_is_firmware_as_far_as_its_own_headers_say() -> None:
    build = Builder()
    loader = build.boot([(0x40100000, b"2nd boot version : 1.7\0\0")]).ljust(0x1000, b"\xff")
    for flash in (build.sketch(0x18000), loader + build.ota(code=bytes(range(16)) * 0x1800)):
        assert len(flash) > 0x18000
        assert firmware_of(flash.ljust(MB, b"\xff")) == [Region(0, len(flash)).sectors()]
