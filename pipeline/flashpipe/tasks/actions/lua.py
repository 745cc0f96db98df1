"""The tasks `node`, `lua`, `files` and `format`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Final

from flashpipe import terminal
from flashpipe.board.lua.files import START
from flashpipe.foreign_names import shown
from flashpipe.jobs.board_files import asked, get_files, put_files, read_file, remove_files
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.file_editing import edit_file
from flashpipe.jobs.lua import ask_node, format_files, list_files, rescue, run_lua
from flashpipe.tasks.several import Printer, print_table_of
from flashpipe.text.documents import put
from flashpipe.text.node import describe, describe_files, describe_findings


def show_node(board: BoardRun) -> None:
    """Ask the firmware what it is, and compare it with what the profile demands."""
    report = ask_node(board)
    if not put("node", {**asdict(report.info), "acceptance": report.findings}, report.port):
        texts = [describe(report.info, report.profile_size)]
        texts += [describe_findings(report.findings)] if report.findings else []
        print_table_of(board, "\n".join(texts))
    report.check()
    board.ended("node", " ".join(filter(None, ("NodeMCU", report.info.version))))


def run(board: BoardRun) -> None:
    """Run a Lua file and show what it prints."""
    show = Printer(board)
    with closing(show):
        run_lua(board, lambda text: show(text.encode("latin-1", "replace").decode("utf-8", "replace")))


def show_files(board: BoardRun) -> None:
    """List what is on the board, or do what a variable says: send what differs, put an init.lua aside, single files."""
    verb = asked(board)
    if verb:
        _VERBS[verb](board)
        return
    if board.command.variables.flag("rescue"):
        name = rescue(board)
        put("files", {**_listed([]), "renamed": {START: name} if name else {}}, board.port())
        done = f"{START} is out of the way: it is called {name} now; the board has started without it"
        board.ended(
            "files", done if name else f"there is no {START} on it: nothing was renamed; the board was restarted"
        )
        return
    listing = list_files(board)
    sizes, room = listing.sizes, listing.room
    data = {
        "files": [{"name": name, "size": size, "state": listing.states.get(name)} for name, size in sizes.items()],
        "missing": [name for name in listing.states if name not in sizes],
        "room": {"free": room[0], "used": room[1], "total": room[2]} if room else None,
    }
    if not put("files", data, board.port()):
        print_table_of(board, describe_files(sizes, listing.states, room))
    board.ended("files", _files(len(sizes)) + (f", {room[0]:,} bytes free" if room else ""))


def _put(board: BoardRun) -> None:
    states = put_files(board)
    if not put("files", _listed([(one.name, one.size, one.state) for one in states]), board.port()):
        for one in states:
            print_table_of(board, f"{one.name}  {one.size:,} bytes  {'sent' if one.state == 'sent' else 'was there'}")


def _get(board: BoardRun) -> None:
    fetched = get_files(board)
    if not put("files", _listed([(name, size, "fetched") for name, _, size in fetched]), board.port()):
        for name, path, size in fetched:
            print_table_of(board, f"{shown(name)}  {size:,} bytes  -> {board.short(path)}")
    board.ended("files", f"{_files(len(fetched))} fetched, {sum(size for _, _, size in fetched):,} bytes")


def _remove(board: BoardRun) -> None:
    removed = remove_files(board)
    if not put("files", _listed([(name, size, "removed") for name, size in removed.items()]), board.port()):
        for name in removed:
            print_table_of(board, f"{shown(name)}  removed")
    board.ended("files", f"{_files(len(removed))} removed")


def _show(board: BoardRun) -> None:
    """What is in the file: that is the result, and nothing else is printed; byte by byte where nobody looks at it."""
    data = read_file(board)
    text, name = data.decode("utf-8", "replace"), board.command.variables.text("cat")
    if put("files", {**_listed([(name, len(data), "read")]), "text": text}, board.port()):
        return
    with closing(Printer(board)) as show:
        if show.several or not terminal.write_bytes(data):
            show(text)


def _edit(board: BoardRun) -> None:
    name, size, state = edit_file(board)
    if not put("files", _listed([(name, size, state)]), board.port()) and state != "sent":
        board.ended("files", f"{name} was not changed")


def _files(count: int) -> str:
    return f"{count} file{'s' * (count != 1)}"


def _listed(files: Sequence[tuple[str, int, str]]) -> dict[str, object]:
    """Single files, in the form of a listing."""
    rows = [{"name": name, "size": size, "state": state} for name, size, state in files]
    return {"files": rows, "missing": [], "room": None}


_VERBS: Final = {"put": _put, "get": _get, "rm": _remove, "cat": _show, "edit": _edit}


def format_board(board: BoardRun) -> None:
    """Format the file system and wait."""
    room = format_files(board)
    board.ended("format", "its file system is empty" + (f", {room[0]:,} bytes free" if room else ""))
