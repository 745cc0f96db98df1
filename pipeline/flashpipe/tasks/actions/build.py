"""The build step: doit decides whether it runs, by its own rules, where the profile says what it reads."""

from __future__ import annotations

from flashpipe.jobs import build as jobs
from flashpipe.jobs.inputs import RunInputs
from flashpipe.tasks.command_line import current


def find_inputs(inputs: RunInputs) -> dict[str, object]:
    """What doit shall watch for the build."""
    return {"file_dep": jobs.build_inputs(inputs, current().targets)}


def find_part_files(inputs: RunInputs) -> dict[str, object]:
    """What doit shall watch for the LFS and SPIFFS images."""
    return {"file_dep": [str(path) for path in jobs.part_files(inputs)]}


def make_parts(inputs: RunInputs) -> None:
    """Make the profile's LFS and SPIFFS images, if it has any."""
    jobs.make_parts(inputs, inputs.listener)


def parts_count(inputs: RunInputs) -> bool:
    """Whether nothing but a changed file makes it run."""
    return jobs.parts_count(inputs)


def counts(inputs: RunInputs) -> bool:
    """Whether nothing but a changed input makes it run."""
    return jobs.counts(inputs)


def build_images(inputs: RunInputs) -> None:
    """Run the profile's build command, if it has one."""
    jobs.build_images(inputs, inputs.listener)
