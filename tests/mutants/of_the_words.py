"""Defects of how words of the command line are taken: what a newcomer would be told wrongly, or not at all."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

OVERVIEW, CLI = "pipeline/flashpipe/cli/overview.py", "pipeline/flashpipe/cli/main.py"
PRUNE = "pipeline/flashpipe/cli/prune.py"
T_OVERVIEW = "tests/cli/test_overview.py"
SUGGESTIONS = (f"{T_OVERVIEW}::test_words_that_nobody_knows_get_a_suggestion",)

WORDS: Final = (
    Mutant(
        "help-of-anything",
        OVERVIEW,
        'asks_help = plain[:1] == ["help"]',
        "asks_help = False",
        "help of a mistyped task shows all of doit's manual, as a success",
        SUGGESTIONS,
    ),
    Mutant(
        "any-option",
        OVERVIEW,
        "if name and not any(",
        "if False and not any(",
        "a mistyped option is answered with a page of doit's inner options",
        SUGGESTIONS,
    ),
    Mutant(
        "a-wrong-command-is-no-usage-error",
        CLI,
        "return UsageError.status",
        "return 0",
        "a job with a mistyped option goes on as if all were done",
        SUGGESTIONS,
    ),
    Mutant(
        "fewer-than-none",
        PRUNE,
        "if count < 0:",
        "if False:",
        "a negative number of receipts to keep is taken for one",
        SUGGESTIONS,
    ),
)
