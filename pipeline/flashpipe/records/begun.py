"""Boards that the runs which go on in this process have begun to write, by MAC.

A run of a page or a station is over when its session is closed, and the process goes on: what one of them has left half
done is not the doing of the next.
"""

from __future__ import annotations

from typing import Final

BEGUN: Final = set[str]()
