"""The door of `flashpipe`: requests to stop that come before there is anything to stop, and too little memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")
PATIENCE_S = 60.0
SCRIPT = """
import os, sys
from flashpipe.cli import main
def load():
    {body}
main._commands = load
{setup}
sys.exit(main.main())
"""


def run(body: str, before: Callable[[], object] | None = None, setup: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.format(body=body, setup=setup)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=before,
    )


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_while_modules_are_being_loaded_is_calm(number: signal.Signals) -> None:
    done = run(f"os.kill(os.getpid(), {int(number)}); import time; time.sleep({PATIENCE_S})")
    assert done.returncode == 128 + number
    assert done.stderr == "stopped: nothing was being written\n"


@posix_only
@pytest.mark.parametrize(
    ("module", "status"), [("for _ in range(10 ** 6): pass", 130), ("import time; time.sleep(60)", 130)]
)
def test_no_request_is_lost_in_what_loads_a_module(tmp_path: Path, module: str, status: int) -> None:
    hushed = f"import os\ntry:\n    os.kill(os.getpid(), 2)\n    {module}\nexcept ValueError:\n    pass\n"
    lost = hushed.replace("ValueError", "BaseException") if "range" in module else hushed
    (tmp_path / "loaded.py").write_text(lost)
    begun = time.monotonic()
    done = run(f"sys.path.insert(0, {str(tmp_path)!r}); import loaded, time; time.sleep(1); raise SystemExit(7)")
    assert done.returncode == status
    assert done.stderr == "stopped: nothing was being written\n"
    assert time.monotonic() - begun < PATIENCE_S / 2


@posix_only
def test_what_was_set_to_be_ignored_stays_so() -> None:
    done = run("os.kill(os.getpid(), 1); raise SystemExit(7)", lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert (done.returncode, done.stderr) == (7, "")


@posix_only
def test_a_defect_is_not_called_a_lack_of_memory() -> None:
    done = run("raise ValueError('x')")
    assert done.returncode == 1
    assert "ValueError: x" in done.stderr


LITTLE = "import resource as r; r.setrlimit(r.RLIMIT_AS, (20_000_000, 20_000_000))"
NOT_EVEN_THE_LIMIT = """
class Finder:
    def find_spec(name, path, target=None):
        if name == "resource":
            raise {error}("failed to map segment from shared object")
sys.modules.pop("resource", None)
sys.meta_path.insert(0, Finder)
"""


@posix_only
@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize(
    "before",
    [LITTLE, NOT_EVEN_THE_LIMIT.format(error="ImportError"), NOT_EVEN_THE_LIMIT.format(error="MemoryError")],
    ids=["limit", "no room for a module", "no room at all"],
)
def test_too_little_memory_is_named_before_anything_is_loaded(before: str) -> None:
    done = run("os.write(1, b'loaded')", setup=before)
    assert (done.returncode, done.stdout) == (42, "")
    assert "[code: system-limit]" in done.stderr
    assert "Traceback" not in done.stderr


@posix_only
def test_memory_that_ends_while_modules_are_being_loaded_is_named() -> None:
    done = run("raise MemoryError")
    assert done.returncode == 42
    assert done.stderr.startswith("error:")
    assert "[code: system-limit]" in done.stderr
