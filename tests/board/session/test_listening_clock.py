"""Time for which somebody listened, where the process that does it is not always given the CPU."""

from __future__ import annotations

import pytest
from flashpipe.board.boot.watch import watch
from flashpipe.board.boot.watcher import BootWatcher
from flashpipe.board.session import line as lines
from flashpipe.board.session.listening_clock import LONGEST_GAP_S, ListeningClock
from flashpipe.board.session.session import Session

ROM = b" ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\n"
LOADS = b"load 0x40100000, len 27612, room 16 \r\ntail 12\r\nchksum 0x1c\r\ncsum 0x1c\r\n"
BANNER = b"\r\nNodeMCU 3.0.0.0 built on nodemcu-build.com\r\n\tbuild 2024-02-25 powered by Lua 5.1.4 on SDK 3.0.1\r\n> "


class Port:
    """A port with what waits on it; `lost_s` pass in or behind a read that comes to nothing before anybody looks."""

    baudrate = in_waiting = timeout = 0

    def __init__(self, *pieces: bytes, lost_s: float, behind: bool = False) -> None:
        self.now, self.pieces, self.lost_s, self.behind = 0.0, list(pieces), lost_s, behind
        self.looks = 0

    def monotonic(self) -> float:
        self.looks -= 1
        if self.looks == 0:
            self.now += self.lost_s
        return self.now

    def read(self, _size: int) -> bytes:
        data = self.pieces.pop(0) if self.pieces else b""
        self.now += 0.001 if data else self.timeout + self.lost_s * (not self.behind)
        self.looks = 2 if self.behind and not data else 0  # the first is at the end of this read
        return data

    def write(self, data: bytes) -> int:
        return len(data)


def verdict_on(port: Port, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(lines, "time", port)
    session = Session("/dev/ttyUSB0")
    session._serial = port
    return watch(session, BootWatcher(now=session.clock()), 60.0).kind


@pytest.mark.parametrize("behind", [False, True])
def test_a_time_in_which_nobody_listened_is_no_silence_of_the_board(
    monkeypatch: pytest.MonkeyPatch, *, behind: bool
) -> None:
    """Ten seconds without CPU, or a laptop that was closed, right after the ROM's first words."""
    assert verdict_on(Port(ROM, b"", LOADS, BANNER, lost_s=10.0, behind=behind), monkeypatch) == "prompt"


def test_a_silence_that_was_listened_to_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict_on(Port(ROM, lost_s=0.0), monkeypatch) == "no-image"


def test_a_read_counts_as_long_as_it_may_take_and_a_gap_as_a_short_one() -> None:
    clock = ListeningClock()
    assert clock.now(100.0) == 0.0
    clock.listened(100.1, 100.6, 0.5)
    assert clock.now(100.7) == pytest.approx(0.7)
    clock.listened(110.0, 120.0, 0.05)
    assert clock.now(120.0) == pytest.approx(0.6 + LONGEST_GAP_S + 0.05)


def test_it_never_goes_back_where_another_clock_is_behind_the_line() -> None:
    clock = ListeningClock()
    clock.listened(1000.0, 1000.2, 1.0)
    assert clock.now(3.0) == pytest.approx(0.2)
    clock.listened(3.0, 2.9, 1.0)
    assert clock.now(3.1) == pytest.approx(0.4)
