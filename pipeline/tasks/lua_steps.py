"""The actions that talk with a board's Lua console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.tasks.steps import board_step, say

if TYPE_CHECKING:
    from pipeline.tasks.boards import Board


@board_step
def show_node(board: Board) -> None:
    """Ask the firmware what it is."""
    from pipeline.board.nodeinfo import read_node  # noqa: PLC0415
    from pipeline.flasher.luastage import reach  # noqa: PLC0415
    from pipeline.tasks.node_text import describe  # noqa: PLC0415

    request = board.request
    size = request.profile().flash_size if request.profile_name else ""
    session = board.session()
    console = reach(session)
    with session.step("node", "asking the firmware what it is") as result:
        info = read_node(console, console.before)
        result.append(f"NodeMCU {info.version}")
    say(describe(info, size))
