from __future__ import annotations

from collections.abc import Callable

import pytest
from flashpipe.errors import BadValueError
from flashpipe.flash import SIZE_BYTES, SIZE_CODES
from flashpipe.units import format_address, format_size, parse_address, parse_bool, parse_duration, parse_size
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4MB", 0x400000),
        ("512 KB", 0x80000),
        ("512k", 0x80000),
        ("1MiB", 0x100000),
        ("0x1000", 4096),
        ("4096", 4096),
        ("7b", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(f" {text.lower()} ") == size


@pytest.mark.parametrize("size", [name for name in SIZE_CODES if not name.endswith("-c1")])
def test_every_flash_size_reads_as_its_bytes(size: str) -> None:
    assert parse_size(size) == SIZE_BYTES[size]


@given(size=st.integers(0, 0x1000000))
def test_sizes_round_trip(size: int) -> None:
    assert parse_size(format_size(size).replace(",", "")) == size


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (486548, "486,548 B"), (0x80000, "512 KB"), (0x400000, "4 MB")])
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@given(address=st.integers(0, 0xFFFFFF))
def test_addresses_round_trip_at_one_width(address: int) -> None:
    text = format_address(address)
    assert len(text) == 8
    assert parse_address(text) == parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60.0),
        ("500ms", 0.5),
        ("2m", 120.0),
        ("2 min", 120.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("60", 60.0),
        ("1.5", 1.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["1", "yes", "TRUE", "on", " y "])
def test_yes(text: str) -> None:
    assert parse_bool(text) is True


@pytest.mark.parametrize("text", ["0", "no", "False", "off", "n", ""])
def test_no(text: str) -> None:
    assert parse_bool(text) is False


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_size, ""),
        (parse_size, "4GB"),
        (parse_size, "-1"),
        (parse_size, "4.5MB"),
        (parse_size, "0xZZ"),
        (parse_address, ""),
        (parse_address, "-1"),
        (parse_address, "10000h"),
        (parse_address, "0x"),
        (parse_address, "1_000"),
        (parse_address, "+5"),
        (parse_duration, "soon"),
        (parse_duration, "-1s"),
        (parse_duration, "1w"),
        (parse_bool, "maybe"),
        (parse_bool, "2"),
    ],
)
def test_what_cannot_be_read_is_named_with_an_example(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse(text)
    assert repr(text) in caught.value.message
    assert caught.value.hint


@given(text=st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_size, parse_address, parse_duration, parse_bool):
        try:
            value = parse(text)
        except BadValueError:
            continue
        assert value >= 0


@pytest.mark.parametrize("read", [parse_size, parse_address, parse_duration])
@pytest.mark.parametrize("text", ["9" * 5000, "0x" + "f" * 5000, "9" * 5000 + "MB"])
def test_no_number_is_as_long_as_that(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(BadValueError):
        read(text)
