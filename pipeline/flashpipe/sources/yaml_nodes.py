"""The nodes of a YAML text, with their lines; of one that a person could have written.

Imports ruamel: load it where there is a text to read.
"""

from __future__ import annotations

from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scanner import Scanner

DEEPEST: Final = 50
"""Brackets within brackets: ruamel looks at each open one again for every word, a minute for a few thousand."""


class _Scanner(Scanner):
    def fetch_flow_collection_start(self, token: Any, to_push: str) -> None:
        """One more bracket is open."""
        if len(self.flow_context) >= DEEPEST:
            raise RecursionError
        super().fetch_flow_collection_start(token, to_push=to_push)


def compose(text: str) -> Any:
    """The nodes of a text with their lines, None where it holds nothing.

    Raises:
        YAMLError: it is no YAML.
        RecursionError: it is nested too deeply.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = _Scanner
    return yaml.compose(text)
