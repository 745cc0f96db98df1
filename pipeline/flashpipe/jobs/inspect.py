"""What firmware files are, without profile or board."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flashpipe.firmware.inspection import Inspection, inspect_images
from flashpipe.jobs.inputs import RunInputs
from flashpipe.sources.resolve import load_source, parse_image_argument

ADDRESSED: Final = ("0x", "0X")


def inspect(text: str, folder: Path) -> Inspection:
    """What a file, or any other source that `image=` takes, is; relative paths start from `folder`.

    Raises:
        SourceError: it cannot be had.
    """
    # A pair is one firmware: named with its addresses, as `image=` takes it.
    if text.startswith(ADDRESSED) and not (folder / text).exists():
        pair = parse_image_argument(text)
        return inspect_images([(address, load_source(source, folder)) for address, source in sorted(pair.items())])
    return inspect_images([(None, load_source(text, folder))])


def inspect_plan(inputs: RunInputs) -> Inspection:
    """What the images of a plan are.

    Raises:
        PipelineError: one is missing, refused or does not fit.
    """
    return inspect_images(inputs.plan_images().items())
