"""What a handful of files, or an archive, holds: firmwares by name, pairs that belong together."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from flashpipe.errors import ArchiveMemberError, PipelineError, UploadError
from flashpipe.jobs.firmware_offers import find_firmwares, left_out

from tests.images import Builder

MAKE = Builder()
START, CODE = MAKE.pair_2x()
WHOLE = MAKE.combine(MAKE.pair_3x())


def put(folder: Path, files: dict[str, bytes]) -> list[str]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return list(files)


def pack(folder: Path, members: dict[str, bytes], name: str = "build.zip") -> str:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    (folder / name).write_bytes(stream.getvalue())
    return name


def words(folder: Path, names: list[str]) -> list[str]:
    return [offer.image for offer in find_firmwares(folder, names)]


def test_one_file_is_taken_as_it_comes(tmp_path: Path) -> None:
    assert words(tmp_path, put(tmp_path, {"page.bin": b"<html>"})) == ["page.bin"]


@pytest.mark.parametrize(
    ("first", "second"), [("0x00000.bin", "0x10000.BIN"), ("a.bin", "b.bin"), ("x-0x00000.bin", "x-0x10000.bin")]
)
def test_a_pair_is_known_by_its_names_or_by_its_bytes(tmp_path: Path, first: str, second: str) -> None:
    assert words(tmp_path, put(tmp_path, {second: CODE, first: START})) == [f"0x00000:{first},0x10000:{second}"]


def test_a_pair_in_an_archive_is_one_firmware(tmp_path: Path) -> None:
    name = pack(tmp_path, {"bin/0x10000.bin": CODE, "bin/0x00000.bin": START, "README.md": b"x"})
    assert words(tmp_path, [name]) == ["0x00000:build.zip!bin/0x00000.bin,0x10000:build.zip!bin/0x10000.bin"]


def test_all_that_an_archive_holds_is_offered_by_name(tmp_path: Path) -> None:
    blank, pair = b"\xff" * 0x1000, {f"{kind}-{at}.bin": data for kind in ("float", "int")
                                     for at, data in (("0x00000", START), ("0x10000", CODE))}  # fmt: skip
    found = find_firmwares(tmp_path, [pack(tmp_path, {"whole.bin": WHOLE, "blank.bin": blank, **pair})])
    assert [offer.name for offer in found] == [
        "whole.bin", "float-0x00000.bin + float-0x10000.bin", "int-0x00000.bin + int-0x10000.bin"
    ]  # fmt: skip
    assert found[0].title.startswith("NodeMCU 3.0.0")
    assert not any(str(tmp_path) in f"{offer.image}{offer.name}{offer.title}" for offer in found)


def test_whole_firmwares_that_came_together_are_a_choice(tmp_path: Path) -> None:
    assert words(tmp_path, put(tmp_path, {"a.bin": WHOLE, "b.bin": WHOLE})) == ["a.bin", "b.bin"]


def test_what_is_part_of_no_firmware_is_left_out(tmp_path: Path) -> None:
    names = put(tmp_path, {"whole.bin": WHOLE, "0x10000.bin": CODE, "notes.py": b"print(1)"})
    assert left_out(names, find_firmwares(tmp_path, names)) == ("0x10000.bin", "notes.py")
    pair = put(tmp_path, {"0x00000.bin": START, "0x10000.bin": CODE})
    assert left_out(pair, find_firmwares(tmp_path, pair)) == ()
    packed = [pack(tmp_path, {"a.bin": WHOLE})]
    assert left_out(packed, find_firmwares(tmp_path, packed)) == ()


def test_a_part_with_its_address_in_its_name_and_one_that_is_known_by_its_bytes_are_one_firmware(
    tmp_path: Path,
) -> None:
    names = put(tmp_path, {"app-0x10000.bin": CODE, "boot.bin": START})
    assert words(tmp_path, names) == ["0x00000:boot.bin,0x10000:app-0x10000.bin"]


def test_what_is_not_recognised_in_an_archive_is_offered_for_the_gate_to_judge(tmp_path: Path) -> None:
    assert words(tmp_path, [pack(tmp_path, {"one.bin": b"<html>"})]) == ["build.zip!one.bin"]
    assert len(words(tmp_path, [pack(tmp_path, {"one.bin": b"<html>", "two.bin": b"{}"})])) == 2


def test_what_nobody_can_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UploadError):
        find_firmwares(tmp_path, put(tmp_path, {"0x00000.bin": START, "notes.txt": b"hello"}))
    with pytest.raises(ArchiveMemberError):
        find_firmwares(tmp_path, [pack(tmp_path, {"README.md": b"x"})])


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x1f\x8bxx", b"no archive at all"])
def test_a_damaged_archive_is_said_to_be_one(tmp_path: Path, data: bytes) -> None:
    for name in put(tmp_path, {"x.zip": data, "x.tar.gz": data}):
        with pytest.raises(PipelineError) as caught:
            find_firmwares(tmp_path, [name])
        assert str(tmp_path) not in str(caught.value)
