"""doit's database, one commit per task: what finished before a kill stays finished, and two runs can share it.

doit's own backends write once, at the end of a run. Nothing is made on disk before there is something to store, so
that `doit list` leaves no trace in a folder.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Final

from doit.dependency import DatabaseException, SqliteDB
from doit.exceptions import InvalidCommand

from flashpipe import tasks, terminal
from flashpipe.errors import NotTrustedError, RecordError
from flashpipe.files import is_there
from flashpipe.ownership import Standing, look
from flashpipe.records.project_folder import make_folder

_MEMORY: Final = ":memory:"
_FAILURES: Final = (DatabaseException, sqlite3.Error, OSError)
"""Of a file that is damaged, or on a full disk."""


IGNORED: Final = (
    "{task} cannot be ignored: what is on a board is asked of the board each time, and a flash that was skipped"
    " unasked would end with status 0. Leave the task out of the command line instead"
)


def _is_ours(task_id: str) -> bool:
    """Whether a task is one of this package's: a flash that is ignored, or depends on what is, would be skipped."""
    creator = getattr(tasks, f"task_{task_id.partition(':')[0]}", None)
    return creator is not None and creator.__module__ == tasks.__name__


class SafeDB(SqliteDB):  # type: ignore[misc]  # doit ships no types
    """sqlite3 with a write-ahead log and a commit after each task."""

    desc = "sqlite3, one commit per task"
    _conn: Any
    _dirty: set[str]
    _lost = False
    """The file is of no use: this run keeps its records to itself. The board's truth is in the journal."""

    def _sqlite3(self, name: str) -> Any:
        # In a project that belongs to somebody else nothing is stored, and nothing of theirs is believed.
        folder = Path(name).parent
        writable = is_there(Path(name)) and os.access(name, os.W_OK) and os.access(folder, os.W_OK)
        self._stored = writable and look(Path(name), folder.parent).standing is Standing.OWN
        try:
            return self._open(name if self._stored else _MEMORY)
        except _FAILURES as error:
            return self._without(error)

    def _open(self, place: str) -> Any:
        connection = super()._sqlite3(place)
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma busy_timeout=30000")
        return connection

    def _without(self, error: Exception) -> Any:
        self._lost, self._stored = True, False
        why = str(error).rpartition("Original error: ")[2]
        terminal.note(f"note: {self.name}: {why}: what was built is not remembered; the file may be removed")
        return self._open(_MEMORY)

    def get(self, task_id: str, dependency: str) -> Any:
        """One stored value; that one of our tasks shall be ignored counts for nothing, whoever has stored it."""
        return None if dependency == "ignore:" and _is_ours(task_id) else super().get(task_id, dependency)

    def set(self, task_id: str, dependency: str, value: Any) -> None:
        """Store one value; `deps:` is the last that doit sets for a task, so the task is committed then.

        Raises:
            InvalidCommand: one of our tasks shall be ignored.
        """
        if dependency == "ignore:" and _is_ours(task_id):
            raise InvalidCommand(IGNORED.format(task=task_id.lstrip("_")))
        super().set(task_id, dependency, value)
        if dependency == "deps:" and not value and _is_ours(task_id):
            self._dirty.discard(task_id)  # it depends on no file and runs each time: a look at a board leaves no trace
        elif dependency in {"deps:", "ignore:"}:
            self._flush()

    def remove(self, task_id: str) -> None:
        """Forget a task at once."""
        super().remove(task_id)
        self._conn.commit()

    def remove_all(self) -> None:
        """Forget everything at once."""
        super().remove_all()
        self._conn.commit()

    def rows(self) -> dict[str, dict[str, object]]:
        """What is stored, by task."""
        rows = self._conn.execute("select task_id, task_data from doit order by task_id").fetchall()
        return {row["task_id"]: row["task_data"] for row in rows}

    def dump(self) -> None:
        """Store what is left and close."""
        try:
            if self._dirty:
                self._move_to_disk()
            super().dump()
        except _FAILURES as error:
            self._conn = self._without(error)
            super().dump()

    def _flush(self) -> None:
        try:
            self._move_to_disk()
            for task_id in self._dirty:
                self._conn.execute(
                    "insert or replace into doit values (?,?)", (task_id, self.codec.encode(self._cache[task_id]))
                )
            self._conn.commit()
        except _FAILURES as error:
            self._conn = self._without(error)
        self._dirty = set()

    def _move_to_disk(self) -> None:
        if self._stored or self._lost:
            return
        try:
            make_folder(Path(self.name).parent)
        except (RecordError, NotTrustedError):
            return  # a read-only project: doit's records are a convenience, the board's truth is in the journal
        # Another run may have made the file meanwhile: then both store in it.
        places = [path for path in (Path(self.name).parent, Path(self.name)) if is_there(path)]
        if not all(os.access(path, os.W_OK) for path in places):
            return
        self._conn.close()
        Path(self.name).touch(mode=0o600)
        self._conn = self._sqlite3(self.name)
