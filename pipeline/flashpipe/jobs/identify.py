"""What is on a port: chip, flash, and the profiles that fit."""

from __future__ import annotations

from dataclasses import replace

from flashpipe.board.loader import chips
from flashpipe.board.loader.device import Device
from flashpipe.board.session.session import Session
from flashpipe.flasher.fitting_profiles import fitting_profiles
from flashpipe.jobs.board_job import BoardRun
from flashpipe.profile.load import usable_profiles
from flashpipe.units import format_size


def identify(board: BoardRun) -> tuple[Device, list[str]]:
    """The device on the port, its flash asked for its own tables too, and the profiles that fit it; reads only.

    Raises:
        PipelineError: no connection.
    """
    session = board.session()
    device = session.connected()
    with session.step("sfdp", "asking the flash for its own tables") as result:
        size = _sfdp_size(session)
        result.append(format_size(size) if size else "the part has none")
    session.device = device = replace(device, sfdp_size=size)
    session.leave()
    return device, fitting_profiles(usable_profiles(board.command.project), device)


def _sfdp_size(session: Session) -> int | None:
    """Capacity by the part's own tables, in bytes; reads the two headers and one word: each costs round trips."""
    head = session.link.sfdp(0, 16)
    if not head.startswith(b"SFDP"):
        return None
    density = int.from_bytes(head[12:15], "little") + 4  # second word of the first table (JESD216 §6)
    return chips.sfdp_size(head.ljust(density, b"\xff") + session.link.sfdp(density, 4))
