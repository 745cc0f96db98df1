"""Conversations with Espressif's own stub, its code executed elsewhere: our board gives the same replies."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

SIZE = 4 * 1024 * 1024
_ODD_ADDRESS = (
    "a write to an odd address reaches ROM SPIWrite (graded R): the measurement assumed a fault there, but Espressif's "
    "own hardware tests write to odd addresses with this stub and pass"
)
DIFFERENT = {(10, 2): _ODD_ADDRESS, (10, 3): _ODD_ADDRESS}
"""Line of the file and step, counted from 0: why our reply is another one."""


def expected(reply: str | dict[str, Any]) -> tuple[int, str]:
    if isinstance(reply, str):
        raw = bytes.fromhex(reply)
        return len(raw), hashlib.sha1(raw, usedforsecurity=False).hexdigest()
    return reply["len"], reply["sha1"]


def run(case: dict[str, Any], bench: Any) -> list[str]:
    """What differs in one conversation, one line for each step."""
    params = "".join(f"&param.{name}={value}" for name, value in case["flash_params"].items())
    host = bench.host(f"sim://esp12?start=stub-v{case['stub']}&fill=byte:{case['fill']}{params}")
    if case["nor_init"]:
        host.link.board.cells[0:SIZE] = zlib.decompress(base64.b64decode(case["nor_init"]))
    different = []
    for number, step in enumerate(case["steps"]):
        wire = bytes.fromhex(step["wire"]) if step["wire"] else zlib.decompress(base64.b64decode(step["wire_z"]))
        host.link.set_baud(host.link.board.uart.baud)  # the host of the measurement follows the stub's rate
        frames, stray = bench.frames_in(host.raw(wire))
        got = [(len(frame), hashlib.sha1(frame, usedforsecurity=False).hexdigest()) for frame in frames]
        if got != [expected(reply) for reply in step["replies"]] or stray.hex() != step["stray"]:
            different.append(f"{number} {step['label']}: {[frame[:12].hex() for frame in frames]} {stray.hex()}")
    return different


def test_replies_are_those_of_espressifs_stub(golden: Path, bench: Any) -> None:
    lines = (golden / "stub-v2.jsonl").read_text(encoding="utf-8").splitlines()
    found = {
        (number, int(text.split()[0])): text
        for number, line in enumerate(lines)
        for text in run(json.loads(line), bench)
    }
    unexplained = [f"line {place[0]}: {text}" for place, text in found.items() if place not in DIFFERENT]
    assert not unexplained, "\n".join(unexplained)
    assert set(found) == set(DIFFERENT), "a difference that is explained no longer exists"
    assert len(lines) == 36
