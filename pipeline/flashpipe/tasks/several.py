"""Results of boards, told apart where one command works on several at once."""

from __future__ import annotations

from flashpipe import terminal
from flashpipe.jobs.board_job import BoardRun
from flashpipe.tasks.command_line import current
from flashpipe.text.lines import print_result


def print_of(board: BoardRun, text: str) -> None:
    """A result, in one piece: where the run has several boards behind the name of the port, a table below it."""
    between = "\n" if "\n" in text else " "
    print_result(f"{board.port()}:{between}{text}" if _several() else text)


def print_table_of(board: BoardRun, text: str) -> None:
    """What stands above the last line about a board: nothing where people want that alone."""
    if not terminal.quiet:
        print_of(board, text)


class Printer:
    """Takes what a board says, as it comes; where the run has several boards it is shown by lines."""

    def __init__(self, board: BoardRun) -> None:
        self._board, self.several, self._begun = board, _several(), ""

    def __call__(self, text: str) -> None:
        """Show it, or what of it is a whole line."""
        if not self.several:
            print_result(text, end="")
            return
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            print_of(self._board, line)

    def close(self) -> None:
        """Nothing more comes: a line that was begun is whole."""
        if self._begun:
            self("\n")


def _several() -> bool:
    return len(current().known_ports()) > 1
