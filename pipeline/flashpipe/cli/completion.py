"""`flashpipe completion bash|zsh|fish [doit]`: what a shell offers when Tab is pressed, for `flashpipe` or for `doit`.

The script asks this program, which knows the tasks, their variables, the values of these, profiles, ports and files.
The bash script needs no bash-completion: the line is taken apart here, and what bash puts back is cut at its breaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from flashpipe import terminal
from flashpipe.cli.overview import DOIT_COMMANDS, TOPICS, own_tasks, shipped_tasks
from flashpipe.errors import BadValueError
from flashpipe.files import expanded
from flashpipe.jobs.command_variables import BATCH, BY_COMMAND, HOST
from flashpipe.jobs.variables import KNOWN, TABLE, VariableKind, taken_by
from flashpipe.station.words import variables

BASH: Final = """\
# Completion of %(name)s in bash, with bash-completion or without: eval "$(flashpipe completion bash%(more)s)"
_%(name)s_complete() {
    local IFS=$'\\n'
    COMPREPLY=($(flashpipe completion answer bash %(name)s "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null))
}
complete -o nospace -F _%(name)s_complete %(name)s
"""
ZSH: Final = """\
#compdef %(name)s
# Completion of %(name)s in zsh: eval "$(flashpipe completion zsh%(more)s)" behind compinit
_%(name)s_complete() {
    local -a found
    found=("${(@f)$(flashpipe completion answer zsh %(name)s "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -Q -S '' -- "${(@)found:#}"
}
compdef _%(name)s_complete %(name)s
"""
FISH: Final = """\
# Completion of %(name)s in fish: flashpipe completion fish%(more)s | source
function __%(name)s_complete
    flashpipe completion answer fish %(name)s (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null
end
complete -c %(name)s -f -a '(__%(name)s_complete)'
"""
SCRIPTS: Final = {"bash": BASH, "zsh": ZSH, "fish": FISH}
PROGRAMS: Final = ("flashpipe", "doit")
USAGE: Final = "flashpipe completion bash|zsh|fish [doit]"
_FILES_OF: Final = frozenset({"inspect", "explain", "simulate", "esptool", "test"})
"""Commands that work on files."""
_FIRMWARE: Final = (".bin", ".img", ".zip", ".gz")


def main(words: Sequence[str]) -> int:
    """Print the script of a shell, or answer it.

    Raises:
        BadValueError: another shell, or another program.
    """
    if words[:1] == ["answer"]:
        return _answer(words[1:])
    shell, program = (*words, "", "flashpipe")[:1][0], words[1] if len(words) > 1 else "flashpipe"
    if shell in {"-h", "--help"}:
        terminal.write(f'usage: {USAGE}\n\nprints a script for the shell; bash: eval "$(flashpipe completion bash)"\n')
        return 0
    if shell not in SCRIPTS or program not in PROGRAMS:
        raise BadValueError(f"{' '.join(('completion', *words))}: want a shell, {', '.join(SCRIPTS)}", USAGE)
    more = f" {program}" * (program != "flashpipe")
    terminal.write(SCRIPTS[shell] % {"name": program, "more": more})
    return 0


def _answer(words: Sequence[str]) -> int:
    shell, program, *rest = (*words, "", "")[: max(2, len(words))]
    breaks = ""
    if shell == "bash":
        line, breaks = (*rest, "", "")[:2]
        rest = split(line)[1:]
    current = rest.pop() if rest else ""
    offers = candidates(rest, current, Path.cwd(), program)
    terminal.write("".join(f"{_for_shell(shell, current, text, breaks)}\n" for text in offers))
    return 0


def split(line: str) -> list[str]:
    r"""Words of a line that is still being typed; the last is the one at the cursor, empty behind a space.

    >>> split("a b=1 'c d' e\\ f "), split("a 'b c")
    (['a', 'b=1', 'c d', 'e f', ''], ['a', 'b c'])
    """
    words, quote, escaped = [""], "", False
    for char in line:
        if escaped:
            words[-1], escaped = words[-1] + char, False
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote and char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif not quote and char in " \t":
            words += [""] if words[-1] else []
        else:
            words[-1] += char
    return words


def _for_shell(shell: str, current: str, text: str, breaks: str) -> str:
    """A candidate as the shell puts it in the place of the word: what goes on gets no space behind it."""
    end = "" if text.endswith(("=", "/", ",")) or shell == "fish" else " "
    if shell == "bash":  # readline knows of nothing before the last word break
        cut = max((current.rfind(char) for char in breaks if char in current and char not in " \t\n\"'"), default=-1)
        text = text[cut + 1 :]
    quoted = text if shell == "fish" else re.sub(r"([\s\\'\"$&;|<>()`*?\[\]!#])", r"\\\1", text)
    return quoted + end


def candidates(before: Sequence[str], current: str, folder: Path, program: str = "flashpipe") -> list[str]:
    """What may stand where `current` is being typed, whole words.

    Args:
        before: The words before it, without the name of the program.
        current: The beginning that is there.
        folder: Where names of files start, and whose project it is.
        program: `flashpipe` or `doit`.
    """
    texts = shipped_tasks()
    tasks = {*texts, *own_tasks(_project(folder)), "plan"}
    commands = (
        {*DOIT_COMMANDS} if program == "doit" else {*import_module("flashpipe.cli.commands").COMMANDS, *DOIT_COMMANDS}
    )
    names = [word.partition(":")[0] for word in before if not word.startswith("-") and "=" not in word]
    first = names[0] if names else ""
    rows = _rows(names, of_command=first in commands - tasks)
    waiting = _waiting_for(before[-1] if before else "", rows)
    if names[:1] == ["files"] and names[1:] and names[1] in {"put", "get", "rm", "cat", "edit"} and "=" not in current:
        here = _files(current, folder) if names[1] == "put" else []
        offers: Iterable[str] = [*here, *(f"{row.name}=" for row in rows)]
    elif waiting is not None:
        offers = _values(waiting, current, folder)
    elif "=" in current and not current.startswith(("./", "/", "~")):
        name, _, value = current.partition("=")
        row = next((row for row in rows if row.name == name.removeprefix("--").replace("-", "_")), None)
        offers = [f"{name}={text}" for text in _values(row, value, folder)] if row is not None else []
    elif current.startswith("-"):
        offers = [f"--{row.name.replace('_', '-')}" for row in rows]
    elif first in commands - tasks:
        offers = [*_of_command(first, current, tasks | commands, folder), *(f"{row.name}=" for row in rows)]
    elif first:
        offers = [*_behind_a_task(names, before, current, folder, program), *sorted(tasks - set(names))]
    else:
        offers = [*sorted(tasks | commands), *(_files(current, folder, _FIRMWARE) if program == "flashpipe" else [])]
    return [text for text in dict.fromkeys(offers) if text.startswith(current)]


def _waiting_for(word: str, rows: Iterable[VariableKind]) -> VariableKind | None:
    """The variable whose value comes next; None where none does."""
    row = next((row for row in rows if word in {f"-{row.short}", f"--{row.name.replace('_', '-')}"}), None)
    return row if row is not None and row.kind != "flag" and word != "-" else None


def _rows(tasks: Sequence[str], *, of_command: bool) -> list[VariableKind]:
    """The variables of the command that is named, or of the tasks; all of these where none is."""
    if of_command:
        table = BY_COMMAND.get(tasks[0], {})
        if tasks[0] == "station":
            table = variables()
        elif tasks[0] == "batch":
            table = BATCH.get(tasks[1], {}) if tasks[1:] else {}
        elif tasks[0] == "host":
            table = HOST.get(tasks[1] if tasks[1:] else "serve", {})
        return list(table.values())
    known = [row for row in TABLE if any(task in row.tasks for task in tasks)]
    return known or list(TABLE)


def _behind_a_task(
    tasks: Sequence[str], before: Sequence[str], current: str, folder: Path, program: str
) -> Iterable[str]:
    """Variables that are not there yet; and what may stand without its name."""
    given = {word.partition("=")[0] for word in before}
    words = [f"{row.name}=" for row in _rows(tasks, of_command=False) if row.name not in given]
    if program == "doit":
        return words
    bare = list[str]()
    if "profile" not in given and any(row.name == "profile" for task in tasks for row in taken_by(task)):
        bare += _profiles(folder)
    kind = (".lua",) if tasks[-1] == "lua" else _FIRMWARE
    if any(row.kind == "file" and row.name in {"image", "file"} for task in tasks for row in taken_by(task)):
        bare += _files(current, folder, kind)
    if current.startswith(("/dev", "COM", "sim:")):
        bare += _values(KNOWN["port"], current, folder)
    return [*words, *bare]


def _of_command(command: str, current: str, words: Iterable[str], folder: Path) -> Iterable[str]:
    if command == "help":
        return [*sorted(words), *TOPICS]
    if command == "completion":
        return [*SCRIPTS, "doit"]
    if command in {"list", "info", "run", "clean", "forget", "ignore", "reset-dep", "strace"}:
        return sorted({*shipped_tasks(), *own_tasks(_project(folder))})
    if command == "schema":
        return ["profile", *import_module("flashpipe.cli.schema").COMMITTED]
    if command in {"batch", "host"}:
        return sorted(BATCH if command == "batch" else HOST)
    return _files(current, folder) if command in _FILES_OF else []


def _values(row: VariableKind, current: str, folder: Path) -> list[str]:
    if row.kind == "flag":
        return ["1"]
    if row.values:
        return list(row.values)
    if row.kind == "file":
        return _files(current, folder)
    if row.name == "profile":
        return _profiles(folder)
    head, comma, _ = current.rpartition(",")
    likely = _ports() if row.name == "port" else list(row.likely)
    return [head + comma + text for text in likely] if row.kind == "list" else likely


def _project(folder: Path) -> Path:
    return Path(import_module("flashpipe.records.project_folder").find_project(folder))


def _profiles(folder: Path) -> list[str]:
    return list(import_module("flashpipe.profile.search").profile_names(_project(folder)))


def _ports() -> list[str]:
    """Those of this machine, and virtual ones: there is one for each shipped profile."""
    search = import_module("flashpipe.profile.search")
    virtual = sorted(f"sim://{path.stem}" for path in search.shipped_folder().glob(f"*{search.SUFFIX}"))
    ports = import_module("flashpipe.board.ports.discovery").list_ports()
    return [*(info.device for info in ports), "all", "auto", *virtual]


def _files(current: str, folder: Path, ends: tuple[str, ...] = ()) -> list[str]:
    """Files whose names go on where `current` ends, and folders."""
    head, slash, _ = current.rpartition("/")
    try:
        entries = sorted((folder / expanded(head + slash)).iterdir())
    except (OSError, RuntimeError):
        return []
    shown = [entry for entry in entries if not entry.name.startswith(".") or current.endswith("/.")]
    return [
        f"{head}{slash}{entry.name}" + "/" * entry.is_dir()
        for entry in shown
        if entry.is_dir() or not ends or entry.name.lower().endswith(ends)
    ]
