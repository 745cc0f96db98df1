"""The tasks `backup` and `restore`."""

from __future__ import annotations

from flashpipe.jobs.backups import back_up_board, describe_backup, restore_board
from flashpipe.jobs.board_job import BoardRun
from flashpipe.tasks.several import print_table_of


def backup(board: BoardRun) -> None:
    """Read the flash, or the regions asked for, into the store."""
    manifest = back_up_board(board)
    print_table_of(board, f"backup {manifest.id} of board {manifest.mac}: {describe_backup(manifest)}")


def restore(board: BoardRun) -> None:
    """Put a backup or a plain file back, if that is confirmed."""
    restore_board(board)
