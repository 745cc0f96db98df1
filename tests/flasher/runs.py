"""What the tests of the runs share: a flash whose boot nobody watches, and a look at what it has left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from flashpipe.board.session.session import Session
from flashpipe.firmware.image import Image
from flashpipe.flasher import flash as flash_module
from flashpipe.flasher.model import BootExpectation, Outcome, Policy
from flashpipe.flasher.probe import probe
from flashpipe.plan.make import make_plan
from flashpipe.plan.model import FlashPlan

from tests.flasher.conftest import DIO_4MB
from tests.images import Builder

QUIET: Final = Policy(boot=BootExpectation(check=False))
TABLE: Final = 0x10000
"""The sector that NodeMCU 3.x rewrites at its first boot."""

Plan = Callable[..., FlashPlan]


def flash(session: Session, plan: FlashPlan, policy: Policy = QUIET) -> Outcome:
    return flash_module.flash(session, probe(session, plan, policy), policy)


def holds(bed: Any, plan: FlashPlan, *, but: int = 0) -> bool:
    """Whether the board holds the plan's only segment; `but` bytes at the start of the table do not count."""
    (segment,) = plan.segments
    cells = bytearray(bed.cells[: len(segment.data)])
    cells[TABLE : TABLE + but] = segment.data[TABLE : TABLE + but]
    return cells == segment.data


def adjusting(named: int = 0x40) -> FlashPlan:
    """A plan for a firmware that sets the flash size in its header; `named`: size and clock that it is given."""
    build = Builder()
    image = Image("nodemcu.bin", build.combine(build.pair_2x()), "nodemcu.bin")
    made = make_plan("esp12", "esp8266", DIO_4MB, {0: image})
    (segment,) = made.segments
    return replace(made, segments=(replace(segment, data=segment.data[:3] + bytes([named]) + segment.data[4:]),))
