"""What of a board is kept when it is given something else: a table, and the one function that applies it.

`Resident` says what is on the board, `FlashPlan` what shall be there. Every holding of the board has one fate: left
where no image covers it, kept by splitting the image around it, kept by editing the new partition table, moved, or
lost. What is lost is named, and backed up where the table says so. Nothing is ever erased for the sake of tidiness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.errors import KeepError
from pipeline.firmware.filesystem import (
    FileSystem,
    Place,
    new_place_up_to_2x,
    place_in_partition,
    places_up_to_2x,
)
from pipeline.firmware.flashmap import WHAT
from pipeline.firmware.partitions import LFS, SPIFFS, TABLE_ADDRESS, settle, with_places
from pipeline.firmware.resident import Holding, Resident
from pipeline.flash import SECTOR_SIZE, Region, merge
from pipeline.plan import KEPT_AREAS, FlashPlan

Board = Literal["blank", "factory", "foreign", "same", "moves", "line"]
Reader = Literal["terminal", "pipe"]
Action = Literal["write", "split", "back-up", "ask", "refuse"]
How = Literal["left", "split", "table", "moved", "renewed", "released", "lost"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    board: Board
    reader: Reader
    """Whether a person can be asked."""
    actions: tuple[Action, ...]
    """What is done, in this order, each where it applies."""
    insisted: Action
    """What is done instead where the profile's own `keep:` names something that cannot be kept."""


BOARDS: Final = {
    "blank": "blank",
    "factory": "factory AT firmware",
    "foreign": "foreign firmware",
    "same": "NodeMCU, same layout",
    "moves": "NodeMCU, the layout moves",
    "line": "NodeMCU, the SDK line changes",
}
ACTIONS: Final = {
    "write": "write",
    "split": "keep: split the image around it, or edit the new partition table",
    "back-up": "back up what is lost, write, put back what can be",
    "ask": "ask",
    "refuse": "refuse: `would-lose-data`",
}
_KEEPS: Final[tuple[Action, ...]] = ("split", "back-up")
TABLE: Final = (
    Row("blank", "terminal", ("write",), "write"),
    Row("blank", "pipe", ("write",), "write"),
    Row("factory", "terminal", ("write",), "write"),
    Row("factory", "pipe", ("write",), "write"),
    Row("foreign", "terminal", ("back-up",), "back-up"),
    Row("foreign", "pipe", ("back-up",), "back-up"),
    Row("same", "terminal", _KEEPS, "ask"),
    Row("same", "pipe", _KEEPS, "refuse"),
    Row("moves", "terminal", _KEEPS, "ask"),
    Row("moves", "pipe", _KEEPS, "refuse"),
    Row("line", "terminal", _KEEPS, "ask"),
    Row("line", "pipe", _KEEPS, "refuse"),
)
"""The decision table. A foreign firmware's data is nothing that `keep:` has a word for, so nothing is refused there."""

_STAYS: Final = frozenset({"left", "split", "table"})
_MINOR: Final = frozenset({"rf_cal", "phy_init"})
"""What every firmware makes anew by itself: no loss that anybody would notice."""
_FULL_ERASE: Final = "if it does not start or misbehaves, erase the whole flash first: `doit erase`, then flash again"


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be kept, by the profile and the command line."""

    words: frozenset[str] = frozenset(KEPT_AREAS)
    stated: bool = False
    """The profile says so itself: then what cannot be kept is a refusal."""
    allowed: bool = False
    """`allow=would-lose-data`."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one holding."""

    name: str
    region: Region
    how: How
    why: str = ""
    """Of a loss, for people."""
    to: int = 0
    """Of what is moved: its new address."""

    @property
    def what(self) -> str:
        """For people."""
        return WHAT[self.name]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is kept of a board, what is lost, and what has to be done for it."""

    row: Row
    resident: Resident
    fates: tuple[Fate, ...] = ()
    places: tuple[tuple[int, Region], ...] = ()
    """Partition type and region to put into the new partition table."""
    cleared: tuple[Region, ...] = ()
    """Sectors to blank: the rest of a lost file system, which the new firmware would take for a whole one."""
    doomed: tuple[Region, ...] = ()
    """What to back up: bytes that will be overwritten, or formatted by the new firmware."""
    split: tuple[Region, ...] = ()
    """Parts of the images that are not written."""
    advice: tuple[str, ...] = ()

    @property
    def lost(self) -> list[Fate]:
        """Losses that somebody might regret."""
        return [fate for fate in self.fates if fate.how == "lost" and fate.name not in _MINOR]

    @property
    def kept(self) -> list[Fate]:
        """What survives."""
        return [fate for fate in self.fates if fate.how in {"left", "split", "table", "moved"}]

    @property
    def backs_up(self) -> bool:
        """Whether there is something to back up before the first erase."""
        return "back-up" in self.row.actions and bool(self.doomed)


def row_of(board: Board, reader: Reader) -> Row:
    """The row of the table."""
    return next(row for row in TABLE if (row.board, row.reader) == (board, reader))


def decide(plan: FlashPlan, resident: Resident, wish: Wish, *, asked: bool) -> Decision:
    """Apply the table; `asked`: a person can be asked. Pure.

    Raises:
        KeepError: the profile insists on something that cannot be kept, and nobody can be asked.
    """
    reader: Reader = "terminal" if asked else "pipe"
    if resident.kind in {"blank", "factory"}:
        return Decision(row_of("blank" if resident.kind == "blank" else "factory", reader), resident)
    if resident.kind == "foreign":
        doomed = tuple(_everything(plan))
        return Decision(row_of("foreign", reader), resident, doomed=doomed)
    decision = _for_nodemcu(plan, resident, wish, reader)
    if decision.row.insisted == "refuse":
        refuse(decision, wish)
    return decision


def refuse(decision: Decision, wish: Wish) -> None:
    """Refuse a loss that the profile's own `keep:` forbids.

    Raises:
        KeepError: there is one, and `allow=would-lose-data` was not said.
    """
    for fate in insisted_losses(decision, wish):
        if not wish.allowed:
            raise KeepError(
                f"{fate.what} at {fate.region} would be lost: {fate.why} (keep: {word_of(fate.name)})",
                "take it out of `keep:`, or say allow=would-lose-data: it is backed up then",
            )


def insisted_losses(decision: Decision, wish: Wish) -> list[Fate]:
    """Losses of what the profile itself says to keep."""
    if not wish.stated:
        return []
    return [fate for fate in decision.fates if fate.how == "lost" and word_of(fate.name) in wish.words]


def word_of(name: str) -> str:
    """The word of `keep:` that means an area."""
    return next((word for word, names in KEPT_AREAS.items() if name in names), "")


def lines(decision: Decision) -> Iterator[str]:
    """The decision, for people."""
    if decision.kept:
        yield "kept: " + "; ".join(
            f"{fate.what} at {fate.region}"
            + {"table": " (its place goes into the new partition table)", "moved": f", moved to {fate.to:#08x}"}.get(
                fate.how, ""
            )
            for fate in decision.kept
        )
    for fate in decision.lost:
        yield f"lost: {fate.what} at {fate.region}: {fate.why}"
    if decision.row.board == "foreign":
        yield f"the board holds {decision.resident.title}: what is overwritten is backed up first"
    yield from decision.advice


# --- NodeMCU on the board ---------------------------------------------------------------------------------------------


def _for_nodemcu(plan: FlashPlan, resident: Resident, wish: Wish, reader: Reader) -> Decision:
    if plan.erase_all:
        fates = [Fate(item.name, item.region, "lost", "erase: all") for item in resident.holdings if not item.blank]
        board: Board = "line" if _line_changes(plan, resident) else "same"
        doomed = merge(fate.region for fate in fates)
        return Decision(row_of(board, reader), resident, tuple(fates), doomed=tuple(doomed))
    layout = _NewLayout(plan, resident, wish)
    fates = [layout.fate(item) for item in resident.holdings]
    if _line_changes(plan, resident):
        board = "line"
    elif resident.layout != plan.firmware.layout or any(fate.how in {"table", "moved", "lost"} for fate in fates):
        board = "moves"
    else:
        board = "same"
    lost = [fate for fate in fates if fate.how == "lost"]
    cleared = merge(layout.remains()) if any(fate.name == "spiffs" for fate in lost) else []
    return Decision(
        row_of(board, reader),
        resident,
        tuple(fates),
        tuple(sorted(layout.places.items())),
        tuple(cleared),
        tuple(merge(part for fate in fates if fate.how in {"lost", "moved"} for part in layout.doomed(fate))),
        tuple(merge(part for fate in fates if fate.how in _STAYS for part in _inside(plan, fate.region))),
        tuple(_advice(plan, resident)),
    )


def _line_changes(plan: FlashPlan, resident: Resident) -> bool:
    new, old = plan.firmware, resident
    if new.family != "nodemcu":
        return True
    if old.sdk_line and new.sdk_line:
        return old.sdk_line != new.sdk_line
    return old.layout[:1] != new.layout[:1]


def _advice(plan: FlashPlan, resident: Resident) -> Iterator[str]:
    new, old = plan.firmware, resident
    if new.family != "nodemcu":
        return
    if _line_changes(plan, resident):
        yield f"the SDK line changes ({old.sdk_line or old.layout} -> {new.sdk_line or new.layout}): {_FULL_ERASE}"
    elif old.layout != new.layout:
        yield f"the flash layout changes ({old.layout} -> {new.layout}): {_FULL_ERASE}"
    majors = [(text.version or text.sdk_line or text.layout)[:1] for text in (old, new)]
    if all(majors) and majors[0] != majors[1]:
        yield f"NodeMCU {majors[0]} -> {majors[1]}: Lua scripts written for the old version may not run"


def _inside(plan: FlashPlan, region: Region) -> list[Region]:
    return [part for segment in plan.segments if (part := region.common(segment.region)).size > 0]


def covering(plan: FlashPlan, region: Region) -> Literal["none", "blank", "bytes"]:
    """What the images have in a region."""
    found = [
        segment.data[part.start - segment.address : part.end - segment.address]
        for segment in plan.segments
        if (part := region.common(segment.region)).size > 0
    ]
    if not found:
        return "none"
    return "bytes" if any(data.strip(b"\xff") for data in found) else "blank"


class _NewLayout:
    """Where the firmware of a plan will look for what is on a board, and what can be done about it."""

    def __init__(self, plan: FlashPlan, resident: Resident, wish: Wish) -> None:
        self.plan, self.resident, self.wish = plan, resident, wish
        self.areas = {area.name: area.region for area in plan.areas}
        self.table = plan.firmware.table if plan.firmware.layout.startswith("3.x") else None
        self.places: dict[int, Region] = {}
        self._images = [segment.region for segment in plan.segments]
        self._capacity = plan.settings.capacity
        if self.table is not None:
            self._place_partitions()
        self.areas |= {
            name: self.places[type_] for type_, name in ((LFS, "lfs"), (SPIFFS, "spiffs")) if type_ in self.places
        }

    def fate(self, item: Holding) -> Fate:
        if word_of(item.name) not in self.wish.words:
            return Fate(item.name, item.region, "released")
        if item.name == "spiffs":
            return self._files(item)
        if item.name == "lfs":
            return self._lfs(item)
        return self._parameters(item)

    # --- parameters --------------------------------------------------------------------------------------------------

    def _parameters(self, item: Holding) -> Fate:
        new, covered = self.areas.get(item.name), covering(self.plan, item.region)
        same_line = self.plan.firmware.sdk_line == self.resident.sdk_line
        if new == item.region and (covered == "none" or (covered == "blank" and same_line)):
            return Fate(item.name, item.region, "left" if covered == "none" else "split")
        if item.name in _MINOR:
            return Fate(item.name, item.region, "renewed")
        if new is None:
            how: How = "left" if covered == "none" else "lost"
            return Fate(item.name, item.region, how, "the new image covers them")
        if new == item.region:
            return Fate(item.name, item.region, "lost", "the new image covers them")
        if same_line and new.size == item.region.size and covering(self.plan, new) != "bytes":
            return Fate(item.name, item.region, "moved", to=new.start)
        return Fate(item.name, item.region, "lost", f"the new firmware keeps its own at {new.start:#08x}")

    # --- partitions --------------------------------------------------------------------------------------------------

    def _place_partitions(self) -> None:
        """Put LFS and SPIFFS of the board into the new table, where they fit and do not stand there already."""
        assert self.table is not None
        default = settle(self.table, self._capacity)
        code_end = -(-self.table.code_end // 0x2000) * 0x2000
        lfs = self.resident.holding("lfs")
        if lfs and "lfs" in self.wish.words and lfs.region.start >= code_end and self._is_free(lfs.region):
            if default.get(LFS) != lfs.region:
                self.places[LFS] = lfs.region
            low = lfs.region.end
        else:
            low = default[LFS].end if LFS in default else code_end
        files = self.resident.files
        if files is None or "spiffs" not in self.wish.words or not self._is_free(files.region):
            return
        top = self._capacity - 3 * SECTOR_SIZE * (self.plan.firmware.layout != "3.x-old")
        stays = SPIFFS in default and place_in_partition(default[SPIFFS]).accepts(files) and not self.places
        if not stays and low <= files.start and files.region.end <= top:
            self.places[SPIFFS] = files.region
        if with_places(self._record(), self.places) is None:
            self.places.clear()

    def _record(self) -> bytes:
        for segment in self.plan.segments:
            if segment.region.contains(Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE)):
                return segment.data[TABLE_ADDRESS - segment.address :][:SECTOR_SIZE]
        return b""

    def _is_free(self, region: Region) -> bool:
        return covering(self.plan, region) != "bytes"

    def _lfs(self, item: Holding) -> Fate:
        covered = covering(self.plan, item.region)
        default = settle(self.table, self._capacity).get(LFS) if self.table else None
        if covered != "bytes" and LFS in self.places:
            return Fate(item.name, item.region, "table")
        if covered != "bytes" and default == item.region:
            return Fate(item.name, item.region, "left" if covered == "none" else "split")
        if item.blank:
            return Fate(item.name, item.region, "released")
        if self.table is None:
            return Fate(item.name, item.region, "lost", "the new firmware has no partition table")
        return Fate(item.name, item.region, "lost", f"the new firmware ends at {self.table.code_end:#08x}")

    # --- the file system ---------------------------------------------------------------------------------------------

    def _files(self, item: Holding) -> Fate:
        files, covered = self.resident.files, covering(self.plan, item.region)
        assert files is not None
        if covered == "bytes":
            ends = max(region.end for region in self._images if region.overlaps(item.region))
            return Fate(item.name, item.region, "lost", f"the new image reaches to {min(ends, item.region.end):#08x}")
        if SPIFFS in self.places:
            return Fate(item.name, item.region, "table")
        found = self._found(files)
        if found is None or found.accepts(files):
            return Fate(item.name, item.region, "left" if covered == "none" else "split")
        return Fate(item.name, item.region, "lost", f"the new firmware looks for it at {found.start:#08x}")

    def _looked_for(self) -> list[Place]:
        """Where the new firmware looks, in its order; nothing where that is not known."""
        if self.table is not None:
            region = {**settle(self.table, self._capacity), **self.places}.get(SPIFFS)
            return [place_in_partition(region)] if region else []
        if self.plan.firmware.layout == "2.x" and self.plan.firmware.code_end < self._capacity:
            return list(places_up_to_2x(self.plan.firmware.code_end, self._capacity))
        return []

    def _found(self, files: FileSystem) -> Place | None:
        """What the new firmware would take for its file system: this one, a part of it, or a new one."""
        places = self._looked_for()
        if not places:
            return None
        hits = [place for place in places if files.seems_to_begin(place.start)]
        return next((hit for hit in hits if hit.accepts(files)), hits[0]) if hits else places[0]

    def remains(self) -> Iterator[Region]:
        """Sectors with the marks by which the new firmware would take the rest of a lost file system for a whole one.

        Three blocks each: a firmware that finds one mark missing takes it for an erase that was cut short.
        """
        files = self.resident.files
        for place in self._looked_for() if files else []:
            if files and files.seems_to_begin(place.start):
                for index in range(3):
                    at = place.start + index * files.block
                    if at < files.region.end:
                        yield from Region(at, at + SECTOR_SIZE).without(
                            segment.region for segment in self.plan.segments
                        )

    def doomed(self, fate: Fate) -> Iterator[Region]:
        """What of a loss will be overwritten, by us or by the new firmware."""
        if fate.name in {"spiffs", "lfs"}:
            yield fate.region
            return
        for taken in (*self._images, *self.areas.values()):
            if (part := fate.region.common(taken)).size > 0:
                yield part


def _everything(plan: FlashPlan) -> Sequence[Region]:
    """All that the images and the new firmware's first start will overwrite."""
    taken = [segment.region for segment in plan.segments] + [area.region for area in plan.areas]
    if plan.firmware.layout == "2.x":
        taken.append(new_place_up_to_2x(plan.firmware.code_end, plan.settings.capacity))
    if plan.erase_all:
        taken.append(Region(0, plan.settings.capacity))
    return merge(region for region in taken if region.size > 0)
