"""Defects of the boot check: what would be said of a board that is otherwise, or not be found out."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

STARTS, BOOTLOG, WORDS = (
    "pipeline/flashpipe/board/boot/resets.py",
    "pipeline/flashpipe/board/boot/watcher.py",
    "pipeline/flashpipe/board/boot/patterns.py",
)
BOOTING, CRASH, SESSION = (
    "pipeline/flashpipe/flasher/boot_check.py",
    "pipeline/flashpipe/board/boot/crash.py",
    "pipeline/flashpipe/board/session/session.py",
)
T_VERDICT, T_BOOTLOG = "tests/board/boot/test_verdict.py", "tests/board/boot/test_watcher.py"
T_BOOTING = "tests/flasher/test_boot_check.py"

VERDICTS: Final = (
    Mutant(
        "every-power-on-is-a-brown-out",
        STARTS,
        "start.cause == POWER_ON and (other or cut)",
        "start.cause == POWER_ON",
        "a firmware that restarts itself after power-on is blamed on the supply",
        (f"{T_VERDICT}::test_only_a_supply_that_comes_back_is_a_brown_out",),
    ),
    Mutant(
        "a-reset-by-wire-is-a-loop",
        STARTS,
        "starts[-1].cause == starts[-2].cause is not None",
        "starts[-1].cause is not None",
        "a silent firmware that was reset twice is a boot loop",
        (f"{T_VERDICT}::test_two_resets_from_outside_are_no_loop",),
    ),
    Mutant(
        "one-bite-is-forgotten",
        STARTS,
        "bitten=_bitten(text[: loaded.start()])",
        "bitten=False",
        "a log that begins behind its first line hides the watchdog",
        (f"{T_VERDICT}::test_published_capture_is_judged_rightly",),
    ),
    Mutant(
        "verified-bytes-prove-nothing",
        "pipeline/flashpipe/board/boot/verdict.py",
        "if not mode or verdict.kind not in UNREADABLE_IMAGE:",
        "if mode or verdict.kind not in UNREADABLE_IMAGE:",
        "after a flash in a mode that the part cannot do, the image is blamed",
        (f"{T_BOOTING}::test_verified_bytes_that_the_rom_cannot_read_are_a_wrong_flash_mode",),
    ),
    Mutant(
        "formatting-is-cut-short",
        BOOTLOG,
        "max(self._limit_s, self._format_s + FORMAT_S)",
        "self._limit_s",
        "the first boot on a large flash fails although the firmware is only formatting",
        (f"{T_BOOTLOG}::test_formatting_has_a_time_limit_of_its_own",),
    ),
    Mutant(
        "a-prompt-is-not-asked",
        BOOTLOG,
        "if nameless and self._probe",
        "if not nameless and self._probe",
        "where the banner was missed the version stays unknown",
        (f"{T_BOOTLOG}::test_a_banner_that_is_off_is_no_failure",),
    ),
    Mutant(
        "the-crystal-is-believed",
        BOOTLOG,
        "if noisy and not self._rom_known:",
        "if noisy and self._rom_known:",
        "why a board with a 40 MHz crystal does not start is never read",
        (f"{T_BOOTLOG}::test_a_crystal_that_nobody_told_is_found",),
    ),
    Mutant(
        "old-words-count",
        SESSION,
        "            self._serial.reset_input_buffer()",
        "            self._serial.in_waiting  # noqa: B018",
        "what the board said before the reset is judged as its boot",
        (f"{T_BOOTING}::test_what_was_said_before_the_reset_does_not_count",),
    ),
)
