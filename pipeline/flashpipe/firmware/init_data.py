"""SDK init data: 128 bytes of radio settings in a sector of their own, without which the SDK does not start.

`flash_map` says where the sector is, by SDK line and flash size; who fills it differs (facts: image-flashmap §5.1,
5.4):

    NodeMCU 3.x                           fills it once where byte 0 is not 05, then notes that in its partition sector
                                          and never looks again: a sector that is damaged later stays so
    NodeMCU since 20161201, to SDK 2.x    fills it where it is blank, and only there; the data stand in its boot image
    anything older, AT firmware           nobody: the SDK restarts for ever, saying `rf_cal[0] !=0x05`
    others of SDK 3.x for a compiled map  nobody. Each has a partition table of its own, and the sector is where the
                                          SDK's examples have it: what is not blank there may be something else

The data themselves are never shipped: they are the board's own, where it has some elsewhere (a firmware that goes by a
smaller flash looks for them in another sector), or version 05, cut by its digest out of a firmware image at hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Final, Literal

from flashpipe.errors import InitDataError
from flashpipe.firmware.header_size import OWN_LAYOUT, compiled_map
from flashpipe.firmware.identify import Firmware
from flashpipe.flash import SECTOR_SIZE
from flashpipe.values import dataclass

LENGTH: Final = 128
MARK: Final = 0x05
"""First byte of valid data: all that the SDK checks (facts: image-flashmap §5.4)."""
V05_MD5: Final = "b5e9562bfdf62840f5ca0eacc58809cd"
V05_HEAD: Final = bytes.fromhex("05000402 05050502 05000405 05040505")
"""Digest and beginning of version 05 (facts: image-flashmap §5.5)."""
_HEADS: Final = (V05_HEAD[:4], bytes.fromhex("05080402"))
"""How versions 05 and 08 begin."""
ADC_BYTE: Final = 107
"""00: the ADC measures its pin; FF: it measures the supply (facts: image-flashmap §5.5)."""
CRYSTAL_BYTE: Final = 48
CRYSTALS: Final[Mapping[int, int]] = {40: 0, 26: 1, 24: 2}
"""MHz to the byte's value, in which the Arduino core and Linux' esp8089 driver agree; not yet tried on a real board."""
_CHECKS: Final = b"rf_cal[0] !=0x05"
"""Text of the SDKs that insist on byte 0."""
_ERASED: Final = b"\xff" * SECTOR_SIZE

Found = tuple[bytes, str]
"""128 bytes, and what they are: completes "blank, … written"."""
State = Literal["valid", "blank", "corrupt"]
Settings = tuple[tuple[int, int], ...]
Filler = Literal["", "once", "if-blank", "nobody", "nobody-perhaps"]
"""Who fills the sector: unknown, NodeMCU 3.x, NodeMCU up to 2.x, nobody; nobody, where the sector is what it seems."""


def _no_images() -> Iterable[bytes]:
    return ()


@dataclass(frozen=True, slots=True)
class InitDataPolicy:
    """What the profile says about init data."""

    source: str = "auto"
    """`auto`, `keep`, `v05`, or the text that names a file."""
    data: bytes = field(default=b"", repr=False)
    """Of that file, 128 bytes."""
    settings: Settings = ()
    """Index to value of bytes that should differ from the data."""
    images: Callable[[], Iterable[bytes]] = _no_images
    """Gives the images, beside the plan's own, in which version 05 may be looked for."""


@dataclass(frozen=True, slots=True)
class InitDataDecision:
    """What to do with the sector."""

    action: Literal["leave", "erase", "write"]
    why: str
    """For people: completes "SDK init data at ADDRESS: "."""
    sector: bytes = field(default=b"", repr=False)
    """What it should hold then."""


def state_of(sector: bytes) -> State:
    """What a sector holds, by its first 128 bytes; a write that broke off after the mark is no valid data."""
    head = sector[:LENGTH]
    if head.count(0xFF) == LENGTH:
        return "blank"
    rest = head[1:]
    torn = rest.count(0xFF) == len(rest) or not any(rest)
    return "valid" if head[0] == MARK and not torn else "corrupt"


def is_known(sector: bytes) -> bool:
    """Whether a sector begins with init data of a version that is known: not just bytes that begin with 05."""
    return state_of(sector) == "valid" and sector.startswith(_HEADS) and bool(sector[4:LENGTH].strip(b"\xff"))


def find_v05(images: Iterable[bytes]) -> bytes | None:
    """The 128 bytes of version 05 in the first image that embeds them whole, None where none does."""
    for image in images:
        at = image.find(V05_HEAD)
        while at >= 0:
            data = image[at : at + LENGTH]
            if hashlib.md5(data, usedforsecurity=False).hexdigest() == V05_MD5:
                return data
            at = image.find(V05_HEAD, at + 1)
    return None


def filler_of(firmware: Firmware, parts: Iterable[bytes], boot: bytes) -> Filler:
    """Who fills the sector for a firmware of these `parts`; `boot` is what the ROM loads of it."""
    if firmware.family == "nodemcu":
        if firmware.sdk_line == "3.x":
            return "once" if firmware.layout else ""
        if not firmware.sdk_line:
            return ""
        return "if-blank" if find_v05([boot]) else "nobody"
    parts = list(parts)
    if not firmware.sdk_line or not any(_CHECKS in part for part in parts):
        return ""
    if firmware.sdk_line != "3.x" or firmware.family == "at":
        return "nobody"
    return "nobody-perhaps" if firmware.family not in OWN_LAYOUT and compiled_map(parts) else ""


def read_file(name: str, data: bytes) -> bytes:
    """The 128 bytes of an init data file; a whole sector, filled up with FF, will do.

    Raises:
        InitDataError: something else.
    """
    whole = len(data) == LENGTH or (len(data) <= SECTOR_SIZE and data[LENGTH:].count(0xFF) == len(data) - LENGTH)
    if len(data) < LENGTH or not whole or state_of(data) != "valid":
        raise InitDataError(
            f"{name}: is no SDK init data: {len(data):,} bytes that begin with {data[:4].hex(' ')}; want {LENGTH} "
            "bytes, the first 05",
            "take esp_init_data_default_v05.bin or _v08.bin of the SDK",
        )
    return data[:LENGTH]


def decide(
    policy: InitDataPolicy,
    sector: bytes,
    filler: Filler,
    *,
    noted: bool,
    v05: Callable[[], bytes | None],
    own: Callable[[], Found | None] = lambda: None,
) -> InitDataDecision:
    """What to do with a sector that will hold `sector` when all else is written.

    Args:
        policy: what the profile says.
        sector: its first bytes, 128 at least.
        filler: who would fill it.
        noted: NodeMCU 3.x has noted that it filled the sector, and will not look at it again.
        v05: finds the default data; None where they are not at hand.
        own: finds the board's own data in another sector.

    Raises:
        InitDataError: the default data are needed and not at hand.
    """
    if policy.source == "keep":
        return InitDataDecision("leave", "left alone")
    if policy.source != "auto":
        data = _with(policy.data or _required(_named(v05()), "init_data: v05")[0], policy.settings)
        if sector[:LENGTH] == data:
            return InitDataDecision("leave", "as the profile wants them")
        return InitDataDecision("write", f"{policy.source} written, as the profile wants", _filled(data))
    if state_of(sector) == "valid":
        return _decide_valid(policy, sector)
    return _decide_missing(policy, sector, filler, noted=noted, default=lambda: own() or _named(v05()))


def _named(v05: bytes | None) -> Found | None:
    return (v05, "version 05") if v05 is not None else None


def _decide_valid(policy: InitDataPolicy, sector: bytes) -> InitDataDecision:
    data = _with(sector[:LENGTH], policy.settings)
    if data == sector[:LENGTH]:
        return InitDataDecision("leave", "valid")
    return InitDataDecision("write", f"valid, {_settings_text(policy.settings)} set", _filled(data, sector))


def _decide_missing(
    policy: InitDataPolicy, sector: bytes, filler: Filler, *, noted: bool, default: Callable[[], Found | None]
) -> InitDataDecision:
    blank = state_of(sector) == "blank"
    state = "blank" if blank else f"corrupt (first byte {sector[0]:02X})"
    if not filler or (filler == "nobody-perhaps" and not blank):
        return InitDataDecision("leave", f"{state}, and who fills them for this firmware is not known")
    heals = (filler == "once" and not noted) or filler == "if-blank"
    if heals and not policy.settings:
        if blank:
            return InitDataDecision("leave", "blank, the firmware fills them in when it first runs")
        return InitDataDecision("erase", f"{state}, erased: the firmware fills them in when it first runs", _ERASED)
    why = {"once": "the firmware has noted that they are there", "if-blank": ""}.get(filler, "the firmware has none")
    why = _settings_text(policy.settings) or why
    found = default()
    if found is None and filler == "nobody-perhaps":  # it may not need them there: its start tells
        return InitDataDecision("leave", f"{state}, and no data are at hand")
    data, name = _required(found, f"the board's are {state}; {why}")
    return InitDataDecision("write", f"{state}, {name} written: {why}", _filled(_with(data, policy.settings)))


def _required(filler: Found | None, why: str) -> Found:
    if filler is None:
        raise InitDataError(
            f"SDK init data are needed ({why}), and no image at hand embeds version 05",
            "init_data: FILE with esp_init_data_default_v05.bin of the SDK;"
            " or run `flashpipe image` on any NodeMCU 2.x or "
            "3.x image from a URL first: what the cache holds is searched",
        )
    return filler


def _with(data: bytes, settings: Settings) -> bytes:
    changed = bytearray(data)
    for index, value in settings:
        changed[index] = value
    return bytes(changed)


def _filled(data: bytes, around: bytes = b"") -> bytes:
    return (data + around[LENGTH:]).ljust(SECTOR_SIZE, b"\xff")


def _settings_text(settings: Settings) -> str:
    return ", ".join(f"byte {index} = {value:02X}" for index, value in settings)
