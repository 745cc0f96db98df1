"""Peak memory of flashing 16 MB: of flashpipe itself, or of the process of its virtual board if that is larger.

Run: python tests/bench/bench_memory.py
"""

from __future__ import annotations

import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE = 16 * 1024 * 1024
LIMIT_MB = 120


def image() -> bytes:
    """A valid image of one small segment, followed by data that hardly compresses, up to the SDK's last sectors."""
    code = bytes(range(256)) * 16
    head = struct.pack("<BBBBI", 0xE9, 1, 2, 0x90, 0x40100004) + struct.pack("<II", 0x40100000, len(code)) + code
    total = 0xEF
    for byte in code:
        total ^= byte
    head += bytes(15 - len(head) % 16) + bytes((total,))
    return head + random.Random(1).randbytes(SIZE - 0x5000 - len(head))


def main() -> int:
    """Print the figure; 1 if the limit is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "big.bin").write_bytes(image())
        started = time.perf_counter()
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "flashpipe.cli.main",
                "flash",
                "profile=d1-mini-pro",
                "port=sim://d1-mini-pro",
                "boot=off",
                "image=big.bin",
            ],
            cwd=folder,
            env={**os.environ, "FLASHPIPE_STATE": name},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    if done.returncode:
        print(done.stdout + done.stderr)
        return 1
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"16 MB flashed in {seconds:.1f} s; peak memory {peak:.0f} MB, limit {LIMIT_MB}")
    return int(peak > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
