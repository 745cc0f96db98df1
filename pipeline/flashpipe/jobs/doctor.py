"""What on this machine keeps a board from being flashed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flashpipe.board.ports import discovery, doctor
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.host import Host, this_host
from flashpipe.board.ports.names import canonical
from flashpipe.errors import HostNotReadyError, PipelineError
from flashpipe.jobs.inputs import RunInputs

USUAL_BAUD: Final = 460800


def check_host(inputs: RunInputs, host: Host | None = None) -> list[doctor.Check]:
    """What the checks say, about the port that is named, else about every USB adapter."""
    return doctor.examine(doctor.Question(host or this_host(), _ports(inputs), _baud(inputs)))


def _ports(inputs: RunInputs) -> list[PortInfo]:
    present = discovery.list_ports()
    words = inputs.command.variables.text("port").split(",")
    named = [text for text in words if text and text not in {"auto", "all"}]
    if not named:
        return [info for info in present if info.vid is not None]
    known = {canonical(info.device): info for info in present}
    return [known.get(canonical(name), PortInfo(name)) for name in named]


def _baud(inputs: RunInputs) -> int:
    text = inputs.command.variables.text("baud")
    if text.isdigit():
        return int(text)
    try:
        return inputs.serial().baud if inputs.command.profile_name else USUAL_BAUD
    except PipelineError:  # the profile's mistakes are told by the tasks that use it
        return USUAL_BAUD


def describe(checks: Sequence[doctor.Check]) -> str:
    """The findings as lines, commands below what they cure."""
    lines = []
    for check in checks:
        lines.append(f"{check.state:<5} {check.name:<14} {check.text}")
        if check.command:
            lines.append(f"{'':<20} $ {check.command}")
    return "\n".join(lines)


def refuse_unready(checks: Sequence[doctor.Check]) -> None:
    """Raises HostNotReadyError where something fails."""
    failing = [check for check in checks if check.state == "fail"]
    if failing:
        raise HostNotReadyError(
            f"{len(failing)} of {len(checks)} checks fail: {', '.join(dict.fromkeys(check.name for check in failing))}",
            next((check.command for check in failing if check.command), ""),
        )
