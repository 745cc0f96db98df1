"""What starts what: boot loaders, the images that they start, and whether each stands where it was linked for.

loader at 0x00000            what it starts                                                      proven by
boot_v1.x (Espressif)        EA at 0x1000; a second one at 0x41000, 0x81000 or 0x101000          words in the code
rBoot                        EA or E9 at 0x2000; its settings at 0x1000; a second at 0x82000 …   words in the code
eboot (Arduino)              E9 at 0x1000, in the same file                                      load address
RTOS SDK                     what the partition table at 0x8000 names, mostly E9 at 0x10000      load address
none: the ROM starts E9      its other half, without a header, mostly at 0x10000                 words in the code
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from flashpipe.errors import (
    AggregatedInSplitError,
    ImageAddressError,
    ImageError,
    ImageTruncatedError,
    IncompleteSplitError,
    MixedBuildsError,
)
from flashpipe.firmware.boot_image import GET_AGAIN, Image, describe_address
from flashpipe.firmware.content_type import BOOT_MAGIC, OTA_MAGIC
from flashpipe.firmware.identify import identify_firmware
from flashpipe.firmware.link_address import WINDOW, find_link, misses_code, of_one_build
from flashpipe.firmware.parts import EBOOT, RTOS_TABLE, Part, own_bytes, read_part
from flashpipe.flash import SECTOR_SIZE, Region
from flashpipe.next_steps import Advice, setting
from flashpipe.units import format_size

_ESPRESSIF, _RBOOT = 0x1000, 0x2000
"""Where the two look for their first image; a second one lies the same way into a later 256 KiB or more."""
_SKETCH: Final = 0x1000
_RTOS_APPLICATION: Final = 0x10000
_LOADER_LIMIT: Final = 0x8000
"""No boot loader is larger: the RTOS SDK keeps its table behind its own."""
_TITLES: Final = {
    "bootloader": "Espressif's boot loader",
    "rboot": "rBoot",
    "eboot": "the Arduino core's boot loader",
    "rtos-bootloader": "the RTOS SDK's boot loader",
}
_RTOS_TEXT: Final = b"2nd stage bootloader"


def loader_of(part: Part) -> str:
    """Which boot loader a file begins with, one of those above; empty where it is none that is known."""
    if part.boot is None or part.kind != "boot" or part.boot.end > _LOADER_LIMIT:
        return ""
    start = part.image.data[: part.boot.end]
    if part.boot.segments[0].address == EBOOT:
        return "eboot"
    if _RTOS_TEXT in start:
        return "rtos-bootloader"
    family = identify_firmware({0: start}).family if len(start) <= SECTOR_SIZE else ""
    return family if family in _TITLES else ""


def inner_parts(image: Image) -> Iterator[tuple[int, Part]]:
    """Images behind a boot loader in the same file, and their offsets; what the boot loader would start first."""
    data = image.data
    loader = loader_of(read_part(image))
    for at in (_ESPRESSIF, _RBOOT):
        newer = loader in {"bootloader", "rboot", ""} and data[at : at + 2] == bytes((OTA_MAGIC, 4))
        if newer or (loader in {"bootloader", "rboot"} and data[at : at + 1] == bytes((BOOT_MAGIC,))):
            yield at, _inner(image, at)
            return
    if loader == "rtos-bootloader":
        table = read_part(Image(image.name, data[RTOS_TABLE : RTOS_TABLE + SECTOR_SIZE], image.origin))
        if table.kind == "table":
            yield RTOS_TABLE, table
        for entry in table.entries:
            at = entry.region.start
            if entry.application and data[at : at + 1] == bytes((BOOT_MAGIC,)):
                yield at, _inner(image, at)


def _inner(image: Image, at: int) -> Part:
    return read_part(Image(f"{image.name}, from {describe_address(at)} on", own_bytes(image.data[at:]), image.origin))


def all_parts(parts: Mapping[int, Image]) -> dict[int, Part]:
    """Every part of a layout, those inside a file included, by flash address."""
    known = {address: read_part(image) for address, image in parts.items()}
    if 0 in parts:
        known |= {at: part for at, part in inner_parts(parts[0]) if at not in known}
    return known


# --- one part --------------------------------------------------------------------------------------------------------


def check_stated(image: Image, address: int, parts: Mapping[int, Image]) -> None:
    """Refuse a file that says itself where it belongs, at another address.

    Raises:
        ImageAddressError: it does.
    """
    if image.begins not in {None, address}:
        place, begins = describe_address(address), image.begins or 0
        raise ImageAddressError(
            f"{image.name}: says itself that it begins at {describe_address(begins)}, and is placed at {place}",
            _moved(parts, address, begins),
        )


def check_place(part: Part, address: int, parts: Mapping[int, Image]) -> None:
    """Refuse a part of a layout that was linked for another address.

    Raises:
        AggregatedInSplitError: a whole firmware, which only starts at 0x00000.
        ImageAddressError: anything else.
    """
    image, home, place = part.image, part.home, describe_address(address)
    loader = loader_of(part) if address else ""
    if loader and len(image.data) <= _LOADER_LIMIT:
        raise ImageAddressError(
            f"{image.name}: is {_TITLES[loader]}, which the ROM starts at 0x00000 and nowhere else, not at {place}",
            _moved(parts, address, 0),
        )
    if part.belongs(address) and not (loader and address % WINDOW):
        return
    if part.kind == "boot" and (home is None or home == 0 or loader):
        raise AggregatedInSplitError(
            f"{image.name}: is a whole firmware for 0x00000 ({format_size(len(image.data))}), not the part for {place}",
            f"flash it alone: image={image.origin}",
        )
    raise ImageAddressError(
        f"{image.name}: belongs to {describe_address(home or 0)}, {_proof(part)}, and is placed at {place}",
        _moved(parts, address, home or 0) + _beside(part, address, parts),
    )


def _moved(parts: Mapping[int, Image], address: int, home: int) -> str:
    """The layout with one file at its own address, for the next step."""
    if address not in parts:  # it stands inside another file
        return f"take a file that was made for {describe_address(address)}"
    layout = {at: image for at, image in parts.items() if at not in {address, home}}
    words = (f"{describe_address(at)}:{image.origin}" for at, image in sorted({**layout, home: parts[address]}.items()))
    return f"image={','.join(words)}"


def _proof(part: Part) -> str:
    if part.kind == "table":
        return "where its boot loader looks for partitions"
    link = find_link(part.image.data) if part.kind != "mapped" else None
    return f"as {link.votes} words of its code prove" if link else "as its load address says"


def _beside(part: Part, address: int, parts: Mapping[int, Image]) -> str:
    """What has to stand beside it and is not given, for the next step."""
    if 0 in parts and address:
        return ""
    if part.kind == "code":
        return ", with its first half at 0x00000"
    loader = _loader_for(part)
    return f", with {loader} at 0x00000" if loader else ""


def _loader_for(part: Part) -> str:
    """Which boot loader starts what was linked for such an address; empty where that does not tell."""
    if part.kind == "mapped":
        return _TITLES["eboot" if part.home == _SKETCH else "rtos-bootloader"]
    if part.kind in {"ota", "boot"} and part.home is not None:
        return {_ESPRESSIF: _TITLES["bootloader"], _RBOOT: "rBoot"}.get(part.home & 0xFFFF, "")
    return ""


def behind_loader(part: Part) -> str:
    """The command that flashes a part with what has to start it."""
    image, place = part.image, describe_address(part.home) if part.home is not None else "0x…"
    if part.kind == "mapped" and part.home != _SKETCH:
        return f"image=0x00000:BOOTLOADER.bin,0x08000:PARTITIONS.bin,{place}:{image.origin}"
    loader = "RBOOT" if part.home is not None and part.home & 0xFFFF == _RBOOT else "BOOT"
    return f"image=0x00000:{loader}.bin,{place}:{image.origin}"


# --- what belongs together -------------------------------------------------------------------------------------------


def check_chain(parts: Mapping[int, Image]) -> None:
    """Refuse a boot loader with nothing to start, and what a boot loader would have to start without one.

    Raises:
        IncompleteSplitError: something is missing; the next step names it and its address.
    """
    everything = all_parts(parts)
    started = {at: part for at, part in everything.items() if at and _is_started(part)}
    first = everything.get(0)
    loader = loader_of(first) if first else ""
    if first is None:
        if started:
            _refuse_without_loader(started, everything)
        return
    lost = next((part for part in started.values() if _needs_table(part)), None)
    if loader == "rtos-bootloader":
        _check_rtos(everything, started, parts[0])
    elif lost is not None:
        raise IncompleteSplitError(
            f"{lost.image.name}: only the RTOS SDK's boot loader at 0x00000 can start it, and {parts[0].name} is none",
            f"give all: {behind_loader(lost)}",
        )
    elif loader in {"bootloader", "rboot"} and not started:
        place = _RBOOT if loader == "rboot" else _ESPRESSIF
        raise IncompleteSplitError(
            f"{parts[0].name}: is a boot loader and nothing for it to start",
            f"give both: image=0x00000:{parts[0].origin},{describe_address(place)}:FILE",
        )
    elif loader == "eboot" and not started and len(parts[0].data) <= _SKETCH:
        raise IncompleteSplitError(
            f"{parts[0].name}: is a boot loader and nothing for it to start",
            "take the file that the Arduino core makes of both: image=SKETCH.ino.bin",
        )
    _check_loader_fits(parts[0], loader, started)


def _is_started(part: Part) -> bool:
    return part.kind in {"ota", "mapped"} or (part.kind == "boot" and not loader_of(part))


def _refuse_without_loader(started: Mapping[int, Part], everything: Mapping[int, Part]) -> None:
    for address, part in sorted(started.items()):
        if part.kind == "boot":  # may be what a boot loader on the board starts, unless its other half is here
            _check_first_half(part, address, everything)
            continue
        table = " and a partition table at 0x08000" if _needs_table(part) and RTOS_TABLE not in everything else ""
        raise IncompleteSplitError(
            f"{part.image.name}: at {describe_address(address)} only {_loader_for(part) or 'a boot loader'} at 0x00000"
            f"{table} can start it",
            Advice(
                f"give all: {behind_loader(part)}; or ",
                setting(allow="image-incomplete"),
                " where the board has the rest",
            ),
        )


def _check_first_half(part: Part, address: int, everything: Mapping[int, Part]) -> None:
    for at, other in everything.items():
        if other.kind != "code" or part.boot is None:
            continue
        if of_one_build(part.image.data, part.boot, other.image.data, at):
            raise ImageAddressError(
                f"{part.image.name}: is the first half of {other.image.name}, which the ROM starts at 0x00000, and is "
                f"placed at {describe_address(address)}",
                f"image=0x00000:{part.image.origin},{describe_address(at)}:{other.image.origin}",
            )


def _needs_table(part: Part) -> bool:
    return part.kind == "mapped" and part.home != _SKETCH


def _check_rtos(everything: Mapping[int, Part], started: Mapping[int, Part], first: Image) -> None:
    table = everything.get(RTOS_TABLE)
    application = next((part for part in started.values() if part.kind == "mapped"), None)
    place = describe_address(_RTOS_APPLICATION)
    if table is None or table.kind != "table":
        origin = application.image.origin if application else "APPLICATION.bin"
        at = next((at for at, part in started.items() if part is application), _RTOS_APPLICATION)
        raise IncompleteSplitError(
            f"{first.name}: the RTOS SDK's boot loader finds what to start in a partition table at 0x08000, and none "
            "is given",
            f"give all: image=0x00000:{first.origin},0x08000:PARTITIONS.bin,{describe_address(at)}:{origin}",
        )
    places = [entry.region.start for entry in table.entries if entry.application]
    if not any(at in started for at in places):
        named = ", ".join(map(describe_address, places)) or "none"
        wanted = describe_address(places[0]) if places else place
        raise IncompleteSplitError(
            f"{table.image.name}: names applications at {named}, and nothing is given for there",
            f"give all: image=0x00000:{first.origin},0x08000:{table.image.origin},{wanted}:"
            f"{application.image.origin if application else 'APPLICATION.bin'}",
        )


def _check_loader_fits(first: Image, loader: str, started: Mapping[int, Part]) -> None:
    """Espressif's boot loader does not start what was linked for rBoot, nor the other way round."""
    if loader not in {"bootloader", "rboot"}:
        return
    fitting = {at: part for at, part in started.items() if _loader_for(part) in {"", _TITLES[loader]}}
    if not started or fitting:  # rBoot can be told other places, which its settings say
        return
    part = started[min(started)]
    raise IncompleteSplitError(
        f"{first.name}: is {_TITLES[loader]}, and {part.image.name} was linked for {describe_address(part.home or 0)}, "
        f"where {_loader_for(part)} looks",
        f"give {_loader_for(part)}: {behind_loader(part)}",
    )


def check_build(parts: Mapping[int, Image]) -> None:
    """Refuse two halves that were not linked together.

    Raises:
        MixedBuildsError: the first points into the middle of something in the second, or the other way round.
    """
    first = read_part(parts[0])
    if first.boot is None or first.kind != "boot" or loader_of(first):
        return
    for address, image in sorted(parts.items()):
        part = read_part(image)
        if not address or part.kind != "code":
            continue
        if of_one_build(first.image.data, first.boot, image.data, address) is False:
            raise MixedBuildsError(
                f"{parts[0].name} and {image.name}: are halves of two builds: what one refers to is not there in the "
                "other",
                "take both files from the same build",
            )


def check_end(parts: Mapping[int, Image]) -> None:
    """Refuse a file whose code goes on behind its end, by what its words refer to.

    Raises:
        ImageTruncatedError: there is one.
    """
    regions = {at: Region(at, at + len(image.data)) for at, image in parts.items()}
    for address, image in sorted(parts.items()):
        part = read_part(image)
        placed = part.home is not None and part.belongs(address)
        proven = part.crc == "right" or part.kind in {"mapped", "table", "other"}
        inner = [one for _, one in inner_parts(image)] if not address else []
        if not placed or proven or any(one.boot is not None for one in inner):
            continue
        gone = misses_code(image.data, address, (region for at, region in regions.items() if at != address))
        if gone:
            raise ImageTruncatedError(
                f"{image.name}: {gone} places that its code refers to lie behind its end at "
                f"{describe_address(regions[address].end)}: the file is cut short",
                GET_AGAIN,
            )


def own_problems(parts: Mapping[int, Image]) -> Iterator[ImageError]:
    """What the parts that a boot loader starts say of themselves: length, checksum, CRC."""
    for address, part in sorted(all_parts(parts).items()):
        if part.problem is not None and address and part.kind in {"ota", "mapped"}:
            yield part.problem
