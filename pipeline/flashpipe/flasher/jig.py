"""Acceptance by the shop's own test jig: a program that measures the board that has just booted, and decides.

It is given port, MAC and unit in its environment and has the port to itself. Its exit status decides; a JSON object on
its standard output is what it has measured, and goes into the receipt, also of a board that it refuses. The limits of a
profile hold for that, and for what named groups of `acceptance.prints` have found.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import IO, Final

from flashpipe.board.lua.acceptance import AcceptanceFinding
from flashpipe.board.session.session import Session
from flashpipe.errors import AcceptanceCommandError, AcceptanceLimitError
from flashpipe.flasher.jig_model import NOT_STARTED, Jig
from flashpipe.flasher.model import RunRecord
from flashpipe.masking import mask_cut
from flashpipe.processes import ending, kill_session
from flashpipe.units import format_number

OUTPUT_LIMIT: Final = 256 * 1024
"""Bytes of output that are read: the last ones, as what it says at its end counts."""
SHOWN: Final = 160
"""Characters of its last line that a message shows."""
FEW: Final = 64
"""Values that a jig may give; a name has at most as many characters."""
_LOOK_S: Final = 0.02
_MORE_TIME: Final = "give it more time, `acceptance: {timeout: …}`, or find out what it waits for"
_LIKE: Final = 'print one line such as {"temp": 21.5}, and messages on standard error'
_SAY_WHY: Final = "let it say why on standard error; it is run with FLASHPIPE_PORT, FLASHPIPE_MAC and FLASHPIPE_UNIT"


def measure(session: Session, jig: Jig, record: RunRecord) -> None:
    """Let the jig test the board, and hold what was measured against the limits; `record` is told of all of it.

    Raises:
        AcceptanceCommandError: the jig says no, takes too long, cannot be started, or prints something else.
        AcceptanceLimitError: a value is out of its limits, or was not measured.
    """
    if jig.command:
        with session.step("jig", jig.name) as result:
            values, refusal = _run(session, jig)
            outcome = record.outcome
            says = "says no" if refusal else "says yes"
            finding = AcceptanceFinding(jig.name, "", says, passed=refusal is None)
            measured = {**outcome.measured, **values}
            record.note(replace(outcome, measured=measured, acceptance=(*outcome.acceptance, finding)))
            if refusal is not None:
                raise refusal
            result.append(_told(measured) or says)
    if jig.limits:
        _check_limits(session, jig, record)


def _check_limits(session: Session, jig: Jig, record: RunRecord) -> None:
    measured = record.outcome.measured
    findings = [_finding(name, measured.get(name), *pair) for name, pair in jig.limits.items()]
    record.note(replace(record.outcome, acceptance=(*record.outcome.acceptance, *findings)))
    bad = "; ".join(str(finding) for finding in findings if not finding.passed)
    if bad:
        raise AcceptanceLimitError(f"{session.port}: out of limits: {bad}", AcceptanceLimitError.remedy, found=bad)


def _finding(name: str, value: object, least: float, most: float) -> AcceptanceFinding:
    wanted = f"{format_number(least)} to {format_number(most)}"
    try:
        number = float(str(value))
    except ValueError:
        actual = "was not measured" if value is None else f"{value!r} is no number"
        return AcceptanceFinding(name, wanted, actual, passed=False, known=value is not None)
    return AcceptanceFinding(name, wanted, format_number(number), passed=least <= number <= most)


def _told(measured: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in measured.items())


# --- the program -----------------------------------------------------------------------------------------------------


def _run(session: Session, jig: Jig) -> tuple[dict[str, object], AcceptanceCommandError | None]:
    """What it has measured, and why the board is refused; None where it is not."""
    mac = session.device.mac if session.device else ""
    session.leave()
    session.close()  # the jig may talk to the board
    name = jig.name
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        status = _ended(session, jig, _environment(session.address, mac, jig.unit), output, errors)
        text, said = _text(output), _text(errors)
    values, beside = _values(text)
    last = _last_line(said) or _last_line(beside)
    heard = f': "{mask_cut(last, SHOWN)}"' if last else f": {mask_cut(_told(values), SHOWN)}" if values else ""
    if status is None:
        return values or {}, _says_no(session.port, f"{name} did not end within {jig.timeout_s:g} s{heard}", _MORE_TIME)
    if status:
        why = f"{name} {ending(status)}{heard or ', and said nothing'}"
        return values or {}, _says_no(session.port, why, AcceptanceCommandError.remedy if heard else _SAY_WHY)
    if values is None:
        shown = mask_cut(_last_line(text), SHOWN)
        return {}, _says_no(session.port, f'{name} printed no JSON object of names and values: "{shown}"', _LIKE)
    return values, None


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _says_no(port: str, why: str, hint: str = AcceptanceCommandError.remedy) -> AcceptanceCommandError:
    return AcceptanceCommandError(f"{port}: {why}", hint, found=why)


def _environment(port: str, mac: str, unit: Mapping[str, str]) -> dict[str, str]:
    columns = {f"FLASHPIPE_UNIT_{name}": value for name, value in unit.items()}
    own = {"FLASHPIPE_PORT": port, "FLASHPIPE_MAC": mac, "FLASHPIPE_UNIT": json.dumps(dict(unit)), **columns}
    return {**os.environ, **own}


def _ended(
    session: Session, jig: Jig, environment: Mapping[str, str], output: IO[bytes], errors: IO[bytes]
) -> int | None:
    """Its status; None where it had to be killed, with all that it has started."""
    words = [jig.program, *jig.command[1:]]
    try:
        process = subprocess.Popen(
            words,
            cwd=jig.folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=os.name == "posix",
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or error
        refused = f"{jig.command[0]} cannot be started: {why}"
        raise _says_no(session.port, refused, NOT_STARTED) from error
    deadline = time.monotonic() + jig.timeout_s
    try:
        while process.poll() is None:
            session.check_stop()
            if time.monotonic() > deadline:
                return None
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
        return process.returncode
    finally:
        kill_session(process)


def _text(stream: IO[bytes]) -> str:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - OUTPUT_LIMIT))
    return stream.read().decode("utf-8", "replace")


def _values(text: str) -> tuple[dict[str, object] | None, str]:
    """What it has measured, a JSON object, alone or on its last line; and what it said before that.

    Nothing where it prints nothing; None where it prints something else.
    """
    if not text.strip():
        return {}, ""
    before, _, last = text.rstrip().rpartition("\n")
    for candidate, beside in ((text, ""), (last, before)):
        with suppress(ValueError, RecursionError):
            values = json.loads(candidate)
            if isinstance(values, dict) and len(values) <= FEW and all(map(_good, values.items())):
                return values, beside
            break
    return None, text


def _good(item: tuple[str, object]) -> bool:
    """Whether a value is a number, a text or yes or no."""
    name, value = item
    plain = value is None or isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value))
    return len(name) <= FEW and plain
