"""`flashpipe help TOPIC`: the tables that the code knows, for a terminal and for the documentation.

Nothing of these tables is written down twice: each is made from what the program itself uses.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from flashpipe.board.boot.expectations import PASSES
from flashpipe.board.boot.kinds import KINDS, error_class
from flashpipe.errors import PipelineError
from flashpipe.firmware.overrides import ALLOWABLE
from flashpipe.jobs.variables import TABLE
from flashpipe.plan.keep import table_rows
from flashpipe.profile.key_texts import KEY_TEXTS
from flashpipe.profile.keys import CHECKS, WANT

WIDTH: Final = 79
"""Columns of the plain text."""

_CODES: Final = """\
Every failure that is foreseen prints its code. `flashpipe` ends with the status of the code, the highest one where
several boards failed; plain `doit` keeps its own statuses, 0 to 3. Where the column allow says yes, `allow=CODE`
overrides that one refusal."""
_CODES_END: Final = """\
Ctrl-C ends a run with status 130, SIGTERM with 143, SIGHUP with 129. A defect of flashpipe itself shows a traceback and
ends with 1 or 2."""
_VARIABLES: Final = """\
Variables are words NAME=VALUE on the command line. A name that nobody declared is refused, and so is one that none of
the tasks named has a use for."""
_KEYS: Final = """\
Keys of a profile. A dot leads into a mapping: `flash.size` is written `flash: {size: 4MB}`. The default stands in
brackets."""
_VERDICTS: Final = """\
A verdict is what a boot log proved. `boot: {expect: …}` of the profile, or `boot=` on the command line, says which
verdicts pass: `nodemcu`, `any`, or a text that the log must contain. `auto`, the default, is `nodemcu` if the image
is NodeMCU, else `any`."""
_KEEP: Final = """\
What `flash` does with what a board holds already, and whether somebody can be asked (a terminal) or not (a pipe, a
build server). The last column is for what `keep:` of the profile names itself."""
_PORT: Final = """\
`port=` says where the board is. Without it, the profile's `serial.port` counts, then the port that was remembered for
the profile, then the only port that has a USB adapter. Two that fit are never guessed between: `flashpipe ports`
lists them. FLASHPIPE_PORT says it for all commands of a terminal."""
_RESET: Final = """\
`reset=` says how the board gets into download mode, in which it can be written:"""
_LOOP: Final = """\
A board in a boot loop starts again and again. It is not broken: its loader is in the chip for good, so it can always
be flashed again. Why it restarts is mostly in what it says: `flashpipe boot port=…` reads it and names the cause."""
_LOOP_CAUSES: Final = """\
- The flash mode is wrong: the most frequent cause. Say `mode=dio`, then `mode=dout`; dout works on every board.
  `mode_retry: true` in the profile tries them for you.
- The image was made for another flash size, or the profile is of another board: `flashpipe identify` says which
  profiles fit.
- The SDK's init data are missing (the log says "rf_cal[0] !=0x05"): `flashpipe flash` puts them in place, unless the
  profile says `init_data: keep`.
- Old parameters of another SDK are in the flash: `flashpipe erase`, then `flashpipe flash`. This removes all files
  and the Wi-Fi settings; `flashpipe backup` keeps them.
- Your init.lua fails or restarts the board at every start (the log says PANIC, or NodeMCU's banner each time):
  `flashpipe files rescue=1` puts it aside.
- The flash is smaller than its ID says, and the firmware writes over itself (`size-lie`): `flashpipe diagnose` tells.
- The supply is too weak. The chip wants 3.3 V with 250 mA at the very least. Use a supply of 500 mA, not the 3.3 V pin
  of a USB adapter, and a capacitor of 100 uF at the module.
- The firmware itself crashes: the log names exception and address; with `firmware.elf` in the profile, the function
  and line."""


@dataclass(frozen=True)
class Table:
    """A table whose last column may be long; cells may hold `code` in backquotes."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def plain(self) -> str:
        """Columns side by side, the last one wrapped; one below the other where that leaves no room for it."""
        head, *rows = (tuple(cell.replace("`", "") for cell in row) for row in (self.head, *self.rows))
        widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head) - 1)]
        indent = sum(widths) + 2 * len(widths)
        if indent > WIDTH // 2:
            return "\n\n".join(_stacked(head, row) for row in rows)
        lines = []
        for row in (head, *rows):
            start = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
            rest = textwrap.wrap(row[-1], WIDTH - indent, break_on_hyphens=False) or [""]
            lines += [start + rest[0], *(" " * indent + line for line in rest[1:])]
        return "\n".join(line.rstrip() for line in lines)

    def markdown(self) -> str:
        """As a table of a Markdown page."""
        rows = (self.head, ("---",) * len(self.head), *self.rows)
        return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


Block = str | Table
"""A paragraph or list of a topic, or a table."""


@dataclass(frozen=True)
class Topic:
    """A page of help."""

    title: str
    make: Callable[[], list[Block]]

    def plain(self) -> str:
        """The page for a terminal."""
        blocks = [block.plain() if isinstance(block, Table) else _wrapped(block) for block in self.make()]
        return "\n\n".join([self.title, *blocks]) + "\n"

    def markdown(self) -> str:
        """The page as Markdown, without its title."""
        return "\n\n".join(block.markdown() if isinstance(block, Table) else block for block in self.make()) + "\n"


def _stacked(head: tuple[str, ...], row: tuple[str, ...]) -> str:
    cells = [f"  {name}: {cell}" for name, cell in zip(head[1:], row[1:], strict=True)]
    return "\n".join([row[0], *(textwrap.fill(cell, WIDTH, subsequent_indent="    ") for cell in cells)])


def _wrapped(text: str) -> str:
    if text.startswith("- "):
        items = [" ".join(item.split()) for item in text[2:].split("\n- ")]
        return "\n".join(textwrap.fill(f"- {item}", WIDTH, subsequent_indent="  ") for item in items)
    return textwrap.fill(text.replace("\n", " "), WIDTH)


def every_error() -> list[type[PipelineError]]:
    """Every kind of failure, families first; those of boots are made from the table of verdicts."""
    return list(_below(PipelineError))


def _below(kind: type[PipelineError]) -> Iterator[type[PipelineError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def code_text(code: str) -> str:
    """One code explained: status, what it says, what to do; empty for an unknown one."""
    for kind in every_error():
        if kind.code == code:
            said = (kind.__doc__ or "").partition("\n")[0]
            return f"{code} (exit status {kind.status})\n\n{_wrapped(said)}\n{_wrapped('What to do: ' + kind.remedy)}\n"
    return ""


def _codes() -> list[Block]:
    rows = tuple(
        (str(kind.status), f"`{kind.code}`", "yes" if kind.code in ALLOWABLE else "", kind.remedy)
        for kind in sorted(every_error(), key=lambda kind: kind.status)
    )
    return [
        _CODES,
        Table(("status", "code", "allow", "what to do"), rows),
        _CODES_END,
    ]


def _variables() -> list[Block]:
    rows = []
    for row in TABLE:
        origin = f"; also from {row.environment}" if row.environment else ""
        rows.append((f"`{row.name}`", f"{row.about}{origin}. For {', '.join(sorted(row.tasks))}"))
    return [
        _VARIABLES,
        Table(("variable", "meaning"), tuple(rows)),
    ]


def _keys() -> list[Block]:
    rows = tuple((f"`{key}`", f"{KEY_TEXTS[key]}. Takes {WANT[key]}") for key in CHECKS)
    return [
        _KEYS,
        Table(("key", "meaning"), rows),
    ]


def _verdicts() -> list[Block]:
    rows = []
    for kind in KINDS.values():
        error = error_class(kind.name)
        passes = [word for word in ("nodemcu", "any") if kind.name in PASSES[word]] + ["a text"] * kind.alive
        end = f" (`{error.code}`, {error.status})"
        rows.append((f"`{kind.name}`", ", ".join(passes) or "nothing", kind.meaning + end))
    return [
        _VERDICTS,
        Table(("verdict", "passes for", "what the log proved (code and status if it does not pass)"), tuple(rows)),
    ]


def _keep() -> list[Block]:
    head, *rows = table_rows()
    return [
        _KEEP,
        Table(head, tuple(rows)),
    ]


def _port() -> list[Block]:
    return [
        _PORT,
        Table(
            ("port=", "what it is"),
            (
                ("`/dev/ttyUSB0`, `/dev/cu.usbserial-110`, `COM3`", "a serial port of this machine"),
                ("`/dev/ttyUSB0,/dev/ttyUSB1`", "several, worked on at once"),
                ('`"/dev/ttyUSB*"`', "all that fit a pattern; the quotes keep the shell away from it"),
                ("`all`", "every port with a USB adapter"),
                ("`auto`", "the default, as above"),
                ("`rfc2217://HOST:PORT`", "a port of another machine, with its reset lines"),
                ("`socket://HOST:PORT`", "bytes of another machine alone: nothing resets the board"),
                (
                    "`labgrid://PLACE`, `labgrid://?chip=esp8266`",
                    "a place of a labgrid coordinator, by name or by tags",
                ),
                ("`sim://esp12`", "a virtual board; every shipped profile has one"),
            ),
        ),
        _RESET,
        Table(
            ("reset=", "what happens"),
            (
                ("`auto`", "the adapter's lines DTR and RTS do it, as on every board with a USB socket; the default"),
                ("`manual`", "you are told when to hold FLASH and press RESET; needs a terminal"),
                ("`none`", "the board is in download mode already, and stays there"),
                ("`D0|R1|W0.1|D1|R0|W0.05|D0`", "a sequence of your own, as esptool writes it"),
            ),
        ),
    ]


def _boot_loop() -> list[Block]:
    return [
        _LOOP,
        _LOOP_CAUSES,
    ]


TOPICS: Final[dict[str, Topic]] = {
    "variables": Topic("The variables of a command line", _variables),
    "port": Topic("Which port, and how the board is reset", _port),
    "keys": Topic("The keys of a profile", _keys),
    "keep": Topic("What is kept when a board is flashed", _keep),
    "codes": Topic("Codes of failures, and exit statuses", _codes),
    "verdicts": Topic("Verdicts: what a boot log proved", _verdicts),
    "boot-loop": Topic("A board that restarts for ever", _boot_loop),
}
"""Word after `flashpipe help` to its page."""


def page(word: str) -> str:
    """The page of a topic or of a code for a terminal; empty where the word is neither."""
    return TOPICS[word].plain() if word in TOPICS else code_text(word)
