"""Defects of skips and of what is said about them: each leaves a board unwritten, or blames what did not happen."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

DB, PROBE = "pipeline/flashpipe/tasks/db.py", "pipeline/flashpipe/flasher/probe.py"
T_SKIPS = "tests/tasks/test_skips.py"

SKIPS: Final = (
    Mutant(
        "a-flash-can-be-ignored",
        DB,
        '        if dependency == "ignore:" and _is_ours(task_id):\n            raise',
        '        if dependency == "never:":\n            raise',
        "`doit ignore flash` is taken, and says nothing",
        (f"{T_SKIPS}::test_doit_cannot_be_told_to_ignore_what_a_flash_needs",),
    ),
    Mutant(
        "an-ignored-flash-is-skipped",
        DB,
        'return None if dependency == "ignore:" and _is_ours(task_id) else super()',
        "return super()",
        "a flash is skipped for ever, with status 0 and nothing written",
        (f"{T_SKIPS}::test_a_flash_that_was_to_be_ignored_is_asked_of_the_board_all_the_same",),
    ),
    Mutant(
        "every-board-forgets",
        PROBE,
        'return entry.state == "clean" and session.forgets',
        'return entry.state == "clean"',
        "a board whose flash was changed by somebody is said to forget",
        (f"{T_SKIPS}::test_only_a_board_that_is_gone_with_the_command_is_said_to_forget",),
    ),
    Mutant(
        "steps-of-a-second-hint-lost",
        "pipeline/flashpipe/errors.py",
        'self.hint = Advice(self.hint, "; ", text) if self.hint else text',
        'self.hint = f"{self.hint}; {text}" if self.hint else text',
        "the page has no button for what a hint says, once another was added",
        ("tests/test_next_steps.py::test_an_error_carries_its_steps_and_the_diagnosis_comes_first",),
    ),
    Mutant(
        "another-mode-is-another-firmware",
        PROBE,
        "if changed == [BOOT_SECTOR]:",
        "if changed == []:",
        "who changed the flash mode alone is told that the firmware has changed",
        (f"{T_SKIPS}::test_another_mode_is_another_header_and_no_other_firmware",),
    ),
)
