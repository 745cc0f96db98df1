"""Which size an image's header may say, and what a plan writes into it."""

from __future__ import annotations

import pytest
from flashpipe.errors import HeaderSizeError, PipelineError
from flashpipe.firmware.header_size import AcceptedSizes, accepted_sizes, header_size
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.image import Image
from flashpipe.firmware.overrides import Overrides
from flashpipe.flash import SIZE_CODES, FlashSettings, Region
from flashpipe.plan.make import make_plan, with_real_size
from flashpipe.plan.model import FlashPlan

from tests.images import Builder

MAKE = Builder()
MB = 1024 * 1024
COMPARES = b"\0mismatch map %d,spi_size_map %d\n\0"
AT_TEXTS = b"\0+GMR\0+CWMODE\0+CIPSTART\0AT version:1.7.6(Apr  6 2023)\0" + COMPARES


def user_image(size: str, *, texts: bytes = AT_TEXTS) -> bytes:
    """A 0xEA part whose inner header says `size`, with AT firmware in its code."""
    return MAKE.ota(code=user_code(texts), packed=SIZE_CODES[size] << 4)


def user_code(texts: bytes) -> bytes:
    return (bytes(64) + texts + b"3.0.6-dev(072755c)\0").ljust(0x1000, b"\0")


def at(version: str = "1.7.6") -> Firmware:
    return Firmware("at", version=version, sdk="3.0.6-dev(072755c)", sdk_line="3.x")


def micropython(sdk: bytes) -> bytes:
    """An image that begins at 0 and says which SDK it is built with."""
    banner = b"MicroPython v1.9.3 on 2017-11-01; ESP module with ESP8266"
    return MAKE.combine((MAKE.start(), MAKE.code(banner=banner, sdk=sdk)))


def plan(data: bytes, size: str | None, *, allow: Overrides | None = None) -> FlashPlan:
    settings = FlashSettings("dio", size, "40m") if size else None
    return make_plan("p", "esp8266", settings, {0: Image("fw.bin", data, "fw.bin")}, allow=allow)


def header_of(made: FlashPlan) -> int:
    return made.segments[0].data[3]


@pytest.mark.parametrize(
    "firmware",
    [
        Firmware("nodemcu", sdk_line="0.9"),
        Firmware("nodemcu", sdk="2.1.0(116b762)"),
        Firmware("nodemcu", sdk_line="2.x"),
        Firmware("arduino", sdk="2.2.1(cfd48f3)"),
        Firmware("micropython", sdk="2.1.0(116b762)"),
        Firmware("micropython", sdk="2.2.0-dev(9422289)"),
        Firmware("unknown"),
        Firmware("unknown", sdk_line="2.x"),
        at("1.6"),
    ],
    ids=lambda firmware: f"{firmware.family} {firmware.sdk or firmware.sdk_line}",
)
def test_what_is_not_known_to_refuse_a_size_takes_any(firmware: Firmware) -> None:
    assert accepted_sizes(firmware, {0: MAKE.boot()}) is None
    for size in SIZE_CODES:
        assert header_size(firmware, {}, size).name == size


@pytest.mark.parametrize(
    ("family", "sdk"),
    [
        ("espruino", "2.0.0(5a875ba)"),
        ("espruino", "1.5.4.1(39cb9a32)"),
        ("espruino", "1.4.0"),
        ("arduino", "1.5.3(aec24ac9)"),
        ("nodemcu", "2.0.0(656edbf)"),
    ],
)
@pytest.mark.parametrize(
    ("flash", "written"), [("16MB", "4MB"), ("8MB", "4MB"), ("4MB", "4MB"), ("4MB-c1", "4MB-c1"), ("512KB", "512KB")]
)
def test_an_old_sdk_gets_no_more_than_4_mb(family: str, sdk: str, flash: str, written: str) -> None:
    chosen = header_size(Firmware(family, sdk=sdk), {}, flash)
    assert chosen.name == written
    assert bool(chosen.why) == (flash != written)


@pytest.mark.parametrize(
    "firmware", [Firmware("nodemcu", sdk="1.5.4.1(39cb9a32)"), Firmware("nodemcu", sdk_line="1.4")]
)
def test_nodemcu_of_an_sdk_1_is_refused_where_the_flash_is_larger_than_4_mb(firmware: Firmware) -> None:
    """It writes the size that it has measured over whatever the header says, and starts again for ever (executed)."""
    assert header_size(firmware, {}, "4MB").name == "4MB"
    for flash in ("8MB", "16MB"):
        with pytest.raises(HeaderSizeError, match="NodeMCU of SDK 1"):
            header_size(firmware, {}, flash)
        assert header_size(firmware, {}, flash, is_measured=False).name == "4MB", "the board is not known yet"


def test_the_line_of_an_sdk_is_enough_where_its_text_is_missing() -> None:
    assert header_size(Firmware("unknown", sdk_line="0.9"), {}, "8MB").name == "4MB"


@pytest.mark.parametrize("built_for", ["1MB", "2MB", "2MB-c1", "4MB-c1"])
def test_at_gets_the_size_it_was_compiled_for(built_for: str) -> None:
    parts = {0: MAKE.boot(), 0x1000: user_image(built_for)}
    assert accepted_sizes(at(), parts) == AcceptedSizes(
        (built_for,),
        f"AT firmware 1.7.6 (SDK 3.0.6-dev) was compiled for a flash map of {built_for} and refuses any other",
    )
    assert header_size(at(), parts, "4MB").name == built_for
    one_file = {0: MAKE.boot().ljust(0x1000, b"\xff") + user_image(built_for)}
    assert header_size(at(), one_file, "4MB").name == built_for
    assert header_size(at(), parts, built_for).why == ""


def test_whatever_compares_the_header_with_its_map_gets_that_and_what_does_not_takes_any() -> None:
    compares = {0: MAKE.boot(), 0x1000: user_image("1MB", texts=COMPARES)}
    own = identify_firmware(compares)
    assert own.family == "unknown"
    assert header_size(own, compares, "4MB").name == "1MB"
    silent = {0: MAKE.boot(), 0x1000: user_image("1MB", texts=b"\0AT version:1.7.6(Apr  6 2023)\0")}
    assert header_size(at(), silent, "4MB").name == "4MB"
    elsewhere = {0: MAKE.boot(), 0x1000: user_image("1MB", texts=b""), 0x10000: user_code(COMPARES)}
    assert header_size(own, elsewhere, "4MB").name == "4MB"


def test_at_that_was_compiled_for_more_than_there_is_is_refused() -> None:
    with pytest.raises(HeaderSizeError) as refused:
        header_size(at(), {0x1000: user_image("2MB")}, "1MB")
    assert refused.value.code == "header-size"
    assert "2MB" in refused.value.message


@pytest.mark.parametrize("damaged", [b"\xea\x04", user_image("1MB")[:0x800], b"\xea\x04" + bytes(60)])
def test_a_part_that_cannot_be_read_demands_nothing(damaged: bytes) -> None:
    assert header_size(at(), {0x1000: damaged}, "16MB").name == "16MB"


# --- in a plan -------------------------------------------------------------------------------------------------------


def test_the_firmware_of_these_tests_is_what_it_says() -> None:
    assert identify_firmware({0: MAKE.boot(), 0x1000: user_image("1MB")}).family == "at"
    assert identify_firmware({0: micropython(b"2.0.0(5a875ba)")}).sdk == "2.0.0(5a875ba)"


def test_the_header_says_what_the_firmware_can_live_with_and_nothing_else_changes() -> None:
    old, new = plan(micropython(b"2.0.0(5a875ba)"), "16MB"), plan(micropython(b"2.2.0-dev(9422289)"), "16MB")
    assert (header_of(old), header_of(new)) == (0x40, 0x90)
    assert (old.header.name, new.header.name, new.header.why) == ("4MB", "16MB", "")
    assert old.settings.size == new.settings.size == "16MB", "the flash is what it was"
    assert Region(4 * MB - 0x5000, 4 * MB - 0x4000) in [area.region for area in old.areas if area.name == "rf_cal"]
    assert old.believed_capacity == 4 * MB


def test_a_size_that_the_board_tells_is_judged_then() -> None:
    open_size = plan(micropython(b"2.0.0(5a875ba)"), None)
    assert header_of(with_real_size(open_size, 2 * MB)) == 0x30
    made = with_real_size(open_size, 16 * MB)
    assert (header_of(made), made.header.name, made.settings.size) == (0x40, "4MB", "16MB")
    assert made.header.why


def test_a_refusal_that_is_overridden_leaves_the_size_of_the_flash() -> None:
    images = {0: Image("boot.bin", MAKE.boot(), ""), 0x1000: Image("user1.bin", user_image("2MB"), "")}
    settings = FlashSettings("dio", "1MB", "40m")
    with pytest.raises(PipelineError) as refused:
        make_plan("p", "esp8266", settings, images)
    assert refused.value.code == "header-size"
    allow = Overrides(frozenset({"header-size"}))
    made = make_plan("p", "esp8266", settings, images, allow=allow)
    assert (header_of(made), [override.code for override in made.overridden]) == (0x20, ["header-size"])


def test_a_plan_without_an_image_at_0_has_no_header() -> None:
    made = make_plan(
        "p", "esp8266", FlashSettings("dio", "4MB", "40m"), {0x10000: Image("0x10000.bin", MAKE.code(), "")},
        allow=Overrides(frozenset({"image-incomplete"})),
    )  # fmt: skip
    assert made.header.name == ""
    assert made.believed_capacity == 4 * MB
