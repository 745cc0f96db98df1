"""`flashpipe bundle`: one zip with what is known of the last failure, for whoever shall help; shown, then made."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from flashpipe import files, terminal
from flashpipe.cli.arguments import Parser
from flashpipe.cli.project import project_here
from flashpipe.errors import ConfirmationError
from flashpipe.jobs.bundle import as_zip, collect
from flashpipe.jobs.secrets import know_secrets
from flashpipe.records.project_folder import own_records, records_folder

LINES: Final = 6
"""Shown of each file before it is written; --show shows all."""
_NAME: Final = "flashpipe-bundle-%Y%m%d-%H%M%S.zip"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(
        prog="flashpipe bundle",
        description="Write one zip for a bug report: versions, system, adapter, transcript, boot log, image facts,"
        " plan, journal and receipts of the last failure in this project. Boards are called board-1, board-2; Wi-Fi"
        " names and passwords, addresses, home folder, user and machine are masked. It is shown first, and asks.",
    )
    parser.add_argument("--port", default="", help="the last failure on this port (default: the newest of any)")
    parser.add_argument("--show", action="store_true", help="show every line, write nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("-o", "--output", metavar="FILE", help=f"name of the zip (default: {_NAME.replace('%', '%%')})")
    return parser


def main(argv: list[str]) -> int:
    """Show the bundle, ask, write it; the exit status.

    Raises:
        BadValueError: no failure was recorded on that port.
        ConfirmationError: nobody agreed.
        RecordError: it cannot be written.
    """
    arguments = build_parser().parse_args(argv)
    _run(arguments)
    return 0


def _run(arguments: argparse.Namespace) -> None:
    project = project_here()
    know_secrets(project)  # also those that nobody knew when the records were written
    contents = collect(own_records(records_folder(project)), arguments.port)
    _show(contents, whole=arguments.show)
    if arguments.show:
        return
    path = Path(arguments.output or time.strftime(_NAME))
    if not arguments.yes and not _agreed(path):
        raise ConfirmationError("nothing was written", "say --yes, or --show to read every line first")
    files.write_atomic(path, as_zip(contents))
    terminal.write(f"\nwritten  {path} ({path.stat().st_size:,} bytes, readable by you alone)\n")


def _agreed(path: Path) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    terminal.write(f"\nWrite this to {path}? Type yes: ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _show(contents: dict[str, str], *, whole: bool) -> None:
    terminal.write("This is what the bundle holds:\n")
    for name, text in contents.items():
        lines = text.splitlines()
        terminal.write(f"\n--- {name} ({len(lines)} lines)\n")
        shown = lines if whole else lines[:LINES]
        terminal.write("".join(f"  {line[:160]}\n" for line in shown))
        if len(shown) < len(lines):
            terminal.write(f"  … {len(lines) - len(shown)} more\n")
