"""`flashpipe prune`: old receipts and backups of a project, and getting rid of them by a rule."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

from flashpipe.cli.arguments import Parser, amount_of
from flashpipe.cli.project import project_here
from flashpipe.records.project_folder import own_records, records_folder
from flashpipe.records.prune import PruneRule, Removal, loose_blocks, old_backups, old_receipts, remove
from flashpipe.text.lines import print_result
from flashpipe.units import format_size

DAYS: Final = 365.0
COUNT: Final = 10
_UNIT: Final = 1024


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(
        prog="flashpipe prune",
        description="Remove old receipts of this project, and with --backups old backups. The newest of each board, the"
        " receipts that say what it holds, and backups that an interrupted run still needs always stay.",
    )
    parser.add_argument(
        "--keep-days", type=amount_of("days"), default=DAYS, metavar="N", help="keep what is younger (365)"
    )
    parser.add_argument(
        "--keep",
        type=amount_of("receipts", int),
        default=COUNT,
        metavar="N",
        help="keep the newest N of each board (10)",
    )
    parser.add_argument("--backups", action="store_true", help="backups too, and blocks that none of them names")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    return parser


def main(argv: list[str]) -> int:
    """Prune the project around the current folder; the exit status."""
    wish = build_parser().parse_args(argv)
    folder = own_records(records_folder(project_here()))
    rule, now = PruneRule(wish.keep_days, max(wish.keep, 1)), time.time()
    removals = old_receipts(folder / "receipts", rule, now)
    if wish.backups:
        backups = old_backups(folder / "backups", rule, now)
        removals += backups
        removals += loose_blocks(folder / "backups", [removal.path for removal in backups], now)
    for removal in removals:
        print_result(_line(removal, folder))
    if wish.dry_run:
        size = sum(removal.size for removal in removals)
        print_result(f"{len(removals)} files, {_shown(size)}, would be removed from {folder}")
        return 0
    print_result(f"{len(removals)} files, {_shown(remove(removals))}, removed from {folder}")
    return 0


def _line(removal: Removal, folder: Path) -> str:
    return f"{removal.path.relative_to(folder)}  {removal.what}"


def _shown(size: int) -> str:
    return format_size(size // _UNIT * _UNIT) if size >= _UNIT else f"{size} B"
