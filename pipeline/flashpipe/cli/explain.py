"""`flashpipe explain FILE|-`: what a boot log proves, without a board."""

from __future__ import annotations

import argparse
from pathlib import Path

from flashpipe import terminal
from flashpipe.cli.arguments import Parser
from flashpipe.errors import UsageError
from flashpipe.jobs.command_variables import EXPLAIN
from flashpipe.jobs.explain import explain
from flashpipe.text.explanation import as_data, describe
from flashpipe.text.lines import print_result
from flashpipe.text.variables import describe as describe_variables


def main(argv: list[str]) -> int:
    """Explain one log; the exit status is 0 whatever it proves.

    Raises:
        PipelineError: no log is named; or it, or what is named beside it, cannot be read.
    """
    options, words = _parser().take_variables(argv, "explain", EXPLAIN)
    if not options.file:
        raise UsageError("explain: which log?", "`flashpipe explain FILE`; a - in place of FILE is what is piped in")
    explanation = explain(options.file, words.given, Path.cwd(), terminal.note)
    print_result(terminal.json_text(as_data(explanation)) if options.json else describe(explanation))
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="flashpipe explain",
        description="Say what a boot log proves: verdict, which boot= passes, cause, proof, next step. The log may be"
        " pasted from a terminal or an issue; colours, time stamps and quote marks do not matter.",
        epilog=describe_variables([(row.name, row.about) for row in EXPLAIN.values()]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", nargs="?", help="the log; - is standard input")
    parser.add_argument("--json", action="store_true", help="one object")
    return parser
