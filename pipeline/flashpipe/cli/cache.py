"""`flashpipe cache`: what was fetched and is kept for all projects, and getting rid of it."""

from __future__ import annotations

import argparse
import time
from typing import Final

from flashpipe.board.loader import compression
from flashpipe.cli.arguments import Parser, amount_of
from flashpipe.sources.cache import Cache, CacheEntry
from flashpipe.testing import snapshots
from flashpipe.text.lines import print_result
from flashpipe.units import format_size

DAY_S: Final = 86_400.0
_UNIT: Final = 1024


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(
        prog="flashpipe cache",
        description="Images that were fetched, compressed ones, and booted virtual boards of tests, kept for all"
        " projects. FLASHPIPE_CACHE names another folder.",
    )
    commands = parser.add_subparsers(dest="command", metavar="list|clean")
    commands.add_parser("list", help="what is there, the latest first (the default)")
    clean = commands.add_parser("clean", help="remove it; whatever is needed again is fetched again")
    clean.add_argument(
        "--unused", metavar="DAYS", type=amount_of("days"), default=0.0, help="only what was not used for so long"
    )
    return parser


def main(argv: list[str]) -> int:
    """List or clean the cache; the exit status."""
    arguments = build_parser().parse_args(argv)
    cache = Cache()
    if arguments.command == "clean":
        freed = compression.clean(arguments.unused * DAY_S)
        freed += cache.clean(arguments.unused * DAY_S)
        freed += snapshots.clean(arguments.unused * DAY_S)
        print_result(f"{_shown(freed)} freed in {cache.folder}")
        return 0
    entries = cache.entries()
    for entry in entries:
        print_result(_line(entry))
    packed = [status.st_size for _, status in compression.streams()]
    if packed:
        print_result(f"{len(packed)} compressed contents, {_shown(sum(packed))}, so that no flash waits for them")
    booted = snapshots.sizes()
    if booted:
        print_result(f"{len(booted)} booted virtual boards, {_shown(sum(booted))}, so that no test waits for them")
    print_result(f"{len(entries)} sources; {_shown(cache.size())} in all, in {cache.folder}")
    return 0


def _line(entry: CacheEntry) -> str:
    record = entry.record
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.fetched))
    gone = "" if entry.present else "  (removed)"
    return f"{when}  {record.size:>10,} B  {record.sha256[:12]}  {record.text}{gone}"


def _shown(size: int) -> str:
    return format_size(size // _UNIT * _UNIT) if size >= _UNIT else f"{size} B"
