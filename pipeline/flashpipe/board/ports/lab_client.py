"""`labgrid-client`: where it is, how it is run, and what its failures mean."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from flashpipe.board.ports.lab_preload import preloaded
from flashpipe.errors import (
    ExporterGoneError,
    LabError,
    NoCoordinatorError,
    NoLabClientError,
    NoPlaceError,
    PipelineError,
    PlaceTakenError,
)
from flashpipe.processes import kill_session
from flashpipe.values import dataclass

VARIABLE: Final = "FLASHPIPE_LABGRID_CLIENT"
"""Names the program, or the environment that it is in."""
COORDINATOR: Final = "LG_COORDINATOR"
NO_COORDINATOR: Final = "127.0.0.1:20408"
"""Where labgrid looks for one that nobody has named."""
LIMIT_S: Final = 60.0
"""Longest a command may take; places that an exporter serves itself take it 0.5 s each, one after another."""
_LOOK_S: Final = 0.1
_PROGRAM: Final = "labgrid-client"
_DROPPED: Final = frozenset({"LG_ENV", "LG_INITIAL_STATE", "LG_PLACE", "LG_STATE", "LG_TOKEN", "PLACE", "STATE"})
"""What would make it mean another place, or do more than it is asked."""
_PYTHON: Final = frozenset({"PYTHONHOME", "PYTHONPATH"})
"""Of this program's environment, not of labgrid's."""
_FAILURES: Final[tuple[tuple[re.Pattern[str], type[PipelineError], str], ...]] = tuple(
    (re.compile(pattern), kind, words)
    for pattern, kind, words in (
        (
            "coordinator is unavailable|Could not connect to coordinator",
            NoCoordinatorError,
            "no labgrid coordinator answers at {at}",
        ),
        ("matches nothing|matches multiple places|does not exist", NoPlaceError, "{at} knows no place {place}"),
        (
            r"already acquired by place '(.*)'",
            PlaceTakenError,
            "place {place}: its board is acquired through place {by}",
        ),
        (r"already acquired by (\S+?)\.? ", PlaceTakenError, "place {place} is already acquired by {by}"),
        (
            r"already acquired place \S+ on (\S+?)\. ",
            PlaceTakenError,
            "place {place} is already acquired by you on {by}",
        ),
        ("was not reserved for", PlaceTakenError, "place {place} is reserved for somebody else"),
        ("is already acquired", PlaceTakenError, "place {place} has just been acquired by somebody else"),
        (
            "has no matching remote resource|orphaned resource|Failed to acquire",
            ExporterGoneError,
            "place {place}: no exporter offers its board now",
        ),
        ("unrecognized arguments|invalid choice", LabError, "this labgrid-client is not of version 26"),
    )
)
"""What labgrid-client 26.0 says, what that is, and what we say."""
_SETTINGS: Final = "LG_"
"""How names of labgrid's settings begin."""
Check = Callable[[], None]
"""Raises where it is time to end."""


def find_client() -> str:
    """The program: what FLASHPIPE_LABGRID_CLIENT names, a file or an environment, else that of PATH.

    Raises:
        NoLabClientError: there is none.
    """
    named = os.environ.get(VARIABLE, "")
    if not named:
        program = shutil.which(_PROGRAM)
        if program is None:
            raise NoLabClientError(f"{_PROGRAM} is not installed here", _how_to_install())
        return program
    path = Path(named).expanduser()
    for candidate in (path, path / "bin" / _PROGRAM, path / "Scripts" / f"{_PROGRAM}.exe"):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise NoLabClientError(f"{VARIABLE}={named}: no {_PROGRAM} is there", _how_to_install())


def _how_to_install() -> str:
    folder = "~/labgrid"
    return (
        f"`{Path(sys.executable).name} -m venv {folder} && {folder}/bin/pip install 'labgrid>=26,<27'`, then "
        f"`export {VARIABLE}={folder}`; not into the environment of flashpipe: it overwrites pyserial"
    )


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What a command of the client has printed."""

    status: int
    out: str
    err: str


def nothing_to_check() -> None:
    """Nobody asks to end."""


@dataclass(frozen=True, slots=True)
class LabClient:
    """Runs it for one coordinator."""

    program: str
    coordinator: str

    @classmethod
    def here(cls) -> LabClient:
        """That of this machine and user.

        Raises:
            NoLabClientError: there is none.
        """
        client = cls(find_client(), os.environ.get(COORDINATOR) or NO_COORDINATOR)
        preloaded(client.program, client.environment())  # is ready when the first command comes
        return client

    @property
    def user(self) -> str:
        """HOST/USER, as its coordinator writes whoever has a place; labgrid's own variables name another one."""
        try:
            user = os.environ.get("LG_USERNAME") or getpass.getuser()
        except (KeyError, OSError):  # who has no name in this system
            user = ""
        return f"{os.environ.get('LG_HOSTNAME') or socket.gethostname()}/{user}"

    def environment(self) -> dict[str, str]:
        """What its commands are told beside their words."""
        kept = {name: text for name, text in os.environ.items() if name not in _DROPPED | _PYTHON}
        return {**kept, COORDINATOR: self.coordinator, "PYTHONUNBUFFERED": "1"}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Begin a command. A Ctrl-C at the terminal does not reach it: a place may not be lost half-way.

        Raises:
            NoLabClientError: it cannot be started.
        """
        try:
            return subprocess.Popen(
                [self.program, *words],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise NoLabClientError(f"{self.program}: cannot be started: {error.strerror}", _how_to_install()) from error

    def run(self, *words: str, check: Check = nothing_to_check) -> CommandOutput:
        """Run a command to its end.

        Raises:
            LabError: it does not end.
            PipelineError: what `check` raises; the command is ended.
        """
        until = time.monotonic() + LIMIT_S

        def tick() -> None:
            check()
            if time.monotonic() > until:
                raise LabError(
                    f"labgrid-client {' '.join(words)} does not end: {self.coordinator} does not answer it",
                    NoCoordinatorError.remedy,
                )

        loaded = preloaded(self.program, self.environment())
        settings = {name: text for name, text in self.environment().items() if name.startswith(_SETTINGS)}
        said = loaded.run(words, settings, tick) if loaded is not None else None
        status, out, err = said if said is not None else self._run_alone(words, tick)
        return CommandOutput(status, out.decode(errors="replace"), err.decode(errors="replace"))

    def _run_alone(self, words: Sequence[str], tick: Check) -> tuple[int, bytes, bytes]:
        """The command as a process of its own, from its start."""
        process = self.start(*words)
        try:
            while True:
                tick()
                with suppress(subprocess.TimeoutExpired):
                    out, err = process.communicate(timeout=_LOOK_S)
                    return process.returncode, out, err
        finally:
            end(process)

    def failure(self, place: str, said: CommandOutput) -> PipelineError:
        """What a command that failed means, with the next step."""
        text = f"{said.out}\n{said.err}"
        for pattern, kind, words in _FAILURES:
            if match := pattern.search(text):
                by = match[1] if pattern.groups else ""
                return kind(words.format(place=place, by=by, at=self.coordinator), kind.remedy)
        lines = [line for line in said.err.splitlines() if line.strip()] or ["says nothing"]
        return LabError(f"place {place}: labgrid-client ended with status {said.status}: {lines[-1]}", LabError.remedy)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command that is still there, and let go of what it has printed."""
    if process.poll() is None:
        kill_session(process)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
