"""What names the addresses that a crash prints, where the profile names the firmware's ELF."""

from __future__ import annotations

from collections.abc import Callable

from flashpipe.errors import PipelineError
from flashpipe.firmware.elf import read_elf
from flashpipe.jobs.inputs import RunInputs

Explain = Callable[[str], list[str]]
"""From a line of the board's to the lines that explain its addresses."""


def explainer(inputs: RunInputs, notify: Callable[[str], None]) -> Explain:
    """What explains a line; an ELF that cannot be read is told once, and then nothing is named.

    Raises:
        ProfileError: the profile is unknown or has mistakes.
    """
    path = inputs.elf()
    if path is None:
        return lambda _line: []
    try:
        return read_elf(path).explain
    except PipelineError as error:
        notify(f"places of crashes are not named: {error.message}")
        return lambda _line: []
