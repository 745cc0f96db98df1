"""The door to the terminal: whatever is written to standard output or error goes through here.

A board, a file name or a server may hold sequences that would write the clipboard, retitle the window or hide text.
What is not printable is shown as an escape, and what the console cannot encode as a question mark. A reader who has
gone, a full disk or a closed stream ends nothing that is under way.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO

from flashpipe.masking import mask_urls

_MARK: Final = f"\x1b{os.urandom(8).hex()}["
"""How a colour of ours begins until it reaches the door: nobody else's text has that."""
_OURS: Final = re.compile(rf"({re.escape(_MARK)}\d+m)")
quiet = False
"""Only how the run went, and what failed, is told to people: `-q`."""
QUIET: Final = frozenset({"-q", "--quiet", "quiet=1", "quiet=yes", "quiet=true", "quiet=on"})
"""Words that ask for it, for what is told before the command line was understood."""
lost: Final[list[OSError]] = []
"""Why standard output could not be written; empty as long as all that was to be said was said."""


def coloured(word: str, colour: str) -> str:
    """A word of ours in a colour, for `write` and `visible`; `colour` is a number of SGR."""
    return f"{_MARK}{colour}m{word}{_MARK}0m"


def visible(text: str, kept: str = "") -> str:
    r"""The text with whatever is no print escaped; line ends and tabs stay, of a line end in any form, and `kept`.

    >>> visible("a\tb\r\nc\rd \x1b]52;c;x\x07 \x9b2J \u202e"), visible(f"{coloured('OK', '32')} ß \x1b[31m")
    ('a\tb\nc\nd \\x1b]52;c;x\\x07 \\x9b2J \\u202e', '\x1b[32mOK\x1b[0m ß \\x1b[31m')
    """
    if text.isprintable():
        return text
    pieces = _OURS.split(text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(
        f"\x1b[{piece.removeprefix(_MARK)}" if at % 2 else _escaped(piece, kept) for at, piece in enumerate(pieces)
    )


def _escaped(text: str, kept: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" or char in kept else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def json_text(value: Any, indent: int | None = 1, **options: Any) -> str:
    r"""JSON that can be shown: what is no print stands as \uXXXX.

    >>> json_text({"a": "ß \x9b \x7f"}, None)
    '{"a": "ß \\u009b \\u007f"}'
    """
    return escaped_json(json.dumps(value, indent=indent, ensure_ascii=False, **options))


def escaped_json(text: str) -> str:
    """JSON, with what is no print in it escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else json.dumps(char)[1:-1] for char in text)


def write(text: str, stream: TextIO | None = None, *, kept: str = "") -> None:
    """Text, in one piece, to a stream (standard output if None): boards work side by side.

    URLs are shown without logins and signatures, unless it is a board that says them; `kept`: as in `visible`.
    """
    stream = sys.stdout if stream is None else stream
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    with _writing(stream):
        shown = text if kept else mask_urls(text)
        stream.write(visible(shown, kept).encode(encoding, "replace").decode(encoding))
        stream.flush()


def write_bytes(data: bytes) -> bool:
    """Bytes as they are to standard output, unless a person looks at it; whether they were written."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None or sys.stdout.isatty():
        return False
    with _writing(sys.stdout):
        sys.stdout.flush()
        stream.write(data)
        stream.flush()
    return True


@contextmanager
def _writing(stream: TextIO) -> Iterator[None]:
    """What cannot be written goes nowhere; of standard output that is remembered, unless the reader has gone."""
    try:
        yield
    except BrokenPipeError:  # who reads has seen enough
        _to_nowhere(stream)
    except OSError as error:
        if stream is sys.stdout:
            lost.append(error)
        _to_nowhere(stream)
    except ValueError:  # it is closed
        return


def note(text: str) -> None:
    """One line for a person on standard error."""
    write(text + "\n", sys.stderr)


def remark(text: str) -> None:
    """One line for a person who wants to hear more than how the run went."""
    if not quiet:
        note(text)


def end_with_reader() -> None:
    """Let this process end quietly when nobody reads any more, as `ls | head` does: it shows something, and no more."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _to_nowhere(stream: TextIO) -> None:
    """What follows goes nowhere, also what Python itself would write at the end."""
    with suppress(OSError, ValueError), open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123  a device
        os.dup2(nowhere.fileno(), stream.fileno())


def complete_streams() -> None:
    """Give a process that was started without standard streams some that lead nowhere.

    Else the next file that is opened, a serial port perhaps, would be standard output.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  it stays
