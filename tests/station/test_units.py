"""Units: each row has one board, whatever is killed and whoever shares the file; damage is said in one line."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from flashpipe.errors import BadValueError, UnitsError, UnitsUsedUpError
from flashpipe.masking import mask
from flashpipe.station.serial_rule import SerialRule
from flashpipe.station.unit_file import read_unit_file
from flashpipe.station.units import Units, read_claims

GOOD = """serial,room,mac,token:secret
A1,kitchen,,tok-abcdef
A2,hall,5C-CF-7F-00-00-02,tok-ghijkl
A3,attic,,tok-mnopqr
"""


def mac(number: int) -> str:
    return f"5c:cf:7f:00:00:{number:02x}"


@pytest.fixture
def units(tmp_path: Path) -> Units:
    (tmp_path / "units.csv").write_text(GOOD)
    return Units(read_unit_file(tmp_path / "units.csv"), batch="one")


def test_a_board_gets_the_next_row_or_its_own_and_never_that_of_another(units: Units) -> None:
    assert units.claim(mac(2)).key == "A2"
    assert units.claim(mac(1)).values == {"serial": "A1", "room": "kitchen", "mac": "", "token": "tok-abcdef"}
    assert units.claim(mac(1)).key == "A1"
    assert units.claim(mac(3)).key == "A3"
    with pytest.raises(UnitsUsedUpError):
        units.claim(mac(4))


def test_rows_that_are_added_are_seen_when_they_are_needed(units: Units, tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    assert [units.claim(mac(number)).key for number in (1, 2, 3)] == ["A1", "A2", "A3"]
    path.write_text(f"{GOOD}A4,cellar,,tok-stuvwx\n")
    assert units.claim(mac(4)).key == "A4"
    path.write_text(path.read_text().replace("room", "hall"))
    with pytest.raises(UnitsError, match="columns"):
        units.claim(mac(5))


def test_a_row_for_a_certain_board_waits_for_it(units: Units) -> None:
    assert [units.claim(mac(number)).key for number in (1, 3)] == ["A1", "A3"]
    with pytest.raises(UnitsUsedUpError):
        units.claim(mac(4))
    assert units.claim(mac(2)).key == "A2"


def test_a_failed_board_gives_its_row_back_and_gets_it_again_while_it_is_free(units: Units) -> None:
    units.claim(mac(1))
    assert units.failed(mac(1), touched=False).is_free
    assert units.failed(mac(1), touched=False).key == ""
    assert units.claim(mac(1)).key == "A1"
    units.failed(mac(1), touched=False)
    assert units.claim(mac(3)).key == "A1"
    assert units.claim(mac(1)).key == "A3"


def test_a_row_that_may_stand_on_a_board_already_stays_with_it(units: Units, tmp_path: Path) -> None:
    units.claim(mac(1))
    assert units.failed(mac(1), touched=True).fate == "touched"
    keeps = Units(read_unit_file(tmp_path / "units.csv"), batch="one", keeps=True)
    assert keeps.failed(mac(1), touched=False).fate == "kept"
    assert units.claim(mac(3)).key == "A3"


def test_a_row_of_an_earlier_try_stays_for_that_try_was_good_or_killed(units: Units, tmp_path: Path) -> None:
    units.claim(mac(1))
    units.claim(mac(1))
    assert units.failed(mac(1), touched=False).fate == "earlier"
    after_a_kill = Units(read_unit_file(tmp_path / "units.csv"), batch="one")
    assert after_a_kill.claim(mac(1)).key == "A1"
    assert not after_a_kill.failed(mac(1), touched=False).is_free
    assert after_a_kill.claim(mac(3)).key == "A3"


def test_secret_columns_are_shown_to_nobody_while_their_board_is_there(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("serial,token:secret,wifi_password\nA1,only-here-1,only-here-2\n")
    unit = Units(read_unit_file(tmp_path / "u.csv"), batch="one").claim(mac(1))
    assert unit.shown == {"serial": "A1", "token": "***", "wifi_password": "***"}
    assert mask("it prints only-here-1 and only-here-2") == "it prints *** and ***"
    unit.forget_secrets()
    assert mask("it prints only-here-1") == "it prints only-here-1", "a thousand of them would make each line slow"


def test_a_torn_claim_was_not_made(units: Units) -> None:
    units.claim(mac(1))
    with units.source.claims.open("ab") as stream:
        stream.write(b'{"what":"claim","mac":"5c:cf:7f:00:00:03","key":"A3"')
    assert set(read_claims(units.source.claims).taken) == {"A1"}
    assert units.claim(mac(4)).key == "A3"


def _claim_many(path: Path, first: int) -> None:
    shared = Units(read_unit_file(path), batch=str(first))
    for number in range(first, first + 15):
        shared.claim(mac(number))


def test_several_stations_share_one_file_and_no_row_is_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text("serial\n" + "".join(f"S{number:03d}\n" for number in range(30)))
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_claim_many, args=(path, first)) for first in (0, 100)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    claims = read_claims(path.with_name("units.csv.claims"))
    assert (len(claims.taken), len(claims.of)) == (30, 30)


def test_a_board_whose_line_was_taken_out_of_the_list_gets_no_other_one(units: Units, tmp_path: Path) -> None:
    key, path = units.claim(mac(1)).key, tmp_path / "units.csv"
    whole = path.read_text()
    path.write_text("".join(line for line in whole.splitlines(keepends=True) if not line.startswith(key)))
    later = Units(read_unit_file(path), batch="two", called="units.csv")
    with pytest.raises(UnitsError, match=f"has unit {key}, which is not in the list any more"):
        later.claim(mac(1))
    path.write_text(whole)
    assert later.claim(mac(1)).key == key, "the list is read again"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"serial\n", "no units"),
        (b"\xef\xbb\xbfserial\nA1\n", "byte order mark"),
        (b"serial;room\nA1;hall\n", "semicolons"),
        (b"serial\troom\nA1\thall\n", "tabulators"),
        (b"serial,room\nA1\n", "1 cells"),
        (b"serial,room\nA1,hall\nA1,attic\n", "stands in line 2 already"),
        (b"serial,mac\nA1,5c:cf:7f:00:00:01\nA2,5C-CF-7F-00-00-01\n", "already"),
        (b"serial,mac\nA1,5c:cf\n", "is none"),
        (b"serial,serial\nA1,A2\n", "is there twice"),
        (b"my serial\nA1\n", "no name of a column"),
        (b"chipid\nA1\n", "chipid is a field of every label"),
        (b"serial,batch\nA1,LOT7\n", "batch is a field of every label"),
        (b"serial,qr:text\nA1,x\n", "qr is a field of every label"),
        (b"serial,room\rA1,x\r", "line end of an old Mac"),
        (b"serial,room\nA1,x\rA2,y\n", "line end of an old Mac"),
        (b"serial,room\nA1,\n", "room is empty"),
        (b"serial\n00099\n100\n", "leading zeros"),
        (b"serial,n\nA1,4.56E+11\n", "a spreadsheet has changed it"),
        (b"serial,n\nA1,#REF!\n", "a spreadsheet has changed it"),
        (b'serial,room\nA1,"hall\n', "unexpected end"),
        (b"serial\n\xe4\n", "is not UTF-8"),
        (b"PK\x03\x04xl", "is a spreadsheet"),
        (b"serial,token:secret\nA1,abc\n", "could not be hidden"),
        (b"serial,room\nA1,\x1b[2J\n", "cannot be printed"),
    ],
)
def test_damage_is_named_in_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "units.csv"
    path.write_bytes(data)
    with pytest.raises(UnitsError, match=words) as caught:
        read_unit_file(path)
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_numbers_of_different_lengths_may_be_meant(tmp_path: Path) -> None:
    path = tmp_path / "units.csv"
    path.write_text("n:text\n99\n100\n")
    assert read_unit_file(path).columns == ("n",)
    path.write_text("n,room\n00099,a\n00100,b\n")
    assert len(read_unit_file(path)) == 2


def test_serial_numbers_follow_their_rule_and_go_on(tmp_path: Path) -> None:
    today = time.strptime("2026-12-01", "%Y-%m-%d")
    rule = SerialRule("SN{year}{n:05}", tmp_path / "numbers", today)
    units = Units(rule, batch="one")
    assert [units.claim(mac(number)).key for number in (2, 1, 2)] == ["SN202600001", "SN202600002", "SN202600001"]
    units.failed(mac(1), touched=False)
    assert units.claim(mac(3)).key == "SN202600002"
    later = Units(SerialRule("SN{year}{n:05}", tmp_path / "numbers", time.strptime("2027", "%Y")), batch="two")
    assert later.claim(mac(4)).key == "SN202700001"
    assert later.claim(mac(2)).key == "SN202600001"
    other = Units(SerialRule("X{n}", tmp_path / "numbers", today), batch="three")
    assert [other.claim(mac(number)).key for number in (2, 2, 5)] == ["X1", "X1", "X2"]


@pytest.mark.parametrize("rule", ["SN", "{n}{n}", "{x}{n}", "{n:>5}", "{n!r}", "{", "{n:099}", "{year:5}{n}", "a\n{n}"])
def test_a_rule_that_is_none_is_refused(tmp_path: Path, rule: str) -> None:
    with pytest.raises(BadValueError):
        SerialRule(rule, tmp_path / "numbers")
