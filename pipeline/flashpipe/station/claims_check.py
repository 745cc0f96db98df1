"""The claims of units, held against the log of a batch: what it has given to a board, no other one gets."""

from __future__ import annotations

from flashpipe.errors import UnitsError
from flashpipe.records.batch import Batch
from flashpipe.station.units import UnitSource, read_claims


def check_claims(batch: Batch, source: UnitSource) -> None:
    """Go on only if each unit that the batch has given, and that the list or rule still has, is its board's.

    Tries that go on are left out: theirs may just be given back.

    Raises:
        UnitsError: one is not; the claims were cut, lost, or left behind when the list was moved.
    """
    given = {one.row: one.mac for one in batch.refresh().ended_attempts() if one.row}
    taken = read_claims(source.claims).taken
    for key, mac in given.items():
        if taken.get(key) != mac and source.of(key) is not None:
            holder = f"gives unit {key} to board {taken[key]}" if key in taken else f"does not know of unit {key}"
            raise UnitsError(
                f"{source.claims}: {holder}, which batch {batch.name} has given to board {mac}",
                f"put {source.claims.name} back from a copy, beside the list; without one, take out of the list what "
                "boards have by now",
            )
