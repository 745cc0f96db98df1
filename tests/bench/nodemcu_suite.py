"""Run NodeMCU's own test suite on an executed NodeMCU.

    python tests/bench/nodemcu_suite.py REPOSITORY LUAC [IMAGE] [--tests file,tmr] [--core c|python]

REPOSITORY is a clone of github.com/nodemcu/nodemcu-firmware, bare or not; of it `tests/NTest/NTest.lua` and
`tests/NTest_*.lua` are sent to the board, as HEAD has them. LUAC is its `luac.cross` for Lua 5.1 (`make -C
app/lua/luac_cross LUA=51 SDK_DIR=.`): NTest is too large to be compiled beside a firmware without LFS, as its README
says. IMAGE is a NodeMCU 3.x, by default the one in the folder of real images (FLASHPIPE_IMAGES). Tests of what is wired
to the authors' boards fail here as on any bare module; those of modules that the image does not have cannot begin.
Where the image is older than `node.setonerror`, a function that does nothing stands in for it.

Prints a line for each test that fails, and a table; 1 where one fails that needs no wires and is not known to.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flashpipe.board.boot.watch import boot_check
from flashpipe.board.lua.console import Console, find_console
from flashpipe.board.lua.files import BoardFiles, LuaFile
from flashpipe.board.session.session import Session
from flashpipe.errors import PipelineError
from flashpipe.sim.simulation import build_flash

IMAGE: Final = "nodemcu-3.0-cloud-float.bin"
FIND_S: Final = 60.0
LIMIT_S: Final = 120.0
"""Board time that one file of tests may take."""
MODULES: Final = {
    "adc_env": "adc i2c", "file": "file", "gpio_env": "gpio i2c", "lcd_i2c4bit": "i2c", "lua": "",
    "pixbuf": "pixbuf", "tmr": "tmr", "ws2812": "ws2812", "ws2812_effects": "ws2812_effects",
}  # fmt: skip
"""What each file of tests needs of the image."""
WIRED: Final = frozenset({"adc_env", "gpio_env", "lcd_i2c4bit"})
"""Need a port expander on I2C (tests/README.md, Peripherals)."""
LINE: Final = re.compile(r"^(?P<sign> ==> )? *(?P<word>pass|fail|except) (?P<test>[^:]*): (?P<why>.*)$", re.MULTILINE)


LACKS: Final = "the image has no module"
KNOWN: Final = {
    ("file", "read 7*128 bytes"): "nodemcu-firmware#3280, mended after the image was built",
    ("file", "read 9*128 bytes"): "nodemcu-firmware#3280, mended after the image was built",
    ("lua", "typeerror"): "nodemcu-firmware#3357, mended after the image was built",
}
"""Faults of the default image itself: an executed board has them as every other."""
STAND_IN: Final = "if not node.setonerror then node=setmetatable({setonerror=function()end},{__index=node})end"


@dataclass
class Result:
    """What came of one file of tests."""

    passed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    ended: bool = False
    note: str = ""


def contents(repository: Path, name: str) -> bytes:
    """One file of the repository."""
    done = subprocess.run(["git", "-C", repository, "show", f"HEAD:tests/{name}"], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode("utf-8", "replace"))
    return done.stdout


def compiled(luac: Path, name: str, source: bytes) -> LuaFile:
    """A file as the board shall hold it, without the numbers of its lines."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder) / "source.lua"
        at.write_bytes(source)
        subprocess.run([luac, "-s", "-o", at.with_suffix(".lc"), at], check=True)
        return LuaFile(name, at.with_suffix(".lc").read_bytes())


def run_file(session: Session, console: Console, file: LuaFile) -> Result:
    """Send a file of tests and run it."""
    files = BoardFiles(console)
    files.send([file], files.names())
    result = Result()
    console.lines(STAND_IN)
    try:
        ran = console.run(
            'dofile("case.lc")', LIMIT_S, until=lambda text: "######## finished" in text, linger_s=LIMIT_S
        )
    except PipelineError as error:
        result.note = error.message
        return result
    for line in LINE.finditer(ran.output):
        if line["word"] == "pass":
            result.passed += 1
        else:
            result.failed.append((line["test"], line["why"]))
    result.ended, result.note = "######## finished" in ran.output, ran.error
    session.send(b"\r")
    return result


def restarted(session: Session) -> Console:
    """The prompt behind a reset: each file of tests begins with all memory that there is."""
    boot_check(session, timeout_s=FIND_S, patient=True)
    return find_console(session, session.rate, limit_s=FIND_S)


def run_suite(repository: Path, luac: Path, image: Path, names: list[str]) -> dict[str, Result]:
    """Every file of tests on one board."""
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLASHPIPE_STATE"] = folder
        cells = Path(folder) / "cells"
        cells.write_bytes(build_flash({0: image.read_bytes()}, 4 * 1024 * 1024))
        with closing(Session(f"sim://esp12?wiring=devkit&flash={cells}")) as session:
            console = restarted(session)
            files = BoardFiles(console)
            files.send([compiled(luac, "NTest.lc", contents(repository, "NTest/NTest.lua"))], files.names())
            for name in names:
                console = restarted(session)
                lacks = [word for word in MODULES.get(name, "").split() if console.ask(f"type({word})") == "nil"]
                if lacks:
                    results[name] = Result(note=f"{LACKS} {', '.join(lacks)}")
                else:
                    case = compiled(luac, "case.lc", contents(repository, f"NTest_{name}.lua"))
                    results[name] = run_file(session, console, case)
    return results


def main() -> int:
    """Print what failed, and a table; 1 if a test of what needs no wires fails or does not end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path)
    parser.add_argument("luac", type=Path)
    folder = Path(os.environ.get("FLASHPIPE_IMAGES", "../shared/images"))
    parser.add_argument("image", type=Path, nargs="?", default=folder / IMAGE)
    parser.add_argument("--tests", default=",".join(MODULES))
    parser.add_argument("--core", default="auto", choices=("auto", "c", "python"))
    options = parser.parse_args()
    os.environ["FLASHPIPE_CORE"] = options.core
    results = run_suite(options.repository, options.luac.resolve(), options.image, options.tests.split(","))
    bad = 0
    for name, result in results.items():
        new = 0
        for test, why in result.failed:
            known = KNOWN.get((name, test), "")
            new += not known
            print(f"{name}: {test}: {why}" + (f" ({known})" if known else ""))
        unable = result.note.startswith(LACKS)
        bad += name not in WIRED and bool(new or not (result.ended or unable))
    print(f"\n{'tests':<16}{'passed':>7}{'failed':>7}  ended  note")
    for name, result in results.items():
        ended = "yes" if result.ended else "no"
        note = result.note.partition("\n")[0].rstrip(":")
        print(f"{name:<16}{result.passed:>7}{len(result.failed):>7}  {ended:<5}  {note}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
