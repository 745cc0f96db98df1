"""Serving a boot watcher, where the process that does it is not always given the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flashpipe.board.boot.watch import watch
from flashpipe.board.boot.watcher import BootWatcher
from flashpipe.events import ignore

ROM = b" ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\n"
LOADS = b"load 0x40100000, len 27612, room 16 \r\ntail 12\r\nchksum 0x1c\r\ncsum 0x1c\r\n"
BANNER = b"\r\nNodeMCU 3.0.0.0 built on nodemcu-build.com\r\n\tbuild 2024-02-25 powered by Lua 5.1.4 on SDK 3.0.1\r\n> "


class Line:
    """A line with what waits on it; after a read that came to nothing, `lost_s` pass before anybody looks again."""

    port, listener = "/dev/ttyUSB0", staticmethod(ignore)

    def __init__(self, *pieces: bytes, lost_s: float) -> None:
        self.now, self.pieces, self.lost_s = 0.0, list(pieces), lost_s
        self.check_stop: Callable[[], None] = lambda: None
        self.send: Callable[[bytes], None] = lambda _data: None
        self.tune: Callable[[int], None] = lambda _baud: None

    def clock(self) -> float:
        return self.now

    def receive(self, limit_s: float) -> bytes:
        data = self.pieces.pop(0) if self.pieces else b""
        self.now += 0.001 if data else limit_s + self.lost_s
        return data


def test_a_time_in_which_nobody_listened_is_no_silence_of_the_board() -> None:
    """Ten seconds without CPU, or a laptop that was closed, right after the ROM's first words."""
    line = Line(ROM, b"", LOADS, BANNER, lost_s=10.0)
    verdict = watch(cast("Any", line), BootWatcher(now=0.0), 60.0)
    assert (verdict.kind, verdict.firmware) == ("prompt", "NodeMCU 3.0.0.0")


def test_a_silence_that_was_listened_to_is_one() -> None:
    verdict = watch(cast("Any", Line(ROM, lost_s=0.0)), BootWatcher(now=0.0), 60.0)
    assert verdict.kind == "no-image"
