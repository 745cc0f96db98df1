"""The gate: what a whole layout must satisfy before any port is opened.

Each refusal names the file, what it is and what to do. What the bytes cannot prove wrong passes: flash code carries no
checksum, so an exact copy of a bad file can only be told by a pinned hash. What a user may override is in `allowance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flashpipe.errors import (
    AggregatedInSplitError,
    FirmwareLayoutError,
    FlashModeError,
    HeaderlessError,
    ImageChecksumError,
    ImageError,
    ImageSizeError,
    ImageTruncatedError,
    IncompleteSplitError,
    NotAnImageError,
    PipelineError,
    PlanBoundsError,
    PlanError,
    SwappedSplitError,
)
from flashpipe.firmware.arduino import SKETCH_ADDRESS, read_sketch
from flashpipe.firmware.boot_image import (
    SPLIT_ADDRESS,
    BootImage,
    Image,
    describe_address,
    is_aggregated,
    read_image,
)
from flashpipe.firmware.chain import (
    all_parts,
    check_build,
    check_chain,
    check_end,
    check_place,
    check_stated,
    own_problems,
)
from flashpipe.firmware.content_type import BOOT_MAGIC, foreign_content, in_words
from flashpipe.firmware.identify import identify_firmware
from flashpipe.firmware.link_address import loaded_words
from flashpipe.firmware.overrides import Overrides
from flashpipe.firmware.parse import parse_boot_image, refuse_line_endings, refuse_other_chip
from flashpipe.firmware.partition_table import TABLE_ADDRESS, PartitionTable, named_regions, parse_partitions
from flashpipe.firmware.parts import EBOOT, read_part
from flashpipe.flash import BLOCK_SIZE, Region
from flashpipe.next_steps import Advice, name_file, setting
from flashpipe.units import format_size

_POINTERS_ENOUGH: Final = 16
"""Fewer distinct words that point into mapped flash prove nothing; NodeMCU and MicroPython images have 70 to 160."""
_MISSING_SHARE: Final = 0.2
"""Part of those words that may point past the data: at most 4 % in intact images, 27 % or more in ones cut in half."""
PARAMETERS_SIZE: Final = 0x5000
"""What SDK 1.5.4.1 to 2.x keep to themselves at the end of flash (facts: image-flashmap §5.1)."""
SMALLEST_3X: Final = 0x100000
"""NodeMCU 3.x refuses to run on less than 1 MiB (facts: image-flashmap §5.3)."""


def check_layout(parts: Mapping[int, Image], *, flash_size: int, chip: str, allow: Overrides | None = None) -> None:
    """Refuse what cannot work: `parts` at their flash addresses, on a `chip` with `flash_size` bytes of flash.

    Without a part at address 0 there is nothing to boot from, so only the single parts are checked.

    Raises:
        ImageError: a subclass with its own code for each cause.
        PlanBoundsError: a part does not fit the flash.
    """
    allow = allow or Overrides()
    for address, image in sorted(parts.items()):
        with allow.over():
            check_stated(image, address, parts)
        if address:
            with allow.over():
                _check_part(image, address, chip)
    for problem in own_problems(parts):
        allow.judge(problem)
    for address, part in sorted(all_parts(parts).items()):
        if address:
            with allow.over():
                check_place(part, address, parts)
    if 0 in parts:
        _check_boot(parts, allow)
    for check in (check_chain, check_end):
        with allow.over():
            check(parts)
    with allow.over():
        _check_smallest(parts, flash_size)
    _check_bounds(parts, flash_size)
    with allow.over():
        _check_parameters(parts, flash_size)
    with allow.over():
        _check_partitions(parts, flash_size)


def find_problems(parts: Mapping[int, Image], *, flash_size: int, chip: str) -> list[PipelineError]:
    """Everything that `check_layout` has against a layout, in its order; the first of each kind."""
    every = _Everything()
    try:
        check_layout(parts, flash_size=flash_size, chip=chip, allow=every)
    except (ImageError, PlanError) as error:
        every.judge(error)
    return list(every.problems.values())


class _Everything(Overrides):
    """Overrides every refusal, and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: dict[str, PipelineError] = {}

    def judge(self, error: PipelineError) -> None:
        """Keep it; the check goes on."""
        self.problems.setdefault(error.code, error)


def check_mode(mode: str, *, chip: str, pins_free: bool = False) -> None:
    """Refuse a flash mode that chip or wiring cannot do; `pins_free`: GPIO9 and 10 are used for something else.

    Raises:
        FlashModeError: naming the modes that work.
    """
    if chip == "esp8285" and mode != "dout":  # facts: esp8266 §1.2
        raise FlashModeError(
            f"mode {mode}: the ESP8285's flash is inside the chip and wired for dout alone",
            Advice(setting(mode="dout")),
        )
    if pins_free and mode.startswith("q"):
        raise FlashModeError(
            f"mode {mode}: needs four data lines, and GPIO9 and GPIO10, two of them, are free for other use here",
            Advice(setting(mode="dio"), " or ", setting(mode="dout")),
        )


def _check_boot(parts: Mapping[int, Image], allow: Overrides) -> None:
    with allow.over():
        _check_not_swapped(parts)
    boot = _parse_boot(parts[0], allow)
    if b"\n" not in parts[0].data[: boot.end]:  # what is under the checksum is proven; here the rest must tell
        with allow.over():
            refuse_line_endings(parts[0])
    with allow.over():
        check_place(read_part(parts[0]), 0, parts)
    with allow.over():
        check_build(parts)
    for check in (_check_split, _check_sketch, _check_whole):
        with allow.over():
            check(parts, boot)


def _parse_boot(image: Image, allow: Overrides) -> BootImage:
    try:
        return parse_boot_image(image)
    except ImageChecksumError as error:
        allow.judge(error)
        return read_image(image.data, name=image.name, proven=False)
    except ImageError as error:
        raise allow.final(error) from error.__cause__


def _check_part(image: Image, address: int, chip: str) -> None:
    place = describe_address(address)
    if not image.data:
        raise NotAnImageError(f"{image.name}: is empty, nothing for {place}", "build or download it again")
    refuse_other_chip(image, chip.upper())
    boot = _try_parse(image)
    if not boot:
        refuse_line_endings(image)
    foreign = foreign_content(image.data)
    if foreign and not boot:
        raise NotAnImageError(
            f"{image.name}: is no flash content for {place} but {in_words(foreign)}",
            Advice(name_file("the .bin file itself")),
        )
    # An application of the first boot loaders has the same shape, and is linked for 0x01000.
    if address < SMALLEST_3X and boot and is_aggregated(image, boot) and not read_part(image).home:
        raise AggregatedInSplitError(
            f"{image.name}: is a whole firmware for 0x00000 ({format_size(len(image.data))}), not the part for {place}",
            f"flash it alone: image={image.origin}",
        )


def _try_parse(image: Image) -> BootImage | None:
    if image.data[0] != BOOT_MAGIC:
        return None
    try:
        return parse_boot_image(image)
    except ImageError:
        return None


def _check_not_swapped(parts: Mapping[int, Image]) -> None:
    first = parts[0]
    for address, image in parts.items():
        if not address or not image.data or not _try_parse(image):
            continue
        if image.data == first.data:
            raise IncompleteSplitError(
                f"{first.name}: the same file is given for 0x00000 and {describe_address(address)}",
                "give the pair: image=0x00000:FILE,0x10000:OTHER_FILE",
            )
        try:
            parse_boot_image(first)
        except HeaderlessError:
            place = describe_address(address)
            raise SwappedSplitError(
                f"{first.name} (no header) is at 0x00000 and {image.name} (a boot image) at {place}: exchanged",
                f"image=0x00000:{image.origin},{place}:{first.origin}",
            ) from None


def _check_split(parts: Mapping[int, Image], boot: BootImage) -> None:
    first = parts[0]
    others = [address for address in parts if 0 < address < len(first.data)]
    if others and is_aggregated(first, boot):
        raise AggregatedInSplitError(
            f"{first.name}: is a whole firmware of {format_size(len(first.data))} that already holds what "
            f"{parts[min(others)].name} should bring to {describe_address(min(others))}",
            f"flash it alone: image={first.origin}",
        )


def _check_sketch(parts: Mapping[int, Image], boot: BootImage) -> None:
    """An Arduino file holds a second image, under a checksum of its own, for its boot loader to start."""
    image = parts[0]
    data = image.data
    if boot.segments[0].address != EBOOT or data[SKETCH_ADDRESS : SKETCH_ADDRESS + 1] != bytes((BOOT_MAGIC,)):
        return
    read_sketch(data, name=image.name)


def _check_whole(parts: Mapping[int, Image], boot: BootImage) -> None:
    """See that the code running from flash is there: its own note of its end, else the words pointing into it."""
    holder = next((at for at, image in parts.items() if at <= TABLE_ADDRESS < at + len(image.data)), None)
    if holder is not None:
        table = parse_partitions(parts[holder].data[TABLE_ADDRESS - holder :])
        end = holder + len(parts[holder].data)
        if table and table.code_end > end:
            raise ImageTruncatedError(
                f"{parts[holder].name}: its code ends at {describe_address(table.code_end)} by its own table, the file "
                f"at {describe_address(end)}: {table.code_end - end:,} bytes are missing",
                "download or build it again and compare the size with the one at its source",
            )
    first, *others = (read_part(image) for _, image in sorted(parts.items()))
    if not first.belongs(0) or any(part.kind in {"mapped", "ota"} for part in others):
        return  # its words are meant for another place, or other files: other refusals say so
    pointed = {at for at in loaded_words(parts[0].data, boot) if at >= SPLIT_ADDRESS}
    missing = [at for at in pointed if not any(start <= at < start + len(parts[start].data) for start in parts)]
    if len(pointed) < _POINTERS_ENOUGH or len(missing) < _MISSING_SHARE * len(pointed):
        return
    share = f"{len(missing)} of the {len(pointed)} places in flash that its start code refers to"
    rest = parts[0].data[boot.end :]
    if len(parts) == 1 and rest.count(0xFF) == len(rest):
        place = describe_address(min(missing) // BLOCK_SIZE * BLOCK_SIZE)
        raise IncompleteSplitError(
            f"{parts[0].name}: is the first file of a pair: {share} are in the other one",
            f"give both: image=0x00000:{parts[0].origin},{place}:FILE",
        )
    last = parts[max(parts)]
    raise ImageTruncatedError(
        f"{last.name}: {share} are missing: the file is cut short, or belongs to another address or build",
        "download or build it again and compare the size with the one at its source",
    )


def _table_of(parts: Mapping[int, Image]) -> tuple[Image, PartitionTable] | None:
    """The partition table in the parts, and the image that holds it."""
    for at, image in parts.items():
        if at <= TABLE_ADDRESS < at + len(image.data):
            table = parse_partitions(image.data[TABLE_ADDRESS - at :])
            return (image, table) if table else None
    return None


def _check_smallest(parts: Mapping[int, Image], flash_size: int) -> None:
    table = _table_of(parts) if flash_size < SMALLEST_3X else None
    if table:
        raise ImageSizeError(
            f"{table[0].name}: is NodeMCU 3.x, which needs 1 MB of flash; this board has {format_size(flash_size)}",
            "build branch 1.5.4.1-final, which runs on 512 KB",
        )


def _check_partitions(parts: Mapping[int, Image], flash_size: int) -> None:
    """Refuse a partition table with which NodeMCU 3.x would hang at its first start (facts: image-flashmap §5.3)."""
    placed = _table_of(parts) if flash_size >= SMALLEST_3X else None
    if placed is None:
        return
    image, table = placed
    whole = Region(0, flash_size)
    before: tuple[str, Region] | None = None
    for name, region in sorted(named_regions(table, flash_size), key=lambda item: item[1]):
        if not whole.contains(region):
            problem = f"puts {name} at {region}, past the {format_size(flash_size)} of flash"
        elif region != region.sectors():
            problem = f"puts {name} at {region}, which are no whole sectors"
        elif before and before[1].overlaps(region):
            problem = f"puts {name} at {region} over {before[0]} at {before[1]}"
        else:
            before = name, region
            continue
        raise FirmwareLayoutError(
            f"{image.name}: its partition table {problem}: NodeMCU would hang when it starts",
            "build it with smaller partitions, or take a board with more flash",
        )


def _check_bounds(parts: Mapping[int, Image], flash_size: int) -> None:
    for address, image in sorted(parts.items()):
        end = address + len(image.data)
        if end > flash_size:
            raise PlanBoundsError(
                f"{image.name}: {format_size(len(image.data))} at {describe_address(address)} end at {end:#x}, "
                f"{end - flash_size:,} bytes past the {format_size(flash_size)} flash",
                "choose a smaller image, or the profile of the board's real flash size",
            )


def _check_parameters(parts: Mapping[int, Image], flash_size: int) -> None:
    """Refuse NodeMCU 2.x code where the SDK will write its parameters; a dump of a whole flash holds them itself."""
    end = flash_size - PARAMETERS_SIZE
    reaching = [(at, image) for at, image in parts.items() if at < end < at + len(image.data) < flash_size]
    for address, image in reaching:
        if not image.data[end - address :].strip(b"\xff"):
            continue
        if identify_firmware({at: part.data for at, part in parts.items()}).layout == "2.x":
            raise ImageSizeError(
                f"{image.name}: its code ends at {address + len(image.data):#x}, but in "
                f"{format_size(flash_size)} of flash the SDK writes its parameters from {end:#x} on, over it",
                "build it with fewer modules, or use a board with more flash",
            )
