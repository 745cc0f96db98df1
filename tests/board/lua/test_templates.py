from __future__ import annotations

import pytest
from flashpipe.board.lua.templates import lua_string, names_in, of_board, render
from flashpipe.errors import TemplateError
from hypothesis import given
from hypothesis import strategies as st


def test_names_become_lua_strings_and_a_double_at_one() -> None:
    text = b'name = @room@\nmail = "a@@b"\nprint(@room@..@mac@)\n'
    assert names_in(text, "t") == {"room": 1, "mac": 3}
    assert render(text, {"room": 'the "hall"', "mac": "5c:cf:7f:d7:1c:89"}, "t") == (
        b'name = "the \\034hall\\034"\nmail = "a@b"\nprint("the \\034hall\\034".."5c:cf:7f:d7:1c:89")\n'
    )


def test_braces_are_lua() -> None:
    text = b"local t = {{a}, ${b}, {{c}}, %d}\r\n"
    assert render(text, {}, "t") == text


@pytest.mark.parametrize(
    ("text", "place"), [(b"a\nb @ c", "t:2"), (b"@1x@", "t:1"), (b"\n\n@", "t:3"), (b"@a b@", "t:1"), (b"@@@", "t:1")]
)
def test_a_lone_at_is_refused_with_its_line(text: bytes, place: str) -> None:
    for function in (names_in, lambda data, name: render(data, {"a": ""}, name)):
        with pytest.raises(TemplateError) as caught:
            function(text, "t")
        assert caught.value.message.startswith(place)


def test_a_name_without_value_is_refused_with_its_line() -> None:
    with pytest.raises(TemplateError, match=r"init\.lua:2: nothing has a value for @who@"):
        render(b"\n@who@", {"what": "x"}, "init.lua")


def test_what_a_board_has() -> None:
    assert of_board("5c:cf:7f:d7:1c:89") == {"mac": "5c:cf:7f:d7:1c:89", "chipid": str(0xD71C89)}


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_string_is_one_line_of_ascii_that_closes_only_at_its_end(text: str) -> None:
    quoted = lua_string(text)
    assert quoted.isascii()
    assert quoted.decode("ascii").isprintable()
    inside = quoted[1:-1]
    assert quoted[:1] == quoted[-1:] == b'"'
    assert b'"' not in inside
    read, at = bytearray(), 0
    while at < len(inside):
        if inside[at : at + 1] == b"\\":
            read.append(int(inside[at + 1 : at + 4]))
            at += 4
        else:
            read.append(inside[at])
            at += 1
    assert read.decode() == text
