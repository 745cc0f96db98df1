"""A system without pty, termios and fcntl (Windows) can import everything, read every profile and make a plan.

The modules are blocked in a fresh interpreter: whatever imports one of them while loading fails there. What this cannot
show is how the rest behaves on Windows itself.
"""

from __future__ import annotations

import functools
import operator
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "pipeline"
POSIX_ONLY = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")

BLOCK = f"""
import multiprocessing.reduction  # the standard library is that of this system
import subprocess
import sys
import types
import asyncio, uvicorn  # likewise, and uvicorn by what this Python has of signals
import serial  # brings a half of its own for Windows, chosen by os.name; here the other one loads before the block

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in {POSIX_ONLY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked)", name=name)

for name in {POSIX_ONLY!r}:
    sys.modules.pop(name, None)
sys.platform = "win32"  # the adapters ask this, as the type checker does
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, LK_UNLCK=0, locking=lambda *_: None)
sys.meta_path.insert(0, Blocked())
"""


def run(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{BLOCK}\nsys.path.insert(0, {str(SOURCES)!r})\n{script}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )


def module_names() -> list[str]:
    files = [path.relative_to(SOURCES).with_suffix("").parts for path in sorted(SOURCES.rglob("*.py"))]
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in files if parts[-1] != "__main__"]


@pytest.mark.parametrize("name", POSIX_ONLY)
def test_the_block_works(name: str, tmp_path: Path) -> None:
    done = run(f"import {name}", tmp_path)
    assert done.returncode == 1
    assert "(blocked)" in done.stderr


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    done = run(
        "import importlib, traceback\n"
        f"for name in {module_names()!r}:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except Exception:\n"
        "        print(f'--- {name}', traceback.format_exc(limit=-2), sep='\\n')",
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def boot_image() -> bytes:
    """The smallest thing the ROM would start: one segment of 16 bytes (facts: image-flashmap §4.1)."""
    code = bytes(range(16))
    body = struct.pack("<BBBBIII", 0xE9, 1, 2, 0x20, 0x40100000, 0x40100000, len(code)) + code
    checksum = functools.reduce(operator.xor, code, 0xEF)
    return body.ljust(len(body) // 16 * 16 + 15, b"\0") + bytes((checksum,))


def test_every_shipped_profile_can_be_read_and_planned(tmp_path: Path) -> None:
    (tmp_path / "tiny.bin").write_bytes(boot_image())
    done = run(
        "from pathlib import Path\n"
        "from flashpipe.sources.resolve import load_source\n"
        "from flashpipe.flash import FlashSettings\n"
        "from flashpipe.plan.make import make_plan\n"
        "from flashpipe.profile.load import available_profiles, load_profile\n"
        "image = load_source('tiny.bin', Path())\n"
        "for entry in available_profiles(Path()):\n"
        "    profile = load_profile(entry.name, Path())\n"
        "    settings = FlashSettings(profile.flash_mode, profile.flash_size, profile.flash_frequency)\n"
        "    print(make_plan(profile.name, profile.chip, settings, {0: image}).segments[0].region)",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["0x000000..0x001000"] * len(list((ROOT / "profiles").glob("*.yaml")))
