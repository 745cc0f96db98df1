"""The nodes of a YAML text, with their lines; of one that a person could have written.

Imports ruamel: load it where there is a text to read.
"""

from __future__ import annotations

from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer as RuamelComposer
from ruamel.yaml.scanner import Scanner

DEEPEST: Final = 50
"""Brackets within brackets: ruamel looks at each open one again for every word, a minute for a few thousand."""


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
