"""`flashpipe schema NAME`: the JSON Schemas of what people write and programs read."""

from __future__ import annotations

import argparse
from importlib import resources
from typing import Final

from flashpipe.cli.arguments import Parser
from flashpipe.jobs.new_profile import schema_text
from flashpipe.text.lines import print_result

COMMITTED: Final = {
    "documents": ("flashpipe.text", "documents_schema.json"),
    "events": ("flashpipe.jobs", "events_schema.json"),
    "receipt": ("flashpipe.records", "receipt_schema.json"),
}
"""Package and file of those that are written by hand."""


def main(argv: list[str]) -> int:
    """Write one schema to standard output; returns the exit status."""
    name = _parser().parse_args(argv).name
    if name == "profile":
        print_result(schema_text(), end="")
        return 0
    package, file = COMMITTED[name]
    print_result((resources.files(package) / file).read_text(encoding="utf-8"), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="flashpipe schema",
        description="Write a JSON Schema: `profile` is for editors that complete and check YAML, the others are for"
        " programs that read what flashpipe writes.",
    )
    parser.add_argument("name", choices=("profile", *COMMITTED), help="of what")
    return parser
