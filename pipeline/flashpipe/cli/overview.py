"""What `flashpipe` says of itself, and of words it does not know."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import flashpipe
from flashpipe import terminal
from flashpipe.files import read_regular
from flashpipe.jobs.variables import KNOWN
from flashpipe.lazy import lazy_pattern

DOIT_COMMANDS: Final = {
    "list": "list the tasks",
    "help": "help of a task or command",
    "plan": "show what `flash` would write, keep and skip; writes nothing",
    "info": "how doit decides about a task",
    "clean": "doit: clean action, remove targets",
    "forget": "doit: forget that a task was done",
    "ignore": "doit: skip a task from now on",
    "run": "doit: run tasks, with doit's own options",
    "dumpdb": "doit: dump its database",
    "reset-dep": "doit: recompute file dependencies",
    "strace": "doit: list the files a task opens",
    "tabcompletion": "doit: script for tab completion",
}


COMMAND_TEXTS: Final = {
    "init": "look at the board on the port and write a profile for it",
    "batch": "report, close and verify the batches of a station",
    "bench": "measure how fast adapter, cable and board are; fit for an issue",
    "board": "run virtual boards for other programs",
    "bundle": "one masked zip about the last failure, for a bug report",
    "cache": "list or clean the downloaded images",
    "completion": "script for Tab in bash, zsh or fish",
    "esptool": "esptool's own command line, with our checks and receipt",
    "explain": "say what a boot log proves, without a board",
    "export": "write what `flash` would write as files for other tools",
    "host": "serve the boards of this machine to others",
    "inspect": "say what firmware files are",
    "lab": "places of a labgrid coordinator, and those that killed runs left",
    "page": "show the boards in a browser",
    "new": "make a project in a folder of its own, with a test; needs no board",
    "schema": "write the JSON Schema of profiles, events, documents or receipts",
    "prune": "remove old receipts and backups of this project",
    "simulate": "run a firmware on an emulated chip and show what it says",
    "station": "flash boards of a batch as they are plugged in",
    "test": "run Lua test files on a board, a virtual one unless a port is named",
    "trust": "use a folder that others can change",
}
TOPICS: Final = ("variables", "port", "keys", "keep", "codes", "verdicts", "boot-loop")
"""Pages of `flashpipe help`; what they say is in `flashpipe.cli.topics`, whose tables load half the package."""
_TASK: Final = lazy_pattern(r'^def task_([a-zA-Z]\w*)\(.*?:\n(?:    "+(.*?)"*$)?', re.MULTILINE)
WIDTH: Final = 79
_DODO: Final = "dodo.py"
_LARGEST: Final = 1024 * 1024
"""Bytes of one that is looked through."""


def overview(tasks: dict[str, str], commands: Iterable[str]) -> str:
    """The page of `flashpipe --help`."""
    shown = {name: COMMAND_TEXTS.get(name, "") for name in commands}
    shown |= {name: DOIT_COMMANDS[name] for name in ("plan", "list", "help")}
    return "\n".join(
        [
            "flashpipe: build-and-flash pipeline for ESP8266 and ESP8285 boards",
            "",
            "  flashpipe TASK … name=value …         or --name value",
            "  flashpipe flash profile=demo          try it, no board needed",
            "  flashpipe new NAME                    begin a project in a folder of its own",
            "  flashpipe init NAME                   write a profile for your own board",
            "",
            "tasks",
            *(f"  {name:<11}{text}" for name, text in sorted(tasks.items())),
            "",
            "commands",
            *(f"  {name:<11}{text}" for name, text in shown.items()),
            "",
            textwrap.fill(f"variables: {', '.join(KNOWN)}", WIDTH, subsequent_indent="  "),
            textwrap.fill(f"topics: {', '.join(TOPICS)}", WIDTH, subsequent_indent="  "),
            "more: flashpipe help TASK, flashpipe help TOPIC, flashpipe help CODE",
        ]
    )


def shipped_tasks() -> dict[str, str]:
    """First line of each shipped task's text, by its name.

    Read from the source: to load the tasks is to load doit, which is most of the time that a page of help takes.
    """
    source = (Path(flashpipe.__file__).parent / "tasks" / "__init__.py").read_text("utf-8")
    return dict(_TASK.findall(source))


def own_tasks(project: Path) -> dict[str, str]:
    """The same of the project's dodo file, as its text has them: nothing of it is run."""
    with suppress(OSError, ValueError):
        return dict(_TASK.findall(_dodo_text(project)))
    return {}


def _dodo_text(project: Path) -> str:
    return read_regular(project / _DODO, _LARGEST).decode("utf-8")


def task_texts(members: dict[str, object]) -> dict[str, str]:
    """First line of each public task's text, by its name."""
    return {
        name.removeprefix("task_"): (inspect.getdoc(creator) or "").partition("\n")[0]
        for name, creator in members.items()
        if name.startswith("task_") and not name.startswith("task__")
    }


def note_clash(command: str, project: Path) -> None:
    """Say that a word is a command of ours, where the dodo file has a task of that name."""
    with suppress(OSError, ValueError):
        text = _dodo_text(project)
        if re.search(rf"^def task_{re.escape(command)}\b", text, re.MULTILINE):
            terminal.note(f"note: {command} is a command of flashpipe; the task of {_DODO}: `flashpipe run {command}`")
