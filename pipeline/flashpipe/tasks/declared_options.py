"""Declared variables as options behind any task of a project, under doit, too: `doit deploy --site north`.

doit gives each task's words to a parser that knows this task's own options and refuses all others. Ours takes out those
that the project has declared; what they say was read by `flashpipe.tasks.parser` before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from doit.cmdparse import CmdParse, TaskParse

from flashpipe.jobs.option_words import is_option
from flashpipe.jobs.variables import KNOWN, known_variables


def admit_declared_options() -> None:
    """From now on, in this process."""
    TaskParse.parse = _parse


def _parse(self: Any, in_args: Sequence[str]) -> Any:
    """Doit's own, without declared options that are none of the task's."""
    return CmdParse.parse(self, list(_without_declared(self, list(in_args))))


def _without_declared(parser: Any, words: list[str]) -> Sequence[str]:
    """The words as far as options go, without those; and all that follow."""
    declared = {f"--{name.replace('_', '-')}" for name in known_variables() if name not in KNOWN}
    kept = list[str]()
    while words and is_option(words[0]):
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        option, _ = parser.get_option(name)
        is_declared = option is None and name in declared
        takes = is_declared or (option is not None and option.type is not bool)
        value = [words.pop(0)] if takes and not equals and words else []
        kept += [] if is_declared else [word, *value]
    return [*kept, *words]
