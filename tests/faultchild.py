"""`flashpipe` with an accident on the way: `faultchild.py KIND AT WORD…`, run as a process by `tests.faultpoints`.

The board is a `sim://` one with `inline=1`, so it lives in this process: what is counted and cut off here is what went
over its wire and what its records were about to become.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

COUNTS = "FAULT_COUNTS"
"""Environment variable: the file that takes the counters when the process ends by itself."""
SIGNALS = {"int": signal.SIGINT, "term": signal.SIGTERM, "kill": getattr(signal, "SIGKILL", signal.SIGTERM)}
counters = {"sent": 0, "operations": 0, "records": 0, "before_flash": 0}


def _wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    setattr(owner, name, make(getattr(owner, name)))


def arm(kind: str, at: int) -> None:
    """Count everything, and have the accident at count `at`."""
    from flashpipe.sim.faults import Faults  # noqa: PLC0415
    from flashpipe.sim.host_line import HostLine  # noqa: PLC0415

    def write(original: Callable[..., None]) -> Callable[..., None]:
        def counted(self: Any, data: bytes) -> None:
            before = counters["sent"]
            counters["sent"] += len(data)
            if kind in SIGNALS and before <= at < before + len(data):
                original(self, data[: at - before])
                os.kill(os.getpid(), SIGNALS[kind])
                original(self, data[at - before :])  # a signal that can be caught lets the line go on
            else:
                original(self, data)

        return counted

    def before_flash(original: Callable[..., bool]) -> Callable[..., bool]:
        def counted(self: Any, nor: Any, operation: Any) -> bool:
            done = original(self, nor, operation)
            counters["before_flash"] = counters["before_flash"] or counters["sent"]
            counters["operations"] = self.operations
            return done

        return counted

    def replace(original: Callable[..., None]) -> Callable[..., None]:
        def counted(*args: Any, **kwargs: Any) -> None:
            counters["records"] += 1
            mine = counters["records"] == at
            if mine and kind == "kill-before-record":
                os.kill(os.getpid(), SIGNALS["kill"])
            original(*args, **kwargs)
            if mine and kind == "kill-after-record":
                os.kill(os.getpid(), SIGNALS["kill"])

        return counted

    _wrap(HostLine, "write", write)
    _wrap(Faults, "before_flash", before_flash)
    _wrap(Path, "replace", replace)  # how every record becomes the new one


def main() -> int:
    """Arm, then run `flashpipe`."""
    kind, at, *words = sys.argv[1:]
    if COUNTS in os.environ:
        atexit.register(lambda: Path(os.environ[COUNTS]).write_text(json.dumps(counters)))
    arm(kind, int(at))
    from flashpipe.cli import commands as cli  # noqa: PLC0415

    return cli.main(words)


if __name__ == "__main__":
    sys.exit(main())
