"""One parser of command lines: which words are tasks, which are variables, which are options of doit and their values.

doit's own option tables decide, with the table of variables (`flashpipe.jobs.variables`). Whatever may write to a board
has to be named: a word that is, or may be, the value of an option names nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from doit.cmd_base import DodoTaskLoader, DoitCmdBase
from doit.cmd_run import Run
from doit.doit_cmd import DoitMain

from flashpipe.errors import UsageError
from flashpipe.jobs.option_words import JSON, is_option, read_option
from flashpipe.jobs.variables import FLAGS, KNOWN, TABLE, known_variables, taken_by
from flashpipe.values import dataclass

LEVELS: Final = frozenset({"0", "1", "2"})
"""Values of doit's `-v`; ours takes none."""
_LOADER: Final = tuple(DodoTaskLoader.cmd_options)
_OF_RUN: Final = (*DoitCmdBase.base_options, *Run.cmd_options)
_COMMANDS: Final = {command.get_name(): command for command in DoitMain.DOIT_CMDS}
OURS: Final = frozenset(task for row in TABLE for task in row.tasks)
"""Tasks and commands that take variables."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command line, or an option with its value."""

    kind: Literal["doit", "variable", "task", "unknown"]
    text: str
    """Name of a variable; else the word itself."""
    value: str = ""
    """Of a variable."""
    typed: tuple[str, ...] = ()
    """The words as they were typed."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command line, taken apart."""

    command: str
    """That of doit; `run` where none is named."""
    words: tuple[Word, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """What names tasks, or patterns of them, in this order."""
        return tuple(word.text for word in self.words if word.kind == "task")

    @property
    def variables(self) -> tuple[tuple[str, str], ...]:
        """Name and value of each variable, in whichever form it was typed."""
        return tuple((word.text, word.value) for word in self.words if word.kind == "variable")

    @property
    def has_options(self) -> bool:
        """Whether a variable is written as an option."""
        return any(word.kind == "variable" and word.typed[0].startswith("-") for word in self.words)

    def variable(self, name: str) -> str:
        """The first value of a variable; empty where it is not there."""
        return next((value for other, value in self.variables if other == name), "")


def parse(words: Sequence[str], *, anywhere: bool = False) -> Parsed:
    """Take a command line apart.

    Args:
        words: Without the name of the program.
        anywhere: Options may stand at any place, as under `flashpipe`; doit itself knows its own before the first task
            and those of a task behind it, and takes out each `name=value` before it looks for options.

    Raises:
        UsageError: an option without its value.
    """
    return _Reader(words, anywhere=anywhere).read()


def refuse_unknown_options(parsed: Parsed, tasks: Collection[str] = OURS, *, before: bool = True) -> None:
    """Go on only without options that are nobody's: those behind a task of the project's own are its own.

    Args:
        parsed: The command line.
        tasks: Those of ours behind which they are refused.
        before: They are refused before any task, too.

    Raises:
        UsageError: there is one.
    """
    task = ""
    for word in parsed.words:
        task = word.text.partition(":")[0] if word.kind == "task" else task
        if word.kind == "unknown" and (task in tasks if task else before):
            if task and word.text in {"-h", "--help"}:
                raise UsageError(f"{word.text}: doit takes it before any task", f"doit help {task}")
            advice = _PLAN_FIRST if word.text in _DRY else "options are variables: `flashpipe --help` lists them"
            advice = _ESPTOOLS.get(word.text, advice)
            raise UsageError(f"{word.text}: there is no such option", advice)


def refuse_unwritable_output(parsed: Parsed) -> None:
    """Go on only where doit can write what `-o FILE` names: it would end in a traceback.

    Raises:
        UsageError: it cannot.
    """
    for word in parsed.words:
        option, equals, value = word.typed[0].partition("=")
        if word.kind != "doit" or not (
            option == "-o" or (len(option) > len("--o") and "--output-file".startswith(option))
        ):
            continue
        path = Path(value if equals else word.typed[-1])
        try:
            path.open("ab").close()
        except OSError as error:
            raise UsageError(f"{option} {path}: {error.strerror}", "name a file that can be written") from error


_ESPTOOLS: Final = {
    "-fm": "mode=dio, or another flash mode",
    "-ff": "frequency=40m, or another flash frequency",
    "-fs": "the profile says `flash: {size: 4MB}`, or `auto`",
}
"""Options of esptool, and what is said here."""
_PLAN_FIRST: Final = "`flashpipe plan …` shows what `flash` would do, and does nothing"
_DRY: Final = frozenset({"--dry-run", "--dryrun", "--dry", "--simulate", "--no-act", "--just-print"})


class _Reader:
    """Goes through the words once."""

    def __init__(self, words: Sequence[str], *, anywhere: bool) -> None:
        self._anywhere = anywhere
        self._waiting = list(words)
        self._found = list[Word]()
        self._command = ""
        self._task = ""

    def read(self) -> Parsed:
        while self._waiting:
            word = self._waiting.pop(0)
            if word.startswith("-") and len(word) > 1:
                self._option(word)
            elif "=" in word:
                name, _, value = word.partition("=")
                self._add("variable", name, value, word)
            elif not self._command and word in _COMMANDS:
                self._command = word
            else:
                self._command = self._command or "run"
                self._task = word.partition(":")[0]
                self._add("task", word, "", word)
        return Parsed(self._command or "run", tuple(self._found))

    def _add(self, kind: Literal["doit", "variable", "task", "unknown"], text: str, value: str, *typed: str) -> None:
        self._found.append(Word(kind, text, value, typed))

    def _option(self, word: str) -> None:
        before_tasks = not self._task
        if (self._anywhere or self._task) and not self._is_level(word) and self._variable(word):
            return
        if self._anywhere or before_tasks:
            takes = _takes_value(word, self._table())
            if takes is not None:
                self._doits(word, takes=takes)
                return
        # Of a task of the project's own: what follows may be the option's value, and then it names no task.
        value = [self._waiting.pop(0)] if self._may_be_value(word) else []
        self._add("unknown", word, "", word, *value)

    def _is_level(self, word: str) -> bool:
        """Whether it is doit's own `-v`, with a level."""
        return word == "-v" and self._waiting[:1] != [] and self._waiting[0] in LEVELS

    def _variable(self, word: str) -> bool:
        """Whether it was a variable as an option, and is dealt with."""
        ours = self._anywhere or self._task in OURS
        option = read_option(
            word,
            self._waiting,
            # A task of the project's own has options of its own, and those that the project has declared for all.
            {name: KNOWN.get(name) for name in known_variables() if ours or name not in KNOWN},
        )
        if option is None:
            return False
        if len(option.typed) > 1 and not self._anywhere and ("=" in option.value or option.name in FLAGS):
            takes = "no value there" if option.name in FLAGS else "that for a variable"
            raise UsageError(f"{word} {option.value}: doit takes {takes}", f"say {option.name}={option.value}")
        self._add("variable", option.name, option.value, *option.typed)
        return True

    def _doits(self, word: str, *, takes: bool) -> None:
        if word == "-n" and takes and not (self._waiting and self._waiting[0].isdecimal()):
            raise UsageError("-n: how many tasks at once?", f"-n 4; {_PLAN_FIRST}")
        if not takes:
            self._add("doit", word, "", word)
        elif self._waiting:
            self._add("doit", word, "", word, self._waiting.pop(0))
        else:
            raise UsageError(f"{word}: its value is missing", "`flashpipe help run` lists doit's options")

    def _may_be_value(self, word: str) -> bool:
        return "=" not in word and bool(self._waiting) and not is_option(self._waiting[0])

    def _table(self) -> Mapping[str, bool]:
        command = _COMMANDS.get(self._command)
        own = command.cmd_options if command is not None and command is not Run else ()
        loader = () if self._anywhere else _LOADER  # `flashpipe` has no dodo file to be named
        return _by_spelling((*loader, *(_OF_RUN if not own else (*DoitCmdBase.base_options, *own))))


def _by_spelling(options: Iterable[Mapping[str, object]]) -> dict[str, bool]:
    """Each spelling of each option, and whether a value follows it."""
    takes_value = {"-h": False, "--help": False}
    for option in options:
        takes = option.get("type", str) is not bool
        if option.get("short"):
            takes_value[f"-{option['short']}"] = takes
        for long in filter(None, (option.get("long"), option.get("inverse"))):
            takes_value[f"--{long}"] = takes
    return takes_value


def _takes_value(word: str, table: Mapping[str, bool]) -> bool | None:
    """Whether the next word is the value of an option of doit's; None where it is none. As getopt reads them."""
    if not word.startswith("--"):
        for at, letter in enumerate(word[1:], 2):
            takes = table.get(f"-{letter}")
            if takes is None or takes:
                return None if takes is None else at == len(word)
        return False
    name, equals, _ = word.partition("=")
    near = [name] if name in table else [known for known in table if known.startswith(name) and known.startswith("--")]
    return None if len(near) != 1 else table[near[0]] and not equals


def task_options(task: str = "") -> list[dict[str, object]]:
    """Variables as options behind a task of ours, in the form that doit reads; all of them where no task is named.

    doit takes them out of the command line; what they say is read by `parse`.
    """
    options: list[dict[str, object]] = [
        {
            "name": f"flashpipe_{row.name}",
            "long": row.name.replace("_", "-"),
            "short": row.short,
            "type": bool if row.kind == "flag" else str,
            "default": False if row.kind == "flag" else "",
            "help": row.about.replace("%", "%%"),
        }
        for row in (taken_by(task) if task else TABLE)
    ]
    about = "the same as format=json"
    return [*options, {"name": "flashpipe_json", "long": JSON[2:], "type": bool, "default": False, "help": about}]


def unknown_options(parsed: Parsed) -> list[dict[str, object]]:
    """Options that nobody knows, as if they were a task's: its creator knows more, when it is called.

    A dodo file declares variables after ours were read; and doit's own words about an option list all that there are.
    """
    words = {word.text.partition("=")[0]: word for word in parsed.words if word.kind == "unknown"}
    return [
        {
            "name": f"unknown_{number}",
            "long": name[2:],
            "short": name[1:] if len(name) == 2 else "",  # noqa: PLR2004  a letter
            "type": str if "=" in word.text or len(word.typed) > 1 else bool,
            "default": "" if "=" in word.text or len(word.typed) > 1 else False,
        }
        for number, (name, word) in enumerate(words.items())
        if name.startswith("--") or len(name) == 2  # noqa: PLR2004
    ]
