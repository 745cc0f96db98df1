"""The build step of a profile: doit decides whether it runs, by its own rules, where the profile says what it reads.

Three things make a build run: the profile names no inputs (then it always does), an input has changed since the last
success, or that success does not count any more (`flashpipe.sources.build`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from flashpipe.errors import PipelineError
from flashpipe.jobs import sessions
from flashpipe.jobs.request import Request
from flashpipe.records.project_folder import make_folder
from flashpipe.tasks.step import armed, report, step
from flashpipe.text.lines import ConsoleLines

if TYPE_CHECKING:
    from doit.exceptions import TaskFailed

    from flashpipe.sources.build import Build

_LINE: Final = 60
"""Characters of the command's output that stand in the line that is redrawn."""


class Built:
    """`uptodate` of the build: the last one counts, and doit's `file_dep` says whether an input has changed."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __call__(self) -> bool:
        """Whether nothing but a changed input makes it run."""
        from flashpipe.sources.build import last_build  # noqa: PLC0415

        try:
            build = self._request.build()
            if build is not None and build.inputs:
                last_build(build, self._request.builds_folder)
                return True
        except PipelineError:
            pass  # the action says it: an exception here would end the whole run
        return armed()

    def __repr__(self) -> str:
        return "built, and neither its inputs nor its outputs have changed since"


def find_inputs(request: Request) -> dict[str, Any] | TaskFailed:
    """What doit shall watch for the build."""
    from flashpipe.sources.build import input_files  # noqa: PLC0415

    build = _known(request)
    try:
        return {"file_dep": [str(path) for path in input_files(build)] if build else []}
    except PipelineError as error:
        return report(error)


@step
def build_images(request: Request) -> None:
    """Run the profile's build command, if it has one."""
    build = _known(request)
    if build is None:
        return
    from flashpipe.events import Message, StepFinished, StepStarted  # noqa: PLC0415
    from flashpipe.sources.build import run_build  # noqa: PLC0415

    lines = ConsoleLines()
    lines(Message("", f"build    `{build}` in {build.folder}"))
    with sessions.Working("build"):
        done = run_build(
            build,
            make_folder(request.folder) / request.builds_folder.name,
            stop=sessions.stop,
            on_line=lambda line: lines(StepStarted("", "build", line[:_LINE])),
        )
    request.forget_plan()
    made = ", ".join(output.path for output in done.outputs.values())
    lines(StepFinished("", "build", done.seconds, made))


def _known(request: Request) -> Build | None:
    """The build; None, too, where the profile cannot be read, which the check after this one reports."""
    try:
        return request.build()
    except PipelineError:
        return None


def build_note(request: Request) -> str:
    """One line for a plan that was made from the last build; empty where nothing is built.

    Raises:
        PipelineError: no build that counts.
    """
    build = request.build()
    if build is None:
        return ""
    from flashpipe.sources.build import input_files, last_build  # noqa: PLC0415

    done = last_build(build, request.builds_folder)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(done.at))
    changed = [path for path in input_files(build) if path.stat().st_mtime > done.at]
    if not build.inputs:
        return f"build    of {when}; `flash` runs `{build}` first"
    if changed:
        return f"build    of {when}, {changed[0].name} has changed since; `flash` runs `{build}` first"
    return f"build    of {when}; its inputs have not changed since"
