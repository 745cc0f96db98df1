"""Command lines of our own commands: argparse, with our door to the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable
from typing import Any

from flashpipe import terminal
from flashpipe.errors import BadValueError, UnknownVariableError


class Parser(argparse.ArgumentParser):
    """argparse's, which would put the user's words on the terminal as they are."""

    def _print_message(self, message: str, file: Any = None) -> None:
        terminal.write(message, file or sys.stderr)


def variables_of(pairs: Iterable[tuple[str, str]], known: Collection[str], command: str) -> dict[str, str]:
    """The variables of a command by name, each once.

    Raises:
        UnknownVariableError: naming those that the command takes.
        BadValueError: one is given twice.
    """
    given: dict[str, str] = {}
    for name, text in pairs:
        if name not in known:
            raise UnknownVariableError(f"{name}= is no variable of {command}", f"these are: {', '.join(known)}")
        if name in given:
            raise BadValueError(f"{name}= is given twice", "give it once")
        given[name] = text
    return given
