"""What becomes of each thing on a board when a plan is carried out on it. Pure.

`NewLayout` knows where the plan's firmware will look for parameters, Lua flash store and file system, and what can be
done so that it finds the board's: leave them, split the image around them, edit its fresh partition table, move them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, Literal

from flashpipe.firmware.flash_map import WHAT
from flashpipe.firmware.partition_table import (
    LFS,
    SPIFFS,
    TABLE_ADDRESS,
    parse_partitions,
    place_partitions,
    with_places,
)
from flashpipe.firmware.spiffs import FileSystem, Place, place_in_partition, places_up_to_2x
from flashpipe.firmware.survey import BoardContents, ResidentArea
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.plan.model import KEPT_AREAS, FlashPlan
from flashpipe.values import dataclass

How = Literal["left", "split", "table", "moved", "renewed", "released", "replaced", "lost"]
"""`left`: no image covers it; `split`: the image is split around it; `table`: its place goes into the new partition
table; `renewed`: the firmware makes it anew by itself; `released`: not wished to be kept; `replaced`: by
an image that the profile itself names for that place."""
STAYS: Final = frozenset({"left", "split", "table"})
MINOR: Final = frozenset({"rf_cal", "phy_init"})
"""What every firmware makes anew by itself: no loss that anybody would notice."""
PARTITIONS: Final = {LFS: "lfs", SPIFFS: "spiffs"}


@dataclass(frozen=True, slots=True)
class KeepPolicy:
    """What should be kept, by the profile and the command line."""

    words: frozenset[str] = frozenset(KEPT_AREAS)
    stated: bool = False
    """The profile says so itself: then what cannot be kept is a refusal."""
    allowed: bool = False
    """`allow=would-lose-data`."""


@dataclass(frozen=True, slots=True)
class AreaDecision:
    """What becomes of one area of the board."""

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


def word_of(name: str) -> str:
    """The word of `keep:` that means an area."""
    return next((word for word, names in KEPT_AREAS.items() if name in names), "")


def covering(plan: FlashPlan, region: Region) -> Literal["none", "blank", "bytes"]:
    """What the images have in a region."""
    areas = [
        segment.data[part.start - segment.address : part.end - segment.address]
        for segment in plan.segments
        if (part := region.common(segment.region)).size > 0
    ]
    if not areas:
        return "none"
    return "bytes" if any(data.strip(b"\xff") for data in areas) else "blank"


class NewLayout:
    """Where the firmware of a plan will look for what is on a board, and what can be done about it."""

    def __init__(self, plan: FlashPlan, contents: BoardContents, policy: KeepPolicy) -> None:
        self.plan, self.contents, self.policy = plan, contents, policy
        self.areas = {area.name: area.region for area in plan.areas}
        self.table = plan.firmware.table if plan.firmware.layout.startswith("3.x") else None
        self.places: dict[int, Region] = {}
        self._images = [segment.region for segment in plan.segments]
        self._capacity = plan.settings.capacity
        if self.table is not None:
            self._place_partitions()
        self.areas |= {PARTITIONS[type_]: region for type_, region in self.places.items()}

    def decide(self, item: ResidentArea) -> AreaDecision:
        """What becomes of an area of the board."""
        if word_of(item.name) not in self.policy.words:
            return AreaDecision(item.name, item.region, "released")
        own = next((segment for segment in self.plan.segments if segment.area == item.name), None)
        if own:
            return AreaDecision(
                item.name, item.region, "released" if item.blank else "replaced", f"{own.name} goes there"
            )
        if item.name == "spiffs":
            return self._files(item)
        if item.name == "lfs":
            return self._lfs(item)
        return self._parameters(item)

    # --- parameters --------------------------------------------------------------------------------------------------

    def _parameters(self, item: ResidentArea) -> AreaDecision:
        new, covered = self.areas.get(item.name), covering(self.plan, item.region)
        same_line = self.plan.firmware.sdk_line == self.contents.sdk_line
        minor = item.name in MINOR
        why = "" if minor or not self._formatted_over(item.region) else "the new firmware makes its file system there"
        if new == item.region and not why and (covered == "none" or (covered == "blank" and same_line)):
            return AreaDecision(item.name, item.region, "left" if covered == "none" else "split")
        if minor:
            return AreaDecision(item.name, item.region, "renewed")
        if new is None and covered == "none":
            return AreaDecision(item.name, item.region, "left")
        if new is None or new == item.region:
            return AreaDecision(item.name, item.region, "lost", why or "the new image covers them")
        if same_line and new.size == item.region.size and covering(self.plan, new) != "bytes":
            return AreaDecision(item.name, item.region, "moved", to=new.start)
        return AreaDecision(item.name, item.region, "lost", f"the new firmware keeps its own at {new.start:#08x}")

    def _formatted_over(self, region: Region) -> bool:
        """Whether the new firmware's file system reaches there, and will be made anew: the older layout of 3.x has it
        up to the end of the flash, and the SDK its parameters.
        """
        looked_for = next(iter(self._looked_for()), None) if self.table is not None else None
        if looked_for is None or not Region(looked_for.start, looked_for.end).overlaps(region):
            return False
        files = self.contents.files
        return files is None or self._unread(files) != "" or not looked_for.accepts(files)

    # --- partitions --------------------------------------------------------------------------------------------------

    def _place_partitions(self) -> None:
        """Put LFS and SPIFFS of the board into the new table, where they fit and do not stand there already."""
        assert self.table is not None
        default = place_partitions(self.table, self._capacity)
        code_end = -(-self.table.code_end // 0x2000) * 0x2000
        lfs, files = self.contents.area("lfs"), self.contents.files
        low = default[LFS].end if LFS in default else code_end
        if lfs and "lfs" in self.policy.words and lfs.region.start >= code_end and self._may_stay(LFS, lfs.region):
            low = lfs.region.end
            if default.get(LFS) != lfs.region:
                self.places[LFS] = lfs.region
        readable = files is not None and files.marks == "usual"
        if files and readable and "spiffs" in self.policy.words and self._may_stay(SPIFFS, files.region):
            top = self._capacity - 3 * SECTOR_SIZE * (self.plan.firmware.layout != "3.x-old")
            stays = SPIFFS in default and place_in_partition(default[SPIFFS]).accepts(files) and not self.places
            if not stays and low <= files.start and files.region.end <= top:
                self.places[SPIFFS] = files.region
        if not self._boots():
            self.places.clear()

    def _boots(self) -> bool:
        """Whether NodeMCU takes the edited table: with partitions that overlap or pass the end of flash it hangs."""
        table = parse_partitions(with_places(self._record(), self.places) or b"")
        regions = sorted(place_partitions(table, self._capacity).values()) if table else []
        return not self.places or (
            bool(regions)
            and regions[-1].end <= self._capacity
            and not any(left.overlaps(right) for left, right in pairwise(regions))
        )

    def _may_stay(self, type_: int, region: Region) -> bool:
        """Whether nothing of ours goes there, no image was placed by the new table, and that table can be edited."""
        placed = any(segment.area == PARTITIONS[type_] for segment in self.plan.segments)
        free = covering(self.plan, region) != "bytes"
        return free and not placed and with_places(self._record(), {type_: region}) is not None

    def _record(self) -> bytes:
        for segment in self.plan.segments:
            if segment.region.contains(Region(TABLE_ADDRESS, TABLE_ADDRESS + SECTOR_SIZE)):
                return segment.data[TABLE_ADDRESS - segment.address :][:SECTOR_SIZE]
        return b""

    def _lfs(self, item: ResidentArea) -> AreaDecision:
        covered = covering(self.plan, item.region)
        default = place_partitions(self.table, self._capacity).get(LFS) if self.table else None
        if covered != "bytes" and LFS in self.places:
            return AreaDecision(item.name, item.region, "table")
        if covered != "bytes" and default == item.region:
            return AreaDecision(item.name, item.region, "left" if covered == "none" else "split")
        if item.blank:
            return AreaDecision(item.name, item.region, "released")
        if covered == "bytes":
            return AreaDecision(item.name, item.region, "lost", self._what_covers(item.region))
        return AreaDecision(item.name, item.region, "lost", "the new firmware has no place for it")

    # --- the file system ---------------------------------------------------------------------------------------------

    def _files(self, item: ResidentArea) -> AreaDecision:
        files, covered = self.contents.files, covering(self.plan, item.region)
        if files is None:
            return AreaDecision(
                item.name, item.region, "lost", "NodeMCU since 1.5.4.1 does not read those of older ones"
            )
        if covered == "bytes":
            return AreaDecision(item.name, item.region, "lost", self._what_covers(item.region))
        if SPIFFS in self.places:
            return AreaDecision(item.name, item.region, "table")
        if why := self._unread(files):
            return AreaDecision(item.name, item.region, "lost", why)
        system = self._found(files)
        if system is None or system.accepts(files):
            return AreaDecision(item.name, item.region, "left" if covered == "none" else "split")
        return AreaDecision(item.name, item.region, "lost", f"the new firmware looks for it at {system.start:#08x}")

    def _unread(self, files: FileSystem) -> str:
        """Why the new firmware cannot read the files, wherever they are; empty where it can."""
        if self.plan.firmware.family != "nodemcu":
            return "the new firmware is not NodeMCU, and may use that flash itself"
        if self.plan.firmware.marks not in {None, files.marks}:
            return "NodeMCU of 2016 and 2017 and that of other years do not read each other's"
        return ""

    def _what_covers(self, region: Region) -> str:
        last = max(
            (segment for segment in self.plan.segments if segment.region.overlaps(region)), key=lambda one: one.address
        )
        if last.address >= region.start:
            return f"{last.name} goes there"
        return f"the new image reaches to {min(last.region.end, region.end):#08x}"

    def _looked_for(self) -> list[Place]:
        """Where the new firmware looks, in its order; nothing where that is not known."""
        if self.table is not None:
            region = {**place_partitions(self.table, self._capacity), **self.places}.get(SPIFFS)
            return [place_in_partition(region)] if region else []
        if self.plan.firmware.layout == "2.x" and self.plan.firmware.code_end < self._capacity:
            return list(places_up_to_2x(self.plan.firmware.code_end, self._capacity))
        return []

    def _found(self, files: FileSystem) -> Place | None:
        """What the new firmware would take for its file system: this one, a part of it, or a new one."""
        places = self._looked_for()
        if not places:
            return None
        return next((place for place in places if files.seems_to_begin(place.start)), places[0])

    def remains(self) -> Iterator[Region]:
        """Sectors with the marks by which the new firmware would take the rest of a lost file system for a whole one.

        Three blocks each: a firmware that finds one mark missing takes it for an erase that was cut short.
        """
        files = self.contents.files
        for place in self._looked_for() if files else []:
            if files and files.seems_to_begin(place.start):
                for index in range(3):
                    at = place.start + index * files.block
                    if at < files.region.end:
                        yield from Region(at, at + SECTOR_SIZE).without(
                            segment.region for segment in self.plan.segments
                        )

    def doomed(self, area: AreaDecision) -> Iterator[Region]:
        """What of a loss will be overwritten, by us or by the new firmware."""
        if area.name in {"spiffs", "lfs"}:
            yield area.region
            return
        for taken in (*self._images, *self.areas.values(), *(Region(at.start, at.end) for at in self._looked_for())):
            if (part := area.region.common(taken)).size > 0:
                yield part


def inside(plan: FlashPlan, region: Region) -> list[Region]:
    """The parts of a region that images cover."""
    return [part for segment in plan.segments if (part := region.common(segment.region)).size > 0]
