"""The last line answers: did it work, on which board, and what now."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Sequence
from typing import Final, TextIO

from flashpipe import terminal
from flashpipe.errors import PipelineError, without_port
from flashpipe.events import BoardDone
from flashpipe.folding import short_port, width_of
from flashpipe.text.colour import GREEN, RED, paint

OK: Final = "OK"
FAILED: Final = "FAILED"
PORT_WIDTH: Final = 20
"""Columns of a terminal that the name of a port takes at most."""


def failure(error: PipelineError, results: Sequence[BoardDone] = (), *, several: bool = False) -> str:
    """A failure: on which board, the message, its cause and proof, and what to do next. Said once, when it happens.

    In a run with `several` boards, whose lines mix, each line names the port. Where people want the last line alone it
    is one line; for several boards that is left to the last line, and this text is empty.
    """
    result = next((one for one in reversed(results) if one.error is error), None)
    text = error.headline if terminal.quiet else str(error)
    if result is None or not result.port:
        return f"{paint('error', RED, sys.stderr)}: {text}"
    if terminal.quiet and several:
        return ""
    text = without_port(text, result.port)
    first, *more = text.split("\n")
    head = f"{result.port}:" if several else ""
    lines = [f"{paint(FAILED, RED, sys.stderr)}  {board(result)} ({result.seconds:.1f} s): {first}"]
    return "\n".join([*lines, *(f"{head}{line}" for line in more)])


def board(done: BoardDone) -> str:
    """Profile and port of a board, or what else is known of it."""
    name = done.profile or (f"board {done.mac}" if done.mac else "the board")
    return f"{name} on {done.port}" + " (virtual board)" * (done.virtual and not done.port.startswith("sim://"))


def last_lines(
    results: Sequence[BoardDone], stream: TextIO | None = None, *, several: bool = False, typed: str = ""
) -> str:
    """How the run went: a line for one board, a table for several. Empty where there is nothing more to say.

    `several`: as for `failure`, which the run has been told with. `typed`: the tasks and variables of the command, but
    for the port; what has failed is to be done again with them.
    """
    stream = stream or sys.stdout
    ports = list(dict.fromkeys(result.port for result in results))
    last = {result.port: _worst([one for one in results if one.port == result.port]) for result in results}
    if len(ports) > 1:
        return _table([last[port] for port in ports], stream, typed)
    if not ports:
        return ""
    result = last[ports[0]]
    if result.error is not None:  # of which all was told when it happened
        return failure(result.error, results) if terminal.quiet and several else ""
    head = board(result)
    said = result.summary.removeprefix(f"board {result.mac} ") if result.mac in head else result.summary
    lines = [f"{paint(OK, GREEN, stream)}  {head}: {said} ({result.seconds:.1f} s)"]
    if result.next and not terminal.quiet:
        lines.append(f"next: {result.next}")
    return "\n".join(lines)


def stopped_table(results: Sequence[BoardDone], ports: Sequence[str], stream: TextIO) -> str:
    """How far several boards have come where the run is stopped: a row for each that has begun; empty for one board."""
    if len(ports) <= 1 or terminal.quiet:
        return ""
    ended = list(dict.fromkeys(result.port for result in results))
    last = [_worst([one for one in results if one.port == port]) for port in ended]
    return "\n".join(_rows(sorted(last, key=lambda done: done.error is not None), stream)) if last else ""


def _worst(results: Sequence[BoardDone]) -> BoardDone:
    """A failure; else the end of the task that was done last, one that wrote rather than one that only looked."""
    failed = [result for result in results if result.error is not None]
    return (failed or [result for result in reversed(results) if result.receipt] or results[-1:])[0]


def _table(results: Sequence[BoardDone], stream: TextIO, typed: str) -> str:
    """One row for each board, failures last, and a line about all of them; why one failed was told when it did."""
    ordered = sorted(results, key=lambda done: done.error is not None)
    lines = [] if terminal.quiet else _rows(ordered, stream)
    bad = [done for done in ordered if done.error]
    seconds = max(done.seconds for done in ordered)
    name = ordered[0].profile or "the boards"
    if not bad:
        return "\n".join([*lines, f"{paint(OK, GREEN, stream)}  {name}: all {len(ordered)} boards ({seconds:.1f} s)"])
    which = f": {', '.join(f'{one.port} [code: {one.error.code}]' for one in bad if one.error)}" * terminal.quiet
    lines.append(f"{paint(FAILED, RED, stream)}  {name}: {len(bad)} of {len(ordered)} boards ({seconds:.1f} s){which}")
    if not terminal.quiet:
        again = ",".join(done.port for done in bad)
        words = typed or bad[0].command
        words += f" profile={bad[0].profile}" if bad[0].profile and "profile=" not in words else ""
        lines.append(f"next: flashpipe {words} port={shlex.quote(again)}   # once their causes are cured")
    return "\n".join(lines)


def _rows(ordered: Sequence[BoardDone], stream: TextIO) -> list[str]:
    """A row for each board below the names of the columns."""
    screen = width_of(stream)
    ports = {done.port: short_port(done.port, PORT_WIDTH if screen else 0) for done in ordered}
    width = max(len("port"), *map(len, ports.values()))
    lines = [f"{'port':<{width}}  {'MAC':<17}  {'seconds':>7}  result"]
    for done in ordered:
        word = paint(FAILED, RED, stream) if done.error else paint(OK, GREEN, stream) + " " * (len(FAILED) - len(OK))
        text = f"[code: {done.error.code}]" if done.error else without_port(done.summary, done.port)
        head = f"{ports[done.port]:<{width}}  {done.mac or '-':<17}  {done.seconds:>7.1f}  "
        below = len(head) + len(FAILED) + 2
        room = screen - below if screen > below + len(FAILED) else 0
        wrapped = textwrap.wrap(text, room) if room else [text]
        lines.append(f"{head}{word}  {wrapped[0]}")
        lines += [" " * below + more for more in wrapped[1:]]
    return lines
