"""`allow=`: which refusals it overrides, that it overrides no other, and that what it overrode is known."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.errors import (
    BadValueError,
    ImageChecksumError,
    ImageTruncatedError,
    IncompleteSplitError,
    LockMismatchError,
    PipelineError,
    PlanOverlapError,
    all_codes,
)
from flashpipe.firmware.image import Image, check_layout
from flashpipe.firmware.overrides import ALLOWABLE, Overrides, parse_allowed
from flashpipe.flash import FlashSettings
from flashpipe.next_steps import steps_of
from flashpipe.plan.make import make_plan

SETTINGS = FlashSettings("dio", "4MB", "40m")


def judge(parts: dict[int, bytes], *codes: str, flash_size: int = 0x400000) -> list[str]:
    allow = Overrides(frozenset(codes))
    images = {at: Image(f"{at:05x}.bin", data, "x.bin") for at, data in parts.items()}
    check_layout(images, flash_size=flash_size, chip="esp8266", allow=allow)
    return [override.code for override in allow.used]


def spoiled(data: bytes) -> bytes:
    return data[:20] + bytes([data[20] ^ 1]) + data[21:]


def refusals(build: Any) -> dict[str, tuple[dict[int, bytes], int]]:
    """Code to a layout that is refused with it, and the flash size."""
    start, code = build.pair_3x()
    page = b"<!DOCTYPE html><html>"
    return {
        "image-checksum": ({0: spoiled(start), 0x10000: code}, 0x400000),
        "image-incomplete": ({0: start}, 0x400000),
        "image-truncated": ({0: start, 0x10000: code[:0x8000]}, 0x400000),
        "image-too-large": ({0: start, 0x10000: code}, 0x80000),
        "image-aggregated": ({0: build.combine((start, code)), 0x10000: code}, 0x400000),
        "image-format": ({0: start, 0x10000: code, 0x200000: page}, 0x400000),
        "image-other-chip": ({0: start, 0x10000: code, 0x200000: build.newer_chip(5, 0x3FCD5820)}, 0x400000),
    }


@pytest.mark.parametrize(
    "code",
    [
        *("image-checksum", "image-incomplete", "image-truncated", "image-too-large"),
        *("image-aggregated", "image-format", "image-other-chip"),
    ],
)
def test_a_refusal_is_overridden_by_the_code_it_shows_and_by_no_other(build: Any, code: str) -> None:
    parts, size = refusals(build)[code]
    with pytest.raises(PipelineError) as caught:
        judge(parts, flash_size=size)
    assert caught.value.code == code
    with pytest.raises(PipelineError) as caught:
        judge(parts, *(ALLOWABLE - {code}), flash_size=size)
    assert caught.value.code == code
    assert judge(parts, *ALLOWABLE, flash_size=size) == [code]


def test_an_overridden_checksum_leaves_the_other_checks(build: Any) -> None:
    start, code = build.pair_3x()
    with pytest.raises(ImageTruncatedError):
        judge({0: spoiled(start), 0x10000: code[:0x8000]}, "image-checksum")
    with pytest.raises(ImageChecksumError):
        judge({0: spoiled(start), 0x10000: code[:0x8000]}, "image-truncated")


def test_what_was_allowed_and_not_met_is_not_noted(build: Any) -> None:
    start, code = build.pair_3x()
    assert judge({0: start, 0x10000: code}, *ALLOWABLE) == []


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"<!DOCTYPE html><html>", "image-format"), (b"\xe9\x02\x02\x20" + bytes(9), "image-load-address")],
)
def test_a_file_that_cannot_start_is_never_allowed_at_0(data: bytes, code: str) -> None:
    with pytest.raises(PipelineError) as caught:
        judge({0: data}, *ALLOWABLE, code)
    assert "cannot help here" in caught.value.hint


def test_half_a_boot_image_is_never_allowed(build: Any) -> None:
    with pytest.raises(ImageTruncatedError, match="ends at") as caught:
        judge({0: build.start()[:200]}, "image-truncated")
    assert "cannot help here" in caught.value.hint


def test_a_plan_remembers_what_was_overridden(build: Any) -> None:
    start = Image("start.bin", build.start(), "start.bin")
    with pytest.raises(IncompleteSplitError):
        make_plan("esp12", "esp8266", SETTINGS, {0: start})
    plan = make_plan("esp12", "esp8266", SETTINGS, {0: start}, allow=Overrides(frozenset({"image-incomplete"})))
    assert [override.code for override in plan.overridden] == ["image-incomplete"]
    assert "start.bin" in plan.overridden[0].message


def test_an_overlap_is_never_allowed(build: Any) -> None:
    start = Image("a.bin", build.start(), "a.bin")
    images = {0: start, 0x1000: Image("b.bin", bytes(0x1000), "b.bin")}
    assert len(start.data) < 0x1000
    big = {0: Image("a.bin", build.boot([(0x40100000, bytes(0x2000))]), "a.bin"), 0x1000: images[0x1000]}
    with pytest.raises(PlanOverlapError):
        make_plan("esp12", "esp8266", SETTINGS, big, allow=Overrides(ALLOWABLE))


def test_codes_come_with_commas() -> None:
    assert parse_allowed("wrong-chip, would-lose-data,") == {"wrong-chip", "would-lose-data"}
    assert parse_allowed("") == frozenset()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image-cheksum", "did you mean image-checksum"),
        ("wrong-chip,plan-overlap", "allow=plan-overlap: this refusal cannot be overridden"),
        ("everything", "allow=everything: no code"),
    ],
)
def test_other_words_are_refused(text: str, words: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse_allowed(text)
    assert words in caught.value.message
    assert "wrong-chip" in caught.value.hint


def test_what_cannot_be_overridden_is_told_with_what_helps_there() -> None:
    with pytest.raises(BadValueError) as caught:
        parse_allowed("lock-mismatch")
    assert caught.value.hint.startswith(LockMismatchError.remedy)
    assert set(steps_of(LockMismatchError.remedy)) <= set(steps_of(caught.value.hint))


def test_every_code_that_can_be_allowed_is_one() -> None:
    assert all_codes() >= ALLOWABLE
