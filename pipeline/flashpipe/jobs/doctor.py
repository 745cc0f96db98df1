"""What on this machine keeps a board from being flashed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatch
from typing import Final

from flashpipe.board.ports import discovery, doctor
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.host import Host, this_host
from flashpipe.board.ports.names import canonical, is_url
from flashpipe.errors import HostNotReadyError, PipelineError
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.port_choice import is_pattern, port_words
from flashpipe.masking import without_login

USUAL_BAUD: Final = 460800


def check_host(inputs: RunInputs, host: Host | None = None) -> list[doctor.Check]:
    """What the checks say, about the port that is named, else about every USB adapter."""
    host, present = host or this_host(), discovery.list_ports()
    known = {canonical(info.device): info for info in present}
    ports, missing, elsewhere = list[PortInfo](), list[str](), list[str]()
    for word in _words(inputs):
        if is_url(word):
            elsewhere.append(without_login(word))
        elif word in {"auto", "all"}:
            ports += [info for info in present if info.vid is not None]
        elif is_pattern(word) and (fitting := [info for info in present if fnmatch(info.device, word)]):
            ports += fitting
        elif canonical(word) in known or host.node(canonical(word)) is not None:
            ports.append(known.get(canonical(word), PortInfo(word)))
        else:
            missing.append(word)
    return doctor.examine(doctor.Question(host, ports, _baud(inputs), missing, elsewhere))


def _words(inputs: RunInputs) -> list[str]:
    """What the command, or else the profile, says of the port."""
    if words := port_words(inputs.command.variables.text("port")):
        return words
    with suppress(PipelineError):  # the profile's mistakes are told by the tasks that use it
        declared = inputs.serial().port if inputs.command.profile_name else "auto"
        return [declared] if isinstance(declared, str) else ["auto"]
    return ["auto"]


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
