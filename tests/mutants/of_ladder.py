"""Deliberate defects of what is tried after a failure, and of what a person at the buttons is told."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LADDERS, MEMORY = "pipeline/flashpipe/board/session/fallbacks.py", "pipeline/flashpipe/board/session/link_memory.py"
ROMLINK, HANDS, PORTLOCK = (
    "pipeline/flashpipe/board/loader/rom_only.py",
    "pipeline/flashpipe/board/session/manual_reset.py",
    "pipeline/flashpipe/board/ports/lock.py",
)
T_LADDER, T_HANDS, T_LOCK = (
    "tests/board/session/test_fallbacks.py",
    "tests/board/session/test_manual_reset.py",
    "tests/board/ports/test_lock.py",
)

MODES, T_MODES = "pipeline/flashpipe/flasher/mode_retry.py", "tests/tasks/test_mode_retry.py"

LADDER: Final = (
    Mutant(
        "rungs-again-and-again",
        LADDERS,
        "            self._names.add(fallback.name)\n",
        "",
        "a board that cannot be reached is tried for ever",
        (
            f"{T_LADDER}::test_the_other_reset_is_another_one",
            f"{T_LADDER}::test_only_what_may_cure_the_failure_is_tried",
        ),
    ),
    Mutant(
        "every-rung-for-every-failure",
        LADDERS,
        "if stage not in fallback.stages or fallback.name in self._names:",
        "if fallback.name in self._names:",
        "a board that does not answer is tried at three more rates",
        (f"{T_LADDER}::test_only_what_may_cure_the_failure_is_tried",),
    ),
    Mutant(
        "last-failure-told",
        LADDERS,
        "        return self._first\n",
        "        return WireError(self.port)\n",
        "the user reads of the ROM loader where a cable is bad",
        (f"{T_LADDER}::test_each_fallback_is_tried_once_and_the_first_failure_is_told",),
    ),
    Mutant(
        "bad-flash-is-the-line",
        LADDERS,
        "if again_bad or late or",
        "if late or",
        "a worn sector is written at every rate",
        (f"{T_LADDER}::test_a_sector_that_is_bad_twice_in_the_same_way_is_the_flashs_fault",),
    ),
    Mutant(
        "memory-never-forgets",
        LADDERS,
        "            link_memory.forget(self.port, self._recalled)\n",
        "",
        "a rate that fails is tried first for ever",
        (f"{T_LADDER}::test_what_was_remembered_is_forgotten_when_it_fails",),
    ),
    Mutant(
        "memory-of-any-board",
        LADDERS,
        "if self._recalled and self._recalled != mac:",
        "if False:",
        "every board on the adapter is written as slowly as one bad one",
        (f"{T_LADDER}::test_another_board_on_the_adapter_is_written_as_declared",),
    ),
    Mutant(
        "memory-over-the-users-word",
        MEMORY,
        'if LinkSettings(**entry["declared"]) != declared:',
        "if False:",
        "baud=230400 on the command line is not heeded",
        (f"{T_LADDER}::test_a_rate_that_the_user_has_changed_counts",),
    ),
    Mutant(
        "rom-erases-too-much",
        ROMLINK,
        "region.sectors())",
        "Region(region.start, region.end + SECTOR_SIZE).sectors())",
        "without the stub the sector after the image is lost",
        (f"{T_LADDER}::test_the_rom_alone_writes_exactly_what_it_shall",),
    ),
    Mutant(
        "monitor-asks-a-monitor",
        PORTLOCK,
        "if not free and not (ask and _offered(path) and",
        "if not free and not (_offered(path) and",
        "two monitors take the port from each other for ever",
        (f"{T_LOCK}::test_who_only_listens_asks_nobody",),
    ),
    Mutant(
        "request-never-ends",
        PORTLOCK,
        "            request.unlink(missing_ok=True)\n\n\ndef",
        "            pass\n\n\ndef",
        "the monitor waits for a flash that is over",
        (f"{T_LOCK}::test_a_port_that_is_offered_is_given_and_told_about",),
    ),
    Mutant(
        "functions-without-end",
        "pipeline/flashpipe/firmware/elf.py",
        "if size and address >= start + size:",
        "if False:",
        "an address between two functions is called the first one's",
        ("tests/firmware/test_elf.py::test_an_address_is_named",),
    ),
    Mutant(
        "modes-without-leave",
        MODES,
        "if not (policy.mode_retry and modes",
        "if not (modes",
        "a header is changed that nobody allowed to change",
        (f"{T_MODES}::test_without_leave_no_mode_is_tried",),
    ),
    Mutant(
        "header-not-put-back",
        MODES,
        "    _put_header(session, plan, entry)\n    session.leave()",
        "    session.leave()",
        "a board that starts in no mode holds another image than its profile says",
        (f"{T_MODES}::test_a_board_that_starts_in_no_mode_gets_its_header_back",),
    ),
    Mutant(
        "one-reminder",
        HANDS,
        "self._asked_s += REMIND_S",
        "self._asked_s += 1e9",
        "a person waits for two minutes without a word",
        (f"{T_HANDS}::test_a_person_is_reminded_until_the_time_is_over",),
    ),
)
