"""The decision table row by row, and every way in which something on a board is kept or lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from flashpipe.errors import KeepError
from flashpipe.firmware.image import Image
from flashpipe.firmware.partition_table import LFS, SPIFFS
from flashpipe.firmware.spiffs import FileSystem, MarkRule
from flashpipe.firmware.survey import BoardContents, ResidentArea
from flashpipe.flash import FlashSettings, Region
from flashpipe.plan.area_decisions import KeepPolicy
from flashpipe.plan.keep import ACTIONS, BOARDS, TABLE, Action, Board, KeepDecision, decide, lines
from flashpipe.plan.make import make_plan
from flashpipe.plan.model import FlashPlan, Segment

from tests.images import Builder

MAKE = Builder()
SIZE = 0x400000
PAIR_2X, PAIR_3X = MAKE.pair_2x(), MAKE.pair_3x()
IMAGES: Mapping[str, dict[int, bytes]] = {
    "2.x": {0: MAKE.combine(PAIR_2X)},
    "2.x larger": {0: MAKE.combine(MAKE.pair_2x(0x70000))},
    "3.x": {0: MAKE.combine(PAIR_3X)},
    "3.x pair": {0: PAIR_3X[0], 0x10000: PAIR_3X[1]},
    "3.x larger": {0: MAKE.combine(MAKE.pair_3x(0x70000))},
    "3.x old": {0: MAKE.combine(MAKE.pair_3x(layout="old"))},
    "sketch": {0: MAKE.sketch()},
}
FILES_2X, FILES_3X = FileSystem(0x60000, 461), FileSystem(0x40000, 478)


def plan_of(kind: str, *, erase_all: bool = False, size: str = "4MB") -> FlashPlan:
    images = {address: Image(f"{kind}.bin", data, "x") for address, data in IMAGES[kind].items()}
    return make_plan("p", "esp8266", FlashSettings("dio", size, "40m"), images, erase_all=erase_all)


def parameters(cal: int, phy: int, params: int) -> tuple[ResidentArea, ...]:
    return (
        ResidentArea("rf_cal", Region(cal, cal + 0x1000)),
        ResidentArea("phy_init", Region(phy, phy + 0x1000)),
        ResidentArea("system_params", Region(params, params + 0x3000)),
    )


def nodemcu(layout: str, files: FileSystem | None, *more: ResidentArea, line: str = "") -> BoardContents:
    places = {
        "2.x": (0x3FB000, 0x3FC000, 0x3FD000),
        "3.x-old": (0xB000, 0xC000, 0xD000),
        "3.x-new": (0xD000, 0xF000, 0x3FD000),
    }
    found = (*parameters(*places[layout]), *([ResidentArea("spiffs", files.region)] if files else ()), *more)
    line = line or layout[:3]
    version = {"3.x": "", "2.x": "2.2.1", "1.5.4.1": "1.5.4.1"}[line]
    return BoardContents("nodemcu", f"NodeMCU {line}", version, line, layout, found, files)


BLANK, FACTORY = BoardContents("blank"), BoardContents("factory", "AT firmware")
FOREIGN = BoardContents("foreign", "MicroPython 1.10")
OLD_2X, OLD_1X = nodemcu("2.x", FILES_2X), nodemcu("2.x", FILES_2X, line="1.5.4.1")
NEW_3X, OLD_3X = nodemcu("3.x-new", FILES_3X), nodemcu("3.x-old", FileSystem(0x40000, 480))


def how(decision: KeepDecision) -> dict[str, str]:
    return {area.name: area.how for area in decision.areas}


# --- the table -------------------------------------------------------------------------------------------------------


def test_every_board_has_a_row_for_each_reader() -> None:
    assert [(row.board, row.reader) for row in TABLE] == [
        (board, reader) for board in BOARDS for reader in ("terminal", "pipe")
    ]
    assert {action for row in TABLE for action in (*row.actions, row.insisted)} <= set(ACTIONS)


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    ("board", "resident", "kind", "actions", "insisted"),
    [
        ("blank", BLANK, "3.x", ("write",), "write"),
        ("factory", FACTORY, "3.x", ("write",), "write"),
        ("foreign", FOREIGN, "3.x", ("back-up",), "back-up"),
        ("same", OLD_2X, "2.x", ("split", "back-up"), "ask or refuse"),
        ("same", NEW_3X, "3.x", ("split", "back-up"), "ask or refuse"),
        ("moves", NEW_3X, "3.x larger", ("split", "back-up"), "ask or refuse"),
        ("moves", OLD_3X, "3.x", ("split", "back-up"), "ask or refuse"),
        ("line", OLD_1X, "2.x", ("split", "back-up"), "ask or refuse"),
        ("line", OLD_2X, "3.x", ("split", "back-up"), "ask or refuse"),
        ("line", NEW_3X, "2.x", ("split", "back-up"), "ask or refuse"),
        ("line", NEW_3X, "sketch", ("split", "back-up"), "ask or refuse"),
    ],
)
def test_a_row_is_found_by_what_is_on_the_board(
    board: Board, resident: BoardContents, kind: str, actions: tuple[Action, ...], insisted: str, *, asked: bool
) -> None:
    row = decide(plan_of(kind), resident, KeepPolicy(), asked=asked).row
    assert (row.board, row.reader, row.actions) == (board, "terminal" if asked else "pipe", actions)
    assert row.insisted == (("ask" if asked else "refuse") if insisted == "ask or refuse" else insisted)


@pytest.mark.parametrize("resident", [BLANK, FACTORY])
@pytest.mark.parametrize("erase_all", [False, True])
def test_a_blank_or_factory_board_is_neither_backed_up_nor_spoken_of(
    resident: BoardContents, *, erase_all: bool
) -> None:
    decision = decide(plan_of("3.x", erase_all=erase_all), resident, KeepPolicy(stated=True), asked=False)
    assert not decision.backs_up
    assert not decision.split
    assert list(lines(decision)) == []


@pytest.mark.parametrize("kind", ["3.x", "2.x"])
def test_of_a_foreign_firmware_all_is_backed_up_that_will_be_overwritten(kind: str) -> None:
    plan = plan_of(kind)
    decision = decide(plan, FOREIGN, KeepPolicy(stated=True), asked=False)
    assert decision.backs_up
    for region in (*(segment.region for segment in plan.segments), *(area.region for area in plan.areas)):
        assert any(doomed.contains(region) for doomed in decision.doomed)
    assert any("MicroPython 1.10" in line for line in map(str, lines(decision)))


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_an_aggregated_image_is_split_around_what_the_firmware_keeps_in_its_gap() -> None:
    decision = decide(plan_of("3.x"), NEW_3X, KeepPolicy(), asked=False)
    assert how(decision) == {"rf_cal": "split", "phy_init": "split", "system_params": "left", "spiffs": "left"}
    assert decision.split == (Region(0xD000, 0xE000), Region(0xF000, 0x10000))
    assert (decision.places, decision.cleared, decision.doomed, decision.advice) == ((), (), (), ())


def test_a_pair_need_not_be_split() -> None:
    decision = decide(plan_of("3.x pair"), NEW_3X, KeepPolicy(), asked=False)
    assert set(how(decision).values()) == {"left"}
    assert decision.split == ()


@pytest.mark.parametrize("files", [FILES_2X, FileSystem(0x50000, 469), FileSystem(0x46000, 5)])
def test_an_upgrade_within_2x_finds_the_files_where_they_are(files: FileSystem) -> None:
    decision = decide(plan_of("2.x"), nodemcu("2.x", files), KeepPolicy(), asked=False)
    assert set(how(decision).values()) == {"left"}
    assert decision.lost == []


def test_from_2x_to_3x_the_files_stay_by_a_place_in_the_new_table() -> None:
    decision = decide(plan_of("3.x"), OLD_2X, KeepPolicy(), asked=False)
    assert how(decision)["spiffs"] == "table"
    assert dict(decision.places) == {SPIFFS: FILES_2X.region}
    assert [line for line in decision.advice if "SDK line changes (2.x -> 3.x)" in line and "flashpipe erase" in line]
    assert "NodeMCU 2 -> 3: Lua scripts written for the old version may not run" in decision.advice


def test_files_without_a_firmware_stay_where_they_are() -> None:
    alone = BoardContents(
        "nodemcu", "no firmware, but files", areas=(ResidentArea("spiffs", FILES_2X.region),), files=FILES_2X
    )
    decision = decide(plan_of("3.x"), alone, KeepPolicy(), asked=False)
    assert (decision.row.board, how(decision), decision.advice) == ("moves", {"spiffs": "table"}, ())


def test_lfs_and_files_stay_where_somebody_has_put_them() -> None:
    lfs, files = ResidentArea("lfs", Region(0x80000, 0xA0000)), FileSystem(0x100000, 128)
    decision = decide(plan_of("3.x"), nodemcu("3.x-new", files, lfs), KeepPolicy(), asked=False)
    assert dict(decision.places) == {LFS: lfs.region, SPIFFS: files.region}
    assert (how(decision)["lfs"], how(decision)["spiffs"], decision.lost) == ("table", "table", [])
    assert [line for line in decision.advice if "Lua flash store was built for the old firmware" in line]


def test_an_empty_lfs_partition_keeps_its_place_but_is_no_loss() -> None:
    kept = ResidentArea("lfs", Region(0x80000, 0xA0000), blank=True)
    assert dict(decide(plan_of("3.x"), nodemcu("3.x-new", None, kept), KeepPolicy(), asked=False).places) == {
        LFS: kept.region
    }
    lost = ResidentArea("lfs", Region(0x40000, 0x60000), blank=True)
    decision = decide(plan_of("3.x larger"), nodemcu("3.x-new", None, lost), KeepPolicy(stated=True), asked=False)
    assert (decision.places, decision.lost) == ((), [])


def test_wifi_settings_move_with_the_layout_of_one_sdk() -> None:
    decision = decide(plan_of("3.x"), nodemcu("3.x-old", None), KeepPolicy(), asked=False)
    (moved,) = [area for area in decision.areas if area.how == "moved"]
    assert (moved.name, moved.region.start, moved.to) == ("system_params", 0xD000, 0x3FD000)
    assert "the flash layout changes (3.x-old -> 3.x-new)" in decision.advice[0]
    assert any(region.contains(moved.region) for region in decision.doomed), "they are overwritten on the way"


@pytest.mark.parametrize("words", [{"rf"}, {"wifi"}, {"spiffs", "lfs"}, set()])
def test_what_keep_does_not_name_is_not_kept(words: set[str]) -> None:
    decision = decide(plan_of("3.x"), NEW_3X, KeepPolicy(frozenset(words), stated=True), asked=False)
    assert bool(decision.split) == ("rf" in words)
    assert (how(decision)["spiffs"] == "released") == ("spiffs" not in words)
    assert decision.lost == []
    said = [line for line in map(str, lines(decision)) if "neither kept nor backed up" in line]
    assert any("file system at " in line for line in said) == ("spiffs" not in words)


# --- what is lost ----------------------------------------------------------------------------------------------------


def test_files_under_the_new_code_are_lost_and_named_and_backed_up() -> None:
    decision = decide(plan_of("3.x larger"), NEW_3X, KeepPolicy(), asked=False)
    (lost,) = decision.lost
    assert (lost.name, lost.region, lost.why) == ("spiffs", FILES_3X.region, "the new image reaches to 0x080000")
    assert decision.backs_up
    assert decision.doomed == (FILES_3X.region,)
    assert "lost: file system at 0x040000..0x3fc000: the new image reaches to 0x080000" in list(
        map(str, lines(decision))
    )


@pytest.mark.parametrize("kind", ["3.x larger", "2.x larger"])
def test_the_rest_of_a_lost_file_system_is_not_taken_for_a_whole_one(kind: str) -> None:
    files = FILES_3X if kind.startswith("3") else FileSystem(0x50000, 469)
    plan = plan_of(kind)
    resident = nodemcu("3.x-new" if kind.startswith("3") else "2.x", files)
    decision = decide(plan, resident, KeepPolicy(), asked=False)
    (end,) = [segment.region.end for segment in plan.segments]
    first = end if kind.startswith("3") else 0x90000
    if not kind.startswith("3"):
        first = -(-end // 0x10000) * 0x10000
    for index in range(3):
        assert any(
            region.contains(Region(first + index * 0x2000, first + index * 0x2000 + 0x1000))
            for region in decision.cleared
        )
    assert all(region.start >= end for region in decision.cleared)


def test_files_up_to_the_end_of_flash_cannot_stay_where_the_parameters_go() -> None:
    decision = decide(plan_of("3.x"), OLD_3X, KeepPolicy(), asked=False)
    assert how(decision)["spiffs"] == "lost"
    assert SPIFFS not in dict(decision.places)


def test_files_that_2x_would_not_find_are_lost_though_nothing_covers_them() -> None:
    decision = decide(plan_of("2.x"), nodemcu("3.x-new", FileSystem(0x200000, 64)), KeepPolicy(), asked=False)
    assert how(decision)["spiffs"] == "lost"
    assert "looks for it at" in decision.lost[0].why


def test_wifi_settings_of_2x_stay_under_3x_where_no_file_system_is_made_over_them() -> None:
    kept = decide(plan_of("3.x old"), OLD_2X, KeepPolicy(frozenset({"spiffs", "wifi"}), stated=True), asked=False)
    assert (how(kept)["spiffs"], how(kept)["system_params"]) == ("table", "left")
    made = decide(plan_of("3.x old"), nodemcu("2.x", None), KeepPolicy(), asked=False)
    assert (how(made)["system_params"], how(made)["rf_cal"]) == ("lost", "renewed")
    assert made.lost[0].why == "the new firmware makes its file system there"
    assert any(region.contains(made.lost[0].region) for region in made.doomed)
    newer = decide(plan_of("3.x"), nodemcu("2.x", None), KeepPolicy(), asked=False)
    assert how(newer)["system_params"] == "left"


def test_another_firmware_may_use_the_flash_of_the_files() -> None:
    decision = decide(plan_of("sketch"), NEW_3X, KeepPolicy(), asked=False)
    assert how(decision)["spiffs"] == "lost"
    assert decision.advice == ()


def test_erase_all_keeps_nothing_and_says_so() -> None:
    decision = decide(plan_of("3.x", erase_all=True), NEW_3X, KeepPolicy(), asked=False)
    assert set(how(decision).values()) == {"lost"}
    assert decision.split == ()
    assert decision.backs_up
    assert {area.name for area in decision.lost} == {"spiffs", "system_params"}


def test_files_of_an_older_nodemcu_are_lost_for_want_of_marks() -> None:
    region = Region(0x60000, 0x3FC000)
    resident = BoardContents("nodemcu", "NodeMCU 0.9.6", "0.9.6", "0.9", "2.x", (ResidentArea("spiffs", region),))
    decision = decide(plan_of("2.x"), resident, KeepPolicy(), asked=False)
    assert (decision.row.board, decision.doomed) == ("line", (region,))
    assert "does not read those of older ones" in decision.lost[0].why


@pytest.mark.parametrize("name", ["spiffs", "lfs"])
@pytest.mark.parametrize("stated", [False, True])
def test_what_an_image_of_the_profiles_own_replaces_is_named_and_backed_up(name: str, *, stated: bool) -> None:
    plan = plan_of("3.x")
    own = Segment(0x40000, b"own" + bytes(0xFFD), "own.img", 3, name)
    plan = replace(plan, segments=(*plan.segments, own))
    lfs = ResidentArea("lfs", Region(0x80000, 0xA0000))
    resident = nodemcu("3.x-new", FILES_3X) if name == "spiffs" else nodemcu("3.x-new", None, lfs)
    decision = decide(plan, resident, KeepPolicy(stated=stated), asked=False)
    assert (how(decision)[name], decision.places, decision.cleared) == ("replaced", (), ())
    assert [area.why for area in decision.lost] == ["own.img goes there"]
    assert decision.doomed == (FILES_3X.region if name == "spiffs" else lfs.region,)


@pytest.mark.parametrize("resident", [FOREIGN, NEW_3X])
def test_an_empty_keep_means_that_nothing_is_worth_a_backup(resident: BoardContents) -> None:
    for plan in (plan_of("3.x larger"), plan_of("3.x", erase_all=True)):
        decision = decide(plan, resident, KeepPolicy(frozenset(), stated=True), asked=False)
        assert not decision.backs_up
        assert not decision.kept


# --- insisting -------------------------------------------------------------------------------------------------------


def test_what_the_profile_insists_on_is_refused_in_a_pipe() -> None:
    wish = KeepPolicy(frozenset({"spiffs"}), stated=True)
    with pytest.raises(KeepError, match=r"file system at .* would be lost.*keep: spiffs"):
        decide(plan_of("3.x larger"), NEW_3X, wish, asked=False)
    both = replace(wish, words=frozenset({"spiffs", "wifi"}))
    with pytest.raises(KeepError, match=r"SDK parameters .*keep: wifi.*; file system at .*keep: spiffs"):
        decide(plan_of("2.x larger"), OLD_3X, both, asked=False)
    assert decide(plan_of("3.x larger"), NEW_3X, wish, asked=True).lost, "a person is asked later"
    assert decide(plan_of("3.x larger"), NEW_3X, replace(wish, allowed=True), asked=False).backs_up
    assert decide(plan_of("3.x larger"), NEW_3X, replace(wish, words=frozenset({"wifi"})), asked=False).lost == []


# --- marks of other years --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "new", "what"),
    [
        ("early", "early", "left"),
        ("usual", "usual", "left"),
        ("early", "usual", "lost"),
        ("usual", "early", "lost"),
        ("early", None, "left"),  # nobody knows: left where it is, and found or not
    ],
)
def test_files_that_the_new_firmware_cannot_read_are_lost_and_backed_up(
    there: MarkRule, new: MarkRule | None, what: str
) -> None:
    files = replace(FILES_2X, start=0x50000, blocks=469, marks=there)
    plan = plan_of("2.x")
    plan = replace(plan, firmware=replace(plan.firmware, marks=new))
    decision = decide(plan, nodemcu("2.x", files), KeepPolicy(), asked=False)
    assert how(decision)["spiffs"] == what
    assert decision.backs_up is (what == "lost")


def test_early_files_get_no_place_in_a_new_partition_table() -> None:
    files = replace(FILES_3X, marks="early")
    decision = decide(plan_of("3.x"), nodemcu("2.x", files), KeepPolicy(), asked=False)
    assert how(decision)["spiffs"] == "lost"
    assert not decision.places
