"""`boards:` names boards that can exist: a typing mistake that no board has would lock every board out."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.errors import ProfileError
from flashpipe.profile.load import load_profile


def boards(folder: Path, *macs: str) -> tuple[str, ...]:
    (folder / "mine.yaml").write_text("extends: esp12\nboards: [{}]\n".format(", ".join(f'"{mac}"' for mac in macs)))
    return load_profile("mine", folder).boards


@pytest.mark.parametrize(
    ("mac", "why"),
    [
        ("01:cf:7f:00:00:01", "the lowest bit of the first byte: many boards at once"),
        ("ff:ff:ff:ff:ff:ff", "all boards at once"),
        ("00:00:00:00:00:00", "no board"),
        ("5c:cf:7f:00:00", "a byte is missing"),
        ("5c:cf:7f:00:00:01:02", "a byte too many"),
        ("5g:cf:7f:00:00:01", "no hex digit"),
    ],
)
def test_a_mac_that_no_board_has_is_refused(tmp_path: Path, mac: str, why: str) -> None:
    with pytest.raises(ProfileError, match=r"boards.*5c:cf:7f:d7:1c:89"):
        boards(tmp_path, mac)
    assert why


def test_however_they_are_written_they_are_compared_in_one_form(tmp_path: Path) -> None:
    same = boards(tmp_path, "5C-CF-7F-00-00-02", "5ccf7f000002", "02:cf:7f:00:00:03")
    assert same == ("02:cf:7f:00:00:03", "5c:cf:7f:00:00:02")
