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
T_EXPLAIN = "tests/board/diagnosis/test_explanation.py"
VERDICT, STAY = "pipeline/flashpipe/board/boot/verdict.py", "pipeline/flashpipe/board/boot/stay.py"
HEADER = "pipeline/flashpipe/board/diagnosis/rules_header.py"
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
        'return re.search(r"^wdt reset", text, re.MULTILINE) is not None',
        "return False",
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
    Mutant(
        "a-fault-behind-a-prompt-is-none",
        WORDS,
        'start = "" if anywhere else r"^(?:>{1,3} ?)*[ \\t]*"',
        'start = "" if anywhere else r"^[ \\t]*"',
        "a NodeMCU whose init.lua panics behind its prompt passes",
        (f"{T_VERDICT}::test_published_capture_is_judged_rightly",),
    ),
    Mutant(
        "a-loader-is-a-firmware",
        VERDICT,
        "and not BOOT_LINE.match(line) and not LOADER.match(line)",
        "and not BOOT_LINE.match(line)",
        "a board that hangs in its boot loader passes",
        (f"{T_EXPLAIN}::test_each_kind_is_recognised_in_other_words",),
    ),
    Mutant(
        "life-before-a-loader-counts",
        VERDICT,
        "last = max([start.at for start in starts[-1:]] + loaders[-1:], default=-1)",
        "last = max([start.at for start in starts[-1:]], default=-1)",
        "a firmware that dies after its banner, whose loader alone speaks then, passes",
        (f"{T_EXPLAIN}::test_each_kind_is_recognised_in_other_words",),
    ),
    Mutant(
        "stamps-make-starts-different",
        STARTS,
        'STAMP.sub("", text[start.end : end])',
        "text[start.end : end]",
        "an RTOS SDK that starts again and again runs, for its milliseconds differ",
        (f"{T_VERDICT}::test_published_capture_is_judged_rightly",),
    ),
    Mutant(
        "loaders-do-not-start",
        STARTS,
        "if start.cause is not None or not covered:",
        "if start.cause is not None:",
        "a loader that starts again and again is not seen where the ROM is not heard",
        (f"{T_VERDICT}::test_published_capture_is_judged_rightly",),
    ),
    Mutant(
        "any-load-is-possible",
        WORDS,
        "        holds=impossible_load,\n",
        "",
        "every good boot is a wrong flash mode",
        (f"{T_VERDICT}::test_published_capture_is_judged_rightly",),
    ),
    Mutant(
        "weak-words-count-as-much",
        VERDICT,
        "max(strong or [finding for _, finding in findings]",
        "max([finding for _, finding in findings]",
        "a stack dump hides why the firmware stopped",
        (f"{T_EXPLAIN}::test_each_kind_is_recognised_in_other_words",),
    ),
    Mutant(
        "noise-is-believed",
        STAY,
        "        for number in reversed(range(len(stretches))):",
        "        begin = 0\n        for number in ():",
        "random bytes are a firmware that runs and talks",
        ("tests/board/boot/test_stay.py::test_a_line_in_noise_is_none",),
    ),
    Mutant(
        "slow-noise-is-read-byte-by-byte",
        STAY,
        "if len(self.data) - self._pause >= NOISE:",
        "if True:",
        "noise that comes slowly is a firmware",
        ("tests/board/boot/test_stay.py::test_noise_that_comes_byte_by_byte_is_noise",),
    ),
    Mutant(
        "a-flood-is-a-prompt",
        WORDS,
        'LUA_PROMPT: Final = re.compile(r"^(?:> ){1,2}(?=$|\\n)", re.MULTILINE)',
        'LUA_PROMPT: Final = re.compile(r"^(?:> )+(?=$|\\n)", re.MULTILINE)',
        "a line that repeats two bytes is a NodeMCU at its prompt",
        (f"{T_BOOTLOG}::test_a_flood_of_prompts_is_none",),
    ),
    Mutant(
        "no-time-to-fail",
        BOOTLOG,
        "SETTLE_S: Final = 0.5",
        "SETTLE_S: Final = 0.0",
        "a firmware that crashes after its banner passes",
        (f"{T_BOOTLOG}::test_a_firmware_that_says_its_name_has_time_to_fail",),
    ),
    Mutant(
        "no-time-for-lua-to-fail",
        BOOTLOG,
        "LUA_BOOT_S: Final = 2.5",
        "LUA_BOOT_S: Final = 0.0",
        "an init.lua that panics a second after the prompt passes",
        (f"{T_BOOTLOG}::test_a_firmware_that_says_its_name_has_time_to_fail",),
    ),
    Mutant(
        "quotes-are-prompts",
        "pipeline/flashpipe/board/boot/pasted.py",
        "_unquoted(_COMMENTS",
        "(lambda quoted: quoted)(_COMMENTS",
        "a log that is quoted in an issue is a Lua prompt in each line",
        ("tests/board/boot/test_pasted.py::test_what_monitors_and_pages_add_changes_no_verdict",),
    ),
    Mutant(
        "only-the-first-start-speaks",
        VERDICT,
        "for begin in (*begins, *(start.end for start in starts)):",
        "for begin in begins:",
        "a firmware that spoke, and then crashed, is said to have crashed before its first word",
        (f"{T_EXPLAIN}::test_words_of_any_start_show_that_the_flash_was_read_right",),
    ),
    Mutant(
        "any-arrows-are-python",
        WORDS,
        "|^>>> ?(?=\\n|\\Z)",
        "|^>>> ",
        "a firmware that begins its own lines with >>> is MicroPython at its prompt",
        (f"{T_EXPLAIN}::test_a_log_of_another_program_with_its_own_prompts_is_no_python",),
    ),
    Mutant(
        "the-header-is-never-wrong",
        HEADER,
        "named == right:",
        "named:",
        "a build that refuses the header's size gets the advice to flash it again as it is",
        (f"{T_EXPLAIN}::test_a_header_that_the_build_cannot_live_with_is_named_with_the_right_one",),
    ),
    Mutant(
        "a-mismatch-is-a-refusal",
        HEADER,
        'if evidence.verdict == "wrong-size" else None',
        "if evidence.verdict else None",
        "a build that takes another header all the same is said to refuse it",
        (f"{T_EXPLAIN}::test_a_map_that_does_not_match_and_is_taken_all_the_same_is_no_cause",),
    ),
    Mutant(
        "what-follows-is-the-cause",
        WORDS,
        ', "wrong-size": "rf-cal"}',
        "}",
        "a build that refuses the header's size is told to get init data",
        (f"{T_EXPLAIN}::test_a_header_that_the_build_cannot_live_with_is_named_with_the_right_one",),
    ),
)
