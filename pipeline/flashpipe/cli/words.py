"""What people type, in the one form that doit's tasks know: `TASK … name=value …`.

Every variable may be written as an option; a port, a file or a profile may stand behind its task without a name; words
of other tools are understood where they mean one thing here, and refused with the right command where they do not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from flashpipe.errors import UsageError
from flashpipe.jobs.variables import FLAGS, known_variables

SHORT: Final = {"-p": "port", "-b": "baud", "-q": "quiet", "-y": "yes"}
JSON: Final = "--json"
SYNONYMS: Final = {
    "burn": "flash",
    "chip-id": "identify",
    "console": "monitor",
    "erase-flash": "erase",
    "flash-id": "identify",
    "fsinfo": "files",
    "ls": "files",
    "mkfs": "format",
    "read-mac": "identify",
    "reset": "boot",
    "restart": "boot",
    "terminal": "monitor",
    "write-flash": "flash",
}
"""Words of other tools that mean one of our tasks and nothing else; with _ for - too."""
REFUSED: Final[dict[str, str]] = {
    "download": "`flashpipe backup file=NAME` reads the flash; `flashpipe files` lists the files on the board",
    "remove": "`flashpipe lua file=FILE` with file.remove(NAME) in it; `flashpipe format` removes all",
    "verify-flash": "flashpipe verify profile=NAME image=FILE",
    "read-flash": "flashpipe backup file=NAME",
}
_PORT: Final = re.compile(r"(?i)(/dev/\S+|COM\d+|\\\\\.\\COM\d+|[a-z][a-z0-9+]*://\S+)")
_ADDRESS: Final = re.compile(r"0[xX][0-9a-fA-F]+")
_FIRMWARE: Final = (".bin", ".img", ".elf", ".zip", ".gz")
ON_PROFILES: Final = frozenset(
    {"audit", "backup", "boot", "diagnose", "erase", "files", "flash", "format", "identify", "image", "lock", "lua"}
    | {"monitor", "node", "plan", "restore", "verify"}
)
"""Tasks behind which a profile, a port, or a file may stand without a name."""
_FILE_OF: Final = {"lua": "file", "restore": "backup", "backup": "file"}
"""What a bare file is to a task, where it is not a firmware image."""


def understand(words: Sequence[str], profiles: Callable[[], Collection[str]], folder: Path) -> list[str]:
    """The command line as doit's tasks know it.

    Args:
        words: As typed, without the name of the program.
        profiles: Names of the profiles, asked for only where a word might be one.
        folder: Where files are looked for.

    Raises:
        UsageError: a word that means two things, or nothing here.
    """
    plain = _with_names(words)
    if len(plain) == 1 and plain[0] == "version":
        return ["--version"]
    first = next((word for word in plain if not word.startswith("-") and "=" not in word), "")
    if first and first not in ON_PROFILES and _is_firmware(first, folder) and plain[0] == first:
        return ["inspect", *plain]
    plain = _synonyms(plain, folder)
    return _without_names(plain, profiles, folder)


def _with_names(words: Sequence[str]) -> list[str]:
    """Options that are variables, as variables."""
    found, waiting = list[str](), list(words)
    while waiting:
        word = waiting.pop(0)
        name, equals, value = word.partition("=")
        variable = SHORT.get(name) or (name[2:].replace("-", "_") if name.startswith("--") else "")
        if word == JSON:
            found.append("format=json")
        elif variable not in known_variables():
            found.append(word)
        elif equals:
            found.append(f"{variable}={value}")
        elif variable in FLAGS:
            found.append(f"{variable}=1")
        elif waiting and not (waiting[0].startswith("-") and len(waiting[0]) > 1):
            found.append(f"{variable}={waiting.pop(0)}")
        else:
            raise UsageError(f"{word}: which {variable}?", f"say {variable}=VALUE or --{variable} VALUE")
    return found


def _synonyms(words: Sequence[str], folder: Path) -> list[str]:
    found = list[str]()
    for at, word in enumerate(words):
        name = word.replace("_", "-")
        rest = [other for other in words[at + 1 :] if "=" not in other]
        if found and "=" not in found[0]:  # only the first word is a verb of another tool
            found.append(word)
        elif name == "upload":
            if rest and not _is_firmware(rest[0], folder):
                raise UsageError(
                    "upload: files of a board stand in its profile, below `files:`",
                    "flashpipe files send=1 profile=NAME",
                )
            found.append("flash")
        elif name in REFUSED:
            raise UsageError(f"{word} is a word of another tool", REFUSED[name])
        else:
            found.append(SYNONYMS.get(name, word))
        if word == "erase=1":
            raise UsageError("erase=1: there is no such variable", "flashpipe erase flash …")
    return _pairs(found, folder)


def _pairs(words: Sequence[str], folder: Path) -> list[str]:
    """`0x0 FILE 0x10000 FILE` as one image."""
    pieces, rest, waiting = list[str](), list[str](), list(words)
    while waiting:
        word = waiting.pop(0)
        address = word.removeprefix("image=")
        if _ADDRESS.fullmatch(address) and waiting and (folder / waiting[0]).is_file():
            pieces.append(f"{address}:{waiting.pop(0)}")
        else:
            rest.append(word)
    return [*rest, f"image={','.join(pieces)}"] if pieces else rest


def _without_names(words: Sequence[str], profiles: Callable[[], Collection[str]], folder: Path) -> list[str]:
    """What stands behind its task: a port, a file, or a profile."""
    task, found = "", list[str]()
    for word in words:
        if word.startswith("-") or "=" in word:
            if _PORT.match(word) and task:  # a URL with options
                found.append(f"port={word}")
            else:
                found.append(word)
        elif word in ON_PROFILES or not task:
            task = word if word in ON_PROFILES else task
            found.append(word)
        elif _PORT.fullmatch(word):
            found.append(f"port={word}")
        else:
            found.append(_meant(word, task, profiles, folder))
    return found


def _meant(word: str, task: str, profiles: Callable[[], Collection[str]], folder: Path) -> str:
    is_file, is_profile = (folder / word).is_file(), word in profiles()
    name = _FILE_OF.get(task, "image")
    if is_file and is_profile:
        raise UsageError(f"{word!r} is a file and a profile", f"say {name}={word} or profile={word}")
    if is_profile:
        return f"profile={word}"
    if is_file or (word.lower().endswith(_FIRMWARE) and name == "image"):
        return f"{name}={word}"
    return word


def _is_firmware(word: str, folder: Path) -> bool:
    return word.lower().endswith(_FIRMWARE) and "=" not in word and (folder / word).is_file()
