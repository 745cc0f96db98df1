"""Defects of what is kept of a board: each loses something of its user's, or writes where nothing should be written."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

DECISIONS, KEEPING = "pipeline/flashpipe/plan/area_decisions.py", "pipeline/flashpipe/plan/keep.py"
FILESYSTEM, RESIDENT = "pipeline/flashpipe/firmware/spiffs.py", "pipeline/flashpipe/firmware/survey.py"
ADAPTING, SAVING, PLAN = (
    "pipeline/flashpipe/flasher/fit_to_board.py",
    "pipeline/flashpipe/flasher/save_losses.py",
    "pipeline/flashpipe/plan/model.py",
)
PROBING = "pipeline/flashpipe/flasher/probe.py"

T_KEEPING, T_FILES = "tests/plan/test_keep.py", "tests/firmware/test_spiffs.py"
T_RESIDENT, T_FITTING = "tests/firmware/test_survey.py", "tests/flasher/test_fit_to_board.py"

KEEP: Final = (
    Mutant(
        "gap-written-over-parameters",
        ADAPTING,
        "ignored = tuple(merge([*probe.ignored, *decision.split]))",
        "ignored = probe.ignored",
        "an aggregated image blanks RF data and Wi-Fi settings in its gap",
        (f"{T_FITTING}::test_the_gap_of_an_aggregated_image_leaves_the_firmwares_data_alone",),
    ),
    Mutant(
        "kept-parts-compared",
        PROBING,
        "*(Region(*pair) for pair in entry.kept)",
        "",
        "a board that keeps its data is written anew by every run",
        (f"{T_FITTING}::test_what_was_kept_is_no_difference_though_the_image_has_bytes_there",),
    ),
    Mutant(
        "files-not-in-the-new-table",
        DECISIONS,
        "if not stays and low <= files.start and files.region.end <= top:",
        "if False:",
        "files that could have stayed are lost with every change of the SDK line",
        (f"{T_KEEPING}::test_from_2x_to_3x_the_files_stay_by_a_place_in_the_new_table",),
    ),
    Mutant(
        "partition-over-parameters",
        DECISIONS,
        'top = self._capacity - 3 * SECTOR_SIZE * (self.plan.firmware.layout != "3.x-old")',
        "top = self._capacity",
        "NodeMCU hangs at a partition table whose SPIFFS lies over its parameters",
        (f"{T_KEEPING}::test_files_up_to_the_end_of_flash_cannot_stay_where_the_parameters_go",),
    ),
    Mutant(
        "half-a-file-system-left",
        KEEPING,
        'cleared = merge(layout.remains()) if any(area.name == "spiffs" for area in lost) else []',
        "cleared: list[Region] = []",
        "the new firmware mounts the rest of the old file system: files are listed and empty",
        (f"{T_FITTING}::test_what_is_lost_is_backed_up_first_and_its_rest_cleared",),
    ),
    Mutant(
        "no-backup-of-losses",
        ADAPTING,
        "if decision.backs_up and not backup:",
        "if False:",
        "what is lost is gone",
        (f"{T_FITTING}::test_what_is_lost_is_backed_up_first_and_its_rest_cleared",),
    ),
    Mutant(
        "resumed-by-what-is-left",
        ADAPTING,
        'return probe.entry.state == "writing" and bool(probe.entry.before)',
        "return False",
        "an upgrade that was interrupted loses the files that it had begun to keep",
        (f"{T_FITTING}::test_an_interrupted_run_goes_on_as_it_began",),
    ),
    Mutant(
        "insisting-ignored",
        KEEPING,
        "    if losses and not policy.allowed:\n        raise KeepError(",
        "    if False:\n        raise KeepError(",
        "`keep: [spiffs]` does not keep a run from losing the files",
        (f"{T_KEEPING}::test_what_the_profile_insists_on_is_refused_in_a_pipe",),
    ),
    Mutant(
        "start-one-block-early",
        FILESYSTEM,
        "known=wide and not start % WIDE",
        "known=True",
        "blank flash counts as the first block: the partition begins too early, and the files are garbage",
        (f"{T_FILES}::test_what_2x_makes_is_found_with_few_reads",),
    ),
    Mutant(
        "factory-firmware-backed-up",
        RESIDENT,
        'if firmware.family == "at":',
        "if False:",
        "every new module is read for a minute before it is written",
        (
            f"{T_RESIDENT}::test_factory_firmware_is_named",
            f"{T_FITTING}::test_nothing_is_backed_up_of_a_blank_or_factory_board",
        ),
    ),
    Mutant(
        "only-marks-saved",
        SAVING,
        "        if block in known:\n            out +=",
        "        if False:\n            out +=",
        "the backup of a file system holds no files",
        (f"{T_FITTING}::test_what_is_lost_is_backed_up_first_and_its_rest_cleared",),
    ),
    Mutant(
        "fitting-changes-the-fingerprint",
        PLAN,
        "        if self.base_fingerprint:\n            return self.base_fingerprint\n",
        "",
        "a board whose files were kept never holds the plan: every run writes it anew",
        (f"{T_FITTING}::test_the_new_partition_table_gets_the_place_of_the_old_files",),
    ),
    Mutant(
        "the-end-of-an-older-firmware-names-the-board",
        RESIDENT,
        'firmware.sdk_line not in {"", "3.x"}',
        'firmware.sdk_line != ""',
        "NodeMCU 2.x flashed over 3.x is taken for 3.x, by what is left of that",
        (f"{T_RESIDENT}::test_2x_is_known_below_the_end_of_something_longer_that_stood_there_before",),
    ),
    Mutant(
        "what-was-longer-hides-the-firmware",
        RESIDENT,
        "    if files and not _certain(firmware):",
        "    if files and not files:",
        "NodeMCU above which something is left of another counts as foreign: its files are overwritten",
        (f"{T_RESIDENT}::test_2x_is_known_below_the_end_of_something_longer_that_stood_there_before",),
    ),
)
