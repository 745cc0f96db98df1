"""YAML with the place of every word, and a report that collects mistakes instead of stopping at the first.

The YAML is composed, not constructed: every scalar keeps the text that was typed. So nothing has to be guessed back
from a converted value: `off` and `0x10000` stay words, and a MAC of digits never becomes a sexagesimal number.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import Any, Final, Literal

from flashpipe.errors import BadValueError, ProfileError
from flashpipe.lazy import difflib, lazy_pattern
from flashpipe.lender import Lender, read_named
from flashpipe.values import dataclass

MAX_SIZE: Final = 256 * 1024
"""A profile has a few hundred bytes; anything beyond this is another kind of file, and not worth parsing."""
MAX_SHOWN: Final = 60
"""Characters of a wrong value that are repeated in the message."""

Kind = Literal["text", "nothing", "list", "mapping"]
_NULL: Final = "tag:yaml.org,2002:null"
_CONTROL: Final = lazy_pattern(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class YamlEntry:
    """One value and where it stands: `kitchen.yaml:7`, or `mode=dioo` if it was typed on the command line."""

    place: str
    kind: Kind
    text: str = ""
    """A scalar as typed, without quotes."""
    typed: bool = False
    """Stands on the command line, not in a file."""
    node: Any = None
    file: str = ""

    def items(self) -> Iterator[tuple[YamlEntry, YamlEntry]]:
        """Keys and values of a mapping in order, duplicates included. A value's place is the line of its key."""
        for key, value in self.node.value:
            line = key.start_mark.line + 1
            yield _entry(key, self.file, line), _entry(value, self.file, line)

    def elements(self) -> Iterator[YamlEntry]:
        """The elements of a list in order."""
        for node in self.node.value:
            yield _entry(node, self.file, node.start_mark.line + 1)

    def __str__(self) -> str:
        if self.kind == "text":
            return repr(shorten(self.text))
        if self.kind == "list":
            return shorten(f"[{', '.join(part.text if part.kind == 'text' else '…' for part in self.elements())}]")
        return {"nothing": "nothing", "mapping": "a mapping"}[self.kind]


def shorten(text: str) -> str:
    """The text, or its beginning where it would bury the message."""
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def typed_entry(variable: str, text: str) -> YamlEntry:
    """A value from the command line."""
    return YamlEntry(place=f"{variable}={shorten(text)}", kind="text", text=text.strip(), typed=True)


def _entry(node: Any, file: str, line: int) -> YamlEntry:
    kind: Kind = {"scalar": "text", "sequence": "list", "mapping": "mapping"}[node.id]  # type: ignore[assignment]
    if kind == "text" and node.tag == _NULL:
        kind = "nothing"
    text = node.value if kind == "text" else ""
    return YamlEntry(place=f"{file}:{line}", kind=kind, text=text.strip(" \n"), node=node, file=file)


@dataclass(frozen=True, slots=True)
class Value:
    """A checked value and the entry it was read from."""

    value: object
    entry: YamlEntry
    base: Path
    """Folder that relative paths in the value start from."""
    lender: Lender | None = None
    """Whose profile says so, where it is not the user's own."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One line of the report."""

    place: str
    key: str
    """Dotted, or empty where the whole file is meant."""
    problem: str
    typed: bool = False

    def __str__(self) -> str:
        line = ": ".join(part for part in (self.place, shorten(self.key), self.problem) if part)
        # Keys and values can hold anything, a line break or an escape code for the terminal as well.
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file shall be."""

    name: str
    """With its article."""
    example: str
    """Of a line."""


PROFILE: Final = FileKind("a profile", "extends: esp12")


@dataclass(slots=True)
class Report:
    """Every mistake found so far, in the order of the files and their lines."""

    of: FileKind = PROFILE
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, entry: YamlEntry, key: str, problem: str) -> None:
        """A mistake at the place of `entry`."""
        self.mistakes.append(Mistake(entry.place, key, problem, entry.typed))

    def wrong(self, entry: YamlEntry, key: str, want: str, suggestion: str | None = None) -> None:
        """A value that is not what the key takes."""
        if entry.kind == "text" and _CONTROL.search(entry.text):
            # The usual cause: "C:\fw.bin" in double quotes, where YAML reads \f as a form feed.
            want += "; write backslashes without quotes or in single quotes"
        got = "" if entry.typed else f"got {entry}, "
        self.add(entry, key, f"{got}want {want}" + (f"; did you mean {suggestion!r}?" if suggestion else ""))

    def wrong_parts(self, entry: YamlEntry, key: str, want: str, bad: Callable[[YamlEntry], bool]) -> None:
        """A list of which some elements are not what the key takes, or any other value that it does not take."""
        parts = [part for part in entry.elements() if bad(part)] if entry.kind == "list" else []
        for part in parts:
            nothing = "nothing, as YAML reads null and ~ without quotes," if part.kind == "nothing" else part
            self.add(part, key, f"got {nothing} in the list, want {want}")
        if not parts:
            self.wrong(entry, key, want)

    def about(self, key: str) -> bool:
        """Whether a mistake of this key was found."""
        return any(mistake.key == key for mistake in self.mistakes)

    def check(self) -> None:
        """Go on only if nothing was found.

        Raises:
            BadValueError: the only mistakes are on the command line.
            ProfileError: a file has mistakes; the message has one line for each of all mistakes.
        """
        if not self.mistakes:
            return
        message = "\n".join(dict.fromkeys(map(str, self.mistakes)))  # a line can be reached twice: through an alias
        if all(mistake.typed for mistake in self.mistakes):
            raise BadValueError(message, "correct the variable; `flashpipe help TASK` lists what it takes")
        raise ProfileError(message, "correct the profile; every mistake found is listed above")


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that `word` was probably meant to be, whatever its case; None if none is near."""
    folded = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(word.casefold(), folded, n=1)
    return folded[near[0]] if near else None


def read_yaml(path: Path, shown: str, report: Report, lender: Lender | None = None) -> YamlEntry | None:
    """The top mapping of a YAML file, or None and a mistake. `shown` is how messages name the file.

    `lender` is another user whose profile names this file.

    Raises:
        NotTrustedError: it is not that user's to name.
    """
    text = _read_text(path, shown, report, lender)
    if text is None:
        return None
    node = _compose(text, shown, report)
    if node is None:
        return None
    top = _entry(node, shown, node.start_mark.line + 1)
    if top.kind != "mapping":
        report.add(top, "", f"got {top}, want keys and values such as `{report.of.example}`")
        return None
    return top


def _read_text(path: Path, shown: str, report: Report, lender: Lender | None) -> str | None:
    whole = YamlEntry(shown, "nothing")
    try:
        data = read_named(path, MAX_SIZE, lender)
    except OSError as error:
        if error.errno == errno.EFBIG:
            report.add(whole, "", f"larger than {MAX_SIZE // 1024} KB: this is not {report.of.name}")
            return None
        report.add(whole, "", f"cannot be read: {error.strerror or error}")
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        report.add(whole, "", "is UTF-16; save it as UTF-8")
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            at = YamlEntry(f"{shown}:{line}", "nothing")
            report.add(at, "", f"byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8")
    return None


def _compose(text: str, shown: str, report: Report) -> Any:
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415  50 ms that `doit list` does not need

    from flashpipe.sources.yaml_nodes import MERGE, compose, merge_line  # noqa: PLC0415  imports it

    try:
        node = compose(text)
    except (YAMLError, RecursionError) as error:
        merge = merge_line(text)
        place, problem = (f"{shown}:{merge}", MERGE) if merge else _explain(error, text, shown, report.of)
        report.add(YamlEntry(place, "nothing"), "", problem)
        return None
    if node is None or (node.id == "scalar" and node.tag == _NULL):
        report.add(YamlEntry(shown, "nothing"), "", f"is empty, want keys and values such as `{report.of.example}`")
        return None
    return node


def _explain(error: Exception, text: str, shown: str, of: FileKind) -> tuple[str, str]:
    """Place and problem of a file that is no YAML."""
    if isinstance(error, RecursionError):
        return shown, f"is nested too deeply for {of.name}"
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a character that YAML forbids
        at = getattr(error, "position", 0)
        return f"{shown}:{text.count(chr(10), 0, at) + 1}", "a control character that YAML does not allow"
    problem = " ".join(str(getattr(error, "problem", "")).split())
    if "'\\t'" in problem:
        problem = "a tab where YAML wants spaces"
    elif "escape" in problem:
        problem += "; write backslashes without quotes or in single quotes"
    elif "another document" in problem:
        problem = f"a second document (`---`) begins here; {of.name} is one"
    else:
        problem = f"not YAML: {problem}"
    return f"{shown}:{mark.line + 1}", problem
