"""The search for a faster rate, on a board that is about to be written; for `baud=auto`.

Towards us a rate is tried by reading some of the flash, with the stub's own digest of what it sent. Away from us the
first of what is written is the trial: its digest is asked before the rest is sent (`writer.write`), for a stub takes
damaged bytes for RAM as well (facts: stub-executed §2). A step that fails raises: the board is reset, and the run goes
on one step lower.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from flashpipe.board.loader.rom_only import RomLink
from flashpipe.board.session.auto_rate import TRIAL_S, USUAL
from flashpipe.board.session.session import Session
from flashpipe.flash import Region

STEP_S: Final = 0.1
"""What a step takes (seen at 921600 to 2000000 baud: 0.08 to 0.12 s); what a faster rate saves has to be twice that."""
SAMPLE: Final = Region(0, 0x2000)
"""Read at each step: the boot sector is there on any board that ever held a firmware."""
PATIENCE_S: Final = 1.6
"""Longest wait for a block's answer above the usual rate: 64 KiB of the slowest parts in use are erased in half of it
(facts: flash-timing §6.3), and a line that loses bytes shall not cost more."""


def try_rate(session: Session, baud: int, sample: Region, limit_s: float = TRIAL_S) -> float:
    """Go to a rate, and read a `sample` of the flash at it; the seconds of reading. A packet may take `limit_s`.

    Raises:
        WireError: the line does not carry it. The session's rate is this one all the same: it is what failed.
    """
    session.use_rate(baud)
    session.link.change_baud(baud, TRIAL_S)
    began = time.monotonic()
    session.link.try_line(sample, limit_s)
    return time.monotonic() - began


def expected(session: Session, mac: str, *, blank: bool) -> tuple[int, bool]:
    """The rate at which the board with this MAC will probably be written, and whether the line is on trial then.

    blank: its flash is empty, so that nothing tells whether a faster clock suits it.
    """
    auto = session.auto
    if auto is None or session.baud < USUAL:
        return session.baud, False
    if auto.failures:
        return session.baud, session.baud > USUAL
    rate = auto.expected(mac)
    steps = auto.above(rate, mac) if rate == USUAL and session.resets_by_wire else []
    return (steps[-1], True) if steps else (rate, blank)


def raise_rate(session: Session, seconds: Callable[[int], float]) -> bool:
    """Go as fast as the line carries and as pays for what is about to be sent; returns whether the rate is unproven.

    seconds: what sending takes at a rate.

    Raises:
        WireError: a rate does not hold.
    """
    auto, link = session.auto, session.link
    if auto is None or isinstance(link, RomLink) or session.baud < USUAL:
        return False  # below the usual rate a line has failed, in this run or the last: there is no way up from there
    if session.resets_by_wire and not auto.known:  # after a step that fails, only a reset brings the stub back
        now = seconds(session.baud)
        for baud in auto.above(session.baud):
            if now - seconds(baud) < 2 * STEP_S:
                continue
            try_rate(session, baud, SAMPLE)
            auto.carried.append(baud)
            now = seconds(baud)
    if session.baud <= USUAL:
        return False
    if auto.failures and session.baud not in auto.carried:  # a step down, which a line that is shaky bears no better
        link.try_line(SAMPLE, TRIAL_S)
    link.patience_s = PATIENCE_S
    if not auto.known:
        session.notify(f"baud=auto: {session.baud} baud")
    return not auto.known
