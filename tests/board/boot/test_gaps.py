from __future__ import annotations

from flashpipe.board.boot.gaps import Gap, with_gaps, without_gaps
from flashpipe.board.boot.pasted import clean
from flashpipe.board.boot.verdict import classify, own_words
from hypothesis import given
from hypothesis import strategies as st

LOG = " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\ncsum 0xd6\n"


@given(st.text("ab >\n\r\x85\u2028", max_size=20), st.dictionaries(st.integers(0, 6), st.integers(1, 999)))
def test_what_is_put_in_for_people_can_be_taken_out_again(log: str, sizes: dict[int, int]) -> None:
    gaps = [Gap(line, size) for line, size in sizes.items() if line <= log.count("\n")]
    assert without_gaps(with_gaps(log, gaps)) == log


def test_each_gap_stands_behind_its_line_however_they_are_ordered() -> None:
    marked = with_gaps("a\nb\nc\n", [Gap(2, 20), Gap(1, 10)])
    assert [line[-3:] for line in marked.splitlines()] == ["a", "10]", "b", "20]", "c"]


def test_a_gap_within_the_last_line_has_a_line_of_its_own() -> None:
    mark = with_gaps("", [Gap(0, 7)]).strip()
    assert with_gaps("a\n> b", [Gap(2, 7)]) == f"a\n> b\n{mark}\n"


def test_what_is_copied_from_a_terminal_is_judged_without_them() -> None:
    shown = with_gaps(LOG + "Fatal exception 0(IllegalInstructionCause):\n", [Gap(3, 870)])
    assert own_words(clean(shown)) == ""
    assert classify(clean(shown)).kind == "exception"
