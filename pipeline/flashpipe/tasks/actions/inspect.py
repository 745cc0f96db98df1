"""The task `image`."""

from __future__ import annotations

from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.inspect import inspect_plan
from flashpipe.text.inspection import describe
from flashpipe.text.lines import print_result
from flashpipe.text.plan import describe_plan


def show_image(inputs: RunInputs) -> None:
    """Load, check and describe the images."""
    plan = inputs.plan()
    print_result(describe_plan(plan))
    print_result("\n" + describe(inspect_plan(inputs), plan.settings.capacity))
