"""The parts of a board's flash that `regions=` names."""

from __future__ import annotations

from contextlib import suppress

from flashpipe.board.loader.device import Device
from flashpipe.errors import FlashUnknownError, NoImageError
from flashpipe.firmware.flash_map import Area
from flashpipe.flash import Region
from flashpipe.flasher.board_layout import BY_ADDRESS, areas_on, resolve, words_of
from flashpipe.jobs.board_job import BoardRun
from flashpipe.next_steps import Advice, command


def named_regions(board: BoardRun, device: Device) -> tuple[list[Region], tuple[Area, ...]]:
    """The regions that the command line names, the whole flash if none, and the areas that are known on the board.

    Where a word needs to know more than the board's own flash tells, the profile's plan is asked.

    Raises:
        BadValueError: an area that is not known, or an address past the end.
        FlashUnknownError: nobody knows the size of this flash part.
        PipelineError: the board cannot be read, or the profile's images are not to be had.
    """
    words = words_of(board.command.variables.text("regions"))
    if device.flash_size is None:
        raise FlashUnknownError(
            f"{device.port}: flash ID {device.flash_id:#08x} is of no known size",
            Advice(command("doctor"), " says more"),
        )
    if not words:
        return [Region(0, device.flash_size)], ()
    link = board.session().link
    known = areas_on(lambda region: link.read(region, lambda _done: None), device.flash_size)
    if any(isinstance(word, str) for word in words) and board.command.profile_name:
        with suppress(NoImageError):  # then the board's own flash is all that is known
            known = known if any(area.name == "spiffs" for area in known) else board.inputs.plan().areas
    named = board.command.profile_name
    advice = BY_ADDRESS if named else f"name the profile of the firmware (profile=NAME), or {BY_ADDRESS}"
    return resolve(words, known, device.flash_size, advice=advice), tuple(known)
