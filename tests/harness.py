"""A project folder and the user's own commands in it, as processes."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import forked, schema

LIMIT_S = 120
_NUMBERS = itertools.count()


@dataclass
class Done:
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def ok(self) -> Done:
        assert self.status == 0, self.text
        assert "Traceback" not in self.text, self.text
        return self

    def failed(self, code: str) -> Done:
        assert self.status != 0, self.text
        assert f"[code: {code}]" in self.text, self.text
        assert "Traceback" not in self.text, self.text
        return self

    @property
    def wrote(self) -> bool:
        return "bytes written" in self.text


@dataclass
class Project:
    """A folder with a one-line dodo.py."""

    folder: Path
    state: Path

    def environment(self) -> dict[str, str]:
        return {**os.environ, "FLASHPIPE_STATE": str(self.state), "PYTHONIOENCODING": "utf-8"}

    @contextmanager
    def told(self) -> Iterator[dict[str, str]]:
        """What the environment of one command says of events, unless a test says it; all events are as the schema says.

        Commands that run at the same time have a file each.
        """
        if "FLASHPIPE_EVENTS" in os.environ:
            yield {}
            return
        path = self.folder.parent / f"{self.folder.name}.{next(_NUMBERS)}.events"
        yield {"FLASHPIPE_EVENTS": str(path)}
        if path.is_file():
            schema.check_lines(path.read_text(encoding="utf-8"))
            path.unlink()

    def run(self, module: str, *words: str, folder: Path | None = None) -> Done:
        place = folder or self.folder
        with self.told() as told:
            if not forked.can_run(module, place):
                return self.python("-m", module, *words, folder=folder, more=told)
            ran = forked.run(module, words, place, {**self.environment(), **told}, LIMIT_S)
            return Done(ran.returncode, ran.stdout, ran.stderr)

    def python(self, *words: str, folder: Path | None = None, more: dict[str, str] | None = None) -> Done:
        """Run the interpreter; `more` goes into its environment."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder or self.folder,
            env={**self.environment(), **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=LIMIT_S,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def doit(self, *words: str) -> Done:
        return self.run("doit", *words)

    def flashpipe(self, *words: str, folder: Path | None = None) -> Done:
        return self.run("flashpipe.cli.main", *words, folder=folder)

    def receipts(self) -> list[dict[str, Any]]:
        """Every receipt, the oldest first; each is what the schema says."""
        paths = sorted((self.folder / ".pipeline" / "receipts").glob("*.json"))
        return [schema.checked(json.loads(path.read_text())) for path in paths]

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.state / "boards").glob("*.json"))]


def make_project(folder: Path, state: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dodo.py").write_text("from flashpipe.tasks import *\n")
    return Project(folder, state)


def shared_folder(base: Path) -> Path:
    """The folder of this run of the tests, of all its workers; `base` is this worker's own."""
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
