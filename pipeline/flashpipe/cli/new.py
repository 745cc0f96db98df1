"""`flashpipe new NAME`: a project in a new folder, ready to be flashed and tested."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from flashpipe.cli.arguments import Parser
from flashpipe.jobs.new_project import BOARD, missing_firmware, new_project
from flashpipe.text.lines import print_result

_AS_VARIABLES: Final = ("board=", "image=")


def main(argv: list[str]) -> int:
    """Make the folder, say what comes next; the exit status.

    Raises:
        PipelineError: the name will not do, or the folder cannot be made.
    """
    options = _parser().parse_args([f"--{word}" if word.startswith(_AS_VARIABLES) else word for word in argv])
    folder = new_project(Path.cwd(), options.name, board=options.board, image=options.image)
    name = folder.name
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    written = sorted(paths, key=lambda path: (path.startswith("."), path != f"{name}.yaml", path))
    print_result(f"written  {name}/: {', '.join(written)}")
    install = "" if options.image else missing_firmware(folder)
    if install:
        print_result(f"next:    {install}   # the firmware")
    print_result(f"{'then: ' if install else 'next: '}   cd {name}")
    print_result(f"         flashpipe flash profile={name}")
    print_result(f"         flashpipe test profile={name}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="flashpipe new",
        description="Make a folder with a profile, Lua files, a test, a dodo.py, and what git and a build server need."
        " It runs on a virtual board at once. In a folder that you have already, `flashpipe init` writes a profile.",
    )
    parser.add_argument("name", help="of the folder and of the profile in it")
    parser.add_argument("--board", default=BOARD, help=f"shipped profile of the board; default: {BOARD}")
    parser.add_argument("--image", default="", help="your firmware; default: NodeMCU 1.5.4.1 from a Python package")
    return parser
