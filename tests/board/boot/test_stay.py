"""What can be believed of what came at one rate."""

from __future__ import annotations

import random

from flashpipe.board.boot.stay import Stay

NOISE = random.Random(1)
BAD = bytes(byte | 0x80 for byte in NOISE.randbytes(200))


def stay(*pieces: bytes, gap_s: float = 0.1, knocks: int = 0) -> Stay:
    made = Stay(115200, 0.0, 0.0, knocks=knocks)
    for number, piece in enumerate(pieces):
        made.feed(piece, (number + 1) * gap_s)
    return made


def test_a_line_in_noise_is_none() -> None:
    line = b"\r\nthe sensor is ready\r\n"
    assert "sensor" in stay(BAD + line).text(), "it may be the first"
    assert "sensor" not in stay(BAD + line + BAD).text()


def test_text_behind_the_garbage_of_another_rate_is_believed() -> None:
    assert stay(BAD, b"\r\n> ").text() == "\n> "
    assert "temperature 21.5\n" in stay(BAD, BAD, b"temperature 21.5\r\n").text()


def test_what_is_known_by_heart_is_believed_in_noise_too() -> None:
    words = b"\n\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\nload 0x40100000, len 4, room 16 \ncsum 0xd6\n\n\n"
    text = stay(words, BAD, BAD).text()
    assert "rst cause:2" in text
    assert "csum 0xd6" in text


def test_noise_that_comes_byte_by_byte_is_noise() -> None:
    made = stay(*(bytes([byte]) for byte in NOISE.randbytes(240)))
    assert len("".join(made.text().split())) < 12


def test_text_that_comes_byte_by_byte_is_text() -> None:
    assert stay(*(bytes([byte]) for byte in b"hello world\n")).text() == "hello world\n"


def test_a_rate_that_is_left_for_its_noise_leaves_no_words_of_its_own() -> None:
    made = stay(b"hello\nets_main.c \n")
    assert made.last_text() == made.text()
    made.noise_s = 1.0
    assert made.last_text() == "ets_main.c \n"


def test_prompts_that_nobody_asked_for_are_none() -> None:
    assert stay(b"> \n" * 9).text().strip() == ""
    assert stay(b"> \n" * 9, knocks=6).text().startswith("> ")
