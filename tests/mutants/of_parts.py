"""Defects of what `allow=` overrides, of init data, and of LFS and SPIFFS images."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

ALLOWANCE, GATE, CHECKS = (
    "pipeline/firmware/allowance.py",
    "pipeline/firmware/gate.py",
    "pipeline/flasher/checks.py",
)
T_ALLOW, T_GATE, T_ALLOWING = (
    "tests/firmware/test_allowance.py",
    "tests/firmware/test_gate.py",
    "tests/tasks/test_allowing.py",
)

PARTS: Final = (
    Mutant(
        "any-code-overrides-any-refusal",
        ALLOWANCE,
        "        if error.code not in self.codes:",
        "        if not self.codes:",
        "one allow= lets everything pass",
        (f"{T_ALLOW}::test_a_refusal_is_overridden_by_the_code_it_shows_and_by_no_other",),
    ),
    Mutant(
        "any-code-can-be-allowed",
        ALLOWANCE,
        "        if word in ALLOWABLE:",
        "        if word:",
        "a mistyped allow= is silently ignored",
        (f"{T_ALLOW}::test_other_words_are_refused",),
    ),
    Mutant(
        "overridden-refusals-are-forgotten",
        ALLOWANCE,
        "            self.used.append(override)",
        "            pass",
        "the receipt does not say what was overridden",
        (f"{T_ALLOW}::test_a_plan_remembers_what_was_overridden",),
    ),
    Mutant(
        "partitions-past-the-flash",
        GATE,
        "        if not whole.contains(region):",
        "        if False:",
        "NodeMCU 3.x is written where it hangs at its first start",
        (f"{T_GATE}::test_a_dump_of_a_larger_board_does_not_fit_a_smaller_one",),
    ),
    Mutant(
        "quad-modes-for-any-part",
        CHECKS,
        "describe_flash(device.flash_id).quad is False",
        "False",
        "a part without quad commands is given a header that it cannot start with",
        (f"{T_ALLOWING}::test_a_part_without_quad_commands",),
    ),
)
"""What `allow=`, init data, LFS and SPIFFS could do wrong."""
