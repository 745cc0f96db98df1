"""What a Lua program prints: whole lines as they come, whatever the pieces, and no more kept than a bound."""

from __future__ import annotations

import itertools

import pytest
from flashpipe.board.lua import program_output
from flashpipe.board.lua.program_output import ProgramOutput
from hypothesis import given
from hypothesis import strategies as st


def fed(pieces: list[str]) -> tuple[ProgramOutput, list[str]]:
    shown: list[str] = []
    output = ProgramOutput(7, shown.append)
    for piece in pieces:
        output.add(piece)
    output.close()
    return output, shown


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(ends)]


@given(st.lists(st.integers(0, 200), max_size=30), st.sampled_from(["", "late\n=#x\n", "> late\n"]))
def test_pieces_change_nothing(places: list[int], late: str) -> None:
    said = f"echo =#7\n=#7:\none\n=#8+no#=\n=# two\nthree=#7-t.lua:3: oops\nmore#=\n> {late}"
    output, shown = fed(cut(said, places))
    assert output.text == "".join(shown) == f"one\n=#8+no#=\n=# two\nthree{late}"
    assert (output.begun, output.ended, output.error) == (True, True, "t.lua:3: oops\nmore")
    assert output.before == "echo =#7\n"
    assert all(piece.endswith("\n") for piece in shown[:-1])


def test_what_is_printed_before_the_beginning_is_nothing() -> None:
    output, shown = fed(["stdin:1: oops\n", "> "])
    assert (output.text, shown, output.before) == ("", [], "stdin:1: oops\n> ")


@pytest.mark.parametrize("endless", ["a line\n", "no line", "=#7+", "=#7-x=#7:\n"])
def test_what_is_kept_has_a_bound(endless: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_output, "KEPT", 1000)
    shown: list[int] = []
    output = ProgramOutput(7, lambda text: shown.append(len(text)))
    output.add("=#7:\n")
    for _ in range(2000):
        output.add(endless)
        assert len(output.text) <= 1000
    output.close()
    assert sum(shown) == 2000 * len(endless)
    assert not output.ended


def test_what_is_kept_begins_with_a_whole_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_output, "KEPT", 10)
    output, _ = fed(["=#7:\n", "T=135.5\nT=2\n", "T=3\nT=45"])
    assert output.text == "T=3\nT=45"
    assert fed(["=#7:\nT=1\n", "a\n12345678\n"])[0].text == "12345678\n"
    assert fed(["=#7:\nT=1\n", "123456789\n"])[0].text == "123456789\n"


@given(st.lists(st.integers(0, 200), max_size=20))
def test_a_panic_is_the_error_of_the_program(places: list[int]) -> None:
    panic = "PANIC: unprotected error in call to Lua API (not enough memory)\n"
    output, _ = fed(cut(f"=#7:\none\n{panic}not enough memory\n> ", places))
    assert (output.ended, output.error) == (False, "not enough memory")
    assert output.text.startswith(f"one\n{panic}")


def test_a_program_that_prints_of_a_panic_has_not_failed() -> None:
    output, _ = fed(["=#7:\nno PANIC: unprotected error in call to Lua API (x)\nPANIC: none\n=#7+nil#=\n> "])
    assert (output.ended, output.error) == (True, "")
