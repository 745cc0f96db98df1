from __future__ import annotations

from typing import Any

import pytest
from flashpipe.firmware.content_type import (
    describe_content,
    excerpt,
    foreign_content,
    has_crlf_damage,
    in_words,
    looks_headerless,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "empty file"),
        (b"\xff" * 4096, "blank"),
        (bytes(4096), "blank"),
        (b"<html><body>", "HTML page"),
        (b"\n  <!DOCTYPE HTML>\n<head>", "HTML page"),
        (b"\xef\xbb\xbf<html>", "HTML page"),
        (b"<!-- saved page --><html>", "HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML document"),
        (b'{"message": "Not Found"}', "JSON"),
        (b'[\n  {"a": 1', "JSON"),
        (b"PK\x03\x04rest", "ZIP archive"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"\x7fELF\x01", "ELF"),
        (bytes(257) + b"ustar" + bytes(10), "tar archive"),
        (b":10000000E9030240106010400000104000000000F5\r\n", "Intel HEX file"),
        (b"S00600004844521B\n", "Motorola S-record file"),
        (b"some words\n", "text"),
        ("Grüße aus dem Netz\n".encode(), "text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (bytes.fromhex("05000402") + bytes(124), "SDK init data"),
        (b"\xea\x04\x00\x00", "0xEA image"),
        (b"\x00\x01\x02\x03", "unknown data"),
    ],
)
def test_content_is_named(data: bytes, name: str) -> None:
    assert describe_content(data) == name


def test_firmware_is_named(build: Any) -> None:
    assert describe_content(build.boot()) == "ESP8266 image"
    assert describe_content(build.newer_chip(0, 0x3FFF0030)) == "ESP32 image"
    assert describe_content(build.newer_chip(5, 0x3FCD5820)) == "ESP32-C3 image"
    assert describe_content(build.pair_3x()[1]) == "NodeMCU IROM part (0x10000.bin)"
    assert describe_content(build.code(banner=b"")) == "ESP8266 code without a header"
    assert describe_content((bytes(range(256)) * 32).replace(b"\n", b"\r\n")) == "binary file with CR-LF damage"


def test_long_text_cut_inside_a_character_is_still_text() -> None:
    assert describe_content(b"a" * 4095 + "ü".encode() * 10) == "text"


def test_firmware_is_not_foreign(build: Any) -> None:
    for data in (build.boot(), *build.pair_2x(), *build.pair_3x(), b"\xff" * 4096, build.sketch()):
        assert foreign_content(data) is None


def test_text_around_line_ends_is_no_damage() -> None:
    assert not has_crlf_damage(b"line\r\n" * 50)
    assert not has_crlf_damage(b"\x01\r\n\x02" * 3)
    assert has_crlf_damage(b"\x01\r\n\x02" * 50)


def test_code_is_told_from_other_bytes(build: Any) -> None:
    assert looks_headerless(build.code(banner=b""))
    assert not looks_headerless(bytes(range(256)) * 64)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<html><title> 404 Not Found </title>", "404 Not Found"),
        (b"\n\nNot Found\nmore", "Not Found"),
        (b"x" * 100, "x" * 57 + "..."),
        (b"", ""),
        (b"\x1b[31mred", "[31mred"),
    ],
)
def test_excerpt_is_one_printable_line(data: bytes, said: str) -> None:
    assert excerpt(data) == said


@given(data=st.binary(max_size=600))
def test_every_file_has_a_name(data: bytes) -> None:
    assert describe_content(data)
    assert excerpt(data).isprintable()
    assert looks_headerless(data) in (True, False)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("HTML page", "an HTML page"),
        ("Intel HEX file", "an Intel HEX file"),
        ("ZIP archive", "a ZIP archive"),
        ("ESP32 image", "an ESP32 image"),
        ("unknown data", "unknown data"),
    ],
)
def test_a_name_fits_into_a_sentence(what: str, words: str) -> None:
    assert in_words(what) == words
