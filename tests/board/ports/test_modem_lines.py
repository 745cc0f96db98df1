"""DTR and RTS as a network client moves them: the board sees a reset as if the client were beside it."""

from __future__ import annotations

import os

import pytest
from flashpipe.board.ports.modem_lines import COMPANION_S, LEAST_BOOT_S, LEAST_RESET_S, ModemLines, has_lines, mover


class Board:
    """Remembers when its lines were moved, in a time of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.moves: list[tuple[float, bool, bool]] = []
        self.lines = ModemLines(self._move, self._sleep, lambda: self.now)

    def _move(self, *, dtr: bool, rts: bool) -> None:
        self.moves.append((round(self.now - 100, 3), dtr, rts))

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def into_loader(self, *pauses: float) -> None:
        """As esptool does it, each command so long after the one before."""
        steps = [("dtr", False), ("rts", True), ("dtr", True), ("rts", False), ("dtr", False)]
        for pause, (line, value) in zip(pauses, steps, strict=True):
            self.now += pause
            (self.lines.set_dtr if line == "dtr" else self.lines.set_rts)(value)


def test_a_reset_goes_from_rts_to_dtr_in_one_step() -> None:
    board = Board()
    board.into_loader(0, 0, 0.12, 0.03, 0.06)
    assert board.moves == [(0.0, False, True), (0.15, True, False), (0.21, False, False)]


def test_a_reset_whose_messages_arrive_at_once_takes_the_time_it_needs() -> None:
    board = Board()
    board.into_loader(0, 0, 0, 0, 0)
    assert board.moves == [
        (0.0, False, True),
        (LEAST_RESET_S, True, False),
        (round(LEAST_RESET_S + LEAST_BOOT_S, 3), False, False),
    ]


def test_a_client_that_takes_longer_is_followed() -> None:
    board = Board()
    board.into_loader(0, 0, 0.4, 0, 0.55)
    assert [at for at, _, _ in board.moves] == [0.0, 0.4, 0.95]


def test_a_hard_reset_holds_the_chip_long_enough() -> None:
    board = Board()
    board.lines.set_rts(True)
    board.lines.set_rts(False)
    assert board.moves == [(0.0, False, True), (LEAST_RESET_S, False, False)]


def test_a_terminal_that_wants_both_lines_gets_them_a_little_later() -> None:
    board = Board()
    board.lines.set_rts(True)
    board.lines.set_dtr(True)
    board.lines.settle()
    assert board.moves == [(0.0, False, True)]
    board.now += COMPANION_S
    board.lines.settle()
    assert board.moves[1:] == [(COMPANION_S, True, True)]


def test_data_mean_that_no_other_line_will_be_moved() -> None:
    board = Board()
    board.lines.set_rts(True)
    board.lines.set_dtr(True)
    board.lines.flush()
    assert board.moves[-1][1:] == (True, True)


def test_a_client_that_goes_lets_the_board_go() -> None:
    board = Board()
    board.lines.set_rts(True)
    board.lines.release()
    assert board.moves[-1] == (LEAST_RESET_S, False, False)


def test_nothing_is_moved_twice() -> None:
    board = Board()
    board.lines.set_dtr(False)
    board.lines.set_rts(False)
    assert board.moves == []


@pytest.mark.skipif(os.name != "posix", reason="a pty")
def test_a_port_without_lines_is_left_as_it_is() -> None:
    master, slave = os.openpty()
    try:
        port = type("Port", (), {"fd": slave})()
        mover(port)(dtr=True, rts=False)
        assert not has_lines(port)
    finally:
        os.close(master)
        os.close(slave)
    assert has_lines(port)  # another error says nothing of lines
    with pytest.raises(OSError, match="Bad file descriptor"):
        mover(port)(dtr=True, rts=False)


def test_a_port_of_which_the_system_says_nothing_has_lines() -> None:
    assert has_lines(object())


def test_a_port_that_moves_one_line_at_a_time_lets_rts_go_last() -> None:
    order: list[tuple[str, bool]] = []

    class Port:
        def __setattr__(self, name: str, value: bool) -> None:  # noqa: FBT001
            order.append((name, value))

    move = mover(Port())
    move(dtr=True, rts=False)
    move(dtr=False, rts=True)
    assert order == [("dtr", True), ("rts", False), ("rts", True), ("dtr", False)]
