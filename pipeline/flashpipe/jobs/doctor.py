"""`doctor`: what on this machine keeps a board from being flashed, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flashpipe.board.ports import discovery, doctor
from flashpipe.board.ports.discovery import PortInfo
from flashpipe.board.ports.host import Host, this_host
from flashpipe.board.ports.names import canonical
from flashpipe.errors import HostNotReadyError, PipelineError
from flashpipe.jobs.request import Request

USUAL_BAUD: Final = 460800
UNSEEN: Final = {
    "win32": "The checks of this system were not yet seen on Windows.",
    "darwin": "The checks of this system were not yet seen on macOS.",
}


def findings(request: Request, host: Host | None = None) -> list[doctor.Check]:
    """What the checks say, about the port that is named, else about every USB adapter."""
    return doctor.examine(doctor.Question(host or this_host(), _ports(request), _baud(request)))


def _ports(request: Request) -> list[PortInfo]:
    there = discovery.list_ports()
    wanted = [text for text in request.variables.text("port").split(",") if text and text not in {"auto", "all"}]
    if not wanted:
        return [info for info in there if info.vid is not None]
    known = {canonical(info.device): info for info in there}
    return [known.get(canonical(name), PortInfo(name)) for name in wanted]


def _baud(request: Request) -> int:
    text = request.variables.text("baud")
    if text.isdigit():
        return int(text)
    try:
        return request.serial().baud if request.profile_name else USUAL_BAUD
    except PipelineError:  # the profile's mistakes are told by the tasks that use it
        return USUAL_BAUD


def describe(found: Sequence[doctor.Check]) -> str:
    """The findings as lines, commands below what they cure."""
    lines = []
    for check in found:
        lines.append(f"{check.state:<5} {check.name:<14} {check.text}")
        if check.command:
            lines.append(f"{'':<20} $ {check.command}")
    return "\n".join(lines)


def refuse_unready(found: Sequence[doctor.Check]) -> None:
    """Raises HostNotReadyError where something fails."""
    failing = [check for check in found if check.state == "fail"]
    if failing:
        raise HostNotReadyError(
            f"{len(failing)} of {len(found)} checks fail: {', '.join(dict.fromkeys(check.name for check in failing))}",
            next((check.command for check in failing if check.command), ""),
        )
