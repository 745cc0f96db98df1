"""`flashpipe page`: the boards in a browser."""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from flashpipe import terminal
from flashpipe.cli.arguments import Parser
from flashpipe.cli.project import project_here
from flashpipe.errors import BadValueError, NoPageError
from flashpipe.installing import install_command
from flashpipe.jobs import sessions

NEEDS: Final = ("jinja2>=3.1,<4", "starlette>=1,<2", "uvicorn>=0.34,<1")
"""What the extra `page` in pyproject.toml stands for."""
HIGHEST: Final = 0xFFFF
TEXT_BROWSERS: Final = frozenset({"elinks", "links", "links2", "lynx", "w3m", "www-browser"})
"""Those that show a page in the terminal they are started in."""
_LISTEN: Final = re.compile(r"(?:127\.0\.0\.1:)?(\d{1,5})")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(
        prog="flashpipe page",
        description="Show the boards of this machine in a browser: flash, console, Lua files, receipts. The address is"
        " printed, and opened. Only this machine can reach it, and only who has the address; from another one:"
        " `ssh -L 8066:127.0.0.1:8066 HOST`, with --listen 127.0.0.1:8066. Closing the browser stops nothing; Ctrl-C"
        " here does.",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.add_argument(
        "--listen", metavar="127.0.0.1:PORT", default="127.0.0.1:0", help="the port to listen at (default: a free one)"
    )
    parser.add_argument(
        "--port", action="append", default=[], help="a port that is on the page from the start; may be given again"
    )
    return parser


def main(argv: list[str]) -> int:
    """Serve until Ctrl-C; the exit status.

    Raises:
        BadValueError: --listen is no address of this machine.
        NoPageError: what it needs is not installed, or the port is taken.
        PageRunningError: there is a page already.
    """
    options = build_parser().parse_args(argv)
    port = _port(options.listen)
    missing = [name for need in NEEDS if find_spec(name := need.partition(">")[0]) is None]
    if missing:
        raise NoPageError(f"the page needs {', '.join(missing)}, not installed here", f"`{install_command(*NEEDS)}`")
    server, site = import_module("flashpipe.page.server"), import_module("flashpipe.page.site")
    here = Path.cwd()
    shown = site.Site((project_here(), here))
    for name in options.port:
        shown.boards.add(name)
    sessions.install_handlers()

    def ready(printed: str, once: str) -> None:
        opens = not options.no_browser and _has_screen()
        alone = (
            ""
            if opens or options.no_browser
            else "no screen is known here, so no browser is opened: open it yourself\n"
        )
        terminal.write(f"the page is at {printed}\n{alone}Ctrl-C here ends it; closing the browser does not\n")
        if opens and not import_module("webbrowser").open(once):
            terminal.write("no browser could be started: open that address yourself\n")

    server.run(shown, server.listen(port), ready)
    return 0


def _has_screen() -> bool:
    """Whether a browser would have windows: where it has none, one for terminals would take this one away.

    BROWSER names one with a screen of its own: on the other end of SSH, or outside of a container.
    """
    if sys.platform in {"win32", "darwin"} or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        return True
    words = os.environ.get("BROWSER", "").partition(os.pathsep)[0].split()
    return bool(words) and Path(words[0]).name not in TEXT_BROWSERS


def _port(text: str) -> int:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[1]) > HIGHEST:
        raise BadValueError(
            f"--listen {text}: the page is for this machine alone",
            "say --listen 127.0.0.1:PORT, such as 127.0.0.1:8066",
        )
    return int(match[1])
