"""The tasks `node`, `lua`, `files` and `format`."""

from __future__ import annotations

from dataclasses import asdict

from flashpipe.jobs.board_job import BoardRun
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
    """List what is on the board; with send=1 send what differs, with rescue=1 put an init.lua aside."""
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


def format_board(board: BoardRun) -> None:
    """Format the file system and wait."""
    format_files(board)
