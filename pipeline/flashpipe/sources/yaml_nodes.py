"""The nodes of a YAML text, with their lines; of one that a person could have written.

Imports ruamel: load it where there is a text to read.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer as RuamelComposer
from ruamel.yaml.scanner import Scanner

DEEPEST: Final = 50
"""Brackets within brackets: ruamel looks at each open one again for every word, a minute for a few thousand."""


_MERGE: Final = re.compile(r"^<<<<<<< ", re.MULTILINE)
MERGE: Final = "the mark of a merge that is not done (`<<<<<<<`): keep one of both versions"


class _Scanner(Scanner):
    def fetch_flow_collection_start(self, token: Any, to_push: str) -> None:
        """One more bracket is open."""
        if len(self.flow_context) >= DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(token, to_push=to_push)


class Composer(RuamelComposer):
    """YAML lets a later anchor take the place of one with its name; nobody is warned of it in Python's words."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False


def compose(text: str) -> Any:
    """The nodes of a text with their lines, None where it holds nothing.

    Raises:
        YAMLError: it is no YAML.
        RecursionError: it is nested too deeply.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner, yaml.Composer = _Scanner, Composer
    return yaml.compose(text)


def merge_line(text: str) -> int:
    """The line in which a version control system has left both versions of a text; 0 where there is none."""
    mark = _MERGE.search(text)
    return text.count("\n", 0, mark.start()) + 1 if mark else 0
