"""`flashpipe inspect FILE…`: what firmware files are, without profile or board."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from flashpipe import terminal
from flashpipe.cli.arguments import Parser
from flashpipe.errors import BadValueError, ImageError, PipelineError
from flashpipe.events import error_facts
from flashpipe.firmware.inspection import Inspection
from flashpipe.flash import SIZE_BYTES
from flashpipe.jobs.inspect import inspect
from flashpipe.terminal import json_text
from flashpipe.text.inspection import as_data, describe
from flashpipe.text.lines import print_result
from flashpipe.units import parse_size


def main(argv: list[str]) -> int:
    """Describe every file named; returns the exit status: of the class of the worst problem, 0 where there is none.

    Raises:
        BadValueError: a flash size that no ESP8266 flash has.
    """
    options = _parser().parse_args(argv)
    size = _flash_size(options.flash_size)
    results = [_attempt(text) for text in options.files]
    inspections = [result for result in results if not isinstance(result, PipelineError)]
    failed = [result for result in results if isinstance(result, PipelineError)]
    if options.json:
        print_result(json_text([_data(text, result) for text, result in zip(options.files, results, strict=True)]))
    else:
        _show(inspections, size, options.files)
    for problem in failed:
        terminal.note(f"error: {problem}")
    statuses = [problem.status for problem in failed]
    statuses += [ImageError.status for one in inspections if one.problems]
    return max(statuses, default=0)


def _data(text: str, result: Inspection | PipelineError) -> dict[str, object]:
    return {"file": text, "error": error_facts(result)} if isinstance(result, PipelineError) else as_data(result)


def _show(inspections: list[Inspection], size: int, names: list[str]) -> None:
    if inspections:
        texts = [describe(one, size) for one in inspections]
        if terminal.quiet:
            print_result("\n".join(text.partition("\n")[0] for text in texts))
            return
        print_result("\n\n".join(texts))
        action = _next(inspections[0], names[0]) if len(inspections) == 1 else _next_of_pair(inspections, names)
        if action:
            print_result(f"\nnext: {action}")


def _next(inspection: Inspection, name: str) -> str:
    """What to do with the file; empty where the inspection has said so, or there is nothing to do."""
    if inspection.flashable:
        return f"flashpipe flash {shlex.quote(name)} profile=NAME"
    return inspection.missing


def _next_of_pair(inspections: list[Inspection], names: list[str]) -> str:
    """What to do with files that are called by their addresses, as NodeMCU's build calls them; empty for others."""
    if len(inspections) != len(names) or any(one.problems for one in inspections):
        return ""
    by_address = all(re.fullmatch("0[xX][0-9a-fA-F]+", Path(name).stem) for name in names)
    return f"flashpipe flash {shlex.join(names)} profile=NAME" if by_address else ""


def _attempt(text: str) -> Inspection | PipelineError:
    try:
        return inspect(text, Path.cwd())
    except PipelineError as error:
        return error


def _flash_size(text: str) -> int:
    size = parse_size(text) if text else 0
    if size and size not in SIZE_BYTES.values():
        raise BadValueError(f"--flash-size {text}: no ESP8266 flash has that size", "write 512KB, 1MB … 16MB")
    return size


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="flashpipe inspect",
        description="Say what firmware files are: format, segments, checksum and how much of the file it proves,"
        " header, firmware, version, modules, SDK, flash layout. Ends with status 12 where a file is damaged or no"
        " ESP8266 firmware, with 0 otherwise.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="a file, a URL, any source that image= takes; a split pair as 0x00000:FILE,0x10000:FILE",
    )
    parser.add_argument(
        "--json", action="store_true", help="a list with one object for each FILE; `error` where it is not read"
    )
    parser.add_argument(
        "--flash-size", default="", metavar="SIZE", help="flash that the picture shows; default: the header's"
    )
    return parser
