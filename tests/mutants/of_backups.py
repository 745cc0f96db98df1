"""Defects of backup, restore, rollback, audit and pruning: each loses something, or vouches for what is not so."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

STORE, BACKING, RESTORING = (
    "pipeline/flashpipe/records/backups.py",
    "pipeline/flashpipe/flasher/backup.py",
    "pipeline/flashpipe/flasher/restore.py",
)
ROLLBACK, AUDITING, HOLDINGS = (
    "pipeline/flashpipe/flasher/rollback.py",
    "pipeline/flashpipe/flasher/audit.py",
    "pipeline/flashpipe/flasher/verified_regions.py",
)
RECEIPTS, PRUNING, FILES = (
    "pipeline/flashpipe/records/history.py",
    "pipeline/flashpipe/records/prune.py",
    "pipeline/flashpipe/files.py",
)
BOARDS = "pipeline/flashpipe/jobs/board_job.py"
T_STORE, T_BACKING = "tests/records/test_backups.py", "tests/flasher/test_backup.py"
T_BACKUP, T_ROLLBACK, T_AUDIT = (
    "tests/tasks/test_backup.py",
    "tests/tasks/test_rollback.py",
    "tests/tasks/test_audit.py",
)
T_RECEIPTS, T_PRUNING, T_DISK = (
    "tests/records/test_history.py",
    "tests/records/test_prune.py",
    "tests/tasks/test_full_disk.py",
)

BACKUPS: Final = (
    Mutant(
        "damaged-block-is-given-out",
        STORE,
        "        if hashlib.sha256(data).hexdigest() != sha256:",
        "        if not data:",
        "a block that rotted on the disk is written to a board",
        (f"{T_STORE}::test_a_damaged_block_is_noticed_and_no_longer_known",),
    ),
    Mutant(
        "changed-manifest-is-believed",
        STORE,
        ' and record["sha256"] == _digest(plain) and plain["mac"]',
        ' and record["sha256"] and plain["mac"]',
        "blocks are put where they never stood",
        (f"{T_STORE}::test_a_manifest_that_was_changed_is_refused",),
    ),
    Mutant(
        "interrupted-backup-counts-as-whole",
        STORE,
        "wanted = manifest.own and manifest.complete and (manifest.whole",
        "wanted = manifest.own and (manifest.whole",
        "half a backup is restored as if it were all",
        (f"{T_STORE}::test_an_incomplete_backup_is_never_the_newest",),
    ),
    Mutant(
        "clock-decides-which-is-newest",
        FILES,
        "    if stamp > last:",
        "    if stamp:",
        "after the clock was set back an old backup counts as the newest",
        (f"{T_STORE}::test_a_clock_that_jumps_back_changes_no_order",),
    ),
    Mutant(
        "garbled-block-is-kept",
        BACKING,
        "    return data if hashlib.md5(data, usedforsecurity=False).digest() == digest else None",
        "    return data if digest else None",
        "what a bad line made of a block is stored as the board's",
        (f"{T_BACKING}::test_a_line_that_is_too_bad_is_an_error_by_name",),
    ),
    Mutant(
        "other-boards-calibration-is-restored",
        RESTORING,
        "    if source.mac == device.mac or not personal:",
        "    if source.mac or not personal:",
        "a board gets the RF calibration and the networks of another",
        (f"{T_BACKUP}::test_another_board_gets_no_calibration_and_no_networks",),
    ),
    Mutant(
        "restore-without-journal",
        RESTORING,
        '            journal.write(replace(entry, state="writing"))\n',
        "",
        "a restore that breaks off leaves a journal that says all is well",
        (f"{T_BACKUP}::test_a_restore_that_breaks_off_is_named_and_continued",),
    ),
    Mutant(
        "half-written-board-becomes-the-refuge",
        ROLLBACK,
        'same_run = entry.state == "writing" or',
        'same_run = entry.state == "never" or',
        "after an interruption there is no way back any more",
        (f"{T_ROLLBACK}::test_an_interrupted_run_keeps_its_way_back",),
    ),
    Mutant(
        "rolled-back-without-looking",
        ROLLBACK,
        "    except PipelineError as second:",
        "    except BackupMissingError as second:",
        "a board that does not run even after a rollback is told by the wrong error",
        (f"{T_ROLLBACK}::test_where_nothing_runs_any_more_both_are_told",),
    ),
    Mutant(
        "drift-is-only-reported",
        AUDITING,
        "    if drift:",
        "    if not findings:",
        "an audit passes a board whose firmware somebody changed",
        (f"{T_AUDIT}::test_what_changes_by_running_is_told_and_changed_firmware_is_a_failure",),
    ),
    Mutant(
        "old-rows-outlive-a-flash",
        RECEIPTS,
        "            rows = said if anew else",
        "            rows = said if not rows else",
        "a board is held against what it held before its last flash",
        (f"{T_RECEIPTS}::test_a_whole_flash_replaces_all_that_was_said",),
    ),
    Mutant(
        "prune-takes-what-a-run-needs",
        PRUNING,
        "    needed = {entry.backup, entry.saved}",
        "    needed = {entry.mac}",
        "the way back of an interrupted run is thrown away",
        (f"{T_PRUNING}::test_what_an_interrupted_run_needs_stays",),
    ),
    Mutant(
        "prune-takes-blocks-of-a-run-under-way",
        PRUNING,
        "        return now - path.stat().st_mtime > SETTLED_S",
        "        return now - path.stat().st_mtime > -SETTLED_S",
        "a backup that is being made loses blocks before its manifest is written",
        (f"{T_PRUNING}::test_blocks_of_a_run_that_is_under_way_stay",),
    ),
    Mutant(
        "board-touched-without-a-place-for-the-receipt",
        BOARDS,
        "            self._room = take_room(self.command.receipts_folder)\n",
        "            pass\n",
        "a board is written and nothing can say so",
        (f"{T_DISK}::test_a_folder_that_cannot_be_written_stops_a_run_before_the_board_is_touched",),
    ),
    Mutant(
        "no-receipt-where-no-board-was-reached",
        BOARDS,
        '            self._leave_receipt("flash", error, self.inputs.plan())  # also where no board was reached\n',
        "",
        "a run that failed to connect is on no record",
        ("tests/tasks/test_records.py::test_a_run_that_reaches_no_board_is_on_record_too",),
    ),
    Mutant(
        "restored-code-is-data",
        HOLDINGS,
        "*told, *_image_sectors(source)]",
        "*told]",
        "after a restore, damaged code passes the audit",
        (f"{T_AUDIT}::test_code_that_no_partition_table_tells_of_stays_firmware_after_a_restore",),
    ),
    Mutant(
        "verify-gives-up-where-the-line-breaks",
        "pipeline/flashpipe/flasher/verify.py",
        "    difference = session.retry(work)\n",
        "    difference = work()\n",
        "one lost byte ends a verification that a lower rate would carry",
        ("tests/tasks/test_ladder.py::test_reading_too_is_begun_anew_in_another_way",),
    ),
    Mutant(
        "another-mode-leaves-the-old-start",
        "pipeline/flashpipe/flasher/mode_retry.py",
        'firmware={**entry.firmware, "start": start_digest(piece.data)}',
        "firmware=entry.firmware",
        "the next run takes the board's firmware for another one",
        ("tests/tasks/test_mode_retry.py::test_the_mode_in_which_the_board_starts_wins",),
    ),
)
