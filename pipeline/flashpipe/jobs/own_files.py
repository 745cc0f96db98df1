"""What runs, or says what runs, has to be the user's own: profiles, folders of builds, programs and scripts."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from flashpipe.files import expanded, is_there
from flashpipe.ownership import require_own
from flashpipe.profile.search import shipped_folder

_SCRIPTS: Final = frozenset({".bat", ".cmd", ".js", ".lua", ".mk", ".pl", ".ps1", ".py", ".rb", ".sh", ".tcl"})
"""Ends of names that interpreters are given."""
_MAKEFILES: Final = ("GNUmakefile", "makefile", "Makefile", "CMakeLists.txt", "build.ninja", "Dockerfile")
_PATH_OPTION: Final = ("-C", "-f", "--directory=", "--file=", "--makefile=")
"""Of make and its like, written together with the path."""


def require_own_files(project: Path, *paths: Path) -> None:
    """Go on only with profiles, files and folders that nobody else can change.

    Raises:
        NotTrustedError: others can.
    """
    root = project.resolve()
    for path in paths:
        if path.parent != shipped_folder():
            require_own(path, root if path.is_relative_to(root) else None)


def require_own_command(project: Path, command: str | Sequence[str], folder: Path) -> None:
    """Go on only where the programs, scripts and makefiles that a command names are the user's own.

    What the programs themselves read or start nobody can know from here.

    Args:
        project: Folder of the project.
        command: Words, or a line of the shell.
        folder: Where it runs: what its relative paths start from.

    Raises:
        NotTrustedError: as `require_own_files`.
    """
    require_own_files(project, *_run_by(command, folder))


def _run_by(command: str | Sequence[str], folder: Path) -> Iterator[Path]:
    yield from _makefiles(folder)
    words = _shell_words(command) if isinstance(command, str) else list(command)
    for number, word in enumerate(words):
        for text in (word, *(word.removeprefix(option) for option in _PATH_OPTION if word.startswith(option))):
            path = folder / expanded(text)
            if not text or not _exists(path):
                continue
            if path.is_dir():  # `make -C FOLDER`
                yield from _makefiles(path)
            elif number == 0 or path.suffix.lower() in _SCRIPTS or path.name in _MAKEFILES or os.access(path, os.X_OK):
                yield path


def _shell_words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=os.name == "posix", punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # a quote that does not end; the shell says so
        return line.split()


def _makefiles(folder: Path) -> Iterator[Path]:
    return (folder / name for name in _MAKEFILES if (folder / name).is_file())


def _exists(path: Path) -> bool:
    try:
        return is_there(path)
    except ValueError:  # a zero byte
        return False
