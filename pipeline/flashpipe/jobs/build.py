"""The build step of a profile.

Three things make a build run: the profile names no inputs (then it always does), an input has changed since the last
success (whoever calls knows that), or that success does not count any more (`flashpipe.sources.build`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from flashpipe.errors import BuildDueError, PipelineError
from flashpipe.events import Listener, Message, StepFinished, StepStarted
from flashpipe.firmware.boot_image import Image
from flashpipe.jobs import sessions
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.lua_files import Compile
from flashpipe.jobs.parts import PartSources
from flashpipe.records.project_folder import make_folder
from flashpipe.sources.build import Build, input_files, last_build, run_build

_LINE: Final = 60
"""Characters of the command's output that stand in the line that is redrawn."""


def counts(inputs: RunInputs) -> bool:
    """Whether nothing but a changed input makes the build run; what fails is told by whoever runs it."""
    try:
        build = inputs.build()
        if build is None or not build.inputs:
            return False
        last_build(build, inputs.command.builds_folder)
    except PipelineError:
        return False
    return True


def build_inputs(inputs: RunInputs, targets: Mapping[str, str] | None = None) -> list[str]:
    """The files that the profile's build reads; none where it has no build.

    Args:
        inputs: Of the run.
        targets: What other tasks make: absolute path to its spelling, in which it is given back.

    Raises:
        BuildInputsError: a pattern matches nothing.
    """
    build, known = _known(inputs), targets or {}
    paths = [os.path.normpath(path.absolute()) for path in input_files(build, known)] if build else []
    return [known.get(path, path) for path in dict.fromkeys(paths)]


def build_images(inputs: RunInputs, listener: Listener) -> None:
    """Run the profile's build command, if it has one.

    Raises:
        BuildError: it failed, was stopped, or made nothing.
    """
    build = _known(inputs)
    if build is None:
        return
    command = inputs.command
    listener(Message("", f"build    `{build}` in {build.folder}"))
    with sessions.Working("build"):
        made = run_build(
            build,
            make_folder(command.folder) / command.builds_folder.name,
            stop=sessions.stop,
            on_line=lambda line: listener(StepStarted("", "build", line[:_LINE])),
        )
    inputs.forget_plan()
    for line in made.warnings:
        listener(Message("", line, warning=True))
    paths = ", ".join(output.path for output in made.outputs.values())
    listener(StepFinished("", "build", made.seconds, paths))


def part_files(inputs: RunInputs) -> list[Path]:
    """The files that LFS and SPIFFS images of the profile are made of; none where that cannot be told yet.

    Raises:
        PartFilesError: they cannot be found.
    """
    sources = _known_parts(inputs)
    return sources.files() if sources else []


def make_parts(inputs: RunInputs, listener: Listener) -> None:
    """Make the LFS and SPIFFS images of the profile for which a program has to be run.

    Raises:
        PipelineError: what they are made of is wrong, or a program fails.
    """
    sources = _known_parts(inputs)
    if sources is None:
        return
    _work(inputs, sources.make, listener)
    inputs.forget_plan()


def _work(
    inputs: RunInputs, make: Callable[[Mapping[int, Image], Callable[[str], None]], object], listener: Listener
) -> None:
    """Make something of the images into the folder of records; a stop waits for it."""
    images = inputs.images()
    make_folder(inputs.command.folder)
    with sessions.Working("parts"):
        make(images, lambda text: listener(Message("", text)))


def compiling(inputs: RunInputs, listener: Listener) -> Compile:
    """Gives what luac.cross makes of Lua files of the profile; those that are due are compiled then, and nothing else.

    Raises:
        PipelineError: when called: as `RunInputs.compiled`; or there is a mistake in one.
    """

    def compile_now(name: str, text: bytes) -> bytes:
        try:
            return inputs.compiled(name, text)
        except BuildDueError:
            sources = _known_parts(inputs)
            if sources is None:
                raise
            _work(inputs, sources.compile_files, listener)
        return inputs.compiled(name, text)

    return compile_now


def parts_count(inputs: RunInputs) -> bool:
    """Whether all parts are made already of the very same sources; what fails is told by whoever makes them."""
    try:
        sources = inputs.part_sources()
        if sources is not None:
            sources.parts(inputs.images())
    except PipelineError:
        return False
    return True


def _known_parts(inputs: RunInputs) -> PartSources | None:
    """None, too, where the profile cannot be read, which the check after this one reports."""
    try:
        return inputs.part_sources()
    except PipelineError:
        return None


def _known(inputs: RunInputs) -> Build | None:
    """The build; None, too, where the profile cannot be read, which the check after this one reports."""
    try:
        return inputs.build()
    except PipelineError:
        return None


def is_due(inputs: RunInputs) -> bool:
    """Whether the build has to run, for a face without doit's memory of inputs: a newer input is a changed one."""
    build = _known(inputs)
    if build is None:
        return False
    if not counts(inputs):
        return True
    last = last_build(build, inputs.command.builds_folder)
    return any(path.stat().st_mtime > last.at for path in input_files(build))


def build_note(inputs: RunInputs) -> str:
    """One line for a plan that was made from the last build; empty where nothing is built.

    Raises:
        PipelineError: no build that counts.
    """
    finished = inputs.last_build()
    if finished is None:
        return ""
    build, last, by_hand = finished
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last.at))
    if by_hand:
        return f"build    of {when}, made by hand; `flash` runs `{build}` first"
    changed = [path for path in input_files(build) if path.stat().st_mtime > last.at]
    if not build.inputs:
        return f"build    of {when}; `flash` runs `{build}` first"
    if changed:
        return f"build    of {when}, {changed[0].name} has changed since; `flash` runs `{build}` first"
    return f"build    of {when}; its inputs have not changed since"
