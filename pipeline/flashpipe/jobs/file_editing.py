"""A file of a board in an editor of here: fetched, edited, put back where it has changed.

What a person has typed is lost in no case: it lies in a folder of its own, which is told before the editor begins and
removed only when the board has the text.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from flashpipe.board.lua.files import BoardFiles, FileState, LuaFile
from flashpipe.board.session.session import Session
from flashpipe.errors import EditConflictError, EditorError, LuaFileNameError, PipelineError
from flashpipe.files import read_regular, write_atomic
from flashpipe.flasher.file_mirror import fetch
from flashpipe.flasher.file_sending import send_files
from flashpipe.flasher.lua_stage import open_console
from flashpipe.flasher.model import Outcome, RunRecord
from flashpipe.jobs import sessions
from flashpipe.jobs.board_job import BoardRun
from flashpipe.profile.lua import bad_name

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a text that is put back."""
_USUAL: Final = ("notepad",) if sys.platform == "win32" else ("editor", "nano", "vi")
"""Editors that are looked for where neither VISUAL nor EDITOR names one; the first is Debian's alternative."""

Edited = Literal["sent", "unchanged"]


def edit_file(board: BoardRun) -> tuple[str, int, Edited]:
    """Edit one file of the board; one that it does not have begins empty. Its name, its bytes, what became of it.

    Raises:
        LuaFileNameError: no file on a board can be called so.
        EditorError: no editor, or it failed; nothing was sent, and what was typed is kept.
        EditConflictError: the board has changed the file meanwhile; what was typed is kept.
        LuaSyntaxError: the board's Lua does not understand the new text; what was typed is kept.
        PipelineError: no Lua prompt, no room, or the board went away; what was typed is kept.
    """
    name = board.command.variables.text("edit")
    problem = bad_name(name)
    if problem:
        raise LuaFileNameError(f"{name!r} cannot be the name of a file on the board: {problem}", "name another")
    editor = find_editor()
    session = board.session()
    before = _read(session, name)
    with _working_copy(name, before or b"") as path:
        board.notify(f"{name} is edited as {path}")
        with sessions.waiting_for_person():
            after = edit(editor, path, before or b"")
        if after == before or (before is None and not after):
            return name, len(after), "unchanged"
        _put_back(board, session, LuaFile(name, after, str(path)), before)
    return name, len(after), "sent"


def find_editor() -> list[str]:
    """The command of the editor: VISUAL, EDITOR, or one that is usually there.

    Raises:
        EditorError: there is none.
    """
    for variable in ("VISUAL", "EDITOR"):
        if os.environ.get(variable, "").strip():
            return _command(os.environ[variable], variable)
    editor = next((path for name in _USUAL if (path := shutil.which(name))), None)
    if editor is None:
        raise EditorError("which editor? neither VISUAL nor EDITOR names one", EditorError.remedy)
    return [editor]


def _command(text: str, variable: str) -> list[str]:
    """An editor and its options; on Windows a path of several words may stand there without quotes."""
    if sys.platform == "win32":
        if Path(text.strip().strip('"')).is_file():
            return [text.strip().strip('"')]
        words = [word.strip('"') for word in shlex.split(text, posix=False)]
    else:
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise EditorError(f"{variable}={text!r} is no command: {error}", EditorError.remedy) from error
    command = shutil.which(words[0]) if words else None
    if command is None:
        raise EditorError(f"{variable}={text!r}: there is no such program", EditorError.remedy)
    return [command, *words[1:]]


def edit(editor: list[str], path: Path, before: bytes) -> bytes:
    """Let a person edit a file; its contents then.

    Raises:
        EditorError: the editor failed, or the file is gone.
    """
    try:
        status = subprocess.run([*editor, str(path)], check=False).returncode
    except OSError as error:
        raise EditorError(f"{editor[0]} cannot be started: {error.strerror or error}", EditorError.remedy) from error
    try:
        after = read_regular(path, LARGEST)
    except OSError as error:
        raise EditorError(f"{path} cannot be read any more: {error.strerror or error}", "nothing was sent") from error
    if status:
        what = "nothing was sent" if after != before else "nothing was changed"
        raise EditorError(f"{editor[0]} ended with status {status}: {what}", EditorError.remedy)
    return after


@contextmanager
def _working_copy(name: str, data: bytes) -> Iterator[Path]:
    """The file, for its owner alone, called as on the board; it stays where a text is at risk."""
    folder = Path(tempfile.mkdtemp(prefix="flashpipe-edit-"))
    path = folder / PurePosixPath(name).name
    write_atomic(path, data)
    try:
        yield path
    except PipelineError as error:
        if _changed(path, data):
            error.add_hint(f"your text is in {path}: `flashpipe files put {path} as={name}` sends it")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _changed(path: Path, data: bytes) -> bool:
    try:
        return read_regular(path, LARGEST) != data
    except OSError:  # too large is changed, too
        return path.exists()


def _read(session: Session, name: str) -> bytes | None:
    """What the board has under a name; None for nothing."""
    files = BoardFiles(open_console(session), session.baud)
    size = files.size_of(name)
    contents: dict[str, bytes] = {}
    if size is not None:
        fetch(session, files, {name: size}, contents.__setitem__)
    return contents.get(name)


def _put_back(board: BoardRun, session: Session, file: LuaFile, before: bytes | None) -> None:
    def send(record: RunRecord) -> Outcome:
        planned = FileState(file.name, len(file.data), file.sha256, "not sent")
        record.note(Outcome("files", session.device, files=(planned,)))
        console = open_console(session)  # the board may have been restarted since
        files = BoardFiles(console, session.baud)
        with session.private():
            now = files.compare([LuaFile(file.name, before or b"")], files.names())[0].state
        if now != ("missing" if before is None else "same"):
            raise EditConflictError(
                f"{session.port}: the board has changed {file.name} meanwhile: nothing was sent",
                EditConflictError.remedy,
            )
        return record.note(Outcome("files", session.device, files=tuple(send_files(session, console, [file]))))

    board.recorded("files", send)
