"""What people type, in the one form that doit's tasks know: `TASK … name=value …`.

Every variable may be written as an option; a port, a file or a profile may stand behind its task without a name; words
of other tools are understood where they mean one thing here, and refused with the right command where they do not.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from flashpipe.errors import UsageError
from flashpipe.jobs.option_words import END, PORT, TTY, options_end
from flashpipe.jobs.variables import KNOWN, ON_BOARDS
from flashpipe.lazy import lazy_pattern
from flashpipe.tasks.parser import OURS, Parsed, Word, parse

SYNONYMS: Final = {
    "burn": "flash",
    "chip-id": "identify",
    "console": "monitor",
    "erase-flash": "erase",
    "flash-id": "identify",
    "df": "files",
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
    "download": "`flashpipe backup file=NAME` reads the flash; `flashpipe files get NAME` fetches a file of the board",
    **{verb: f"flashpipe files {verb} NAME" for verb in ("cat", "edit", "get", "put")},
    "erase-region": "flashpipe erase regions=0xSTART-0xEND",
    "remove": "`flashpipe files rm NAME` removes one file; `flashpipe format` removes all",
    "rm": "`flashpipe files rm NAME` removes one file; `flashpipe format` removes all",
    "verify-flash": "flashpipe verify profile=NAME image=FILE",
    "read-flash": "flashpipe backup file=NAME",
}
_ADDRESS_OF_HOST: Final = lazy_pattern(r"[\w.-]+:\d+")
_AREAS: Final = frozenset({"spiffs", "lfs", "wifi", "rf"})
_ERASE: Final = dict.fromkeys(("1", "yes", "true", "on"), "all") | dict.fromkeys(("0", "no", "false"), "as-needed")
"""As other tools say what `erase=` says here."""
_OF_ANY_COMMAND: Final = frozenset({"color", "events", "format", "junit", "quiet", "verbose"})
"""Variables that say how a run is told."""
_ADDRESS: Final = lazy_pattern(r"0[xX][0-9a-fA-F]+")
FIRMWARE: Final = (".bin", ".img", ".elf", ".zip", ".gz")
_LUA: Final = (".lua", ".lc")
FILE_VERBS: Final = ("put", "get", "rm", "cat", "edit")
"""What can be done with single files of a board: `flashpipe files put init.lua`."""
ESPTOOL: Final = frozenset(
    {"chip-id", "erase-flash", "erase-region", "flash-id", "read-flash", "read-mac", "verify-flash", "write-flash"}
)
"""Those of esptool, whose options `flashpipe esptool` knows."""
_FILE_NAME: Final = lazy_pattern(r"(?<!^)\.(?!ya?ml$)\w{1,5}$")
"""What nothing but a file is called like, there or not."""
ON_FILES: Final = {"download": "get", "remove": "rm", **{verb: verb for verb in FILE_VERBS}}
"""Words that mean one of them where a file is named."""
ON_PROFILES: Final = ON_BOARDS | {"image", "lock"}
"""Tasks behind which a profile, a port, or a file may stand without a name."""
_WITH_IMAGES: Final = ("flash", "image", "lock", "plan", "verify")
_FILE_OF: Final = {"lua": "file", "restore": "backup", "backup": "file"}
"""What a bare file is to a task, where it is not a firmware image."""


def understand(words: Sequence[str], profiles: Callable[[], Collection[str]], folder: Path) -> list[str]:
    """The command line as doit's tasks know it: doit's options, tasks, variables.

    Args:
        words: As typed, without the name of the program.
        profiles: Names of the profiles, asked for only where a word might be one.
        folder: Where files are looked for.

    Raises:
        UsageError: a word that means two things, or nothing here.
    """
    parsed = _parse(words)
    if list(words) in (["version"], ["-V"]) or (parsed.tasks == ("version",) and not _asks_more(parsed)):
        return ["--version"]
    first = words[0] if words else ""
    if first == "version":
        raise UsageError(
            "version says which flashpipe this is, and takes no more words",
            "`flashpipe version`; what runs on a board: `flashpipe node -p PORT`",
        )
    if parsed.tasks and _is_firmware(parsed.tasks[0], folder):
        return _inspection(parsed)
    parts = _without_names(_pairs(_file_verb(_verb(parsed.words, folder), profiles, folder), folder), profiles, folder)
    doits = [typed for word in parts if word.kind == "doit" for typed in word.typed]
    rest = [word for word in parts if word.kind != "doit"]
    command = [parsed.command] if parsed.command in words and parsed.command not in parsed.tasks else []
    return [*command, *doits, *_behind_own_tasks_as_typed(rest)]


def _parse(words: Sequence[str]) -> Parsed:
    """The command line, taken apart; what stands behind `--` are names where single files of a board are meant."""
    end = options_end(words)
    parsed = parse(words[:end], anywhere=True)
    if parsed.tasks and parsed.tasks[0] in {"files", *ON_FILES}:
        names = (Word("task", name, "", (END, name)) for name in words[end + 1 :])
        return replace(parsed, words=(*parsed.words, *names))
    return parse(words, anywhere=True)


def _behind_own_tasks_as_typed(words: Sequence[Word]) -> Iterator[str]:
    """What doit knows; options behind a task that is not ours may be that task's: `with_variables` looks."""
    task = ""
    for word in words:
        task = word.text.partition(":")[0] if word.kind == "task" else task
        yield from word.typed if task and task not in OURS and _is_option(word) else _as_doit_knows(word)


def _is_option(word: Word) -> bool:
    return word.kind == "variable" and word.typed[0].startswith("-")


def _asks_more(parsed: Parsed) -> bool:
    return any(word.kind != "task" and word.text not in _OF_ANY_COMMAND for word in parsed.words)


def _inspection(parsed: Parsed) -> list[str]:
    """Firmware files without a verb are looked at.

    Raises:
        UsageError: beside them stands what looking has no use for: it is for a task that has to be named.
    """
    others = [word for word in parsed.words if word.kind == "variable" and word.text not in _OF_ANY_COMMAND]
    others += [word for word in parsed.words if word.kind == "task" and not word.text.lower().endswith(FIRMWARE)]
    verb = next((word for word in others if word.kind == "task" and _is_task(word.text)), None)
    if verb is not None:
        rest = (word for word in parsed.words if word is not verb)
        said = shlex.join([verb.text, *(typed for word in rest for typed in word.typed)])
        raise UsageError(f"{verb.text} stands before what it works on", f"flashpipe {said}")
    if others:
        known = (word for word in parsed.words if word.kind in {"task", "variable"} and word.text != "quiet")
        said = shlex.join(typed for word in known for typed in _as_doit_knows(word))
        raise UsageError(
            f"{parsed.tasks[0]}: what to do with it?",
            f"`flashpipe {parsed.tasks[0]}` looks at it; `flashpipe flash {said}` writes it",
        )
    return ["inspect", *(typed for word in parsed.words for typed in word.typed)]


def _is_task(word: str) -> bool:
    return word in ON_PROFILES or word.replace("_", "-") in SYNONYMS


def with_variables(words: Sequence[str], options_of: Callable[[str], Collection[str]]) -> list[str]:
    """The command line once more, now that the dodo file was read: what it declares may stand there as an option.

    Args:
        words: As `understand` has left them.
        options_of: Gives the options that a task of the project has itself, such as `--port`: they stay its own.
    """
    spelt, at, task = list(words), 0, ""
    for word in parse(words, anywhere=True).words:
        at = spelt.index(word.typed[0], at)
        task = word.text.partition(":")[0] if word.kind == "task" else task
        made: Sequence[str] = word.typed
        if _is_option(word) and not (task and word.typed[0].partition("=")[0] in options_of(task)):
            made = _as_doit_knows(word)
        spelt[at : at + len(word.typed)] = made
        at += len(made)
    return spelt


def _as_doit_knows(word: Word) -> Sequence[str]:
    if word.kind != "variable":
        return word.typed
    value = _ERASE.get(word.value.lower(), word.value) if word.text == "erase" else word.value
    return (f"{word.text}={value}",)


def _task(text: str) -> Word:
    return Word("task", text, "", (text,))


def _verb(words: Sequence[Word], folder: Path) -> list[Word]:
    """The words, the first task of which may have been one of another tool."""
    at = next((at for at, word in enumerate(words) if word.kind == "task"), None)
    if at is None:
        return list(words)
    word, name = words[at].text, words[at].text.replace("_", "-")
    unknown = next((other.text for other in words if other.kind == "unknown"), "")
    if unknown and name in ESPTOOL:
        raise UsageError(
            f"{unknown} is an option of esptool", f"`flashpipe esptool {word} …` takes esptool's own words"
        )
    behind = [other.text for other in words[at + 1 :] if other.kind == "task"]
    if name == "upload":
        meant = _upload(behind, folder)
    elif name in ON_FILES and behind:
        meant = ["files", ON_FILES[name]]
    elif name in REFUSED:
        raise UsageError(f"{word} is a word of another tool", REFUSED[name])
    elif _is_image(name):
        raise UsageError(f"{word}: there is no such file", "`flashpipe FILE` looks at a firmware; check the path")
    elif name.endswith(".yaml") and (folder / word).is_file():
        raise UsageError(f"{word} is a profile", f"`flashpipe plan {shlex.quote(word)}` shows what `flash` would do")
    elif name.lower().endswith(_LUA) and (folder / word).is_file():
        raise UsageError(
            f"{word}: what to do with it?", f"`flashpipe lua {word}` runs it; `flashpipe files put {word}` sends it"
        )
    else:
        meant = [SYNONYMS.get(name, word)]
    return [*words[:at], *map(_task, meant), *words[at + 1 :]]


def _upload(names: Sequence[str], folder: Path) -> list[str]:
    """What sends these: firmware goes into the flash, other files into the board's file system.

    Raises:
        UsageError: both are among them.
    """
    if not _is_for_board([name for name in names if not _is_image(name)], folder):
        return ["flash"]
    images = [name for name in names if _is_image(name)]
    if images:
        others = shlex.join(name for name in names if name not in images)
        raise UsageError(
            f"{others} and {images[0]} go to different places",
            f"`flashpipe files put {others}` sends files; `flashpipe flash {shlex.join(images)}` the firmware",
        )
    return ["files", "put"]


def _is_image(name: str) -> bool:
    return name.lower().endswith(FIRMWARE)


def _is_for_board(names: Sequence[str], folder: Path) -> bool:
    """Whether they are files or folders: then they are for the board's own file system."""
    return any((folder / name).exists() or name.endswith("/") or _FILE_NAME.search(name) for name in names)


def _file_verb(words: Sequence[Word], profiles: Callable[[], Collection[str]], folder: Path) -> list[Word]:
    """`files put A B` as `files put=A,B`: what stands behind the verb are names, but for a profile as the last."""
    at = next((at for at, word in enumerate(words) if word.kind == "task"), None)
    behind = (
        [] if at is None or words[at].text != "files" else [word for word in words[at + 1 :] if word.kind == "task"]
    )
    if at is None or not behind or behind[0].text not in {*FILE_VERBS, "df"}:
        return list(words)
    verb, names = behind[0].text, [word.text for word in behind[1:]]
    if verb == "df":
        return [word for word in words if word is not behind[0]]
    rest = [word for word in words[at + 1 :] if word.kind != "task"]
    _refuse_options_of_rm(rest, verb)
    if not names:
        raise UsageError(f"files {verb}: of which file?", f"flashpipe files {verb} NAME …")
    may_be_profile = len(names) > 1 and behind[-1].typed[0] != END
    if may_be_profile and names[-1] in profiles() and not (folder / names[-1]).exists():
        rest.append(Word("variable", "profile", names.pop()))
    return [*words[: at + 1], Word("variable", verb, ",".join(names)), *rest]


def _refuse_options_of_rm(words: Sequence[Word], verb: str) -> None:
    """Go on only where nothing behind the verb is an option as other programs have it: `rm -rf`, `cat -n`.

    Raises:
        UsageError: there is one; or a file is called like that.
    """
    for word in words:
        option = word.typed[0]
        if word.kind == "unknown" or (word.kind == "doit" and not option.startswith(("--", "-v"))):
            raise UsageError(
                f"{option}: files {verb} has no such option",
                f"a file of that name: flashpipe files {verb} -- {shlex.quote(option)}",
            )


def _pairs(words: Sequence[Word], folder: Path) -> list[Word]:
    """`0x0 FILE 0x10000 FILE` as one image."""
    pieces, rest, waiting = list[str](), list[Word](), list(words)
    while waiting:
        word = waiting.pop(0)
        address = word.value if word.kind == "variable" and word.text == "image" else word.text
        follows = bool(waiting) and waiting[0].kind == "task"
        if _ADDRESS.fullmatch(address) and follows and (folder / waiting[0].text).is_file():
            pieces.append(f"{address}:{waiting.pop(0).text}")
        else:
            rest.append(word)
    if pieces:
        return [*rest, Word("variable", "image", ",".join(pieces))]
    return _named_by_address(rest, folder)


def _named_by_address(words: Sequence[Word], folder: Path) -> list[Word]:
    """Firmware files that are called by their addresses, as NodeMCU's build calls them, as one image.

    Raises:
        UsageError: several files, and nobody knows where each goes.
    """
    first = next((word.text for word in words if word.kind == "task"), "")
    files = [word for word in words if word.kind == "task" and _is_firmware(word.text, folder)]
    if len(files) < 2 or first not in _WITH_IMAGES:  # noqa: PLR2004  a pair
        return list(words)
    stems = [Path(word.text).stem for word in files]
    if all(map(_ADDRESS.fullmatch, stems)):
        pieces = [f"{stem}:{word.text}" for stem, word in zip(stems, files, strict=True)]
        return [*(word for word in words if word not in files), Word("variable", "image", ",".join(pieces))]
    form = ",".join(f"0xADDRESS:{word.text}" for word in files)
    raise UsageError(f"{' and '.join(word.text for word in files)}: where does each go?", f"say image={form}")


def _without_names(words: Sequence[Word], profiles: Callable[[], Collection[str]], folder: Path) -> list[Word]:
    """What stands behind its task: a port, a file, or a profile."""
    task, meant = "", list[Word]()
    for word in words:
        if word.kind == "variable" and task and PORT.match(word.text):  # a URL with options
            meant.append(Word("variable", "port", word.typed[0]))
        elif word.kind != "task":
            meant.append(word)
        elif word.text in ON_PROFILES or not task:
            task = word.text if word.text in ON_PROFILES else task
            meant.append(word)
        elif PORT.fullmatch(word.text):
            meant.append(Word("variable", "port", word.text))
        else:
            meant.append(_meant(word, task, profiles, folder))
    return meant


def _meant(word: Word, task: str, profiles: Callable[[], Collection[str]], folder: Path) -> Word:
    text = word.text
    is_file, is_profile = (folder / text).is_file(), text in profiles()
    name = _FILE_OF.get(task, "image")
    known = None if is_file or is_profile else _named_otherwise(text, task)
    if known is not None:
        return known
    if is_file and is_profile:
        raise UsageError(f"{text!r} is a file and a profile", f"say {name}={text} or profile={text}")
    if is_profile:
        return Word("variable", "profile", text)
    if text.endswith(".yaml") and is_file:
        return Word("variable", "profile", text if "/" in text else f"./{text}")
    if is_file or text.lower().endswith(_LUA if task == "lua" else FIRMWARE):
        if name == "image":
            _refuse_as_image(text, task)
        return Word("variable", name, text)
    return word


def _named_otherwise(text: str, task: str) -> Word | None:
    """A word that says a port or a part of the flash; None for others.

    Raises:
        UsageError: it may be meant so, and has to be said.
    """
    if TTY.fullmatch(text):
        return Word("variable", "port", f"/dev/{text}")
    if text in _AREAS and task in KNOWN["regions"].tasks:
        return Word("variable", "regions", text)
    if text == "all":
        raise UsageError(f"all behind {task}: all of what?", "all USB ports: port=all")
    if _ADDRESS_OF_HOST.fullmatch(text):
        raise UsageError(f"{text} is no port yet", f"port=rfc2217://{text}, or port=socket://{text}")
    return None


def _refuse_as_image(text: str, task: str) -> None:
    """Go on only with a file that may be a firmware, behind a task that works on one.

    Raises:
        UsageError: naming what takes it.
    """
    is_lua, shown = text.lower().endswith(_LUA), shlex.quote(text)
    if task in KNOWN["image"].tasks and not is_lua:
        return
    advice = f"`flashpipe lua {shown}` runs it; `flashpipe files put {shown}` sends it"
    if not is_lua:
        advice = f"`flashpipe {shown}` looks at it" if _is_image(text) else f"`flashpipe files put {shown}` sends it"
    raise UsageError(f"{text} is nothing that {task} works on", advice)


def _is_firmware(word: str, folder: Path) -> bool:
    """Whether it is a file of that kind, or one in an archive: `fw.zip!fw.bin`."""
    file = word.partition("!")[0]
    return word.lower().endswith(FIRMWARE) and "=" not in word and (folder / file).is_file()
