"""YAML for the lock file: read with the place of every word, and edited so that everything else stays as it is.

Imports ruamel: load it where there is a lock file to read or write.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.emitter import RoundTripEmitter
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarint import HexInt

from flashpipe.sources.yaml_nodes import MERGE, Composer, compose, merge_line

__all__ = ["ERRORS", "MERGE", "compose", "merge_line", "with_entry"]
ERRORS: Final = (YAMLError, RecursionError)
"""What a text that is no YAML raises."""
_LONGEST_KEY: Final = 1000
"""YAML's own limit for a key on one line is 1024 characters."""
_WIDTH: Final = 4096


class _Emitter(RoundTripEmitter):
    """Keeps the name of a source on one line; ruamel would break off at 128 characters."""

    MAX_SIMPLE_KEY_LENGTH = _LONGEST_KEY


def with_entry(text: str, name: str, fields: Mapping[str, object], stale: Iterable[str]) -> str:
    """The text with our keys in one entry of `images`, new or replaced.

    A person's own keys and comments stay, quotes, order and indentation too.

    Args:
        text: a lock file.
        name: key of the entry.
        fields: texts and numbers; a tuple is a list on one line, a mapping has flash addresses as keys.
        stale: keys of ours that the entry should not have any more.
    """
    yaml = YAML()
    yaml.Composer = Composer
    yaml.Emitter = _Emitter
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    indented = re.search(r"^images:.*\n(?:\s*#.*\n|\s*\n)*( +)\S", text, re.MULTILINE)
    if indented:
        yaml.indent(mapping=len(indented[1]))
    top = yaml.load(text)
    if not top.get("images"):
        top["images"] = {}
    entry = top["images"].setdefault(name, {})
    for key in stale:
        entry.pop(key, None)
    for key, value in fields.items():
        if isinstance(value, Mapping):
            _merge(entry.setdefault(key, {}), value)
        else:
            entry[key] = _on_one_line(value) if isinstance(value, tuple) else value
    out = io.StringIO()
    yaml.dump(top, out)
    return out.getvalue()


def _merge(entry: Any, parts: Mapping[int, Mapping[str, object]]) -> None:
    for address in [key for key in entry if key not in parts]:
        del entry[address]
    for address, fields in parts.items():
        entry.setdefault(HexInt(address, width=5), {}).update(fields)


def _on_one_line(words: tuple[str, ...]) -> Any:
    sequence = CommentedSeq(words)
    sequence.fa.set_flow_style()  # [adc, file, …]
    return sequence
