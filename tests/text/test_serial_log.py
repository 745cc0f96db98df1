"""What a monitor shows, in a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from flashpipe.errors import BadValueError
from flashpipe.text.serial_log import Stamps, opened_log


def test_it_is_added_to_and_its_owners_alone(tmp_path: Path) -> None:
    for text in ("one\n", "wifi_password=two\n"):
        with opened_log(tmp_path, "x.log") as log:
            log(text)
    path = tmp_path / "x.log"
    assert path.read_text() == "one\nwifi_password=two\n"
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValueError), opened_log(tmp_path, "no/such/x.log"):
        pytest.fail("it was opened")


def test_each_line_has_one_stamp_however_it_comes() -> None:
    stamps = Stamps()
    text = "".join(map(stamps.put, ("on", "e\ntw", "o\n", "three")))
    assert [line.partition("] ")[2] for line in text.splitlines()] == ["one", "two", "three"]
