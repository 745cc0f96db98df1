"""A slice of the attacks that `tests/bench/hostile.py` makes by the hundred."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of memory need POSIX")


@pytest.mark.parametrize(("kind", "count"), [("conversations", 8), ("files", 20), ("clocks", 4)])
def test_no_attack_ends_in_a_traceback_or_shows_a_secret(kind: str, count: int, tmp_path: Path, firmware: Path) -> None:
    shutil.copy(firmware, tmp_path / "fw.bin")
    (tmp_path / "x.lua").write_text("print(1)\n")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/bench/attacks.py"), kind, "1", str(count), str(tmp_path)],
        env={**os.environ, "FLASHPIPE_CORE": "none"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == count, done.stderr[-3000:]
    assert [one for one in told if one["wrong"]] == []
    assert 0 in {one["status"] for one in told}
