"""One function decides: what the gate refuses the inspection shows, for every image at hand, whole and cut short."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.errors import PipelineError
from flashpipe.firmware.gate import check_layout
from flashpipe.firmware.image import Image
from flashpipe.firmware.inspection import LARGEST, inspect_images

from tests.images import Builder, spiffs_image

MAKE = Builder()
DATA = {"blank", "init-data", "partition-table", "spiffs", "lfs"}
SHARES = (1, 0.95, 0.8, 0.5, 0.3)


def refusal(image: Image, address: int) -> str:
    try:
        check_layout({address: image}, flash_size=LARGEST, chip="esp8266")
    except PipelineError as error:
        return error.code
    return ""


def agree(data: bytes, name: str) -> str:
    """The code of the refusal at the address where the inspection puts the file; empty for a sound one."""
    image = Image(name, data, name)
    found = inspect_images([(None, image)])
    (file,) = found.files
    code = refusal(image, file.address or {"ota": 0x1000, "code": 0x10000}.get(file.kind, 0))
    shown = [problem.code for problem in found.problems]
    assert not (found.flashable and (code or found.missing)), "what is offered is what a plan takes"
    assert found.flashable or code or found.missing or found.family in DATA
    if found.family in DATA:
        assert shown == []
        return ""  # sound, and no firmware: for 0x00000 the gate has its own words
    if code in {"", "image-incomplete", "image-headerless", "image-not-bootable"}:
        assert shown == [], "sound; what is missing is a note"
        assert bool(found.notes) or not code
    else:
        assert shown[0] == code
    again = inspect_images([(file.address or 0, image)])
    assert [problem.code for problem in again.problems][:1] == shown[:1] or file.address is None
    return code


@pytest.mark.parametrize("share", SHARES)
def test_of_files_that_were_made_here(share: float) -> None:
    loader, table, application = MAKE.rtos()
    for data in (
        *(MAKE.combine(MAKE.pair_2x()), MAKE.combine(MAKE.pair_3x()), *MAKE.pair_3x()),
        *(MAKE.ota(0x1000), MAKE.ota(0x82000, crc=False), MAKE.sketch(), loader, table, application),
        *(MAKE.linked(0x10000), spiffs_image(16), bytes(4096), b"<html></html>", bytes(range(256)) * 20),
    ):
        agree(data[: int(len(data) * share)], "made.bin")


LAYOUTS = (
    {0: "nodemcu-1.5.4.1-split/0x00000.bin", 0x10000: "nodemcu-1.5.4.1-split/0x10000.bin"},
    {0: "nodemcu-3.0-split/0x00000.bin", 0x10000: "nodemcu-3.0-split/0x10000.bin"},
    {0: "layouts/boot_v1.6.bin", 0x1000: "layouts/user1.1024.new.2.bin"},
    {0: "layouts/boot_v1.6.bin", 0x81000: "layouts/user2.1024.new.2.bin"},
    {0: "layouts/rboot.bin", 0x1000: "layouts/rboot-blank-config.bin", 0x2000: "layouts/rboot-app-0x2000.bin"},
    {0: "layouts/repeater-0x00000.bin", 0x2000: "layouts/repeater-0x02000.bin"},
    {0: "layouts/rtos_boot.bin", 0x8000: "layouts/rtos_pt.bin", 0x10000: "layouts/rtos_app.bin"},
    {0: "layouts/olimex-0x00000.bin", 0x40000: "layouts/olimex-0x40000.bin"},
)


@pytest.mark.images
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout[0])
def test_of_every_layout_whole_and_with_one_part_missing_cut_or_elsewhere(
    images_folder: Path, layout: dict[int, str]
) -> None:
    whole = {at: Image(name, (images_folder / name).read_bytes(), name) for at, name in layout.items()}
    found = together(whole)
    assert found == ""
    for at, image in whole.items():
        rest = {other: part for other, part in whole.items() if other != at}
        together(rest)
        assert not at or together({**rest, at + 0x3000: image}) != "" or image.data.count(image.data[:1]) > 1000
        for share in SHARES[1:]:
            data = image.data[: int(len(image.data) * share)]
            together({**rest, at: Image(image.name, data, image.name)})


def together(images: dict[int, Image]) -> str:
    """The code of the refusal of several files, which the inspection shows as well; empty where they pass."""
    code = ""
    try:
        check_layout(images, flash_size=LARGEST, chip="esp8266")
    except PipelineError as error:
        code = error.code
    found = inspect_images(images.items())
    shown = [problem.code for problem in found.problems]
    missing = code in {"image-incomplete", "image-headerless", "image-not-bootable"}
    assert shown[:1] == ([] if missing or not code else [code])
    alone = len(images) == 1  # a second half: a plan takes it for a board that has the first, and nobody offers that
    assert alone or (bool(found.missing), found.flashable) == (missing and not shown, not code)
    return code


@pytest.mark.images
def test_of_every_image_at_hand(images_folder: Path, packaged_images: list[Path]) -> None:
    unproven = []
    for path in sorted([*images_folder.rglob("*.bin"), *packaged_images]):
        data = path.read_bytes()
        assert agree(data, path.name) in {"", "image-incomplete", "image-headerless"}, path
        for share in SHARES[1:]:
            cut = data[: int(len(data) * share)]
            if not agree(cut, path.name) and data[len(cut) :].strip(data[-1:]):
                unproven.append(f"{path.name} {share:.0%}")
    # What no structure and no pointer can prove; each is a limit that is known.
    assert {name.split()[0] for name in unproven} <= {
        "nodemcu-0.9.2-20141219.bin",  # calls by distance, hardly a word points anywhere
        "olimex-0x40000.bin",
        "espruino-1v99.bin",  # what is cut lies behind the image, whose length and checksum hold
        "punyforth-0.5.bin",  # a dump of 1 MiB: what is cut is an older firmware's rest
        "vanguard+rainbow-0.1.0.bin",  # a dump of 1 MiB: what is cut is a file system
        "rtos_pt.bin",
    }
