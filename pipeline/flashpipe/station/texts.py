"""What the operator reads: one file of lines `name: text`, which can be translated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Formatter
from typing import Final

from flashpipe.board.boot.kinds import ERRORS
from flashpipe.errors import BadValueError, all_codes
from flashpipe.files import read_regular

FILE: Final = "texts.txt"
LIMIT: Final = 256 * 1024
"""Bytes of a file of texts."""
OF_CODES: Final = frozenset({"what", "tries"})
"""Words that every cause may use."""
_CODES: Final = all_codes() | {error.code for error in ERRORS.values()}
_LINE: Final = re.compile(r"([a-z][a-z0-9.-]*)\s*:\s*(.*)")


def shipped() -> str:
    """The file that comes with the program."""
    return (resources.files("flashpipe.station") / FILE).read_text(encoding="utf-8")


class Texts:
    """The texts, in the operator's language where it has them."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def say(self, name: str, **words: object) -> str:
        """The text, with its words in it; empty where there is none of that name."""
        return self._texts.get(name, "").format_map({key: str(word) for key, word in words.items()})

    def step(self, name: str) -> str:
        """What a step is called; one that nobody has named, by the name that it has everywhere."""
        return self.say(f"step.{name}") or name

    def words(self) -> dict[str, str]:
        """What states and counts are called: texts without words to be put in."""
        return {name: text for name, text in self._texts.items() if name.startswith(("state.", "label."))}

    def cause(self, code: str, message: str, *, what: str = "", tries: int = 0) -> str:
        """What a failure is called for the operator: the text for its code, else its own message."""
        return self.say(f"code.{code}", what=what, tries=tries) or message


def load_texts(path: Path | None = None) -> Texts:
    """The shipped texts, and those of a file in their place.

    Raises:
        BadValueError: the file cannot be read, or a line of it is wrong.
    """
    texts = _parsed(shipped(), FILE, {})
    if path is None:
        return Texts(texts)
    try:
        given = read_regular(path, LIMIT).decode("utf-8-sig")
    except OSError as error:
        raise BadValueError(f"texts={path}: cannot be read: {error.strerror}", "name a file") from error
    except UnicodeDecodeError as error:
        raise BadValueError(f"texts={path}: is not UTF-8: {error.reason}", "save it as UTF-8") from None
    return Texts(texts | _parsed(given, str(path), texts))


def _parsed(text: str, name: str, known: Mapping[str, str]) -> dict[str, str]:
    """The lines; `known`: names and the texts whose words may be used; new ones are codes of failures only."""
    texts: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise BadValueError(f"{name}:{number}: want a line such as `state.pass: GOOD`", "correct that line")
        key, value = match[1], match[2]
        if known and key not in known and not key.startswith("code."):
            raise BadValueError(f"{name}:{number}: nothing is called {key}", "`flashpipe station --texts` names all")
        if key.startswith("code.") and key.removeprefix("code.") not in _CODES:
            raise BadValueError(
                f"{name}:{number}: no failure has the code {key[5:]}", "`flashpipe help codes` lists them"
            )
        allowed = _words(known.get(key, "") if known else value, name, number) | OF_CODES
        wrong = _words(value, name, number) - allowed
        if wrong:
            raise BadValueError(f"{name}:{number}: {{{min(wrong)}}} is no word of {key}", "leave it out")
        if key in texts:
            raise BadValueError(f"{name}:{number}: {key} is there twice", "leave one of them out")
        texts[key] = value
    return texts


def _words(text: str, name: str, number: int) -> set[str]:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise BadValueError(f"{name}:{number}: {error}", "write {{ for a brace") from None
    return {f"{word}:{form}" if form else word for _, word, form, _ in parts if word is not None}
