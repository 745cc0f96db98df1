"""`flashpipe trust DIR`: folders whose profiles, builds and records are used although others can change them."""

from __future__ import annotations

import argparse

from flashpipe.cli.arguments import Parser
from flashpipe.errors import BadValueError
from flashpipe.files import expanded
from flashpipe.ownership import TRUST_VARIABLE, Standing, described, keep_trust, kept_trust, look
from flashpipe.text.lines import print_result


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(
        prog="flashpipe trust",
        description="Use the profiles, builds and records of a folder, and of all folders below it, although it belongs"
        " to somebody else or others can write there: whoever can change it decides what is run as you. Without DIR the"
        f" trusted folders are listed. {TRUST_VARIABLE}=DIR does the same for one command, on a build server for"
        " instance.",
    )
    parser.add_argument("folders", nargs="*", metavar="DIR", help="a folder")
    parser.add_argument("--remove", action="store_true", help="trust these no longer")
    return parser


def main(argv: list[str]) -> int:
    """List, add or remove trusted folders; the exit status.

    Raises:
        BadValueError: no folder, or one that is not trusted and shall be removed.
        RecordError: the list cannot be written.
    """
    arguments = build_parser().parse_args(argv)
    known = kept_trust()
    if not arguments.folders:
        print_result("\n".join(map(str, known)) or "no folder is trusted beside your own")
        return 0
    named = tuple(expanded(text).resolve() for text in arguments.folders)
    if arguments.remove:
        strange = next((folder for folder in named if folder not in known), None)
        if strange is not None:
            raise BadValueError(f"{strange} is not in the list", "`flashpipe trust` shows it")
        keep_trust(tuple(folder for folder in known if folder not in named))
        return 0
    missing = next((folder for folder in named if not folder.is_dir()), None)
    if missing is not None:
        raise BadValueError(f"{missing} is no folder", "name the folder of the project")
    findings = [(folder, look(folder, folder)) for folder in named]  # before they are trusted
    keep_trust((*known, *named))
    for folder, finding in findings:
        doubt = "" if finding.standing is Standing.OWN else f": {described(folder, finding)}"
        print_result(f"trusted  {folder}{doubt}")
    return 0
