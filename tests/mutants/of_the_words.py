"""Defects of how words of the command line are taken: what a newcomer would be told wrongly, or not at all."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

UNKNOWN, CLI = "pipeline/flashpipe/cli/unknown_words.py", "pipeline/flashpipe/cli/commands.py"
PARSER, ESPTOOL = "pipeline/flashpipe/tasks/parser.py", "pipeline/flashpipe/cli/esptool.py"
VARIABLES, ERASE = "pipeline/flashpipe/jobs/variables.py", "pipeline/flashpipe/jobs/erase.py"
ARGUMENTS = "pipeline/flashpipe/cli/arguments.py"
T_OVERVIEW, T_PARSER = "tests/cli/test_overview.py", "tests/tasks/test_parser.py"
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
        PARSER,
        'if word.kind == "unknown" and (task in tasks if task else before):',
        "if False:",
        "a mistyped option is answered with a page of doit's inner options",
        SUGGESTIONS,
    ),
    Mutant(
        "a-value-names-a-task",
        PARSER,
        "value = [self._waiting.pop(0)] if self._may_be_value(word) else []",
        "value = []",
        "`--label flash` of a task of the project's own lets that task write to boards",
        (f"{T_PARSER}::test_doits_words_are_taken_apart", f"{T_PARSER}::test_a_value_names_no_task_that_writes"),
    ),
    Mutant(
        "values-of-doits-options-are-tasks",
        PARSER,
        'self._add("doit", word, "", word, self._waiting.pop(0))',
        'self._add("doit", word, "", word)',
        "`-o flash` counts as a named task that writes",
        (f"{T_PARSER}::test_doits_words_are_taken_apart",),
    ),
    Mutant(
        "nobody-is-asked-without-a-profile",
        "pipeline/flashpipe/jobs/board_job.py",
        "        if not self.command.profile_name:\n            losses",
        "        if False:\n            losses",
        "a board is written without a profile and without a question",
        ("tests/tasks/test_without_profile.py::test_on_a_terminal_a_person_is_asked_first",),
    ),
    Mutant(
        "a-pipe-flashes-without-a-profile",
        "pipeline/flashpipe/tasks/actions/images.py",
        'if not command.profile_name and not command.variables.flag("yes") and not somebody_reads():',
        "if False:",
        "a script writes to whatever board is there",
        ("tests/tasks/test_without_profile.py::test_in_a_pipe_an_image_alone_is_refused_before_the_port_is_opened",),
    ),
    Mutant(
        "regions-end-where-they-begin",
        ESPTOOL,
        'f"regions={start:#x}-{start + size:#x}"',
        'f"regions={start:#x}-{size:#x}"',
        "`esptool erase_region` erases something else",
        ("tests/cli/test_esptool.py::test_every_form_means_a_task",),
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
        ARGUMENTS,
        "if not 0 <= value < math.inf:",
        "if not value < math.inf:",
        "a negative number of receipts to keep is taken for one",
        SUGGESTIONS,
    ),
)
