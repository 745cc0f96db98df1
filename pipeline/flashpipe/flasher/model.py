"""What a run is told, what it finds and what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flashpipe.board.boot.kinds import NOT_CHECKED, Verdict
from flashpipe.board.loader.device import Device
from flashpipe.board.lua.acceptance import NO_WISH, AcceptanceFinding, LuaPolicy
from flashpipe.errors import BootError, PipelineError
from flashpipe.firmware.init_data import InitDataPolicy
from flashpipe.firmware.overrides import Override
from flashpipe.flash import Region
from flashpipe.plan.keep import KeepDecision
from flashpipe.plan.model import KEPT_AREAS, FlashPlan, Segment
from flashpipe.records import journal
from flashpipe.values import dataclass

if TYPE_CHECKING:
    from flashpipe.board.lua.files import FileState
    from flashpipe.flasher.jig_model import Jig


@dataclass(frozen=True, slots=True)
class BootExpectation:
    """What counts as a good boot."""

    check: bool = True
    expect: str = "auto"
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What a profile and the command line say about a run, beside the plan."""

    boards: tuple[str, ...] = ()
    """MACs that may be written, lower case; empty: any."""
    boot: BootExpectation = BootExpectation()
    force: bool = False
    trust_journal: bool = False
    """`check=mac`: believe the journal instead of reading digests."""
    read_back: bool = False
    allow: frozenset[str] = frozenset()
    """Codes of refusals that the user overrides."""
    keep: tuple[str, ...] = tuple(KEPT_AREAS)
    """What shall be kept of what is on the board."""
    insists: bool = False
    """The profile itself says so: what cannot be kept is then a refusal."""
    ask: Callable[[str], bool] | None = None
    """Asks a person whether to go on; None where nobody can be asked."""
    agreed: bool = False
    """`yes=1`: what would be asked is confirmed."""
    lua: LuaPolicy = NO_WISH
    """What is asked of, and given to, a running NodeMCU."""
    jig: Jig | None = None
    """The program that tests the board, and the limits of what is measured."""
    init_data: InitDataPolicy = field(default_factory=lambda: InitDataPolicy("keep"))
    project: str = ""
    backups: Path | None = None
    """The project's folder of backups (`flashpipe.records.backups.Store`); None where the run keeps none."""
    mode_retry: bool = False
    """Try dio and dout, header only, where a boot fails as a wrong flash mode does."""
    rollback: bool = False
    """Keep what the board holds, and put it back if what is written does not boot."""
    fitted: Callable[[Probe, Sequence[Region]], None] = lambda _probe, _dirty: None
    """Is told what this very board is about to be given, and which sectors differ; before anything is asked."""
    fitting: Callable[[Device], str] = lambda _device: ""
    """Names the profiles that would fit a device, for refusals."""


@dataclass(frozen=True, slots=True)
class ProbeStop:
    """The question that ended a probe; of use only as long as plan and ignored parts stay what they were."""

    segments: tuple[Segment, ...]
    """What was compared."""
    ignored: tuple[Region, ...]
    block: Region
    digest: bytes
    """What the board gave for `block`."""
    foreign: bool = False
    """It holds something else altogether."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the comparison of a plan with a board found."""

    plan: FlashPlan
    """With the board's real size where the profile leaves it open."""
    device: Device
    entry: journal.JournalEntry
    difference: Region | None
    """First block that differs; None: the board holds the plan."""
    ignored: tuple[Region, ...]
    """Volatile parts that were verified before their first boot and now belong to the firmware."""
    reason: str
    """Why the board will be written, or why not: one line."""
    stop: ProbeStop | None = None
    """How the probe came upon `difference`."""
    forced: bool = False
    """The user asked to write regardless: nothing was compared."""
    trusted: bool = False
    """The journal was believed: nothing was compared either."""
    decision: KeepDecision | None = None
    """What is kept and lost; known once a write is due."""
    saved: str = ""
    """Id of the backup of what will be lost."""
    overridden: tuple[Override, ...] = ()
    """Refusals to lose something that were overridden."""

    @property
    def up_to_date(self) -> bool:
        """Whether nothing needs to be written."""
        return self.difference is None and not self.forced


@dataclass(frozen=True, slots=True)
class VerifiedRegion:
    """What a board is known to hold in one region."""

    region: Region
    kind: str
    """`firmware`, or what changes by running: `parameters`, `files`, `data` of which nobody knows the use."""
    what: str
    """For people."""
    md5: str
    """Hex; empty where the firmware decides what stands there."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run came from, for its receipt."""

    images: tuple[dict[str, object], ...] = ()
    """Of each image: address, name, source, sha256, size."""
    lock: str = ""
    """`pinned`, `pinned now` or `not pinned`; empty where no image was used."""
    locked: bool = False
    """Whether only pinned images were admitted."""
    adapter: dict[str, str] = field(default_factory=dict)
    """Of the port: usb (VID:PID), name, serial, location; empty where it is no device of this machine."""
    station: dict[str, object] = field(default_factory=dict)
    """Batch, try, place and unit, where a station runs it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did."""

    outcome: str
    """`flashed`, `skipped`, `files` (skipped, but for Lua files), `erased`, `verified`, `booted`, `backed-up`,
    `restored` or `audited`; `broken-off` below a failure while writing; empty where nothing was done."""
    device: Device | None
    verdict: Verdict = NOT_CHECKED
    written: tuple[Region, ...] = ()
    sent: int = 0
    reason: str = ""
    overridden: tuple[Override, ...] = ()
    """Refusals that `allow=` overrode beside those of the plan."""
    backup: str = ""
    """Id of the backup that was made, or put back."""
    keeping: dict[str, Any] = field(default_factory=dict)
    """What was kept of the board and what was lost."""
    acceptance: tuple[AcceptanceFinding, ...] = ()
    """What was demanded of the running firmware, and what it is."""
    measured: dict[str, object] = field(default_factory=dict)
    """What a Lua file or the test jig has measured, by its name."""
    files: tuple[FileState, ...] = ()
    """Lua files and whether they were sent."""
    told_mac: str = ""
    """The MAC that the firmware gave, where no loader was asked."""
    plan: FlashPlan | None = None
    """As it was carried out: fitted to what the board held."""
    verified: tuple[VerifiedRegion, ...] = ()
    """What was verified to stand on the board when the run ended."""
    whole: bool = False
    """`verified` replaces all that was known before; else only of its regions."""
    started_in: str = ""
    """The flash mode in which the board starts, where that of the plan failed; else empty."""
    in_loader: bool = False
    """The boot was not to be watched, and nothing resets the board: its firmware does not run yet."""
    reference: str = ""
    """Name of the receipt that the board was compared with."""
    rolled_back: Verdict | None = None
    """The boot of what was put back after a boot that failed; None where nothing was, or where it was not started."""


NOTHING_DONE: Final = Outcome("", None)


@dataclass
class RunRecord:
    """How far a run has come. Whoever starts it keeps this: an error says what failed, this what had been done."""

    outcome: Outcome = NOTHING_DONE

    def note(self, outcome: Outcome) -> Outcome:
        """Keep what has been done up to now; returns it."""
        self.outcome = outcome
        return outcome


def verdict_of(error: PipelineError) -> Verdict | None:
    """What the boot log proved, where a boot check failed."""
    verdict = error.verdict if isinstance(error, BootError) else None
    return verdict if isinstance(verdict, Verdict) else None
