"""Buttons for what a failure says is to be done next: made from its steps, so that page and terminal agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final

from flashpipe.next_steps import NextStep
from flashpipe.page.choice import MORE
from flashpipe.values import dataclass

TASKS: Final[Mapping[str, str]] = {
    "identify": "Identify",
    "flash": "Flash",
    "verify": "Compare with the firmware",
    "boot": "Restart and watch",
    "erase": "Erase…",
    "audit": "Audit",
    "diagnose": "Diagnose",
    "backup": "Back up",
    "node": "Ask the firmware",
    "files": "List files",
    "format": "Format…",
}
"""Tasks that need nothing but a click, and how they are called."""
ABOUT: Final[Mapping[tuple[str, str], str]] = {
    ("reset", "manual"): "you press the board's buttons when told",
    ("boot", "off"): "its start is not watched",
    ("boot", "any"): "any sign of life will do",
    ("force", "1"): "also what is there already",
    ("mode", "dout"): "works on every board",
    ("baud", "115200"): "slower and surer",
}
"""What a setting means, where its name does not say it."""
RETRIED: Final = "flash"
"""What settings are for, where what has failed does not take them."""
WRITTEN: Final = frozenset({"mode", "frequency", "erase", "keep", "force"})
"""Settings that change what is on a board: nothing but a flash makes anything of them."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button."""

    label: str
    action: str
    """The last word of the address that is clicked."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Settings that count from then on, or what the action takes."""
    question: str = ""
    """What is asked before; empty where nothing is at stake that is not asked anyway."""

    def stands_in(self, more: tuple[tuple[str, str], ...]) -> bool:
        """Whether that is what was done already, with these settings."""
        return bool(self.values) and self.values.items() <= dict(more).items()


def buttons_for(steps: Sequence[NextStep], action: str, *, touched: bool, retry: bool = False) -> list[Button]:
    """The buttons for a failure: settings first, then what else can be clicked.

    Args:
        steps: What is to be done next.
        action: What has failed; empty where that cannot be done again by a click.
        touched: A port was opened: then there is something to diagnose.
        retry: What has failed may go well once something outside was put right, whether or not a step says so.
    """
    buttons = [*_settings(steps, action)]
    tasks = [step.command for step in steps if step.command]
    retry = retry or any(not (step.command or step.variables) for step in steps)
    if action and action not in tasks and not buttons and retry:
        buttons.append(Button("Do it again", action))
    buttons += [button for step in steps for button in _command(step, action)]
    if touched and action != "diagnose" and not any(button.action == "diagnose" for button in buttons):
        buttons.append(Button(TASKS["diagnose"], "diagnose"))
    return buttons


def _settings(steps: Sequence[NextStep], action: str) -> Iterator[Button]:
    """The same again, or the firmware, with other settings; those that the page has no field for are a terminal's."""
    for step in steps:
        values = dict(step.variables)
        if step.command or not values or not values.keys() <= set(MORE):
            continue
        repeated = action if action in TASKS and not values.keys() & WRITTEN else RETRIED
        label = TASKS[repeated].rstrip("…")
        refusal = values.get("allow", "")
        question = f"That overrides the refusal “{refusal}”, from now on. Go on?" if refusal else ""
        about = "; ".join(ABOUT[one] for one in step.variables if one in ABOUT)
        yield Button(f"{label} with {step}{f' ({about})' if about else ''}", repeated, values, question)


def _command(step: NextStep, action: str) -> Iterator[Button]:
    name, values = step.command, dict(step.variables)
    if name == "files" and "rescue" in values:
        yield Button("Put init.lua aside", "rescue", values)
    elif name == "restore" and "backup" in values:
        yield Button(f"Put back {values['backup']}…", "restore", values)
    elif name in TASKS:
        yield Button(TASKS[name] + " again" * (name == action), name)
