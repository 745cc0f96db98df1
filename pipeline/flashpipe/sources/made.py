"""Results of a program that were kept under what went into them: the same program, words and files give them again.

Compilers put the time into what they make: a result is made once, so that a board that holds it is up to date.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from flashpipe.errors import BuildError, RecordError
from flashpipe.files import make_parents, read_regular, write_atomic
from flashpipe.lazy import subprocess
from flashpipe.values import dataclass

LIMIT_S: Final = 120.0
"""Longest time for one run: both programs take milliseconds."""
_LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a program, or of what it has made."""
KEPT: Final = 200
"""Results that stay: a project may compile many files."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What goes into a result."""

    program: Path
    words: tuple[str, ...]
    """What decides the result beside the files, such as addresses."""
    files: Mapping[str, bytes]

    @property
    def key(self) -> str:
        """Of the same for the same; hex.

        Raises:
            BuildError: the program cannot be read.
        """
        digest = hashlib.sha256(json.dumps([*self.words, sorted(self.files)]).encode("utf-8", "surrogatepass"))
        try:
            digest.update(hashlib.sha256(read_regular(self.program, _LARGEST)).digest())
        except OSError as error:
            raise BuildError(f"{self.program}: {error.strerror or error}", "name another one") from error
        for name in sorted(self.files):
            digest.update(hashlib.sha256(self.files[name]).digest())
        return digest.hexdigest()[:32]


def find(recipe: Recipe, folder: Path) -> bytes | None:
    """The result, where it was made before.

    Raises:
        BuildError: the program cannot be read.
    """
    try:
        return read_regular(folder / f"{recipe.key}.img", _LARGEST)
    except OSError:
        return None


def keep(recipe: Recipe, folder: Path, data: bytes) -> None:
    """Keep a result; older ones go.

    Raises:
        RecordError: it cannot be written.
    """
    path = folder / f"{recipe.key}.img"
    make_parents(path)
    write_atomic(path, data)
    with suppress(OSError):
        results = sorted(folder.glob("*.img"), key=lambda one: one.stat().st_mtime)
        for old in results[:-KEPT]:
            old.unlink(missing_ok=True)


def run(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run a program to its end: its status, and all that it has said.

    Raises:
        BuildError: it cannot be started, or does not end.
    """
    try:
        process = subprocess.run(
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{command[0]} has not ended after {LIMIT_S:.0f} s", "run it by hand") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or error
        raise BuildError(f"{command[0]}: cannot be run: {reason}", "name the one of this machine") from error
    return process.returncode, (process.stderr + process.stdout).decode("utf-8", "replace").strip()


def in_scratch(work: Callable[[Path], bytes]) -> bytes:
    """What `work` makes in a folder of its own, which is gone afterwards.

    Raises:
        RecordError: there is no room for it.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="flashpipe-", ignore_cleanup_errors=True) as name:
            return work(Path(name))
    except OSError as error:
        raise RecordError(
            f"{error.filename or 'temporary files'}: {error.strerror or error}", "free disk space"
        ) from error
