"""Command lines of our own commands: argparse, with our door to the terminal."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from flashpipe import terminal


class Parser(argparse.ArgumentParser):
    """argparse's, which would put the user's words on the terminal as they are."""

    def _print_message(self, message: str, file: Any = None) -> None:
        terminal.write(message, file or sys.stderr)
