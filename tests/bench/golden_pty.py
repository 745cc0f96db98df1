"""Replay the golden transcripts through `flashpipe board --pty`, as a stranger's program would.

    python tests/bench/golden_pty.py FOLDER_OR_FILE [--serial]

For each conversation a board is started with a flash file of the right contents; bytes are written to the pty, and what
comes back within a silence of 0.35 s is compared. `--serial` sets 115200 Bd first, otherwise no rate is ever set.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import select
import subprocess
import sys
import tempfile
import termios
import zlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SIZE = 4 << 20
SILENCE_S = 0.35


def frames_in(data: bytes) -> list[bytes]:
    parts = data.split(b"\xc0")[1::2]
    return [part.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb") for part in parts]


def fingerprint(reply: str | dict[str, Any]) -> tuple[int, str]:
    if isinstance(reply, dict):
        return reply["len"], reply["sha1"]
    raw = bytes.fromhex(reply)
    return len(raw), hashlib.sha1(raw, usedforsecurity=False).hexdigest()


def exchange(port: int, wire: bytes) -> bytes:
    """What comes back for `wire` until the line has been silent."""
    got, sent = bytearray(), 0
    while True:
        ready, room, _ = select.select([port], [port] if sent < len(wire) else [], [], SILENCE_S)
        if room:
            sent += os.write(port, wire[sent : sent + 4096])
        if ready:
            got += os.read(port, 65536)
        if not ready and not room:
            return bytes(got)


def replay(case: dict[str, Any], folder: Path, *, serial: bool) -> list[str]:
    flash = folder / "flash.bin"
    contents = zlib.decompress(base64.b64decode(case["nor_init"])) if case["nor_init"] else bytes([case["fill"]]) * SIZE
    flash.write_bytes(contents)
    command = [sys.executable, "-m", "flashpipe.sim.cli", "--pty", "--start", f"stub-v{case['stub']}"]
    command += ["--flash", str(flash)]
    for name, value in case["flash_params"].items():
        command += ["--param", f"{name}={value}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FLASHPIPE_STATE": str(folder / "state")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        port = os.open(process.stdout.readline().strip(), os.O_RDWR | os.O_NOCTTY)
        if serial:
            settings = termios.tcgetattr(port)
            settings[4] = settings[5] = termios.B115200
            termios.tcsetattr(port, termios.TCSANOW, settings)
        return compare(case, port)
    finally:
        process.terminate()
        process.wait(10)


def compare(case: dict[str, Any], port: int) -> list[str]:
    wrong = []
    for number, step in enumerate(case["steps"]):
        wire = bytes.fromhex(step["wire"]) if step["wire"] else zlib.decompress(base64.b64decode(step["wire_z"]))
        frames = frames_in(exchange(port, wire))
        got = [(len(frame), hashlib.sha1(frame, usedforsecurity=False).hexdigest()) for frame in frames]
        if got != [fingerprint(reply) for reply in step["replies"]]:
            wrong.append(f"step {number} {step['label']}: {[frame[:12].hex() for frame in frames]}")
    os.close(port)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="golden transcripts through a pty")
    parser.add_argument("where", type=Path)
    parser.add_argument("--serial", action="store_true")
    arguments = parser.parse_args()
    files = sorted(arguments.where.glob("*.jsonl")) if arguments.where.is_dir() else [arguments.where]
    total = same = 0
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            with tempfile.TemporaryDirectory() as folder:
                wrong = replay(json.loads(line), Path(folder), serial=arguments.serial)
            total, same = total + 1, same + (not wrong)
            for text in wrong:
                print(f"{file.name} line {number}: {text}", flush=True)
    print(f"{same} of {total} conversations the same")
    return 0 if same == total else 1


if __name__ == "__main__":
    sys.exit(main())
