"""What to do next, in the words of the page: a hint names commands and settings as somebody types them on a terminal.

The page has a button, a field or a page of its own for most of them; for the rest a terminal is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from flashpipe.errors import NoImageError, PipelineError, UnknownProfileError
from flashpipe.events import error_facts
from flashpipe.next_steps import NextStep, Part, Wording, parts_of
from flashpipe.page.buttons import TASKS

PLACES: Final[Mapping[str, str]] = {
    **TASKS,
    "bundle": "Support bundle",
    "init": "Save as profile",
    "inspect": "What is in it",
    "lua": "Send selection",
    "monitor": "Open the console",
    "plan": "Look at the board",
    "ports": "Boards",
    "profiles": "Profile",
    "report": "What was done",
    "restore": "Backups",
    "files put": "Send files to the board",
    "files rescue=1": "Put init.lua aside",
}
"""Commands, and what the page calls the place where the same is done."""
DROPPED: Final[Mapping[str, str]] = {
    "image-aggregated": "drop that file alone",
    "image-headerless": "drop both files of the pair together, 0x00000.bin and 0x10000.bin",
    "image-incomplete": "drop all files of the firmware together",
    "image-swapped": "exchange the names of the two files, and drop both again",
}
"""What to do next about files that were dropped, by code; of others the terminal's words speak."""
CHOOSE: Final[Mapping[str, str]] = {
    NoImageError.code: "drop a firmware file, or choose a profile that names one",
    UnknownProfileError.code: "choose a profile from the list, or drop a firmware file",
}
"""What to do next where nothing is chosen that could be flashed, by code."""
_COMMAND: Final = re.compile(r"`flashpipe (?P<words>[^`]+)`(?: on a terminal)?")
"""How texts write a command, whether it can be run as it stands or not."""


def on_page(text: str, *, dropped: bool = False) -> str:
    """A text for people, as the page says it; `dropped`: it may be about files that were dropped there.

    >>> on_page("`flashpipe erase`, then `flashpipe flash`")
    '“Erase…”, then “Flash”'
    >>> on_page("`flashpipe trust /srv` admits it")
    '`flashpipe trust /srv` on a terminal admits it'
    """
    return "".join(_said(part, dropped=dropped) for part in parts_of(text))


def _said(part: Part, *, dropped: bool) -> str:
    if isinstance(part, Wording):
        return part.page if dropped or not part.of_dropped else part.terminal
    if isinstance(part, NextStep) and not part.command and not part.variables:
        return "do the same again"
    return _COMMAND.sub(_place, str(part))


def _place(match: re.Match[str]) -> str:
    words = match["words"].split()
    known = (" ".join(words[:count]) for count in (2, 1))
    place = next((PLACES[name] for name in known if name in PLACES), "")
    return f"“{place}”" if place else f"`flashpipe {match['words']}` on a terminal"


def failure_facts(error: PipelineError, *, dropped: bool = True) -> dict[str, object]:
    """A failure for the page: code, message, cause, proof and next step; `dropped`: it may be of files that were."""
    facts = error_facts(error)
    said = {name: on_page(str(facts[name])) for name in ("message", "cause")}
    about = {**CHOOSE, **(DROPPED if dropped else {})}
    return {**facts, **said, "next": about.get(error.code) or on_page(error.action, dropped=dropped)}
