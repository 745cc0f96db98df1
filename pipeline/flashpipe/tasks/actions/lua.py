"""The tasks `node`, `lua`, `files` and `format`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from flashpipe.jobs.board_files import asked, get_files, put_files, read_file, remove_files
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.file_editing import edit_file
from flashpipe.jobs.lua import ask_node, format_files, list_files, rescue, run_lua
from flashpipe.text.documents import put
from flashpipe.text.lines import print_result
from flashpipe.text.node import describe, describe_files, describe_findings


def show_node(board: BoardRun) -> None:
    """Ask the firmware what it is, and compare it with what the profile demands."""
    report = ask_node(board)
    if not put("node", {**asdict(report.info), "acceptance": report.findings}, report.port):
        print_result(describe(report.info, report.profile_size))
        if report.findings:
            print_result(describe_findings(report.findings))
    report.check()


def run(board: BoardRun) -> None:
    """Run a Lua file and show what it prints."""
    run_lua(board, _write)


def _write(text: str) -> None:
    print_result(text.encode("latin-1", "replace").decode("utf-8", "replace"), end="")


def show_files(board: BoardRun) -> None:
    """List what is on the board, or do what a variable says: send what differs, put an init.lua aside, single files."""
    verb = asked(board)
    if verb:
        _VERBS[verb](board)
        return
    if board.command.variables.flag("rescue"):
        print_result(f"init.lua is out of the way: it is called {rescue(board)} now; restart the board")
        return
    listing = list_files(board)
    sizes, room = listing.sizes, listing.room
    data = {
        "files": [{"name": name, "size": size, "state": listing.states.get(name)} for name, size in sizes.items()],
        "missing": [name for name in listing.states if name not in sizes],
        "room": {"free": room[0], "used": room[1], "total": room[2]} if room else None,
    }
    if not put("files", data, board.port()):
        print_result(describe_files(sizes, listing.states, room))


def _put(board: BoardRun) -> None:
    for state in put_files(board):
        print_result(f"{state.name}  {state.size:,} bytes  {state.state if state.state == 'sent' else 'was there'}")


def _get(board: BoardRun) -> None:
    for name, path, size in get_files(board):
        print_result(f"{name}  {size:,} bytes  -> {path.name if path.parent == board.command.caller else path}")


def _remove(board: BoardRun) -> None:
    for name in remove_files(board):
        print_result(f"{name}  removed")


def _show(board: BoardRun) -> None:
    print_result(read_file(board).decode("utf-8", "replace"), end="")


def _edit(board: BoardRun) -> None:
    name, size, state = edit_file(board)
    print_result(f"{name}  {size:,} bytes  {state if state == 'sent' else 'was not changed'}")


_VERBS: Final = {"put": _put, "get": _get, "rm": _remove, "cat": _show, "edit": _edit}


def format_board(board: BoardRun) -> None:
    """Format the file system and wait."""
    format_files(board)
