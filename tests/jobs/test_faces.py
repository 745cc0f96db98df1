"""A job knows no face: neither doit nor words for people are loaded with any of them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.rooms import MODULES, SOURCES

JOBS = sorted(name for name in MODULES if name.startswith("flashpipe.jobs."))


def test_no_job_loads_doit_or_a_face() -> None:
    script = (
        f"import importlib, sys\nfor name in {JOBS!r}: importlib.import_module(name)\nprint(*sys.modules, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=SOURCES, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "doit" not in loaded
    assert [name for name in loaded if name.startswith(("flashpipe.text", "flashpipe.tasks", "flashpipe.cli"))] == []


@pytest.mark.parametrize("name", JOBS)
def test_no_job_names_doit_or_a_face_in_a_text_that_loads(name: str) -> None:
    source = MODULES[name].path.read_text("utf-8")
    loaded = re.findall(r"import_module\((.*?)\)", source)
    assert all(text.startswith('"flashpipe.sim.') for text in loaded), loaded
    assert "flashpipe.text" not in source
