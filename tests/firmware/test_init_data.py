"""SDK init data: what is valid, who fills the sector, what is decided for each state of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import InitDataError
from flashpipe.firmware import init_data
from flashpipe.firmware.flash_map import areas
from flashpipe.firmware.identify import Firmware, identify_firmware
from flashpipe.firmware.init_data import (
    ADC_BYTE,
    LENGTH,
    V05_HEAD,
    V05_MD5,
    Filler,
    InitDataDecision,
    InitDataPolicy,
    decide,
    filler_of,
    find_v05,
    is_known,
    read_file,
    state_of,
)

from tests.images import Builder

SECTOR = 0x1000
DATA = V05_HEAD + bytes(range(1, LENGTH - len(V05_HEAD) + 1))
"""Stands for version 05, whose bytes are not ours to ship."""
VALID, BLANK = DATA.ljust(SECTOR, b"\xff"), b"\xff" * SECTOR
CORRUPT = b"\x30" + DATA[1:].ljust(SECTOR - 1, b"\xff")


def choose(
    wish: InitDataPolicy, sector: bytes, filler: Filler = "nobody", *, noted: bool = False, v05: bytes | None = DATA
) -> InitDataDecision:
    return decide(wish, sector, filler, noted=noted, v05=lambda: v05)


@pytest.mark.parametrize(
    ("sector", "state"),
    [
        (VALID, "valid"),
        (bytes.fromhex("0508040205050502") + bytes(range(120)), "valid"),
        (b"\x05" + DATA[:127], "valid"),  # calibrated at a factory: byte 0 is all the SDK looks at
        (BLANK, "blank"),
        (CORRUPT, "corrupt"),
        (bytes(SECTOR), "corrupt"),
        (b"\xff" * 4 + bytes(124), "corrupt"),
        (b"\x05" + b"\xff" * 127, "corrupt"),
        (b"\x05" + bytes(127), "corrupt"),
    ],
)
def test_the_state_of_a_sector(sector: bytes, state: str) -> None:
    assert state_of(sector) == state


AUTO: list[tuple[bytes, Filler, bool, str]] = [
    (VALID, "once", True, "leave"),
    (VALID, "if-blank", False, "leave"),
    (VALID, "nobody", False, "leave"),
    (BLANK, "once", False, "leave"),
    (BLANK, "once", True, "write"),
    (BLANK, "if-blank", False, "leave"),
    (BLANK, "nobody", False, "write"),
    (BLANK, "", False, "leave"),
    (CORRUPT, "once", False, "erase"),
    (CORRUPT, "once", True, "write"),
    (CORRUPT, "if-blank", False, "erase"),
    (CORRUPT, "nobody", False, "write"),
    (CORRUPT, "", False, "leave"),
    (BLANK, "nobody-perhaps", False, "write"),
    (CORRUPT, "nobody-perhaps", False, "leave"),
]
"""Sector, who fills it, whether 3.x has noted it, and what is done."""


@pytest.mark.parametrize(("sector", "filler", "noted", "action"), AUTO)
def test_what_auto_decides(sector: bytes, filler: Filler, action: str, *, noted: bool) -> None:
    decision = choose(InitDataPolicy(), sector, filler, noted=noted)
    assert decision.action == action
    assert decision.why
    assert decision.sector == {"leave": b"", "erase": BLANK, "write": VALID}[action]


def test_what_is_not_at_hand_and_perhaps_not_needed_is_no_failure() -> None:
    assert choose(InitDataPolicy(), BLANK, "nobody-perhaps", v05=None).action == "leave"


@pytest.mark.parametrize("sector", [VALID, BLANK, CORRUPT])
@pytest.mark.parametrize("filler", ["once", "if-blank", "nobody", ""])
def test_keep_leaves_everything_alone(sector: bytes, filler: Filler) -> None:
    assert choose(InitDataPolicy("keep"), sector, filler, noted=True, v05=None).action == "leave"


@pytest.mark.parametrize("filler", ["once", "if-blank", "nobody", ""])
def test_named_data_are_written_unless_they_are_there(filler: Filler) -> None:
    mine = b"\x05" + bytes(reversed(range(1, 128)))
    assert choose(InitDataPolicy("mine.bin", mine), VALID, filler).sector == mine.ljust(SECTOR, b"\xff")
    assert choose(InitDataPolicy("mine.bin", mine), mine + b"\xff", filler).action == "leave"
    assert choose(InitDataPolicy("v05"), CORRUPT, filler).sector == VALID
    assert choose(InitDataPolicy("v05"), VALID, filler).action == "leave"


def test_single_bytes_are_set_in_what_the_board_holds() -> None:
    own = b"\x05" + bytes(range(1, 128)) + b"calibration" + b"\xff" * (SECTOR - 139)
    decision = choose(InitDataPolicy(settings=((ADC_BYTE, 0xFF),)), own)
    want = bytearray(own)
    want[107] = 0xFF
    assert (decision.action, decision.sector) == ("write", bytes(want))
    assert choose(InitDataPolicy(settings=((ADC_BYTE, 0xFF),)), bytes(want)).action == "leave"


@pytest.mark.parametrize("filler", ["once", "if-blank", "nobody"])
@pytest.mark.parametrize("sector", [BLANK, CORRUPT])
def test_single_bytes_are_not_left_to_a_firmware_that_would_not_set_them(sector: bytes, filler: Filler) -> None:
    decision = choose(InitDataPolicy(settings=((48, 0), (107, 0xFF))), sector, filler)
    assert decision.action == "write"
    assert (decision.sector[0], decision.sector[48], decision.sector[107]) == (5, 0, 0xFF)


def test_the_boards_own_data_are_better_than_version_05() -> None:
    own = bytes.fromhex("05080402") + bytes(range(4, 128))
    decision = decide(
        InitDataPolicy(), BLANK, "nobody", noted=False, v05=lambda: DATA, own=lambda: (own, "the board's own")
    )
    assert (decision.action, decision.sector[:128]) == ("write", own)
    assert "the board's own" in decision.why


@pytest.mark.parametrize(
    ("sector", "known"),
    [
        (bytes.fromhex("05000402") + bytes(range(4, 128)), True),
        (bytes.fromhex("05080402") + bytes(range(4, 128)), True),
        (bytes.fromhex("05000402") + b"\xff" * 124, False),
        (bytes.fromhex("05010402") + bytes(range(4, 128)), False),
        (BLANK, False),
    ],
)
def test_bytes_that_only_begin_like_init_data_are_no_source(sector: bytes, known: bool) -> None:  # noqa: FBT001
    assert is_known(sector) == known


def test_data_that_are_nowhere_at_hand() -> None:
    for wish, sector in (
        (InitDataPolicy(), BLANK),
        (InitDataPolicy("v05"), VALID),
        (InitDataPolicy(settings=((48, 0),)), BLANK),
    ):
        with pytest.raises(InitDataError) as caught:
            choose(wish, sector, v05=None)
        assert caught.value.code == "init-data"
        assert "esp_init_data_default_v05.bin" in caught.value.hint
    assert choose(InitDataPolicy(settings=((48, 0),)), VALID, v05=None).action == "write", (
        "nothing has to be made up here"
    )


@pytest.fixture
def own_v05(monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(init_data, "V05_MD5", hashlib.md5(DATA).hexdigest())
    return DATA


def test_v05_is_known_by_its_digest_not_by_its_head(own_v05: bytes) -> None:
    image = bytes(100) + V05_HEAD + bytes(120) + own_v05 + bytes(50)
    assert find_v05([b"", image]) == own_v05
    assert find_v05([image[:-120]]) is None
    assert find_v05([]) is None


OF_3X = b"rf_cal[0] !=0x05,is 0x%02X\n\0mismatch map %d,spi_size_map %d\n\0"


def nodemcu(sdk_line: str, layout: str = "") -> Firmware:
    return Firmware("nodemcu", sdk_line=sdk_line, layout=layout)


@pytest.mark.parametrize(
    ("firmware", "boot", "filler"),
    [
        (nodemcu("3.x", "3.x-old"), b"", "once"),
        (nodemcu("3.x", "3.x-new"), b"", "once"),
        (nodemcu("3.x"), b"", ""),
        (nodemcu("2.x", "2.x"), DATA, "if-blank"),
        (nodemcu("1.5.4.1", "2.x"), b"code" + DATA, "if-blank"),
        (nodemcu("1.5.4.1", "2.x"), b"", "nobody"),
        (nodemcu("1.4"), b"", "nobody"),
        (nodemcu("0.9"), b"", "nobody"),
        (nodemcu(""), b"", ""),
        (Firmware("espruino", sdk_line="2.x"), b"rf_cal[0] !=0x05,is", "nobody"),
        (Firmware("at", sdk_line="3.x"), b"rf_cal[0] !=0x05,is", "nobody"),
        (Firmware("esp_wifi_repeater", sdk_line="3.x"), b"rf_cal[0] !=0x05,is", ""),
        (Firmware("unknown", sdk_line="3.x"), Builder().ota(code=OF_3X), "nobody-perhaps"),
        (Firmware("unknown", sdk_line="3.x"), b"somewhere else" + OF_3X, ""),
        (Firmware("arduino", sdk_line="3.x"), Builder().ota(code=OF_3X), ""),
        (Firmware("arduino", sdk_line="2.x"), b"", ""),
        (Firmware("unknown"), b"rf_cal[0] !=0x05,is", ""),
    ],
)
@pytest.mark.usefixtures("own_v05")
def test_who_fills_the_sector(firmware: Firmware, boot: bytes, filler: str) -> None:
    assert filler_of(firmware, [boot], boot) == filler


PLACES = [
    ("2.x", 0x80000, 0x7C000),
    ("2.x", 0x100000, 0xFC000),
    ("2.x", 0x200000, 0x1FC000),
    ("2.x", 0x400000, 0x3FC000),
    ("2.x", 0x800000, 0x7FC000),
    ("2.x", 0x1000000, 0xFFC000),
    ("", 0x80000, 0x7C000),
    ("", 0x400000, 0x3FC000),
    ("old", 0x400000, 0xC000),
    ("new", 0x400000, 0xF000),
    ("new", 0x100000, 0xF000),
]
"""Layout, flash size, address (facts: image-flashmap §5.1, §5.3)."""


@pytest.mark.parametrize(("layout", "size", "address"), PLACES)
def test_where_the_sector_is(build: Any, layout: str, size: int, address: int) -> None:
    if layout in {"old", "new"}:
        start, code = build.pair_3x(layout=layout)
        firmware = identify_firmware({0: start, 0x10000: code})
    else:
        firmware = Firmware("nodemcu", sdk_line="2.x" if layout else "1.4", layout=layout)
    assert [area.region.start for area in areas(firmware, size) if area.name == "phy_init"] == [address]


@pytest.mark.parametrize(
    "data", [b"", bytes(128), DATA[:127], DATA + b"\0", b"\x05" * 127 + b"\0" * 4000, BLANK, VALID + b"\xff"]
)
def test_other_files_are_no_init_data(data: bytes) -> None:
    with pytest.raises(InitDataError, match=r"x\.bin"):
        read_file("x.bin", data)


def test_a_file_of_a_whole_sector_will_do() -> None:
    assert read_file("x.bin", DATA) == read_file("x.bin", VALID) == DATA


@pytest.mark.images
@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("nodemcu-2.2-cloud-float.bin", 29268),
        ("nodemcu-1.5.4.1-split/0x00000.bin", 26920),
        ("nodemcu-3.0-cloud-float.bin", 459852),
        ("nodemcu-3.0-split/0x10000.bin", 361836),
    ],
)
def test_real_images_embed_version_05(real_images: Path, name: str, offset: int) -> None:
    data = (real_images / name).read_bytes()
    found = find_v05([data])
    assert found is not None
    assert data[offset : offset + LENGTH] == found
    assert hashlib.md5(found).hexdigest() == V05_MD5
