"""What the virtual board costs: CPU beside esptool's own, and memory of sixteen boards.

    python tests/bench/bench_board.py

Demanded: with `time=fast` a compressed write of 1 MiB with verification costs, board included, at most 1.3 times the
CPU time that the same esptool process uses; sixteen boards in one process hold at most 16 times their flash and 60 MB.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
RATIO = 1.3
BOARDS = 16
ALLOWANCE = 60 * MIB


def board(*words: str, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FLASHPIPE_STATE": str(folder / "state")}
    command = [sys.executable, "-m", "flashpipe.sim.cli", "esp12", "--pty", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=environment)


def cpu_of(pid: int) -> float:
    """CPU seconds a running process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Bytes of memory a process holds (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def firmware() -> bytes:
    """1 MiB that deflates to about 70 %, as real firmware does."""
    source = random.Random(1)
    data = b"".join(source.randbytes(42) + bytes(22) for _ in range(MIB // 64))
    assert 0.6 < len(zlib.compress(data, 9)) / MIB < 0.8
    return data


def speed(folder: Path) -> float:
    (folder / "image").write_bytes(firmware())
    process = board(folder=folder)
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    command = [sys.executable, "-m", "esptool", "--port", port, "--chip", "esp8266", "--baud", "921600"]
    ratios = []
    for _ in range(3):
        before, mine = cpu_of(process.pid), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*command, "write-flash", "0", "image"], capture_output=True, text=True, check=True, cwd=folder
        )
        assert "Hash of data verified." in done.stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        esptool = after.ru_utime + after.ru_stime - mine.ru_utime - mine.ru_stime
        ratios.append((esptool + cpu_of(process.pid) - before) / esptool)
    process.terminate()
    process.wait(10)
    return min(ratios)


def memory(folder: Path) -> int:
    """Bytes beyond the flash itself that sixteen boards hold after each was used."""
    process = board("--count", str(BOARDS), folder=folder)
    assert process.stdout is not None
    ports = [process.stdout.readline().strip() for _ in range(BOARDS)]
    command = [sys.executable, "-m", "esptool", "--chip", "esp8266"]
    for port in ports:
        subprocess.run(
            [*command, "--port", port, "write-flash", "0", "image"], capture_output=True, check=True, cwd=folder
        )
    held = resident(process.pid) - BOARDS * 4 * MIB
    process.terminate()
    process.wait(10)
    return held


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ratio, held = speed(folder), memory(folder)
    print(f"1 MiB, written and verified: {ratio:.2f} x esptool's own CPU time (at most {RATIO})")
    print(f"{BOARDS} boards: {held / MIB:.0f} MB beyond their flash (at most {ALLOWANCE // MIB})")
    return 0 if ratio <= RATIO and held <= ALLOWANCE else 1


if __name__ == "__main__":
    sys.exit(main())
