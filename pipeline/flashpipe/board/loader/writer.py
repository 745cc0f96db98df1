"""Erase, write and verify pieces of flash on a Loader: addresses and bytes, nothing of boards or plans."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from flashpipe.board.loader import compression as packing
from flashpipe.board.loader.link import FlashLoader
from flashpipe.board.loader.rom_only import RomLink
from flashpipe.digests import md5
from flashpipe.errors import VerifyError
from flashpipe.flash import BLOCK_SIZE, BOOT_SECTOR, SECTOR_SIZE, Region, blank_blocks, merge
from flashpipe.next_steps import AGAIN_WITH, Advice, command, setting
from flashpipe.values import dataclass

OnProgress = Callable[[int, int], None]
"""Bytes done, bytes in all."""

RUN_LIMIT: Final = 0x400000
"""Bytes sent as one stream: bounds the memory for a 16 MB image, and costs a pause of 0.15 s (the last flush) each.

One stream is on the line, the next is compressed meanwhile; no other is cut out of its piece."""
ERASE_STEP: Final = 0x40000
"""Bytes erased between two looks at progress and stop: a second or two (facts: flash-timing §6.3)."""
READ_LIMIT: Final = 0x100000
"""Bytes read back at once, for the same reason."""


@dataclass(frozen=True, slots=True)
class FlashPiece:
    """Bytes that shall stand at a flash address."""

    address: int
    data: bytes

    @property
    def region(self) -> Region:
        """Where the piece stands."""
        return Region(self.address, self.address + len(self.data))

    def cut(self, region: Region) -> bytes:
        """The piece's bytes inside `region`, which it contains."""
        return self.data[region.start - self.address : region.end - self.address]

    def blank_blocks(self, within: Region) -> list[Region]:
        """Whole 64 KiB blocks inside `within` that should be blank, merged."""
        return blank_blocks(self.address, self.data, within)


def matches(loader: FlashLoader, piece: FlashPiece, region: Region) -> bool:
    """Whether the flash holds the piece's bytes in `region`, by the stub's MD5 of it; without a stub it is read."""
    if isinstance(loader, RomLink):
        return loader.holds(region.start, piece.cut(region))
    return loader.md5(region) == md5(piece.cut(region))


@dataclass(frozen=True, slots=True)
class _Job:
    """One stream: what a piece holds in a region, cut out when it is sent; or an erase."""

    piece: FlashPiece
    region: Region
    guard: bool = False
    """Whether a blank boot sector goes before it."""
    erase: bool = False
    """Whether the region should be blank, and is whole 64 KiB blocks: nothing is sent for it."""

    @property
    def address(self) -> int:
        """Where the stream begins."""
        return 0 if self.guard else self.region.start

    @property
    def data(self) -> bytes:
        """What is sent."""
        return b"\xff" * self.blank + self.piece.cut(self.region)

    @property
    def blank(self) -> int:
        """How many of its bytes only clear the boot sector."""
        return SECTOR_SIZE if self.guard else 0


def write(
    loader: FlashLoader,
    pieces: Sequence[FlashPiece],
    dirty: Sequence[Region],
    on_progress: OnProgress,
    *,
    prove_line: bool = False,
    quick: bool = False,
) -> int:
    """Erase and write the `dirty` sectors. Returns the bytes of the pieces that were sent.

    A 64 KiB block that should be blank is erased and not written: programming ones takes as long as programming zeros.

    Sector 0, where a piece covers it, is erased first and written last: a board that loses power in between then
    starts no half firmware. It is erased on its own only where nothing follows it at once. Elsewhere the stream begins
    with a blank sector 0: that lets the stub erase 64 KiB in one go while the first block is still on the line, and
    costs a dozen bytes (15 single sectors would stop the line for 0.6 s).

    prove_line: send some of the first stream alone, and ask for its digest before the rest is sent.
    quick: as `compression.pack` has it, of the streams that are packed while others are sent.

    Raises:
        VerifyError: that came wrong.
    """
    jobs = _jobs(pieces, dirty)
    if len(jobs) > 1 and not jobs[-1].address and jobs[0].address:
        loader.erase(BOOT_SECTOR)
    if prove_line:
        _cut_first(jobs)
    total, done, sent = sum(job.region.size for job in jobs), 0, 0
    for number, job in enumerate(jobs):
        if job.erase:
            loader.erase(job.region)
            done += job.region.size
            on_progress(done, total)
            continue
        data, following = job.data, next(_streams(jobs[number + 1 :]), None)
        if following and not isinstance(loader, RomLink):
            packing.prepare(following.data, quick=quick)
        loader.write(job.address, data, _after(done - job.blank, total, on_progress))
        done += job.region.size
        if prove_line and not sent:
            region = Region(job.address, job.address + len(data))
            if loader.md5(region) != md5(data):
                raise VerifyError("what was sent first came wrong", _VERIFY_HINT, region=region)
        sent += job.region.size
    return sent


def _streams(jobs: Sequence[_Job]) -> Iterator[_Job]:
    return (job for job in jobs if not job.erase)


def _cut_first(jobs: list[_Job]) -> None:
    """Cut the first stream where the stub erases 64 KiB at once anyway; one that ends before that is left whole."""
    first = next(_streams(jobs), None)
    cut = (first.address // BLOCK_SIZE + 1) * BLOCK_SIZE if first else 0
    if first and first.region.end > cut:
        head, tail = replace(first.region, end=cut), replace(first.region, start=cut)
        at = jobs.index(first)
        jobs[at : at + 1] = [replace(first, region=head), replace(first, region=tail, guard=False)]


def prepare(pieces: Sequence[FlashPiece], baud: int, *, prove_line: bool = False) -> None:
    """Begin to compress what `write` would send first if all of the pieces were dirty, beside whatever else is done.

    baud: at which it will probably be sent.
    prove_line: as `write` will probably be told.
    """
    jobs = _jobs(pieces, [piece.region for piece in pieces])
    if prove_line:
        _cut_first(jobs)
    for job in islice(_streams(jobs), 2 if prove_line else 1):
        packing.prepare(job.data, quick=baud >= packing.QUICK_FROM)


def _jobs(pieces: Sequence[FlashPiece], dirty: Sequence[Region]) -> list[_Job]:
    """Streams and erases in the order in which they are done."""
    guarded = bool(dirty) and any(piece.address == 0 for piece in pieces)
    runs = [part for region in merge(dirty) for part in region.without([BOOT_SECTOR] if guarded else [])]
    jobs = [
        _Job(piece, part, erase=blank)
        for run in runs
        for piece in pieces
        if (whole := run.common(piece.region)).size > 0
        for stretch, blank in _stretches(piece, whole)
        for part in stretch.split(ERASE_STEP if blank else RUN_LIMIT)
    ]
    if guarded:
        if jobs and jobs[0].address == SECTOR_SIZE:
            jobs[0] = replace(jobs[0], guard=True)
        jobs += [_Job(piece, BOOT_SECTOR) for piece in pieces if piece.address == 0]
    return jobs


def _stretches(piece: FlashPiece, whole: Region) -> list[tuple[Region, bool]]:
    """A region of a piece in parts, in order, and of each whether it is erased only."""
    blank = piece.blank_blocks(whole)
    return sorted([(part, True) for part in blank] + [(part, False) for part in whole.without(blank)])


def _after(before: int, total: int, on_progress: OnProgress) -> Callable[[int], None]:
    return lambda done: on_progress(max(0, before + done), total)


def verify(
    loader: FlashLoader,
    pieces: Sequence[FlashPiece],
    regions: Iterable[Region],
    on_progress: OnProgress,
    *,
    written: bool = True,
    erased: bool = False,
) -> None:
    """Compare the pieces' bytes inside `regions` by digest; `written`, `erased`: they were just now.

    Raises:
        VerifyError: naming the first sector that differs.
    """
    jobs = _inside(pieces, regions, BLOCK_SIZE * 4)
    total, done = sum(part.size for _, part in jobs), 0
    for piece, part in jobs:
        if not matches(loader, piece, part):
            raise _first_bad(loader, piece, part, "erased" if erased else "written" if written else "")
        done += part.size
        on_progress(done, total)


def read_back(
    loader: FlashLoader, pieces: Sequence[FlashPiece], regions: Iterable[Region], on_progress: OnProgress
) -> None:
    """Compare the pieces' bytes inside `regions` by reading them: slower than digests, proof against a lying loader.

    Raises:
        VerifyError: naming the first byte that differs.
    """
    jobs = _inside(pieces, regions, READ_LIMIT)
    total, done = sum(part.size for _, part in jobs), 0
    for piece, part in jobs:
        held, want = loader.read(part, _after(done, total, on_progress)), piece.cut(part)
        if held != want:
            at = next(i for i, (a, b) in enumerate(zip(held, want, strict=True)) if a != b)
            raise VerifyError(
                f"flash differs at {part.start + at:#08x}: holds {held[at]:#04x}, want {want[at]:#04x}",
                _VERIFY_HINT,
                region=Region(part.start + at, part.start + at + 1),
            )
        done += part.size


def _inside(pieces: Sequence[FlashPiece], regions: Iterable[Region], step: int) -> list[tuple[FlashPiece, Region]]:
    merged = merge(regions)
    return [
        (piece, part)
        for piece in pieces
        for region in merged
        if (whole := region.common(piece.region)).size > 0
        for part in whole.split(step)
    ]


_VERIFY_HINT: Final = Advice("check the 3.3 V supply, then ", AGAIN_WITH, setting(baud="115200"))


def _first_bad(loader: FlashLoader, piece: FlashPiece, block: Region, done: str) -> VerifyError:
    for sector in block.split(SECTOR_SIZE):
        if not matches(loader, piece, sector):
            blank = md5(b"\xff" * sector.size)
            state = "is blank" if loader.md5(sector) == blank else "holds other bytes"
            if not done:
                message = f"the board does not hold the image: sector {sector} {state}"
                return VerifyError(message, Advice(command("flash"), " writes what differs"), region=sector)
            return VerifyError(f"sector {sector} {state} after it was {done}", _VERIFY_HINT, region=sector)
    message = f"{block} gives two different digests: the flash or the line is not stable"
    return VerifyError(message, _VERIFY_HINT, region=block)
