"""Defects of how words of the command line are taken: what a newcomer would be told wrongly, or not at all."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

UNKNOWN, CLI = "pipeline/flashpipe/cli/unknown_words.py", "pipeline/flashpipe/cli/main.py"
VARIABLES, ERASE = "pipeline/flashpipe/jobs/variables.py", "pipeline/flashpipe/jobs/erase.py"
PRUNE = "pipeline/flashpipe/cli/prune.py"
T_OVERVIEW = "tests/cli/test_overview.py"
SUGGESTIONS = (f"{T_OVERVIEW}::test_words_that_nobody_knows_get_a_suggestion",)

WORDS: Final = (
    Mutant(
        "help-of-anything",
        UNKNOWN,
        'if parsed.command not in {"help", "run"}:',
        'if parsed.command != "run":',
        "help of a mistyped task shows all of doit's manual, as a success",
        SUGGESTIONS,
    ),
    Mutant(
        "any-option",
        UNKNOWN,
        'if word.kind == "unknown" and (not task or task in OURS):',
        'if word.kind == "unknown" and False:',
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
        "a-variable-that-nobody-uses",
        VARIABLES,
        "if tasks:",
        "if False:",
        "a backup that was asked for is not made, one that was named is not the one put back",
        ("tests/jobs/test_variables.py::test_it_is_refused_before_anything_is_done",),
    ),
    Mutant(
        "the-whole-flash-for-a-part",
        ERASE,
        "if words and WHOLE not in words:",
        "if False:",
        "who names sectors loses the whole flash",
        ("tests/tasks/test_erase.py::test_addresses_are_erased_and_nothing_beside_them",),
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
