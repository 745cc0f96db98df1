"""Locks that are files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flashpipe.errors import FetchBusyError
from flashpipe.locks import exclusive


@pytest.mark.skipif(os.name != "posix", reason="pipes and links of POSIX")
@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/nowhere/at/all"), lambda path: path.symlink_to("/dev/zero")],
)
def test_what_is_no_file_in_the_place_of_a_lock_keeps_nobody_from_it(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "a.lock"
    make(path)
    with exclusive(path, "it", 0.0), pytest.raises(FetchBusyError), exclusive(path, "it", 0.0):
        pass
    with exclusive(path, "it", 0.0):
        pass
