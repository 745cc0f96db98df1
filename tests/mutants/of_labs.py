"""Deliberate defects of hosts and places of a lab: each would cost somebody a board, or give it to the wrong one."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

HOST, PLAN = "pipeline/flashpipe/lab/board_host.py", "pipeline/flashpipe/lab/host_plan.py"
LINES, LEASE = "pipeline/flashpipe/board/ports/modem_lines.py", "pipeline/flashpipe/board/ports/lease.py"
RECORD, LINE = "pipeline/flashpipe/board/ports/lease_record.py", "pipeline/flashpipe/board/session/line.py"
T_HOST, T_PLAN = "tests/lab/test_board_host.py", "tests/lab/test_host_plan.py"
T_LINES, T_LEASE = "tests/board/ports/test_modem_lines.py", "tests/lab/test_lease.py"
T_THROUGH = "tests/lab/test_through_a_lab.py"

LABS: Final = (
    Mutant(
        "host-admits-everybody",
        HOST,
        "if not self.port.admits(address):",
        "if False:",
        "whoever reaches the address writes to the boards",
        (f"{T_HOST}::test_who_is_not_on_the_list_gets_no_board",),
    ),
    Mutant(
        "host-listens-to-all-without-a-list",
        PLAN,
        "    if ipaddress.ip_address(address).is_loopback:\n        return OWN",
        "    return OWN",
        "a host that others reach begins without anybody having said who they are",
        (f"{T_PLAN}::test_an_address_that_others_reach_wants_to_know_who_may_come",),
    ),
    Mutant(
        "host-serves-two-at-once",
        HOST,
        "            if self._visit is not None:\n                return False\n",
        "",
        "who waits for a board is not told who has it since when",
        (f"{T_HOST}::test_a_second_client_is_told_who_has_the_board",),
    ),
    Mutant(
        "swap-in-two-steps",
        LINES,
        "if value and self._set == (False, True):",
        "if False:",
        "a reset over the network starts the old firmware instead of the loader",
        (f"{T_LINES}::test_a_reset_goes_from_rts_to_dtr_in_one_step",),
    ),
    Mutant(
        "reset-as-short-as-the-network-makes-it",
        LINES,
        "        if left > 0:\n            self._sleep(left)\n",
        "",
        "messages that arrive at once give the chip no time to see a reset",
        (f"{T_LINES}::test_a_reset_whose_messages_arrive_at_once_takes_the_time_it_needs",),
    ),
    Mutant(
        "part-of-a-name-is-a-name",
        LEASE,
        "if request.name not in {name, *place.aliases}:",
        "if False:",
        "p1 is not there, and p10 gets its firmware",
        (f"{T_LEASE}::test_a_part_of_a_name_is_no_name",),
    ),
    Mutant(
        "own-place-released",
        LEASE,
        "record if ours else None)",
        "record)",
        "a place that its user works with is given to somebody else",
        (f"{T_LEASE}::test_a_place_that_its_user_has_acquired_is_used_and_not_released",),
    ),
    Mutant(
        "old-record-believed",
        RECORD,
        'return (left["changed"], left.get("holder")) == (place.changed, place.holder)',
        "return True",
        "what a user has acquired since a run was killed is taken away",
        (f"{T_LEASE}::test_what_somebody_has_acquired_since_is_left_alone",),
    ),
    Mutant(
        "stop-keeps-the-place",
        LEASE,
        'with suppress(PipelineError, OSError):\n                self.client.run("-p", name, "release")',
        "pass",
        "a Ctrl-C while a place is acquired leaves it locked",
        (f"{T_LEASE}::test_a_stop_while_it_is_acquired_gives_it_back",),
    ),
    Mutant(
        "place-given-back-with-the-port",
        LINE,
        "        self._serial = self.lock = None\n\n    def release",
        "        self._serial = self.lock = self.lease = None\n\n    def release",
        "while a jig has the port, somebody else gets the place",
        (f"{T_THROUGH}::test_a_place_is_ours_from_the_first_byte_to_the_end",),
    ),
)
