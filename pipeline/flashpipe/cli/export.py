"""`flashpipe export profile=NAME to=DIR`: what `flash` would write, as files for other tools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from flashpipe import terminal
from flashpipe.cli.arguments import take_variables
from flashpipe.cli.project import project_here
from flashpipe.events import Event
from flashpipe.files import expanded
from flashpipe.jobs.build import build_images, is_due, make_parts
from flashpipe.jobs.command_variables import EXPORT
from flashpipe.jobs.export import Export, write_export
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.request import CommandLine
from flashpipe.jobs.variables import check
from flashpipe.text.lines import ConsoleLines
from flashpipe.units import format_size

USAGE: Final = """usage: flashpipe export profile=NAME [to=DIR] [image=FILE] [mode=dio] [offline=1] [locked=1]

Write what `flash` would write as files for other tools: one merged .bin, the parts with flash_args for esptool, a
manifest.json for ESP Web Tools, and SHA256SUMS. The header is set in each. What is built or compiled is made first.
to=DIR is dist/ by default.
"""


def main(argv: list[str]) -> int:
    """Build what is due, and write the export; the exit status.

    Raises:
        PipelineError: a bad profile, an image that is refused, or a folder that cannot be written.
    """
    if {"-h", "--help"} & set(argv):
        terminal.write(USAGE)
        return 0
    words = take_variables(argv, "export", EXPORT)
    given = words.with_bare("profile", words.rest)
    caller = Path.cwd()
    folder = caller / expanded(given.pop("to", "dist"))
    inputs = RunInputs(CommandLine(project_here(), caller, check(given)), listener=_Listener())
    if is_due(inputs):
        build_images(inputs, inputs.listener)
    make_parts(inputs, inputs.listener)
    plan = inputs.plan()
    _show(write_export(plan, inputs.profile().name, folder), caller)
    return 0


class _Listener:
    """Lines of steps on standard error, as those of tasks."""

    def __init__(self) -> None:
        self._lines = ConsoleLines(prefix=False)

    def __call__(self, event: Event) -> None:
        self._lines(event)


def _show(export: Export, caller: Path) -> None:
    shown = export.folder.relative_to(caller) if export.folder.is_relative_to(caller) else export.folder
    width = max(map(len, export.files))
    for name, size in export.files.items():
        terminal.write(f"{shown}/{name:<{width}}  {format_size(size)}\n")
    terminal.write(f"\nnext: cd {shlex.quote(str(shown))} && esptool --chip esp8266 write-flash @flash_args\n")
