from __future__ import annotations

import pytest
from flashpipe.sim.rom.formatting import Arguments, next_piece

REGISTERS, STACK = 0x1000, 0x2000


def rendered(form: str, *values: int, texts: dict[int, bytes] | None = None) -> str:
    """The text of a format string with these arguments, as `printf` would pass them."""
    words = {REGISTERS + 4 * (1 + index): value & 0xFFFFFFFF for index, value in enumerate(values[:5])}
    words |= {STACK + 32 + 4 * index: value & 0xFFFFFFFF for index, value in enumerate(values[5:])}
    arguments = Arguments(STACK, REGISTERS, 4, words.__getitem__)
    rest, out = form.encode(), b""
    while (piece := next_piece(rest, arguments, (texts or {}).__getitem__)) is not None:
        out += piece.text
        rest = rest[piece.used :]
    return out.decode()


@pytest.mark.parametrize(
    ("form", "values", "text"),
    [
        ("plain", (), "plain"),
        ("%d %i", (-5, 7), "-5 7"),
        ("%u", (-1,), "4294967295"),
        ("%x %X %p", (0xABC, 0xABC, 0x3FFE8000), "abc ABC 3ffe8000"),
        ("%o", (8,), "10"),
        ("%08x|%8x|%-8x|", (0x1F, 0x1F, 0x1F), "0000001f|      1f|1f      |"),
        ("%03d|%3d|%-3d|", (-5, 5, 5), "-05|  5|5  |"),
        ("%.3d", (5,), "005"),
        ("%*d", (4, 5), "   5"),
        ("%c%c", (65, 66), "AB"),
        ("100%%", (), "100%"),
        ("%ld %lu %hd", (1, 2, 3), "1 2 3"),
        ("%d", (-(2**31),), "-2147483648"),
        ("%k", (), "%k"),
        ("ends with %", (), "ends with "),
    ],
)
def test_conversions(form: str, values: tuple[int, ...], text: str) -> None:
    assert rendered(form, *values) == text


def test_texts() -> None:
    texts = {0x100: b"hello"}
    assert rendered("%s|%8s|%-8s|%.2s", 0x100, 0x100, 0x100, 0x100, texts=texts) == "hello|   hello|hello   |he"


def test_a_null_text_has_the_words_of_the_rom() -> None:
    assert rendered("%s", 0) == "<null>"


def test_arguments_go_on_on_the_stack() -> None:
    assert rendered("%d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7) == "1 2 3 4 5 6 7"
