"""Every deliberate defect: those of the virtual board and those of the host side."""

from __future__ import annotations

from typing import Final

from tests.mutants.of_parts import PARTS
from tests.mutants.of_the_board import BOARD
from tests.mutants.of_the_host import HOST

MUTANTS: Final = (*BOARD, *HOST, *PARTS)
