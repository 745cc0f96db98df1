"""Names that somebody else has chosen, a board for its files: what a file of here may be called, and what is shown.

A name leads to no other folder. And it makes a file no program: much of what lies in a project's folder is run, or
obeyed, because of its name alone, by flashpipe, doit, pytest, git, make, a shell, Windows. Names are compared as the
most careless file system does: macOS and Windows know no upper case, macOS composes letters, Windows passes over dots
and spaces at the end, and calls `.git` `GIT~1` as well.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final

LONGEST: Final = 128
"""Characters of a name: SPIFFS has 31, and no file system here takes more than 255 bytes."""
RUN_BY_ENDING: Final = frozenset(
    {
        # Python, also by `import` from the current folder
        *(".py", ".pyc", ".pyd", ".pyw", ".pyz", ".pth", ".so", ".ipynb"),
        # profiles, the lock file, secrets, and what build servers obey
        *(".yaml", ".yml", ".toml"),
        # shells; Windows looks for a command in the current folder first
        *(".sh", ".bash", ".zsh", ".fish", ".bat", ".cmd", ".com", ".exe", ".dll", ".msi", ".scr", ".cpl", ".ps1"),
        *(".psm1", ".psd1", ".vbs", ".vbe", ".jse", ".wsf", ".wsh", ".hta", ".msc", ".reg", ".lnk", ".url", ".pif"),
        # desktops
        *(".desktop", ".command", ".app", ".workflow", ".jar", ".dylib"),
        # builds
        *(".mk", ".mak", ".cmake", ".gradle", ".ninja", ".just"),
    }
)
"""Endings of what is run, loaded or obeyed, whatever its name is."""
RUN_BY_NAME: Final = frozenset(
    {
        *("makefile", "gnumakefile", "bsdmakefile", "cmakelists.txt", "justfile", "rakefile", "gemfile", "sconstruct"),
        *("dockerfile", "containerfile", "vagrantfile", "jenkinsfile", "procfile", "tiltfile", "wscript"),
        *("doit.cfg", "setup.cfg", "tox.ini", "pytest.ini", "mypy.ini", "platformio.ini", "pip.conf", "desktop.ini"),
        *("autorun.inf", "package.json", "package-lock.json", "composer.json", "tsconfig.json", "library.json"),
        *("constraints.txt", "manifest.in", "uv.lock", "poetry.lock", "units.csv"),
    }
)
"""Whole names of the same, lower case."""
DEVICES: Final = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"})
_DEVICE: Final = re.compile(r"(?:com|lpt)[0-9]")
_REQUIREMENTS: Final = re.compile(r"requirements.*\.(?:txt|in)")
_SHORT: Final = re.compile(r"~\d+(?:\.|$)")
"""How Windows names a file once more, in eight letters."""


def shown(name: str) -> str:
    r"""A name in one line, with whatever is no print escaped; a terminal obeys none of it.

    >>> shown("a\n\x1b[31mb"), shown("ß.lua"), shown("\udcff")
    ('a\\n\\x1b[31mb', 'ß.lua', '\\xff')
    """
    return "".join(char if char.isprintable() else _escaped(char) for char in name)


def _escaped(char: str) -> str:
    lone = "\udc80" <= char <= "\udcff"  # a byte that is no UTF-8
    return f"\\x{ord(char) - 0xDC00:02x}" if lone else char.encode("unicode_escape").decode("ascii")


def comparable(name: str) -> str:
    r"""The name as the most careless file system compares it: two that are equal so may be one file.

    >>> comparable("\uff24odo.Py. ") == comparable("dodo.py"), comparable("e\u0301") == comparable("\xe9")
    (True, True)
    """
    parts = unicodedata.normalize("NFKC", name).casefold().replace("\\", "/").split("/")
    return unicodedata.normalize("NFKC", "/".join(part.rstrip(". ") or part for part in parts))


def misleading(name: str) -> str:
    """Why no file below a folder of here can have this name, slashes for folders; empty where one can.

    >>> misleading("lib/a.lua"), misleading("../a.lua"), misleading("C:a.lua")
    ('', 'it leads out of this folder', 'a colon names a drive, or a stream of another file')
    >>> misleading("con.lua")
    'Windows has a device of that name'
    """
    same = comparable(name)
    parts = [part for part in same.split("/") if part]
    stems = {part.partition(".")[0].rstrip() for part in parts}
    problems = {
        "it names nothing": not name or not parts or parts == ["."],
        f"it has more than {LONGEST} characters": len(name) > LONGEST,
        "it has characters that are no print": not name.isprintable(),
        "it leads out of this folder": ".." in parts or same.startswith("/"),
        "a colon names a drive, or a stream of another file": ":" in same,
        "Windows has a device of that name": bool(stems & DEVICES) or any(map(_DEVICE.fullmatch, stems)),
    }
    return next((problem for problem, there in problems.items() if there), "")


def steering(name: str) -> bool:
    """Whether a file of this name may be run, loaded as configuration or obeyed, by flashpipe or another program.

    >>> [steering(name) for name in ("DODO.PY", "x/.git/config", "GIT~1/config", "kitchen.yaml", "init.lua", "a.json")]
    [True, True, True, True, False, False]
    """
    parts = [part for part in comparable(name).split("/") if part not in {"", "."}]
    if any(part.startswith((".", "~")) or _SHORT.search(part) for part in parts):
        return True
    last = parts[-1] if parts else ""
    return last in RUN_BY_NAME or PurePosixPath(last).suffix in RUN_BY_ENDING or bool(_REQUIREMENTS.fullmatch(last))
