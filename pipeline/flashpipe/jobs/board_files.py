"""Single files between this computer and a board: put, get, rm, cat. No profile is needed, and nothing is restarted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from flashpipe.board.lua.files import TEMPORARY, BoardFiles, FileState, LuaFile
from flashpipe.board.lua.transfer import OPENED
from flashpipe.board.session.session import Session
from flashpipe.errors import (
    BadValueError,
    BoardFileMissingError,
    ConsoleError,
    LuaFileMissingError,
    LuaFileNameError,
    OutputExistsError,
)
from flashpipe.files import expanded, is_there, read_regular, write_atomic
from flashpipe.flasher.file_mirror import fetch
from flashpipe.flasher.file_sending import mac_of, send_files
from flashpipe.flasher.lua_stage import open_console
from flashpipe.flasher.model import Outcome, RunRecord
from flashpipe.foreign_names import comparable, misleading, shown, steering
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.lua_files import files_at, read_lua_file
from flashpipe.jobs.variables import Variables
from flashpipe.next_steps import Advice, setting
from flashpipe.profile.lua import bad_name

VERBS: Final = ("put", "get", "rm", "cat", "edit")
"""What can be done with single files; each is a variable that names them."""
_ANYBODY: Final = 0o644
_ELSEWHERE: Final = "say get=NAME to=DIR, a folder for it alone, or get=NAME as=FILE"


def asked(board: BoardRun) -> str:
    """Which of the verbs was asked for; empty for none.

    Raises:
        BadValueError: more than one of them, `as=` for what has no name to change, or `to=` for what is not fetched.
    """
    variables = board.command.variables
    verbs = [verb for verb in (*VERBS, "send", "rescue") if variables.text(verb)]
    if len(verbs) > 1:
        raise BadValueError(f"{'=… and '.join(verbs)}=…: one thing at a time", "give one command after the other")
    named = next((verb for verb in verbs if verb in VERBS), "")
    if variables.text("as") and (named not in {"put", "get"} or (named == "put" and len(_to_send(board)) != 1)):
        raise BadValueError("as= gives one file another name", "say put=FILE as=NAME, or get=NAME as=FILE")
    if variables.text("to") and named != "get":
        raise BadValueError("to= says where files of the board go", "say get=NAME to=DIR")
    return named


def put_files(board: BoardRun) -> Sequence[FileState]:
    """Send files, folders and patterns of here; those that the board holds are not sent again.

    Raises:
        LuaFileMissingError: one is not here, or a pattern means none.
        LuaFileNameError: one cannot have its name on the board.
        PipelineError: no Lua prompt, no room, or a file that could not be sent.
    """
    return _send(board, _local(board))


def put_these(board: BoardRun, named: Mapping[str, Path], known: Collection[str] | None = None) -> Sequence[FileState]:
    """Send files by the names that they get on the board; those that it holds are not sent again.

    Args:
        board: Whose files they become.
        named: Name and path of each.
        known: SHA-256 of all that whoever sends them has seen there; of anything else it is asked whether it may be
            replaced. None: nothing is asked.

    Raises:
        ConfirmationError: nobody agrees; nothing was sent.
        PipelineError: as `put_files`.
    """
    read = (read_lua_file(path, name, path.parent) for name, path in named.items())
    files = [replace(file, source=file.name) for file in read]  # where they lie is nobody's matter
    if known is not None:
        _ask_for_unseen(board, files, known)
    return _send(board, files)


def _ask_for_unseen(board: BoardRun, files: Sequence[LuaFile], known: Collection[str]) -> None:
    session = board.session()
    there = BoardFiles(open_console(session), session.baud)
    sizes = {file.name: size for file in files if (size := there.size_of(file.name)) is not None}
    contents = _read(session, there, sizes)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    seen = {*known, *(file.sha256 for file in files)}
    if unseen := [name for name, digest in digests.items() if digest not in seen]:
        since = "has changed since it was opened" if known else "was not opened here"
        board.confirm(f"replaces {', '.join(map(shown, unseen))} on the board, which {since}")


def _send(board: BoardRun, files: Sequence[LuaFile]) -> Sequence[FileState]:
    session = board.session()
    console = open_console(session)

    def send(record: RunRecord) -> Outcome:
        planned = tuple(FileState(file.name, len(file.data), file.sha256, "not sent") for file in files)
        planning = record.note(Outcome("files", session.device, files=planned, told_mac=mac_of(session, console)))
        return record.note(replace(planning, files=tuple(send_files(session, console, files))))

    return board.recorded("files", send).files


def get_files(board: BoardRun) -> list[tuple[str, Path, int]]:
    """Fetch files by name or pattern into the caller's folder or that of `to=`, or one to `as=`.

    Name, path and bytes of each are given.

    Raises:
        BoardFileMissingError: the board has none of that name.
        LuaFileNameError: a name that leads elsewhere, that makes a program of its file, or that two have.
        OutputExistsError: another file lies there already; `yes=1` replaces it. Nothing was fetched.
        PipelineError: no Lua prompt, or a file did not come whole.
    """
    session = board.session()
    console = open_console(session)
    files = BoardFiles(console, session.baud)
    sizes, words = _chosen(session, files, board.command.variables.text("get").split(","))
    paths = places(list(sizes), words, board.command.caller, board.command.variables)
    contents = _read(session, files, sizes)
    if not board.command.variables.flag("yes"):
        _refuse_to_replace(board, paths, contents)
    for name, path in paths.items():
        write_atomic(path, contents[name], mode=_ANYBODY)
    return [(name, paths[name], size) for name, size in sizes.items()]


def remove_files(board: BoardRun, *, exactly: bool = False) -> dict[str, int]:
    """Remove files by name; those of a pattern are named and asked for first. Name and bytes of each are given.

    exactly: what the command says is the name of one file, whatever it holds.

    Raises:
        BoardFileMissingError: the board has none of that name; nothing was removed.
        ConfirmationError: nobody agrees.
        PipelineError: no Lua prompt.
    """
    session = board.session()
    files = BoardFiles(open_console(session))
    text = board.command.variables.text("rm")
    names, words = _named(session, files, text) if exactly else _chosen(session, files, text.split(","))
    if set(names) - set(words):
        board.confirm(f"removes {', '.join(map(shown, names))} from the board")
    for name in names:
        session.check_stop()
        files.remove(name)
    left = [
        name for name in names if files.size_of(name) is not None
    ]  # NodeMCU does not say whether it has removed one
    if left:
        raise ConsoleError(f"{session.port}: {', '.join(map(shown, left))} could not be removed", OPENED)
    return names


def read_file(board: BoardRun) -> bytes:
    """The contents of one file of the board.

    Raises:
        BoardFileMissingError: the board has none of that name.
        PipelineError: no Lua prompt, or it did not come whole.
    """
    session = board.session()
    console = open_console(session)
    files = BoardFiles(console, session.baud)
    sizes, _ = _named(session, files, board.command.variables.text("cat"))
    return b"".join(_read(session, files, sizes).values())


def _to_send(board: BoardRun) -> list[str]:
    words = board.command.variables.text("put").split(",")
    return _with_commas(words, lambda name: is_there(board.command.caller / name))


def _with_commas(words: Sequence[str], is_file: Callable[[str], bool]) -> list[str]:
    """Words that were parted at commas; those that are the name of one file together are one again.

    Raises:
        BadValueError: they are names of files each for itself, too.
    """
    named, at = list[str](), 0
    while at < len(words):
        ends = range(len(words), at + 1, -1)
        end = next((end for end in ends if is_file(",".join(words[at:end]))), at + 1)
        parts, name = words[at:end], ",".join(words[at:end])
        if len(parts) > 1 and all(map(is_file, parts)):
            each = " and ".join(parts)
            raise BadValueError(
                f"{name}: the file of that name, or {each}?",
                f"{each} in a command each; that one file is {name.replace(',', '?')}",
            )
        named.append(name)
        at = end
    return [name for name in named if name]


def _local(board: BoardRun) -> list[LuaFile]:
    """What shall be sent, under the names that it gets."""
    other, files = board.command.variables.text("as"), dict[str, LuaFile]()
    for word in _to_send(board):
        for name, path in files_at(board.command.caller / word, board.command.caller):
            file = read_lua_file(path, other or name, board.command.caller)
            problem = bad_name(file.name)
            if problem:
                alone = board.command.caller / word == path and _to_send(board) == [word]
                raise LuaFileNameError(
                    f"{file.source} would be called {file.name!r} on the board: {problem}",
                    "say as=NAME" if alone else "rename it; or name the others alone",
                )
            if file.name in files:
                raise LuaFileNameError(
                    f"{files[file.name].source} and {file.source} would both be called {file.name}", "send one of them"
                )
            files[file.name] = file
    if not files:
        raise LuaFileMissingError(
            f"{board.command.variables.text('put')}: no file of that name is here", "name files, folders or patterns"
        )
    return list(files.values())


def _named(session: Session, files: BoardFiles, name: str) -> tuple[dict[str, int], list[str]]:
    """The file of that name, and its length."""
    names = files.names()
    size = names.get(name)
    if size is None and not bad_name(name):
        size = files.size_of(name)
    if size is None:
        raise _missing(session, name, names)
    return {name: size}, [name]


def _chosen(session: Session, files: BoardFiles, words: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Names and lengths of what is meant, and what means it: each word, less those that a comma in a name has made."""
    there = {name: size for name, size in files.names().items() if not name.startswith(TEMPORARY)}
    chosen: dict[str, int] = {}
    meaning = _with_commas(words, there.__contains__)
    for word in meaning:
        if word not in there and (size := None if bad_name(word) else files.size_of(word)) is not None:
            there[word] = size
        names = [word] if word in there else [name for name in there if fnmatchcase(name, word)]
        if not names:
            raise _missing(session, word, there)
        chosen |= {name: there[name] for name in names}
    return chosen, meaning


def _missing(session: Session, name: str, there: Iterable[str]) -> BoardFileMissingError:
    listed = ", ".join(shown(other) for other in there if not other.startswith(TEMPORARY)) or "none"
    return BoardFileMissingError(
        f"{session.port}: the board has no file {shown(name)}; it has {listed}", BoardFileMissingError.remedy
    )


def _read(session: Session, files: BoardFiles, sizes: Mapping[str, int]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    fetch(session, files, sizes, contents.__setitem__)
    return contents


def places(names: Sequence[str], words: Sequence[str], caller: Path, variables: Variables) -> dict[str, Path]:
    """Where files of the board go.

    Their names are the board's to choose. So none leads to another folder, and none becomes what is run or obeyed here
    because of its name: that needs a name that the user has given (`as=`), or a folder (`to=`) and the name in `words`.

    Raises:
        LuaFileNameError: one cannot go there, two would be one file, or there is no such folder.
    """
    folder, target = caller / expanded(variables.text("to")), variables.text("as")
    if target and len(names) > 1:
        raise LuaFileNameError(f"as={target} is one file, and {', '.join(map(shown, names))} are meant", "say to=DIR")
    if not folder.parent.is_dir():
        raise LuaFileNameError(f"to={variables.text('to')}: there is no folder {folder.parent}", "make it first")
    if target:
        path = folder / expanded(target)
        if not path.parent.is_dir():
            raise LuaFileNameError(
                f"as={target}: there is no folder {path.parent}", "make it first, or correct the name"
            )
        return dict.fromkeys(names, path)
    apart = not caller.resolve().is_relative_to(folder.resolve())
    paths: dict[str, Path] = {}
    taken: dict[str, str] = {}
    for name in names:
        twin = taken.setdefault(comparable(name), name)
        if twin != name:
            raise LuaFileNameError(
                f"{shown(twin)} and {shown(name)} are one file where upper case does not count", "say get=NAME as=FILE"
            )
        paths[name] = _place(name, folder, may_steer=apart and name in words)
    return paths


def _place(name: str, folder: Path, *, may_steer: bool) -> Path:
    problem = misleading(name)
    if problem:
        raise LuaFileNameError(f"'{shown(name)}' is no name for a file here: {problem}", "say get=NAME as=FILE")
    path, base = folder / name, folder.resolve()
    if not path.resolve().is_relative_to(base):
        raise LuaFileNameError(f"'{shown(name)}' leads out of this folder", "say get=NAME as=FILE")
    if not may_steer and (steering(name) or steering(path.resolve().relative_to(base).as_posix())):
        raise LuaFileNameError(
            f"{shown(name)} comes from the board, and a file of that name may be run or obeyed here", _ELSEWHERE
        )
    return path


def _refuse_to_replace(board: BoardRun, paths: Mapping[str, Path], contents: Mapping[str, bytes]) -> None:
    for name, path in paths.items():
        if path.exists() and (not path.is_file() or read_regular(path) != contents[name]):
            raise OutputExistsError(
                f"{board.short(path)} is there already, and is not what the board has",
                Advice("say ", setting(yes="1"), ", or as=FILE"),
            )
