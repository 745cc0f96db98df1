"""Defects of the Lua console, of acceptance and of the files that are sent."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

CONSOLE, FILES = "pipeline/flashpipe/board/lua/console.py", "pipeline/flashpipe/board/lua/files.py"
ACCEPTANCE, STAGE = "pipeline/flashpipe/board/lua/acceptance.py", "pipeline/flashpipe/flasher/lua_stage.py"
T_CONSOLE, T_FILES = "tests/board/lua/test_console.py", "tests/board/lua/test_files.py"
T_EXECUTED, T_RESCUE = "tests/board/lua/test_executed.py", "tests/flasher/test_rescue.py"
T_ACCEPTANCE, T_STAGE = "tests/board/lua/test_acceptance.py", "tests/tasks/test_lua_stage.py"

LUA: Final = (
    Mutant(
        "lua-marks-in-one-piece",
        CONSOLE,
        """self._type(f'print("=#".."{number}+"..tostring(({expression})).."#=")')""",
        """self._type(f'print("=#{number}+"..tostring(({expression})).."#=")')""",
        "the echo of a line is taken for its answer",
        (f"{T_EXECUTED}::test_any_bytes_arrive_and_are_known_again",),
    ),
    Mutant(
        "lua-secret-line-told",
        CONSOLE,
        "{'an error' if secret else mask(complaint[1])}",
        "{complaint[1]}",
        "a password in a Lua file stands in an error message",
        (f"{T_CONSOLE}::test_of_contents_no_message_says_anything",),
    ),
    Mutant(
        "lua-digit-after-escape",
        CONSOLE,
        "if following.isdigit() else",
        "if following.isspace() else",
        "a byte before a digit arrives as another byte",
        (f"{T_CONSOLE}::test_any_bytes_survive_as_a_literal",),
    ),
    Mutant(
        "lua-length-is-enough",
        FILES,
        "return self.read(name, len(file.data), file.data) == file.data",
        "return self.read(name, len(file.data), file.data) is not None",
        "a changed file of the same length is skipped",
        (f"{T_EXECUTED}::test_any_bytes_arrive_and_are_known_again",),
    ),
    Mutant(
        "lua-init-in-line",
        FILES,
        "key=lambda file: (file.name == START, file.name)",
        "key=lambda file: file.name",
        "init.lua starts a half set of files",
        (f"{T_FILES}::test_init_lua_gets_its_name_last",),
    ),
    Mutant(
        "lua-room-not-looked-at",
        FILES,
        "if need > left:",
        "if need > left + room[2]:",
        "a file system is filled until a write fails",
        (f"{T_STAGE}::test_files_that_do_not_fit_change_nothing",),
    ),
    Mutant(
        "lua-unknown-passes",
        ACCEPTANCE,
        "return AcceptanceFinding(demand, wanted, UNKNOWN, passed=False, known=False)",
        "return AcceptanceFinding(demand, wanted, UNKNOWN, passed=passed, known=False)",
        "a demand that the firmware does not answer counts as met",
        (f"{T_ACCEPTANCE}::test_what_the_firmware_does_not_say_is_never_taken_for_good",),
    ),
    Mutant(
        "lua-chip-size-ignored",
        ACCEPTANCE,
        "sizes = [size for size in (info.flash_size, chip) if size is not None]",
        "sizes = [size for size in (info.flash_size,) if size is not None]",
        "a 1 MB chip under a 4 MB header is accepted",
        (f"{T_ACCEPTANCE}::test_header_and_chip_must_both_have_the_demanded_size",),
    ),
    Mutant(
        "lua-tape-remembers-contents",
        "pipeline/flashpipe/board/session/traffic.py",
        'kept = b"" if self.private else bytes(data[:WHOLE])',
        "kept = bytes(data[:WHOLE])",
        "the echo of a password lies in the transcript of a failure",
        (f"{T_STAGE}::test_a_failed_transfer_leaves_no_contents_in_what_is_kept",),
    ),
    Mutant(
        "lua-init-not-watched",
        STAGE,
        "if dies or restart:",
        "if restart:",
        "an init.lua that kills the board a second later is called good",
        (f"{T_STAGE}::test_an_init_lua_that_kills_the_board_is_put_aside",),
    ),
    Mutant(
        "lua-rescue-at-one-rate",
        STAGE,
        "baud = boot_check(session, timeout_s=PROMPT_S).baud or baud",
        "boot_check(session, timeout_s=PROMPT_S)",
        "an old NodeMCU, whose console has 9600 baud, is never rescued",
        (f"{T_RESCUE}::test_a_console_of_9600_baud_is_rescued_too",),
    ),
)
