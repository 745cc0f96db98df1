"""Deliberate defects of the station: two boards of one number, labels at the wrong bench, an operator not told."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

UNITS, LABELS = "pipeline/flashpipe/station/units.py", "pipeline/flashpipe/station/labels.py"
STATION, SUMMARY = "pipeline/flashpipe/station/station.py", "pipeline/flashpipe/records/summary.py"
T_UNITS, T_LABELS = "tests/station/test_units.py", "tests/station/test_labels.py"
T_STATION, T_SUMMARY = "tests/station/test_station.py", "tests/records/test_summary.py"

STATIONS: Final = (
    Mutant(
        "a-good-boards-unit-is-given-back",
        UNITS,
        " or self._new.get(mac) != key:",
        ":",
        "a board that was good, and fails later, gives its number to another one",
        (f"{T_UNITS}::test_a_row_of_an_earlier_try_stays_for_that_try_was_good_or_killed",),
    ),
    Mutant(
        "labels-come-out-anywhere",
        LABELS,
        "return sorted((one for one in good if one.station not in others), key=lambda one: one.order)",
        "return sorted(good, key=lambda one: one.order)",
        "the label of a board comes out at another bench, or twice",
        (f"{T_LABELS}::test_labels_of_another_bench_come_out_there_until_it_is_gone",),
    ),
    Mutant(
        "a-bad-label-stops-all",
        LABELS,
        "                self._refused.add(one.mac)\n                continue\n",
        "                self._refused.add(one.mac)\n                break\n",
        "no label is printed any more after one that cannot be",
        (f"{T_LABELS}::test_a_label_that_cannot_be_printed_keeps_no_other_one_back",),
    ),
    Mutant(
        "pulled-too-early-is-not-told",
        STATION,
        "        slot.was_pulled = gone and not by_key\n",
        "",
        "whoever pulls a board out in mid-write reads that the next one may come",
        (f"{T_STATION}::test_a_board_that_is_pulled_out_is_a_failure_that_says_so",),
    ),
    Mutant(
        "a-unit-stands-beside-two-boards",
        SUMMARY,
        'yield replace(line, unit="") if unit in given and line.unit else line',
        "yield line",
        "a report shows one serial number for two boards",
        (f"{T_SUMMARY}::test_a_unit_that_was_given_back_is_that_of_the_board_which_got_it_then",),
    ),
)
