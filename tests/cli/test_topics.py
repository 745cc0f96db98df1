"""The pages of `flashpipe help TOPIC`: they name everything that the code knows, and say what it does."""

from __future__ import annotations

import pytest
from flashpipe import reset_mode
from flashpipe.board.boot.expectations import accepts
from flashpipe.board.boot.kinds import ALIVE, ERRORS, FAILED, Verdict
from flashpipe.cli.topics import TOPICS, Table, code_text, every_error
from flashpipe.errors import all_codes
from flashpipe.firmware.overrides import ALLOWABLE
from flashpipe.jobs.variables import KNOWN, TABLE
from flashpipe.plan.keep import BOARDS
from flashpipe.profile.key_texts import KEY_TEXTS
from flashpipe.profile.keys import CHECKS, WANT


def rows(topic: str) -> dict[str, tuple[str, ...]]:
    """Rows of the first table of a topic, without backquotes, by their first cell that is a name."""
    (table, *_) = (block for block in TOPICS[topic].make() if isinstance(block, Table))
    plain = [tuple(cell.replace("`", "") for cell in row) for row in table.rows]
    return {row[1] if topic == "codes" else row[0]: row for row in plain}


def test_every_failure_stands_in_the_table_of_codes() -> None:
    boots = {error.code for error in ERRORS.values()}
    assert set(rows("codes")) == (all_codes() | boots) - {"pipeline"}
    for kind in every_error():
        assert kind.remedy, f"{kind.__name__} does not say what to do"
        status, code, allow, remedy = rows("codes")[kind.code]
        assert (status, code, remedy) == (str(kind.status), kind.code, kind.remedy.replace("`", ""))
        assert allow == ("yes" if code in ALLOWABLE else "")


def test_the_codes_are_sorted_by_exit_status() -> None:
    statuses = [int(row[0]) for row in rows("codes").values()]
    assert statuses == sorted(statuses)


def test_every_variable_stands_in_the_table_of_variables() -> None:
    assert list(rows("variables")) == list(KNOWN)
    for row in TABLE:
        assert row.environment in rows("variables")[row.name][1]
        assert all(task in rows("variables")[row.name][1] for task in row.tasks)


def test_every_key_of_a_profile_is_explained() -> None:
    assert list(rows("keys")) == list(CHECKS)
    assert set(KEY_TEXTS) == set(CHECKS)


def test_every_kind_of_board_stands_in_the_table_of_what_is_kept() -> None:
    assert list(rows("keep")) == list(BOARDS.values())


@pytest.mark.parametrize("kind", [*ALIVE, *FAILED])
def test_each_row_of_the_verdicts_is_true(kind: str) -> None:
    _, passes, meaning = rows("verdicts")[kind]
    nodemcu, anything, text = (word in passes.split(", ") for word in ("nodemcu", "any", "a text"))
    assert meaning.startswith({**ALIVE, **FAILED}[kind])
    verdict = Verdict(kind, "", log="sensor ready")
    for is_nodemcu in (True, False):
        assert accepts("nodemcu", verdict, image_is_nodemcu=is_nodemcu) is nodemcu
        assert accepts("any", verdict, image_is_nodemcu=is_nodemcu) is anything
        assert accepts("sensor ready", verdict, image_is_nodemcu=is_nodemcu) is text
        assert not accepts("something else", verdict, image_is_nodemcu=is_nodemcu)
    assert accepts("auto", verdict, image_is_nodemcu=True) is nodemcu
    assert accepts("auto", verdict, image_is_nodemcu=False) is anything


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_reads_well_on_a_terminal_and_as_markdown(topic: str) -> None:
    assert max(map(len, TOPICS[topic].plain().splitlines())) <= 79
    assert TOPICS[topic].title not in TOPICS[topic].markdown()


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert Table(("a",), (("x|y",),)).markdown().splitlines()[-1] == "| x\\|y |"


def test_a_code_is_explained_by_itself() -> None:
    assert "exit status 3" in code_text("not-confirmed")
    assert code_text("no-such-code") == ""


@pytest.mark.parametrize("word", reset_mode.WORDS)
def test_every_way_to_reset_a_board_is_explained(word: str) -> None:
    assert word in WANT["serial.reset"]
    tables = [block for block in TOPICS["port"].make() if isinstance(block, Table)]
    assert f"`{word}`" in {row[0] for row in tables[1].rows}
