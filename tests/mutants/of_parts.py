"""Defects of what `allow=` overrides, of init data, and of LFS and SPIFFS images."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

PLACING, PROBING = "pipeline/flashpipe/firmware/placement.py", "pipeline/flashpipe/flasher/probe.py"
T_PLACING, T_PARTS = "tests/firmware/test_placement.py", "tests/tasks/test_parts.py"
INIT, MENDING = "pipeline/flashpipe/firmware/init_data.py", "pipeline/flashpipe/flasher/init_data.py"
T_INIT, T_CURED = "tests/firmware/test_init_data.py", "tests/tasks/test_init_data.py"
ALLOWANCE, GATE, CHECKS = (
    "pipeline/flashpipe/firmware/overrides.py",
    "pipeline/flashpipe/firmware/gate.py",
    "pipeline/flashpipe/flasher/checks.py",
)
T_ALLOW, T_GATE, T_ALLOWING = (
    "tests/firmware/test_overrides.py",
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
    Mutant(
        "the-note-of-3x-is-overlooked",
        INIT,
        'heals = (filler == "once" and not noted)',
        'heals = (filler == "once")',
        "a spoiled sector is erased and NodeMCU 3.x, which has noted that it filled it, never starts again",
        (f"{T_INIT}::test_what_auto_decides",),
    ),
    Mutant(
        "valid-init-data-replaced",
        INIT,
        '    if state_of(sector) == "valid":\n        return _decide_valid(policy, sector)\n',
        "",
        "the calibration of a factory is overwritten",
        (f"{T_INIT}::test_what_auto_decides",),
    ),
    Mutant(
        "init-data-by-its-head-alone",
        INIT,
        "hexdigest() == V05_MD5",
        "hexdigest()",
        "other bytes that begin alike are written as version 05",
        (f"{T_INIT}::test_v05_is_known_by_its_digest_not_by_its_head",),
    ),
    Mutant(
        "cured-sector-still-ignored",
        MENDING,
        "        ignored=tuple(part for region in probe.ignored for part in region.without([place])),\n",
        "",
        "the cure is planned, and never written",
        (f"{T_CURED}::test_a_sector_that_was_spoiled_later_is_cured",),
    ),
    Mutant(
        "lfs-for-any-place",
        PLACING,
        "        if not base <= pointer < base + size:",
        "        if False:",
        "an LFS image that points elsewhere is written: the first call into it crashes",
        (f"{T_PLACING}::test_an_lfs_image_that_this_firmware_would_not_take",),
    ),
    Mutant(
        "lfs-larger-than-its-partition",
        PLACING,
        "    if len(image.data) > region.size:",
        "    if False:",
        "the end of an LFS image stands in the file system",
        (f"{T_PLACING}::test_an_lfs_image_that_is_too_large",),
    ),
    Mutant(
        "files-replaced-with-every-firmware",
        PROBING,
        "        if segment.area and entry.placed.get(segment.area) == placed(segment):",
        "        if False:",
        "a firmware update puts the first file system over what the board has written since",
        (f"{T_PARTS}::test_what_the_firmware_made_of_them_is_its_own",),
    ),
)
"""What `allow=`, init data, LFS and SPIFFS could do wrong."""
