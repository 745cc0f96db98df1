"""Every deliberate defect: those of the virtual board, of the host side and of its parts."""

from __future__ import annotations

from typing import Final

from tests.mutants.of_backups import BACKUPS
from tests.mutants.of_diagnosis import DIAGNOSIS
from tests.mutants.of_keep import KEEP
from tests.mutants.of_labs import LABS
from tests.mutants.of_ladder import LADDER
from tests.mutants.of_lua import LUA
from tests.mutants.of_parts import PARTS
from tests.mutants.of_places import PLACES
from tests.mutants.of_skips import SKIPS
from tests.mutants.of_speed import SPEED
from tests.mutants.of_tests import TESTS
from tests.mutants.of_the_board import BOARD
from tests.mutants.of_the_cores import CORES
from tests.mutants.of_the_host import HOST
from tests.mutants.of_the_station import STATIONS
from tests.mutants.of_the_words import WORDS
from tests.mutants.of_verdict import VERDICTS

MUTANTS: Final = (
    *BACKUPS,
    *BOARD,
    *CORES,
    *DIAGNOSIS,
    *HOST,
    *KEEP,
    *LABS,
    *LADDER,
    *LUA,
    *PARTS,
    *PLACES,
    *SKIPS,
    *SPEED,
    *STATIONS,
    *TESTS,
    *VERDICTS,
    *WORDS,
)
