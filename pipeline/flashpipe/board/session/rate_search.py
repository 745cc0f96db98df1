"""The search for a faster rate, on a board that is about to be written; for `baud=auto`.

Towards us a rate is tried by reading some of the flash, with the stub's own digest of what it sent. Away from us the
first of what is written is the trial: its digest is asked before the rest is sent (`writer.write`), for a stub takes
damaged bytes for RAM as well (facts: stub-executed §2). A step that fails raises: the board is reset, and the run goes
on one step lower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.session.auto_rate import USUAL
from flashpipe.board.session.session import Session
from flashpipe.flash import Region

STEP_S: Final = 0.3
"""Longest that a step may take; what a faster rate saves has to be twice that."""
SAMPLE: Final = Region(0, 0x2000)
"""Read at each step: the boot sector is there on any board that ever held a firmware."""
TRIAL_S: Final = 0.25
"""Longest wait for the first word at a new rate, and for each packet."""
PATIENCE_S: Final = 1.6
"""Longest wait for a block's answer above the usual rate: 64 KiB of the slowest parts in use are erased in half of it
(facts: flash-timing §6.3), and a line that loses bytes shall not cost more."""


def raise_rate(session: Session, seconds: Callable[[int], float]) -> bool:
    """Go as fast as the line carries and as pays for what is about to be sent; returns whether the rate is unproven.

    seconds: what sending takes at a rate.

    Raises:
        WireError: a rate does not hold.
    """
    auto, link = session.auto, session.link
    if auto is None or isinstance(link, RomLink):
        return False
    if session.resets_by_wire and not auto.known:  # after a step that fails, only a reset brings the stub back
        now = seconds(session.baud)
        for baud in auto.above(session.baud):
            if now - seconds(baud) < 2 * STEP_S:
                continue
            session.use_rate(baud)
            link.change_baud(baud, TRIAL_S)
            link.try_line(SAMPLE, TRIAL_S)
            auto.carried.append(baud)
            now = seconds(baud)
    if session.baud <= USUAL:
        return False
    link.patience_s = PATIENCE_S
    if not auto.known:
        session.notify(f"baud=auto: {session.baud} baud")
    return not auto.known
