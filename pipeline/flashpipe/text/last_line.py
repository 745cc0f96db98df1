"""The last line answers: did it work, on which board, and what now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, TextIO

from flashpipe.errors import PipelineError
from flashpipe.events import BoardDone
from flashpipe.text.colour import GREEN, RED, paint
from flashpipe.text.look import look

OK: Final = "OK"
FAILED: Final = "FAILED"


def failure(error: PipelineError, results: Sequence[BoardDone] = ()) -> str:
    """A failure: on which board, the message, its cause and proof, and what to do next. Said once, when it happens."""
    done = next((one for one in reversed(results) if one.error is error), None)
    if done is None or not done.port:
        return f"{paint('error', RED, sys.stderr)}: {error}"
    text = str(error).removeprefix(f"{done.port}: ")
    return f"{paint(FAILED, RED, sys.stderr)}  {board(done)} ({done.seconds:.1f} s): {text}"


def board(done: BoardDone) -> str:
    """Profile and port of a board, or what else is known of it."""
    name = done.profile or (f"board {done.mac}" if done.mac else "the board")
    return f"{name} on {done.port}" + " (virtual board)" * (done.virtual and not done.port.startswith("sim://"))


def last_lines(results: Sequence[BoardDone], stream: TextIO | None = None) -> str:
    """How the run went: a line for one board, a table for several. Empty where there is nothing more to say."""
    stream = stream or sys.stdout
    ports = list(dict.fromkeys(done.port for done in results))
    last = {done.port: _worst([one for one in results if one.port == done.port]) for done in results}
    if len(ports) > 1:
        return _table([last[port] for port in ports], stream)
    if not ports or last[ports[0]].error is not None:  # of which all was told when it happened
        return ""
    done = last[ports[0]]
    lines = [f"{paint(OK, GREEN, stream)}  {board(done)}: {done.summary} ({done.seconds:.1f} s)"]
    if done.next and not look.quiet:
        lines.append(f"next: {done.next}")
    return "\n".join(lines)


def _worst(results: Sequence[BoardDone]) -> BoardDone:
    return next((done for done in results if done.error is not None), results[-1])


def _table(results: Sequence[BoardDone], stream: TextIO) -> str:
    """One row for each board, failures last, and a line about all of them."""
    ordered = sorted(results, key=lambda done: done.error is not None)
    width = max(len("port"), *(len(done.port) for done in ordered))
    lines = [f"{'port':<{width}}  {'MAC':<17}  {'seconds':>7}  result"]
    for done in ordered:
        word = paint(FAILED, RED, stream) if done.error else paint(OK, GREEN, stream) + " " * (len(FAILED) - len(OK))
        told = done.summary.removeprefix(f"{done.port}: ")
        text = f"{told} [code: {done.error.code}]" if done.error else told
        lines.append(f"{done.port:<{width}}  {done.mac or '-':<17}  {done.seconds:>7.1f}  {word}  {text}")
    bad = [done for done in ordered if done.error]
    seconds = max(done.seconds for done in ordered)
    if look.quiet:
        lines = []
    name = ordered[0].profile or "the boards"
    if not bad:
        return "\n".join([*lines, f"{paint(OK, GREEN, stream)}  {name}: all {len(ordered)} boards ({seconds:.1f} s)"])
    lines.append(f"{paint(FAILED, RED, stream)}  {name}: {len(bad)} of {len(ordered)} boards ({seconds:.1f} s)")
    if not look.quiet:
        ports = ",".join(done.port for done in bad)
        profile = f" profile={bad[0].profile}" if bad[0].profile else ""
        lines.append(f"next: flashpipe {bad[0].command}{profile} port={ports}   once their causes are cured")
    return "\n".join(lines)
