"""Defects of where images belong and what belongs together: each writes what cannot start, or refuses what can."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LINK, PARTS, CHAIN, GATE = (
    "pipeline/flashpipe/firmware/link_address.py",
    "pipeline/flashpipe/firmware/parts.py",
    "pipeline/flashpipe/firmware/chain.py",
    "pipeline/flashpipe/firmware/gate.py",
)
INSPECTION = "pipeline/flashpipe/firmware/inspection.py"
T_LINK, T_CHAIN = "tests/firmware/test_link_address.py", "tests/firmware/test_chain.py"
T_AGREE = "tests/firmware/test_gate_and_inspection.py"

PLACES: Final = (
    Mutant(
        "any-vote-is-a-proof",
        LINK,
        "count >= _VOTES_ENOUGH and count >= _VOTES_AHEAD * second",
        "True",
        "sound files are refused for an address that chance has named",
        (f"{T_LINK}::test_noise_proves_nothing", f"{T_LINK}::test_code_for_two_places_proves_none"),
    ),
    Mutant(
        "the-second-mib-is-another-place",
        LINK,
        "(address - self.address) % WINDOW == 0",
        "address == self.address",
        "user2 of a 2 MB board, which is linked like user1, is refused",
        (f"{T_LINK}::test_code_says_where_it_was_linked_for",),
    ),
    Mutant(
        "missing-code-is-not-missed",
        LINK,
        "return len(gone) if many or near",
        "return 0 if many or near",
        "a file cut short is flashed",
        (f"{T_LINK}::test_a_file_cut_short_misses_code",),
    ),
    Mutant(
        "one-direction-is-enough",
        LINK,
        "good_outward + good_inward -",
        "good_outward + 0.8 -",
        "halves of two near builds are flashed as a pair",
        (f"{T_LINK}::test_real_halves",),
    ),
    Mutant(
        "inside-a-function-is-no-matter",
        LINK,
        "- _INSIDE_WEIGHT * inside",
        "",
        "halves of two builds that differ in a module are flashed as a pair",
        (f"{T_LINK}::test_halves_of_builds_that_differ_little_are_told_apart",),
    ),
    Mutant(
        "crc-behind-a-loader-unread",
        PARTS,
        'if crc == "wrong":',
        "if False:",
        "a damaged application is flashed behind its boot loader",
        (f"{T_CHAIN}::test_a_part_that_knows_its_length_and_crc_is_checked_wherever_it_stands",),
    ),
    Mutant(
        "inside-a-file-nobody-looks",
        CHAIN,
        "    if 0 in parts:\n        known |=",
        "    if False:\n        known |=",
        "boot loader and damaged application in one file are flashed",
        (f"{T_CHAIN}::test_a_part_that_knows_its_length_and_crc_is_checked_wherever_it_stands",),
    ),
    Mutant(
        "any-place-will-do",
        CHAIN,
        "if part.belongs(address) and not (loader and address % WINDOW):",
        "if True:",
        "user2 is flashed where user1 belongs: it jumps into nothing",
        (f"{T_CHAIN}::test_what_was_linked_for_another_place_is_refused_with_its_own",),
    ),
    Mutant(
        "no-table-needed",
        CHAIN,
        'if table is None or table.kind != "table":',
        "if False:",
        "the RTOS SDK's boot loader finds nothing to start",
        (f"{T_CHAIN}::test_what_is_missing_is_named_with_its_address",),
    ),
    Mutant(
        "the-table-names-another-place",
        CHAIN,
        "if not any(at in started for at in places):",
        "if False:",
        "an application stands where the partition table names none",
        (f"{T_CHAIN}::test_what_is_missing_is_named_with_its_address",),
    ),
    Mutant(
        "any-loader-starts-anything",
        CHAIN,
        "if not started or fitting:",
        "if True:",
        "rBoot's application is flashed behind Espressif's boot loader",
        (f"{T_CHAIN}::test_what_is_missing_is_named_with_its_address",),
    ),
    Mutant(
        "halves-of-two-builds",
        GATE,
        "        check_build(parts)\n",
        "        pass\n",
        "halves of two builds are flashed as a pair",
        (f"{T_CHAIN}::test_halves_of_two_builds_are_refused",),
    ),
    Mutant(
        "old-applications-are-no-applications",
        CHAIN,
        'if newer or (loader in {"bootloader", "rboot"} and',
        'if newer or (loader == "none" and',
        "a boot loader and its application in one file, as AT 0.9.5 came, are refused as incomplete",
        (f"{T_CHAIN}::test_right_layouts_pass",),
    ),
    Mutant(
        "whatever-is-sound-can-be-flashed",
        INSPECTION,
        "flashable = bool(layout) and not errors and not hint",
        "flashable = not problems",
        "the next step of `inspect` is a flash that is refused",
        ("tests/firmware/test_inspection.py::test_files_that_are_no_firmware_and_no_mistake",),
    ),
    Mutant(
        "at-finds-its-own-init-data",
        "pipeline/flashpipe/firmware/init_data.py",
        'firmware.sdk_line != "3.x" or firmware.family == "at"',
        'firmware.sdk_line != "3.x"',
        "AT firmware of 1 MB on a larger flash restarts for ever",
        ("tests/firmware/test_init_data.py::test_who_fills_the_sector",),
    ),
    Mutant(
        "inspection-names-no-problem",
        INSPECTION,
        "if not _is_partner(error)]",
        "if False]",
        "a damaged file is called sound",
        (f"{T_AGREE}::test_of_files_that_were_made_here",),
    ),
)
