from __future__ import annotations

import io
from pathlib import Path

import pytest
from flashpipe.errors import FetchContentError, SourceError
from flashpipe.firmware.boot_image import Image, describe_address
from flashpipe.firmware.gate import check_layout, find_problems
from flashpipe.sources.resolve import load_source, resolve_source
from intelhex import IntelHex

from tests.images import Builder
from tests.webserver import Server, document

IMAGE = Builder().combine(Builder().pair_2x(0x4000))


def as_hex(data: bytes, at: int = 0) -> bytes:
    made, out = IntelHex(), io.StringIO()
    made.frombytes(data, at)
    made.write_hex_file(out)
    return out.getvalue().encode()


@pytest.mark.parametrize(("at", "begins"), [(0x10000, 0x10000), (0x40210000, 0x10000), (0, 0), (0x40200000, 0)])
def test_it_says_where_it_belongs_and_stands_nowhere_else(tmp_path: Path, at: int, begins: int) -> None:
    start, code = Builder().pair_2x(0x4000)
    (tmp_path / "fw.hex").write_bytes(as_hex(code if begins else IMAGE, at))
    image = load_source("fw.hex", tmp_path)
    assert image.begins == begins
    right = {0: Image("start.bin", start, ""), begins: image}
    check_layout(right, flash_size=1 << 22, chip="esp8266")
    for wrong in {0, 0x10000, 0x20000} - {begins}:
        problems = find_problems({wrong: image}, flash_size=1 << 22, chip="esp8266")
        (stated,) = (problem for problem in problems if "says itself" in problem.message)
        assert stated.code == "image-address"
        assert stated.hint == f"image={describe_address(begins)}:fw.hex"


@pytest.mark.parametrize("at", [0, 0x40200000])
@pytest.mark.parametrize("name", ["fw.hex", "fw.bin"])
def test_an_image_comes_out_of_it(tmp_path: Path, at: int, name: str) -> None:
    (tmp_path / name).write_bytes(as_hex(IMAGE, at))
    found = resolve_source(name, tmp_path)
    assert (found.name, found.data) == (name, IMAGE)


def test_what_is_left_out_is_blank(tmp_path: Path) -> None:
    made, out = IntelHex(), io.StringIO()
    made.frombytes(b"\xe9one", 0)
    made.frombytes(b"two", 0x10)
    made.write_hex_file(out)
    (tmp_path / "fw.HEX").write_text(out.getvalue())
    assert resolve_source("fw.HEX", tmp_path).data == b"\xe9one" + b"\xff" * 12 + b"two"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (":0300300002337A1F\n:00000001FF\n", "line 1"),
        (":00000001FF\n", "without data"),
        (as_hex(b"x", 0).decode().replace(":00000001FF", "") + as_hex(b"y", 0x2000000).decode(), "no flash"),
        (as_hex(b"x", 0x90000000).decode(), "no flash"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "fw.hex").write_text(text)
    with pytest.raises(SourceError) as caught:
        resolve_source("fw.hex", tmp_path)
    assert words in caught.value.message


def test_one_from_a_server_is_pinned_by_its_image(tmp_path: Path, web: Server) -> None:
    for path in ("/fw.hex", "/fw.bin"):
        web.routes[path] = document(as_hex(IMAGE))
    found = resolve_source(web.url("/fw.hex"), tmp_path)
    assert found.data == IMAGE
    assert resolve_source(web.url("/fw.hex"), tmp_path, pinned_sha256=found.sha256).cached
    with pytest.raises(FetchContentError):
        resolve_source(web.url("/fw.bin"), tmp_path)
