"""A serial line whose listener may be at the wrong rate, and the captures of boot logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flashpipe.board.boot.watcher import BootWatcher, SendText, Verdict

Message = tuple[float, int, bytes]
"""Time in seconds, baud rate, bytes."""
CHUNK = 16
"""Bytes that a USB adapter hands over at once in these tests."""


def misread(data: bytes, sent_at: int, read_at: int) -> bytes:
    """What a UART at `read_at` baud makes of bytes sent back to back at `sent_at`, found by sampling the waveform."""
    bits = [level for byte in data for level in (0, *(byte >> bit & 1 for bit in range(8)), 1)]
    end = len(bits) / sent_at

    def level(time: float) -> int:
        index = int(time * sent_at)
        return bits[index] if index < len(bits) else 1

    received, time, step = bytearray(), 0.0, 1 / read_at / 16
    while time < end:
        middle = time + 0.5 / read_at
        if level(time) or level(middle):
            time += step
            continue
        received.append(sum(level(middle + (bit + 1) / read_at) << bit for bit in range(8)))
        time = middle + 9 / read_at
        while time < end and not level(time):  # a framing error lasts until the line is high again
            time += step
    return bytes(received)


@dataclass
class Watched:
    """What a watcher did with a scripted board."""

    verdict: Verdict
    rates: list[int] = field(default_factory=list)
    knocks: list[tuple[float, int]] = field(default_factory=list)


Answer = Callable[[float, int], bytes]
"""What the board says to a knock at this time and rate."""


def run_watcher(
    messages: Iterable[Message], answer: Answer | None = None, told: bytes = b"", **options: object
) -> Watched:
    """Play a script to a BootWatcher in simulated time; `told` is what `=node.info()` prints, where there is a Lua.

    Without an `answer` a board answers a knock once it has shown a Lua prompt.
    """
    chunks = [
        (time + at * 10 / baud, baud, data[at : at + CHUNK])
        for time, baud, data in messages
        for at in range(0, len(data), CHUNK)
    ]
    chunks.sort(key=lambda chunk: chunk[0])
    watcher = BootWatcher(now=0.0, **options)  # type: ignore[arg-type]
    watched = Watched(Verdict("", ""))
    now, baud, said_last = 0.0, 0, (0, b"")
    while now < 120:
        wish = watcher.next(now)
        if isinstance(wish, Verdict):
            watched.verdict = wish
            return watched
        if isinstance(wish, SendText):
            watched.knocks.append((round(now, 2), baud))
            at_prompt = said_last[0] == baud and said_last[1].endswith(b"\n> ")
            said = answer(now, baud) if answer else b"\r\n> " if at_prompt else b""
            if wish.data != b"\r" and said:
                said = wish.data[:-1] + b"\r\n" + told + said.lstrip()
            chunks = sorted([(now + 0.01, baud, said), *chunks], key=lambda chunk: chunk[0])
            continue
        if wish.baud != baud:
            baud = wish.baud
            watched.rates.append(baud)
        if chunks and chunks[0][0] <= wish.until_s:
            time, sent_at, data = chunks.pop(0)
            now = max(now, time)
            said_last = sent_at, (said_last[1] + data)[-CHUNK:]
            watcher.feed(data if sent_at == baud else misread(data, sent_at, baud), now)
        else:
            now = max(now + 0.001, wish.until_s)
    raise AssertionError("no verdict within two minutes")


@pytest.fixture
def watch() -> Callable[..., Watched]:
    return run_watcher


@pytest.fixture
def sampled() -> Callable[[bytes, int, int], bytes]:
    return misread


@dataclass(frozen=True)
class Capture:
    """A boot log that somebody published."""

    name: str
    source: str
    verdict: str
    firmware: str
    text: str


def read_captures() -> list[Capture]:
    captures = []
    for path in sorted((Path(__file__).parent / "data").glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        comments = [line[2:].strip().split(": ", 1) for line in lines if line.startswith("# ")]
        head = dict(pair for pair in comments if len(pair) == 2)
        text = "".join(lines[len(comments) :])
        captures.append(Capture(path.stem, head["source"], head["verdict"], head.get("firmware", ""), text))
    return captures


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "capture" in metafunc.fixturenames:
        captures = read_captures()
        metafunc.parametrize("capture", captures, ids=[capture.name for capture in captures])
