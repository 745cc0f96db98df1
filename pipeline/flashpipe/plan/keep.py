"""The preservation policy: what of a board is kept when it is given something else, and the function that applies it.

`BoardContents` says what is on the board, `FlashPlan` what should be there. One thing is decided of every area of the
board: it is left where no image covers it, kept by splitting the image around it or by editing the new partition
table, moved, or lost (`area_decisions`). What is lost is named, and backed up where the table says so. Nothing is
erased for tidiness' sake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from flashpipe.errors import KeepError
from flashpipe.firmware.flash_map import WHAT, Area
from flashpipe.firmware.spiffs import new_place_up_to_2x
from flashpipe.firmware.survey import BoardContents
from flashpipe.flash import Region, merge
from flashpipe.next_steps import Advice, command, setting
from flashpipe.plan.area_decisions import MINOR, PARTITIONS, STAYS, AreaDecision, KeepPolicy, NewLayout, inside, word_of
from flashpipe.plan.model import FlashPlan
from flashpipe.values import dataclass

Board = Literal["blank", "factory", "foreign", "same", "moves", "line"]
Reader = Literal["terminal", "pipe"]
Action = Literal["write", "split", "back-up", "ask", "refuse"]


@dataclass(frozen=True, slots=True)
class KeepRow:
    """One row of the table."""

    board: Board
    reader: Reader
    """Whether a person can be asked."""
    actions: tuple[Action, ...]
    """What is done, in this order, each where it applies."""
    insisted: Action
    """What is done instead where the profile's own `keep:` names something that cannot be kept."""


BOARDS: Final[Mapping[Board, str]] = {
    "blank": "blank",
    "factory": "factory AT firmware",
    "foreign": "foreign firmware",
    "same": "NodeMCU, same layout",
    "moves": "NodeMCU, the layout moves",
    "line": "NodeMCU, the SDK line changes",
}
ACTIONS: Final[Mapping[Action, str]] = {
    "write": "write",
    "split": "keep: split the image around it, or edit the new partition table",
    "back-up": "back up what will be lost, write, put back what can be",
    "ask": "ask",
    "refuse": "refuse: `would-lose-data`",
}
_KEEPS: Final[tuple[Action, ...]] = ("split", "back-up")
TABLE: Final = (
    KeepRow("blank", "terminal", ("write",), "write"),
    KeepRow("blank", "pipe", ("write",), "write"),
    KeepRow("factory", "terminal", ("write",), "write"),
    KeepRow("factory", "pipe", ("write",), "write"),
    KeepRow("foreign", "terminal", ("back-up",), "back-up"),
    KeepRow("foreign", "pipe", ("back-up",), "back-up"),
    KeepRow("same", "terminal", _KEEPS, "ask"),
    KeepRow("same", "pipe", _KEEPS, "refuse"),
    KeepRow("moves", "terminal", _KEEPS, "ask"),
    KeepRow("moves", "pipe", _KEEPS, "refuse"),
    KeepRow("line", "terminal", _KEEPS, "ask"),
    KeepRow("line", "pipe", _KEEPS, "refuse"),
)
"""The decision table. A foreign firmware's data is nothing that `keep:` has a word for, so nothing is refused there."""

_GOES: Final = frozenset({"lost", "replaced", "moved"})
"""What becomes of an area whose bytes have to be backed up."""
_FULL_ERASE: Final = Advice(
    "if it does not start or misbehaves, erase the whole flash first: ", command("erase"), ", then flash again"
)


@dataclass(frozen=True, slots=True)
class KeepDecision:
    """What is kept of a board, what is lost, and what has to be done for it."""

    row: KeepRow
    contents: BoardContents
    areas: tuple[AreaDecision, ...] = ()
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
    def lost(self) -> list[AreaDecision]:
        """Losses that somebody might regret."""
        return [area for area in self.areas if area.how in {"lost", "replaced"} and area.name not in MINOR]

    @property
    def kept(self) -> list[AreaDecision]:
        """What survives."""
        return [area for area in self.areas if area.how in {"left", "split", "table", "moved"}]

    @property
    def released(self) -> list[AreaDecision]:
        """What `keep:` of the profile leaves out, if there is something in it."""
        areas = [area for area in self.areas if area.how == "released" and area.name not in MINOR]
        return [area for area in areas if (item := self.contents.area(area.name)) and not item.blank]

    @property
    def backs_up(self) -> bool:
        """Whether there is something to back up before the first erase."""
        return "back-up" in self.row.actions and bool(self.doomed)


def table_rows() -> list[tuple[str, ...]]:
    """The table for people: its head, then a row for each kind of board."""
    rows: list[tuple[str, ...]] = [("on the board", "on a terminal", "in a pipe", "where `keep:` names it")]
    for board, what in BOARDS.items():
        terminal, pipe = row_of(board, "terminal"), row_of(board, "pipe")
        actions = ["; ".join(ACTIONS[action] for action in row.actions) for row in (terminal, pipe)]
        insisted = " / ".join(dict.fromkeys(ACTIONS[row.insisted] for row in (terminal, pipe)))
        rows.append((what, actions[0], actions[1] if actions[1] != actions[0] else "the same", insisted))
    return rows


def row_of(board: Board, reader: Reader) -> KeepRow:
    """The row of the table."""
    return next(row for row in TABLE if (row.board, row.reader) == (board, reader))


def decide(plan: FlashPlan, contents: BoardContents, policy: KeepPolicy, *, asked: bool) -> KeepDecision:
    """Apply the table; `asked`: a person can be asked. Pure.

    Raises:
        KeepError: the profile insists on something that cannot be kept, and nobody can be asked.
    """
    reader: Reader = "terminal" if asked else "pipe"
    if contents.kind in {"blank", "factory"}:
        return KeepDecision(row_of("blank" if contents.kind == "blank" else "factory", reader), contents)
    if contents.kind == "foreign":
        decision = KeepDecision(row_of("foreign", reader), contents, doomed=tuple(_everything(plan)))
    else:
        decision = _for_nodemcu(plan, contents, policy, reader)
    if policy.stated and not policy.words:  # `keep: []`: the profile says that nothing on its boards is worth it
        return replace(decision, doomed=())
    if decision.row.insisted == "refuse":
        refuse(decision, policy)
    return decision


def refuse(decision: KeepDecision, policy: KeepPolicy) -> None:
    """Refuse a loss that the profile's own `keep:` forbids.

    Raises:
        KeepError: there is one, and `allow=would-lose-data` was not said.
    """
    losses = insisted_losses(decision, policy)
    if losses and not policy.allowed:
        raise KeepError(
            "; ".join(f"{loss_text(area)} (keep: {word_of(area.name)})" for area in losses),
            Advice(
                f"take {'it' if len(losses) == 1 else 'them'} out of `keep:`, or say ",
                setting(allow="would-lose-data"),
                f": {'it is' if len(losses) == 1 else 'they are'} backed up then",
            ),
        )


def loss_text(area: AreaDecision) -> str:
    """A loss, for the one who is asked or refused."""
    return f"{area.what} at {area.region} would be lost: {area.why}"


def insisted_losses(decision: KeepDecision, policy: KeepPolicy) -> list[AreaDecision]:
    """Losses of what the profile itself says to keep."""
    if not policy.stated:
        return []
    return [area for area in decision.areas if area.how == "lost" and word_of(area.name) in policy.words]


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """A part of a decision, in a line for people."""

    text: str
    lost: bool = False
    """It is a loss that somebody might regret."""
    at_stake: bool = False
    """Whoever is asked whether to write has to know it."""

    def __str__(self) -> str:
        return self.text


def lines(decision: KeepDecision) -> Iterator[DecisionLine]:
    """The decision, for people."""
    if decision.kept:
        text = "kept: " + "; ".join(
            f"{area.what} at {area.region}"
            + {"table": " (its place goes into the new partition table)", "moved": f", moved to {area.to:#08x}"}.get(
                area.how, ""
            )
            for area in decision.kept
        )
        yield DecisionLine(text)
    for area in decision.lost:
        yield DecisionLine(f"lost: {area.what} at {area.region}: {area.why}", lost=True, at_stake=True)
    if decision.released:
        named = "; ".join(f"{area.what} at {area.region}" for area in decision.released)
        yield DecisionLine(f"neither kept nor backed up, for `keep:` does not name it: {named}", at_stake=True)
    if decision.row.board == "foreign":
        saved = "what is overwritten is backed up first" if decision.doomed else "it is overwritten (keep: [])"
        yield DecisionLine(f"the board holds {decision.contents.title}: {saved}", at_stake=True)
    elif decision.lost and decision.backs_up:
        yield DecisionLine("what is lost is backed up first", at_stake=True)
    yield from map(DecisionLine, decision.advice)


def _about_lfs(decisions: Sequence[AreaDecision], contents: BoardContents) -> Iterator[str]:
    lfs = contents.area("lfs")
    if lfs and not lfs.blank and any(area.name == "lfs" and area.how in STAYS for area in decisions):
        yield "what is in the Lua flash store was built for the old firmware: load it again if the new one ignores it"


def placed_areas(plan: FlashPlan, decision: KeepDecision | None = None) -> list[Area]:
    """The flash map of the plan's firmware, its partitions where the decision puts them."""
    places = {PARTITIONS[type_]: region for type_, region in decision.places} if decision else {}
    known = [area for area in plan.areas if area.name not in places]
    known += [Area(region, name, WHAT[name]) for name, region in places.items()]
    return sorted(known, key=lambda area: area.region)


# --- NodeMCU on the board ---------------------------------------------------------------------------------------------


def _for_nodemcu(plan: FlashPlan, contents: BoardContents, policy: KeepPolicy, reader: Reader) -> KeepDecision:
    if plan.erase_all:
        decisions = [
            AreaDecision(item.name, item.region, "lost", "erase: all") for item in contents.areas if not item.blank
        ]
        board: Board = "line" if _line_changes(plan, contents) else "same"
        doomed = merge(area.region for area in decisions)
        return KeepDecision(row_of(board, reader), contents, tuple(decisions), doomed=tuple(doomed))
    layout = NewLayout(plan, contents, policy)
    decisions = [layout.decide(item) for item in contents.areas]
    if _line_changes(plan, contents):
        board = "line"
    elif contents.layout != plan.firmware.layout or any(area.how in {"table", "moved", "lost"} for area in decisions):
        board = "moves"
    else:
        board = "same"
    lost = [area for area in decisions if area.how == "lost"]
    cleared = merge(layout.remains()) if any(area.name == "spiffs" for area in lost) else []
    return KeepDecision(
        row_of(board, reader),
        contents,
        tuple(decisions),
        tuple(sorted(layout.places.items())),
        tuple(cleared),
        tuple(merge(part for area in decisions if area.how in _GOES for part in layout.doomed(area))),
        tuple(merge(part for area in decisions if area.how in STAYS for part in inside(plan, area.region))),
        (*_advice(plan, contents), *_about_lfs(decisions, contents)),
    )


def _line_changes(plan: FlashPlan, contents: BoardContents) -> bool:
    new, old = plan.firmware, contents
    if new.family != "nodemcu":
        return True
    if not old.layout:
        return False  # nobody knows what ran there
    if old.sdk_line and new.sdk_line:
        return old.sdk_line != new.sdk_line
    return old.layout[:1] != new.layout[:1]


def _advice(plan: FlashPlan, contents: BoardContents) -> Iterator[str]:
    new, old = plan.firmware, contents
    if new.family != "nodemcu" or not old.layout:
        return
    if _line_changes(plan, contents):
        lines = [text.sdk_line or text.layout or "unknown" for text in (old, new)]
        yield Advice(f"the SDK line changes ({' -> '.join(lines)}): ", _FULL_ERASE)
    elif old.layout != new.layout:
        yield Advice(f"the flash layout changes ({old.layout} -> {new.layout}): ", _FULL_ERASE)
    majors = [(text.version or text.sdk_line)[:1] for text in (old, new)]  # a layout is shared by 1.5.4.1 and 2.x
    if all(majors) and majors[0] != majors[1]:
        yield f"NodeMCU {majors[0]} -> {majors[1]}: Lua scripts written for the old version may not run"


def _everything(plan: FlashPlan) -> Sequence[Region]:
    """All that the images and the new firmware's first start will overwrite."""
    taken = [segment.region for segment in plan.segments] + [area.region for area in plan.areas]
    if plan.firmware.layout == "2.x":
        taken.append(new_place_up_to_2x(plan.firmware.code_end, plan.settings.capacity))
    if plan.erase_all:
        taken.append(Region(0, plan.settings.capacity))
    return merge(region for region in taken if region.size > 0)
