"""Buttons for what a failure says is to be done next: read from its own words, so that page and terminal agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

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
}
"""Tasks that need nothing but a click, and how they are called."""
RETRIED: Final = "flash"
"""What settings are for, where what has failed does not take them."""
_SETTING: Final = re.compile(rf"\b({'|'.join(MORE)})=([a-z0-9_-]+(?:,[a-z0-9_-]+)*)")
_TASK: Final = re.compile(rf"`flashpipe ({'|'.join(TASKS)})\b")
_RESTORE: Final = re.compile(r"`flashpipe restore backup=([\w.:-]+)")
_AGAIN: Final = re.compile(r"\b(?:same command|run it|do it|try) again\b")


@dataclass(frozen=True, slots=True)
class NextStep:
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


def next_steps(text: str, action: str, *, touched: bool) -> list[NextStep]:
    """The buttons for a failure.

    Args:
        text: what is to be done next, in its own words.
        action: what has failed; empty where that cannot be done again by a click.
        touched: a port was opened: then there is something to diagnose.
    """
    found = [*_settings(text, action)]
    tasks = list(dict.fromkeys(_TASK.findall(text)))
    if action and action not in tasks and not found and _AGAIN.search(text):
        found.append(NextStep("Do it again", action))
    found += [NextStep(TASKS[name] + " again" * (name == action), name) for name in tasks]
    if "`flashpipe files rescue=1`" in text:
        found.append(NextStep("Put init.lua aside", "rescue", {"rescue": "1"}))
    found += [NextStep(f"Put back {name}…", "restore", {"backup": name}) for name in _RESTORE.findall(text)]
    if touched and action != "diagnose" and not any(step.action == "diagnose" for step in found):
        found.append(NextStep(TASKS["diagnose"], "diagnose"))
    return found


def _settings(text: str, action: str) -> Iterator[NextStep]:
    repeated = action if action in TASKS else RETRIED
    label = TASKS[repeated].rstrip("…")
    for name, value in dict.fromkeys(_SETTING.findall(text)):
        question = f"That overrides the refusal “{value}”, from now on. Go on?" if name == "allow" else ""
        yield NextStep(f"{label} with {name}={value}", repeated, {name: value}, question)
