"""Who runs the firmware behind a port: a chip, an emulated core, or nobody."""

from __future__ import annotations

from typing import Any, Final

from flashpipe.values import dataclass

_NOTES: Final = {
    True: " (virtual board: firmware executed on an emulated core; radio and ROM modelled)",
    False: " (virtual board: predicted from the image, firmware not executed)",
    None: " (virtual board: this port does not tell whether it executes the firmware)",
}


@dataclass(frozen=True, slots=True)
class Execution:
    """How the firmware of a board runs."""

    virtual: bool = False
    executed: bool | None = True
    """Whether it is executed, and not predicted; None where that is not known."""
    core: str = ""
    """What executes it: `c` or `python`; empty on a real board."""
    start: str = ""
    """`boot`, or `snapshot` of an earlier one; empty on a real board."""

    @property
    def note(self) -> str:
        """What to say behind a verdict; nothing for a real board."""
        return _NOTES[self.executed] if self.virtual else ""

    @property
    def record(self) -> dict[str, str]:
        """For receipts; empty where no emulated core is known to have executed anything."""
        return {"core": self.core, "from": self.start} if self.core and self.executed else {}


def of_port(port: Any, *, virtual: bool) -> Execution:
    """What an open port tells of the board behind it.

    A virtual board's port object has `executed`, a dict with `core` and `from`, empty where the firmware is predicted;
    through a pty or RFC 2217 nothing is told.
    """
    if not virtual:
        return Execution()
    facts: dict[str, str] | None = getattr(port, "executed", None)
    if facts is None:
        return Execution(virtual=True, executed=None)
    return Execution(virtual=True, executed=bool(facts), core=facts.get("core", ""), start=facts.get("from", ""))
