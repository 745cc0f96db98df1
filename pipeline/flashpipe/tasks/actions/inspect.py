"""The task `image`."""

from __future__ import annotations

from flashpipe import terminal
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.inspect import inspect_plan
from flashpipe.jobs.plan_facts import plan_facts
from flashpipe.text.documents import put
from flashpipe.text.inspection import as_data, describe
from flashpipe.text.lines import print_result, print_table
from flashpipe.text.plan import describe_plan


def show_image(inputs: RunInputs) -> None:
    """Load, check and describe the images."""
    plan = inputs.plan()
    inspection = inspect_plan(inputs)
    if not put("image", {**plan_facts(plan), "inspection": as_data(inspection)}):
        print_table(f"{describe_plan(plan)}\n\n{describe(inspection, plan.settings.capacity)}")
        if terminal.quiet:
            print_result(f"OK  {plan.firmware.title()}")
