"""The tasks `profiles`, `ports` and `doctor`."""

from __future__ import annotations

from flashpipe import terminal
from flashpipe.jobs import doctor as jobs
from flashpipe.jobs.inputs import RunInputs
from flashpipe.text.documents import put
from flashpipe.text.lines import print_result, print_table
from flashpipe.text.listings import ports_data, ports_text, profiles_data, profiles_text


def profiles(inputs: RunInputs) -> None:
    """Every profile, and what is wrong with those that cannot be used."""
    if not put("profiles", profiles_data(inputs.command.project)):
        print_result(profiles_text(inputs.command.project))


def ports(inputs: RunInputs) -> None:
    """Every serial port, and what was last seen on it."""
    del inputs
    if not put("ports", ports_data()):
        print_result(ports_text())


def doctor(inputs: RunInputs) -> None:
    """What on this machine keeps a board from being flashed."""
    checks = jobs.check_host(inputs)
    if not put("doctor", {"checks": checks}):
        print_table(jobs.describe(checks))
    jobs.refuse_unready(checks)
    if terminal.quiet:
        print_result(f"OK  {len(checks)} checks")
