"""Reports for build servers, complete when the run ends: `junit=FILE`, `receipt=FILE`, and what GitHub Actions shows.

They are asked for by words that are read before anything can fail, so that a run that is refused reports, too.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from flashpipe import terminal
from flashpipe.errors import BadValueError, LuaTestError, PipelineError, RecordError
from flashpipe.events import BoardDone, Event, LuaTestDone, Message
from flashpipe.files import is_replaceable, open_output, read_json, write_atomic
from flashpipe.jobs import audience
from flashpipe.jobs.report_files import check_report_file
from flashpipe.masking import mask

ACTIONS: Final = "GITHUB_ACTIONS"
_SUMMARY: Final = "GITHUB_STEP_SUMMARY"
_MAC: Final = "@mac@"
_NO_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")
"""Characters that XML 1.0 has no way to write; boot logs hold some."""


def begin(words: Sequence[str], folder: Path) -> None:
    """Enter every report that is asked for.

    Args:
        words: The command line.
        folder: Where it was typed: names of files are relative to it.

    Raises:
        BadValueError: a report cannot be written where it is to go.
    """
    makers: tuple[tuple[str, Callable[[Path, int], None]], ...] = (("junit", _junit), ("receipt", _receipts))
    for name, make in makers:
        target = _named(name, words)
        if target:
            path = folder / target
            if not path.parent.is_dir():
                raise BadValueError(f"{name}={target}: there is no folder {path.parent}", "make it, or name another")
            if not os.access(path.parent, os.W_OK | os.X_OK):
                raise BadValueError(
                    f"{name}={target}: {path.parent} cannot be written",
                    "name a file in another folder, or fix its rights",
                )
            if not is_replaceable(path):
                raise BadValueError(f"{name}={target}: is no regular file", "name another file")
            check_report_file(name, target, path)
            audience.closers.append(_closer(make, path))
    if os.environ.get(ACTIONS) == "true":
        audience.listeners.append(_annotate)
        audience.closers.append(_summarise)


def _named(name: str, words: Sequence[str]) -> str:
    values = [word.partition("=")[2] for word in words if word.startswith((f"{name}=", f"--{name}="))]
    values += [two for one, two in zip(words, words[1:], strict=False) if one == f"--{name}"]  # noqa: RUF007
    return values[0] if values else ""


def _closer(make: Callable[[Path, int], None], path: Path) -> Callable[[int], None]:
    def close(status: int) -> None:
        try:
            make(path, status)
        except RecordError as error:
            audience.unwritten(error)

    return close


# --- receipts --------------------------------------------------------------------------------------------------------


def _receipts(path: Path, _status: int) -> None:
    """The receipts of the run, also there: one, or a list; or one in each file where the name holds the board's MAC."""
    records: list[tuple[str, object]] = []
    for result in audience.results:
        if result.receipt:
            with suppress(OSError, ValueError):
                records.append((result.mac, read_json(Path(result.receipt))))
    if _MAC in path.name:
        for mac, receipt in records:
            _write(path.with_name(path.name.replace(_MAC, mac.replace(":", "") or "no-mac")), receipt)
        return
    receipts = [receipt for _, receipt in records]
    _write(path, receipts[0] if len(receipts) == 1 else receipts)


def _write(path: Path, value: Any) -> None:
    write_atomic(path, (json.dumps(value, indent=1) + "\n").encode())


# --- JUnit -----------------------------------------------------------------------------------------------------------


def _junit(path: Path, status: int) -> None:
    """A board is a case; what failed without one is a case of its own."""
    reported = [id(result.error) for result in audience.results]
    others = [error for error in audience.failures if id(error) not in reported]
    cases = [_case(f"{result.command} {result.port}", result.seconds, result) for result in audience.results]
    cases += [_test_case(test) for test in audience.tests]
    cases += [_failed_case("flashpipe", error) for error in others if error.code != LuaTestError.code]
    lone = sum(error.code != LuaTestError.code for error in others)
    failed = lone + sum(result.error is not None for result in audience.results)
    failed += sum(test.outcome == "failed" for test in audience.tests)
    skipped = sum(test.outcome not in {"passed", "failed"} for test in audience.tests)
    if status and not audience.failures:
        case = f'  <testcase classname="flashpipe" name="flashpipe" time="0"><failure message="status {status}"/>'
        cases.append(f"{case}</testcase>")
        failed += 1
    seconds = max((result.seconds for result in audience.results), default=0.0)
    seconds += sum(test.seconds for test in audience.tests)
    head = (
        f'<testsuite name="flashpipe" tests="{len(cases)}" failures="{failed}" errors="0" skipped="{skipped}"'
        f' time="{seconds:.3f}">'
    )
    text = "\n".join(['<?xml version="1.0" encoding="utf-8"?>', head, *cases, "</testsuite>"])
    write_atomic(path, (text + "\n").encode())


def _case(name: str, seconds: float, done: BoardDone) -> str:
    properties = {"mac": done.mac, "outcome": done.outcome, "verdict": done.verdict, "receipt": done.receipt}
    properties["virtual"] = str(done.virtual).lower()
    properties |= {f"step.{step}": f"{took:.3f}" for step, took in done.steps}
    lines = [f'  <testcase classname={_quoted(done.profile or "board")} name={_quoted(name)} time="{seconds:.3f}">']
    lines += ["   <properties>"]
    lines += [
        f"    <property name={_quoted(key)} value={_quoted(value)}/>" for key, value in properties.items() if value
    ]
    lines += ["   </properties>"]
    if done.error is not None:
        lines.append(_failure(done.error))
    lines.append(f"   <system-out>{_text(done.summary)}</system-out>")
    return "\n".join([*lines, "  </testcase>"])


def _test_case(test: LuaTestDone) -> str:
    """A test in Lua; what the board said is with one that failed."""
    head = f'  <testcase classname={_quoted(test.file)} name={_quoted(test.name)} time="{test.seconds:.3f}"'
    if test.outcome == "passed":
        return f"{head}/>"
    message = _quoted(test.message)
    result = f"<skipped message={message}/>"
    if test.outcome == "failed":
        result = f'<failure type="{LuaTestError.code}" message={message}>{_text(test.log)}</failure>'
    return f"{head}>\n   {result}\n  </testcase>"


def _failed_case(name: str, error: PipelineError) -> str:
    return f'  <testcase classname="flashpipe" name={_quoted(name)} time="0">\n{_failure(error)}\n  </testcase>'


def _failure(error: PipelineError) -> str:
    return f"   <failure type={_quoted(error.code)} message={_quoted(error.message)}>{_text(str(error))}</failure>"


def _text(text: str) -> str:
    return escape(_NO_XML.sub("?", mask(text)))


def _quoted(text: str) -> str:
    return quoteattr(_NO_XML.sub("?", mask(text)))


# --- GitHub Actions --------------------------------------------------------------------------------------------------


def _annotate(event: Event) -> None:
    """A line that the page of the run shows beside the job (`::warning`, `::error`)."""
    if isinstance(event, BoardDone) and event.error is not None:
        _command("error", f"{event.profile or 'board'} on {event.port}", event.error)
    elif isinstance(event, Message) and event.warning:
        terminal.note(f"::warning title=flashpipe::{_escaped(event.text)}")


def _command(kind: str, title: str, error: PipelineError) -> None:
    name = _escaped(f"{title} [{error.code}]").replace(":", "%3A").replace(",", "%2C")
    terminal.note(f"::{kind} title={name}::{_escaped(str(error))}")
    sys.stderr.flush()


def _escaped(text: str) -> str:
    return mask(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _summarise(_status: int) -> None:
    """What failed without a board; and the job's summary: a table of all boards."""
    reported = [id(result.error) for result in audience.results]
    for error in audience.failures:
        if id(error) not in reported:
            _command("error", "flashpipe", error)
    target = os.environ.get(_SUMMARY)
    if not target or not audience.results:
        return
    rows = ["| board | MAC | result | seconds |", "| --- | --- | --- | ---: |"]
    for result in audience.results:
        word = "❌" if result.error else "✅"
        cells = (f"{result.profile or 'board'} on {result.port}", result.mac or "-", f"{word} {result.summary}")
        rows.append("| " + " | ".join(mask(cell).replace("|", "\\|") for cell in cells) + f" | {result.seconds:.1f} |")
    with suppress(OSError, ValueError), open_output(Path(target), append=True) as stream:
        stream.write("\n".join(["### flashpipe", "", *rows, "", ""]).encode("utf-8", "replace"))
