"""Demands on a running firmware, compared with what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flashpipe.board.lua.acceptance import Acceptance, LuaPolicy, check, compare, printed
from flashpipe.board.lua.node_info import NodeInfo
from flashpipe.errors import AcceptanceError, AcceptanceUnknownError
from flashpipe.versions import parse_demand

MB = 1024 * 1024
INFO = NodeInfo(
    "3.0.0.0",
    115200,
    number_type="float",
    modules=("file", "wifi"),
    lfs_size=0x10000,
    flash_id=0x1640EF,
    flash_size=4 * MB,
)


def codes(info: NodeInfo, wish: Acceptance) -> str:
    try:
        check("port", compare(info, wish))
    except AcceptanceError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    "wish",
    [
        Acceptance(),
        Acceptance(version=parse_demand(">=3.0")),
        Acceptance(modules=("wifi", "file")),
        Acceptance(floats=True),
        Acceptance(lfs=0x10000),
        Acceptance(flash_size=4 * MB),
    ],
)
def test_what_is_as_demanded_passes(wish: Acceptance) -> None:
    assert codes(INFO, wish) == ""


@pytest.mark.parametrize(
    "wish",
    [
        Acceptance(version=parse_demand("<3")),
        Acceptance(modules=("wifi", "mqtt")),
        Acceptance(floats=False),
        Acceptance(lfs=0x10001),
        Acceptance(flash_size=2 * MB),
    ],
)
def test_what_is_not_fails(wish: Acceptance) -> None:
    assert codes(INFO, wish) == "acceptance"


def test_what_the_firmware_does_not_say_is_never_taken_for_good() -> None:
    silent = replace(INFO, version="", lfs_size=None, flash_size=None, flash_id=None, number_type="")
    for wish in (
        Acceptance(version=parse_demand("!=1")),
        Acceptance(lfs=1),
        Acceptance(flash_size=4 * MB),
        Acceptance(floats=True),
    ):
        assert codes(silent, wish) == "acceptance-unknown"
    with pytest.raises(AcceptanceError) as mixed:
        check("port", compare(silent, Acceptance(lfs=1, modules=("mqtt",))))
    assert not isinstance(mixed.value, AcceptanceUnknownError)
    assert "LFS" in mixed.value.message
    assert "mqtt" in mixed.value.message


def test_header_and_chip_must_both_have_the_demanded_size() -> None:
    small = replace(INFO, flash_size=1 * MB)
    for size in (1 * MB, 4 * MB):
        assert codes(small, Acceptance(flash_size=size)) == "acceptance"
    found = compare(small, Acceptance(flash_size=4 * MB))[0]
    assert found.found == "1 MB by the image header, 4 MB by the chip"
    assert codes(replace(INFO, flash_id=None), Acceptance(flash_size=4 * MB)) == ""


def test_a_double_build_calculates_with_fractions() -> None:
    assert codes(replace(INFO, number_type="double"), Acceptance(floats=True)) == ""


@pytest.mark.parametrize(
    ("prints", "output", "found"),
    [
        ("PASS", "all PASS\n", True),
        ("PA.S", "all PASS\n", False),
        ("/PA.S/", "all PASS\n", True),
        ("/^PASS$/", "1\nPASS\n2\n", True),
        ("/^PASS$/", "no PASS\n", False),
        ("/", "a/b", True),
    ],
)
def test_a_text_or_an_expression_is_searched(prints: str, output: str, *, found: bool) -> None:
    assert printed(prints, output) is found


def test_an_empty_wish_is_no_wish() -> None:
    assert not LuaPolicy()
    assert LuaPolicy(Acceptance(floats=False))
    assert LuaPolicy(Acceptance(lfs=0))
