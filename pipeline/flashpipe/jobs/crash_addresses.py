"""What names the addresses that a crash prints, where the profile names the firmware's ELF."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from flashpipe.errors import PipelineError
from flashpipe.firmware.elf_match import elf_of
from flashpipe.jobs.inputs import RunInputs

Explain = Callable[[str], list[str]]
"""From a line of the board's to the lines that explain its addresses."""


def explainer(inputs: RunInputs, notify: Callable[[str], None]) -> Explain:
    """What explains a line; an ELF that cannot be read, or is of another build, is told once.

    Raises:
        ProfileError: the profile is unknown or has mistakes.
    """
    path = inputs.elf()
    if path is None:
        return lambda _line: []
    images = dict[int, bytes]()
    with suppress(PipelineError):  # then nothing is at hand that it could be held against
        images = {address: image.data for address, image in inputs.images(at_hand=True).items()}
    try:
        return elf_of(path, images, notify).explain
    except PipelineError as error:
        notify(f"places of crashes are not named: {error.message}")
        return lambda _line: []
