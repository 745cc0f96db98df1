"""Files of a profile or a command, brought to a board: compared, others removed where that is wanted, sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flashpipe.board.lua.console import Console
from flashpipe.board.lua.files import BoardFiles, FileState, LuaFile
from flashpipe.board.lua.node_info import told_mac
from flashpipe.board.session.session import Session
from flashpipe.errors import TemplateError
from flashpipe.flasher.file_blocks import bring_by_blocks
from flashpipe.flasher.file_mirror import MirrorPolicy, mirror
from flashpipe.next_steps import Advice, command
from flashpipe.records import journal


def for_this_board(session: Session, console: Console, files: Sequence[LuaFile]) -> tuple[LuaFile, ...]:
    """The files as this board gets them: templates have its values.

    Raises:
        TemplateError: a template wants the board's MAC, and it does not tell.
    """
    if all(file.values is None for file in files):
        return tuple(files)
    mac = mac_of(session, console)
    if not mac:
        raise TemplateError(
            "the board does not tell its MAC, for a template", Advice(command("flash"), " finds it out")
        )
    return tuple(file.for_board(mac) for file in files)


def mac_of(session: Session, console: Console) -> str:
    """The board's MAC: by its loader where that was asked, else by its firmware, as far as that knows it; empty where
    it does not say.
    """
    return session.device.mac if session.device else journal.chip_mac(told_mac(console))


def send_files(
    session: Session,
    console: Console,
    files: Sequence[LuaFile],
    *,
    may_restart: bool = False,
    mirroring: MirrorPolicy | None = None,
) -> list[FileState]:
    """Send those files that the board does not hold yet.

    Args:
        session: on the board.
        console: at its prompt.
        files: what it shall have.
        may_restart: it is restarted afterwards anyway.
        mirroring: what becomes of its other files; None: they stay.

    Raises:
        ConsoleError: the console does not answer, there is no room, or a file does not arrive.
        PipelineError: as `mirror`.
    """
    with session.private():
        return _send_files(session, console, files, may_restart=may_restart, mirroring=mirroring)


def _send_files(
    session: Session, console: Console, files: Sequence[LuaFile], *, may_restart: bool, mirroring: MirrorPolicy | None
) -> list[FileState]:
    board = BoardFiles(console, session.baud)
    with session.step("files", f"comparing {len(files)} Lua file(s)") as result:
        names = board.names()
        states = board.compare(files, names, session.progress("files"))
        due = [file for file, state in zip(files, states, strict=True) if state.state != "same"]
        same = len(files) - len(due)
        result.append(f"{same} held already" if not due else f"{len(due)} to be sent, {same} held already")
    if mirroring is not None:  # before the new ones are sent: what goes makes room
        for name in mirror(session, console, files, due, mirroring):
            del names[name]
    if due and may_restart:
        after = bring_by_blocks(session, console, due, names)
        if after is not None:
            board, names = BoardFiles(after[0], session.baud), after[1]
    if due:
        with session.step("send", "files through the Lua console") as result:
            unlisted = board.send(due, names, session.progress("send"))
            result.append(", ".join(file.name for file in due))
        if unlisted:
            session.notify(
                f"{', '.join(unlisted)}: on the board, but its firmware does not list it: its name finds it, patterns"
                " and files_mirror do not"
            )
    return [replace(state, state="skipped" if state.state == "same" else "sent") for state in states]
