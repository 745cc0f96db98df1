"""What follows a good boot of NodeMCU: its console is asked what it is, and the profile's Lua files are sent.

The order: acceptance, files, and where files were sent a restart and another look at the boot. Every ending, good or
bad, carries what was found into the receipt; the contents of files go nowhere but to the board.
"""

from __future__ import annotations

from typing import Final

from pipeline.board.bootlog import Verdict
from pipeline.board.console import FIND_S, Console, find_console
from pipeline.board.session import Session
from pipeline.errors import ConnectError, NoLuaPromptError

ROUND_S: Final = 4.0
"""Time to knock at every rate once: where a wire can reset the board, that is the next thing to try."""


def reach(session: Session, *, timeout_s: float = 60.0) -> Console:
    """The Lua prompt of the board on the port; it is reset only where it does not answer otherwise.

    Raises:
        NoLuaPromptError: there is none.
        PipelineError: the port, or a person who had to press RESET.
    """
    with session.step("console", "looking for the Lua prompt") as result:
        session.open()
        try:
            limit_s = ROUND_S if session.resets_by_wire else FIND_S
            console = find_console(session, limit_s=limit_s, waiting=session.progress("console"))
        except NoLuaPromptError as error:
            if not session.resets_by_wire:
                raise
            verdict = _reset(session, error, timeout_s)
            console = find_console(session, session.rate, waiting=session.progress("console"))
            console.before = verdict.log
            result.append("after a reset:")
        result.append(f"Lua at {console.baud} baud")
    return console


def _reset(session: Session, error: NoLuaPromptError, timeout_s: float) -> Verdict:
    try:
        verdict = session.boot(timeout_s=timeout_s, patient=True)
    except ConnectError:
        raise error from None
    if verdict.kind not in {"prompt", "banner", "formatting", "alive"}:
        raise NoLuaPromptError(f"{session.port}: no Lua prompt: {verdict.summary}", NoLuaPromptError.remedy)
    return verdict
