"""A boot log as people pass it on: out of a file, a terminal or an issue, with what monitors and pages add to it.

Taken away: colours, whole or torn; the time before each line; the quote marks, fences and indentation of Markdown; the
lines of esptool and of monitors about themselves. What is left is what the board said.
"""

from __future__ import annotations

import codecs
import html
import re
import textwrap
from collections import Counter
from typing import Final

from flashpipe.board.boot.gaps import without_gaps
from flashpipe.board.boot.patterns import FLOOD
from flashpipe.board.boot.stay import Stay

KEPT: Final = 1 << 19
"""Bytes read of a log, its last: what happened last decides."""
_ESC: Final = r"(?:\x1b|\^\[|\\x1b|\\033|\\e)"
_COLOUR: Final = re.compile(rf"{_ESC}?\[[0-9]{{1,2}}(?:;[0-9]{{1,3}})*m|{_ESC}\[[0-9;?]*[A-Za-z]")
"""A colour code; its ESC may be lost, or be spelt out."""
_DATE: Final = r"(?:(?:\d{4}[-/]\d\d[-/]\d\d|(?:[A-Z][a-z]{2} ){1,2}[ \d]\d(?= \d\d:))[ T])?"
_CLOCK: Final = r"\d\d:\d\d:\d\d(?:[.,:]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?"
_TIME: Final = re.compile(
    rf"^[ \t]*(?:\[{_DATE}{_CLOCK}(?: \d{{4}})?\]|\d{{4}}\.\d\d\.\d\d, {_CLOCK},"
    rf"|\[ *\d+\.\d{{3,6}}\]|{_DATE}{_CLOCK}(?: ?(?:->|>|\||:|-)(?= |$))?)[ \t]?",
    re.MULTILINE,
)
"""The time before a line: of the monitors of Arduino, PlatformIO, ESPHome, Tera Term, of `ts` and of log files."""
_MONITORS: Final = re.compile(
    r"^(?:--- |=~=~=|Press Ctrl|Welcome to minicom|picocom v|Terminal ready|/dev/tty|\$ |```)[^\n]*\n?", re.MULTILINE
)
"""What monitors and shells say of themselves, and Markdown's fences."""
_ESPTOOL: Final = re.compile(
    r"^(?:esptool|Serial port |Connecting\.|Detecting chip|Chip is |Chip type|Features: |Crystal |MAC: |Uploading stub"
    r"|Running stub|Stub (?:flasher )?running|Changing baud|Changed\.|Configuring flash|Auto-detected Flash"
    r"|Flash will be erased|Flash params|Erasing flash|Compressed \d|Writing at 0x|Wrote \d|Hash of data|Leaving"
    r"|Hard resetting|Staying in boot)[^\n]*\n?",
    re.MULTILINE,
)
"""What esptool says, where it has spoken at all."""
_ESPTOOL_BEGINS: Final = re.compile(r"^esptool(?:\.py)? v?\d", re.MULTILINE)
_COMMENTS: Final = re.compile(r"\A(?:#[^\n]*\n)+")
_QUOTED: Final = re.compile(r"^> ?", re.MULTILINE)
_CODE: Final = re.compile(r"^`([^`\n]*)`[ \t]*$", re.MULTILINE)
"""A line of a page that somebody has marked as code by itself."""
_ENDS: Final = re.compile(r"(?:<br ?/?>|<\\[rn]>|\\[rn])+[ \t]*$", re.MULTILINE)
"""Ends of lines, spelt out."""
_ROM_LINE: Final = re.compile(
    r"^(?P<prefix>[^\n]{0,60}?)(?: ?ets Jan +8 2013|load 0x[0-9a-f]{8}, len |tail \d+[ \t]*$|ch?k?sum 0x[0-9a-f]{2}\b)",
    re.MULTILINE,
)
"""Lines whose beginning is known: what stands before it was added."""
_MARK: Final = re.compile(r"[ \t]*(?:[-*]|\d+[:.)]|(?:COM\d+|[RT]X):|\[\d+:[\d:. APM]+\])(?=[ \t]|$)")
"""A bullet, a number, a port's name or a time, as a list or a monitor puts before each line."""
_NUMBER: Final = re.compile(r"^[ \t]*(\d{1,9})(?:[ \t]|$)", re.MULTILINE)
"""A line's number, as a page shows it."""
_PREFIXES: Final = 3
"""So many of them with the same prefix, but for its numbers, show that every line has one."""
_MOSTLY: Final = 0.9
"""So much of a text in quote marks is a quotation, not a prompt in each line."""


def read_log(data: bytes) -> str:
    """What the board said, out of the bytes of a file or a terminal."""
    stay = Stay(0, 0.0, 0.0, knocks=FLOOD)  # whoever was at the keyboard has pressed keys
    stay.feed(_decoded(data[-KEPT:]), 0.0)
    return clean(stay.text())


def clean(text: str) -> str:
    """The text without what monitors, terminals, pages and collectors (comments at its head) have added."""
    text = _COLOUR.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if "&gt;" in text or "&lt;" in text:
        text = html.unescape(text)
    text = _CODE.sub(r"\1", _unquoted(_COMMENTS.sub("", text)))
    text = _without_prefix(_MONITORS.sub("", textwrap.dedent(_TIME.sub("", _ENDS.sub("", text)))))
    text = without_gaps(text)
    return _ESPTOOL.sub("", text) if _ESPTOOL_BEGINS.search(text) else text


def _without_prefix(text: str) -> str:
    """The text without what somebody, or some tool, has put before each line: a number, a bullet, the port's name."""
    numbers = [int(line[1]) for line in _NUMBER.finditer(text)]
    if len(numbers) == len(text.splitlines()) > 1 and numbers == [*range(numbers[0], numbers[0] + len(numbers))]:
        return _NUMBER.sub("", text)
    known = Counter(_shape(line["prefix"]) for line in _ROM_LINE.finditer(text))
    shape, count = next(iter(known.most_common(1)), ("", 0))
    if count < _PREFIXES:  # too few lines whose beginning is known: all must have a mark that nobody prints
        marks = [mark and _shape(mark[0]) for line in text.splitlines() if line.strip() for mark in [_MARK.match(line)]]
        shape = (marks[0] or "") if len(set(marks)) == 1 else ""
    elif count < _MOSTLY * sum(known.values()):
        shape = ""
    return re.sub(rf"^[ \t]*{shape}[ \t]*", "", text, flags=re.MULTILINE) if shape else text


def _shape(prefix: str) -> str:
    """The prefix as a pattern that takes any numbers for its own."""
    return r"\d+".join(map(re.escape, re.split(r"\d+", prefix.strip())))


def _decoded(data: bytes) -> bytes:
    """UTF-8 of a text that a shell has written in UTF-16; other bytes as they are."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def _unquoted(text: str) -> str:
    """The text of a quotation, or one in another: where nearly every line begins with the mark of one."""
    while True:
        lines = [line for line in text.splitlines() if line.strip()]
        quoted = sum(line.startswith(">") and not line.startswith(">>>") for line in lines)
        if len(lines) <= 2 or quoted < _MOSTLY * len(lines):  # noqa: PLR2004
            return text
        text = _QUOTED.sub("", text)
