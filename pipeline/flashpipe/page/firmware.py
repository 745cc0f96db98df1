"""What was chosen for a board: what it is, what the gate says of it, what it would write; no port is touched."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from flashpipe.errors import PipelineError
from flashpipe.events import ignore
from flashpipe.firmware.inspection import Inspection
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.inspect import inspect, inspect_plan
from flashpipe.jobs.preview import preview
from flashpipe.limits import limits_told
from flashpipe.page.choice import Choice, Folders
from flashpipe.page.shown_plan import shown
from flashpipe.page.words import failure_facts, on_page
from flashpipe.text.inspection import describe

MISSING: Final[Mapping[str, str]] = {
    "no-image": "No firmware yet: drop a file, or choose a profile that names one",
    "build-due": "Not built yet: flashing builds it first",
}
"""What is no refusal of anything, by its code."""
REFUSED: Final = "Refused: nothing was written"


def look(choice: Choice, folders: Folders, flash_size: int | None = None) -> Mapping[str, Any]:
    """What is known without a board: `title`, `text`, `plan`, and `error` where it is refused.

    `flash_size`: bytes of the board's flash, where it has told them before.
    """
    if choice.undecided or not (choice.profile or choice.image):
        return {}
    firmware: dict[str, object] = {"title": "", "text": "", "plan": None, "error": None}
    try:
        with limits_told():
            inputs = RunInputs(
                choice.command_line(folders, "plan", choice.variables("plan")), listener=ignore, pins=False
            )
            if choice.image:
                firmware |= _described(inspect(choice.image, choice.folder or folders[1]))
            firmware["plan"] = shown(preview(inputs, flash_size), sized=flash_size is not None)
            if not choice.image:
                with suppress(PipelineError):
                    firmware |= _described(inspect_plan(inputs))
    except PipelineError as error:
        facts = failure_facts(error, dropped=choice.folder is not None)
        firmware["error"] = {**facts, "heading": MISSING.get(error.code, REFUSED)}
    return firmware


def _described(inspection: Inspection) -> dict[str, object]:
    return {"title": inspection.title, "text": on_page(describe(inspection))}
