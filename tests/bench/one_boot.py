"""One boot to NodeMCU's prompt, for `bench_emulator`: a process of its own that loads nothing but what it measures.

    python -m tests.bench.one_boot IMAGE FLASH

FLASH is booted where it exists; else it is made of IMAGE, and kept as the boot has left it.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from flashpipe.sim.simulation import Script, Simulation, build_flash, start

SIZE: Final = 4 << 20


def boot(image: Path, flash: Path) -> None:
    """To the prompt."""
    known = flash.exists()
    machine = start(flash.read_bytes() if known else build_flash({0: image.read_bytes()}, SIZE))
    prompt = re.compile(r"^> $", re.MULTILINE)
    outcome = Simulation(machine, Script(until=prompt, timeout_s=120)).run()
    assert outcome.reason == "until", outcome.text[-300:]
    assert outcome.core == os.environ["FLASHPIPE_CORE"]
    if not known:
        flash.write_bytes(machine.nor.cells[0 : machine.nor.size])


if __name__ == "__main__":
    boot(*map(Path, sys.argv[1:]))
