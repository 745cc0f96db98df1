"""Flash parts found on ESP8266 modules: identity, size, times, abilities (facts: flash-timing §6.1, §6.3, §7).

Almost all datasheet times in the facts are from memory; `confirmed` names the figures of a part that have a source.
Typical values are given, not maxima. Each part has one set of figures, and no figure is tuned to a single log.
"""

from __future__ import annotations

from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.sim.chip.timing import Costs
from flashpipe.values import dataclass

MS: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Times:
    """Typical times of a part, in seconds."""

    page_program_s: float
    """256 bytes."""
    sector_erase_s: float
    """4 KB."""
    block32_erase_s: float
    block64_erase_s: float
    chip_erase_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NorPart:
    """One flash part; several marketing names may share an identity."""

    name: str
    manufacturer: int
    """First byte of the JEDEC id."""
    device: int
    """Second and third byte: type and capacity code."""
    size: int
    """Bytes."""
    times: Times
    quad: bool
    """Knows the quad read commands, so that qio and qout can work."""
    has_sfdp: bool
    """Answers 0x5A; parts without it give FF (facts: flash-timing §6.2). Per part unconfirmed."""
    protect_bits: int = 0x7C
    """Bits of status register 1 that protect blocks; unconfirmed for all parts but of the common family layout."""
    confirmed: frozenset[str] = frozenset()
    """Names of the figures that have a source."""

    @property
    def jedec(self) -> bytes:
        """The three bytes that command 0x9F answers."""
        return bytes((self.manufacturer,)) + self.device.to_bytes(2, "big")

    @property
    def flash_id(self) -> int:
        """As read by the chip's SPI controller: manufacturer | type << 8 | capacity << 16."""
        return int.from_bytes(self.jedec, "little")


def _times(page_ms: float, sector_ms: float, block32_ms: float, block64_ms: float, chip_s: float) -> Times:
    return Times(page_ms * MS, sector_ms * MS, block32_ms * MS, block64_ms * MS, chip_s)


def _winbond(name: str, device: int, size: int, chip_s: float, **more: object) -> NorPart:
    sfdp = bool(more.pop("has_sfdp", True))
    return NorPart(
        name=name, manufacturer=0xEF, device=device, size=size, times=_times(0.7, 45, 120, 150, chip_s),
        quad=True, has_sfdp=sfdp, **more,  # type: ignore[arg-type]  # keyword passthrough of Part's own fields
    )  # fmt: skip


KB: Final = 1024
MB: Final = 1024 * KB
_MEASURED_CHIP: Final = frozenset({"chip_erase_s"})

PARTS: Final = (
    _winbond("W25Q40", 0x4013, 512 * KB, 1),
    _winbond("W25Q80", 0x4014, 1 * MB, 2),
    _winbond("W25Q16", 0x4015, 2 * MB, 3),
    _winbond("W25Q32", 0x4016, 4 * MB, 8.8, confirmed=_MEASURED_CHIP),  # 8.8 s: a 4 MB NodeMCU, §7.2 (part not named)
    _winbond("W25Q64", 0x4017, 8 * MB, 16, confirmed=_MEASURED_CHIP),  # 16.0 s measured, §7.2
    _winbond("W25Q128", 0x4018, 16 * MB, 40),
    NorPart(name="W25X40", manufacturer=0xEF, device=0x3013, size=512 * KB, times=_times(1.5, 150, 600, 1000, 4),
         quad=False, has_sfdp=False, protect_bits=0x3C),
    NorPart(name="GD25Q40B", manufacturer=0xC8, device=0x4013, size=512 * KB, times=_times(0.7, 50, 180, 300, 2.5),
         quad=True, has_sfdp=False),
    NorPart(name="GD25Q80B", manufacturer=0xC8, device=0x4014, size=1 * MB, times=_times(0.7, 50, 180, 300, 5),
         quad=True, has_sfdp=False),
    NorPart(name="GD25Q16B", manufacturer=0xC8, device=0x4015, size=2 * MB, times=_times(0.7, 50, 180, 300, 10),
         quad=True, has_sfdp=False),
    NorPart(name="GD25Q32C", manufacturer=0xC8, device=0x4016, size=4 * MB, times=_times(0.6, 50, 150, 250, 15),
         quad=True, has_sfdp=True),
    NorPart(name="XM25QH16C", manufacturer=0x20, device=0x4015, size=2 * MB, times=_times(0.5, 50, 150, 250, 6),
         quad=True, has_sfdp=True),
    NorPart(name="XM25QH32C", manufacturer=0x20, device=0x4016, size=4 * MB, times=_times(0.5, 50, 150, 250, 12),
         quad=True, has_sfdp=True),
    NorPart(name="XM25QH64C", manufacturer=0x20, device=0x4017, size=8 * MB, times=_times(0.5, 50, 150, 250, 24),
         quad=True, has_sfdp=True),
    NorPart(name="BG25Q40", manufacturer=0xE0, device=0x4013, size=512 * KB, times=_times(0.7, 60, 300, 500, 2.5),
         quad=True, has_sfdp=False),
    NorPart(name="BG25Q80", manufacturer=0xE0, device=0x4014, size=1 * MB, times=_times(0.7, 60, 300, 500, 5),
         quad=True, has_sfdp=False),
    NorPart(name="BG25Q32", manufacturer=0xE0, device=0x4016, size=4 * MB, times=_times(0.7, 60, 300, 500, 20),
         quad=True, has_sfdp=False),
    # Puya erases any unit in about the same time: "Chip erase completed in 0.0 s" on 85/6014 (§6.3)
    NorPart(name="P25Q40H", manufacturer=0x85, device=0x6013, size=512 * KB, times=_times(1.5, 10, 10, 10, 0.01),
         quad=True, has_sfdp=True),
    NorPart(name="P25Q80H", manufacturer=0x85, device=0x6014, size=1 * MB, times=_times(1.5, 10, 10, 10, 0.01),
         quad=True, has_sfdp=True, confirmed=_MEASURED_CHIP),
    NorPart(name="P25Q16H", manufacturer=0x85, device=0x6015, size=2 * MB, times=_times(1.5, 10, 10, 10, 0.01),
         quad=True, has_sfdp=True),
    NorPart(name="P25Q32SH", manufacturer=0x85, device=0x6016, size=4 * MB, times=_times(1.5, 10, 10, 10, 0.01),
         quad=True, has_sfdp=True),
    NorPart(name="EN25Q80", manufacturer=0x1C, device=0x3014, size=1 * MB, times=_times(1.3, 90, 300, 500, 7),
         quad=True, has_sfdp=False, protect_bits=0x1C),
    NorPart(name="EN25QH32", manufacturer=0x1C, device=0x7016, size=4 * MB, times=_times(0.8, 60, 200, 300, 20),
         quad=True, has_sfdp=True, protect_bits=0x1C),
    NorPart(name="MX25L3205", manufacturer=0xC2, device=0x2016, size=4 * MB, times=_times(1.4, 60, 500, 700, 25),
         quad=False, has_sfdp=False, protect_bits=0x3C),
    NorPart(name="MX25V8035F", manufacturer=0xC2, device=0x2314, size=1 * MB, times=_times(0.6, 40, 200, 400, 4),
         quad=True, has_sfdp=True, protect_bits=0x3C),
    NorPart(name="F25L32QA", manufacturer=0x8C, device=0x4016, size=4 * MB, times=_times(0.7, 90, 500, 1000, 15),
         quad=True, has_sfdp=False, protect_bits=0x1C),
    NorPart(name="B.25D80A", manufacturer=0x68, device=0x4014, size=1 * MB, times=_times(0.7, 60, 200, 300, 5),
         quad=False, has_sfdp=True),
    NorPart(name="ZB25VQ32", manufacturer=0x5E, device=0x4016, size=4 * MB, times=_times(0.6, 50, 150, 250, 12),
         quad=True, has_sfdp=True),
    NorPart(name="FM25Q32", manufacturer=0xA1, device=0x4016, size=4 * MB, times=_times(0.7, 60, 200, 300, 12),
         quad=True, has_sfdp=False),
    NorPart(name="XT25F32B", manufacturer=0x0B, device=0x4016, size=4 * MB, times=_times(0.6, 50, 150, 250, 12),
         quad=True, has_sfdp=True),
    # Capacity code of Adesto parts is in the type byte (§6.2)
    NorPart(name="AT25SF041", manufacturer=0x1F, device=0x8401, size=512 * KB, times=_times(0.7, 60, 300, 500, 3),
         quad=True, has_sfdp=False),
    NorPart(name="IS25LP032", manufacturer=0x9D, device=0x6016, size=4 * MB, times=_times(0.2, 70, 130, 200, 8),
         quad=True, has_sfdp=True, protect_bits=0x3C),
)  # fmt: skip
"""All known parts. Times: facts flash-timing §6.3; a part without a row has its family's or a plausible figure."""

BY_NAME: Final = {part.name.lower(): part for part in PARTS}


def part_by_name(name: str) -> NorPart:
    """The part of that name, in any case.

    Raises:
        BadValueError: no such part.
    """
    part = BY_NAME.get(name.lower())
    if part is None:
        raise BadValueError(f"{name!r} is no known flash part", f"these are: {', '.join(p.name for p in PARTS)}")
    return part


def part_by_id(flash_id: int) -> NorPart | None:
    """The part with this raw id (`Part.flash_id`), if known."""
    return next((part for part in PARTS if part.flash_id == flash_id), None)


def with_id(part: NorPart, flash_id: int | None) -> NorPart:
    """The part that answers so to RDID: a known one, or `part` under that name. None leaves `part` as it is."""
    if flash_id is None:
        return part
    known = part_by_id(flash_id)
    if known is not None:
        return known
    device = (flash_id >> 8 & 0xFF) << 8 | flash_id >> 16 & 0xFF
    return NorPart(
        name=f"{flash_id:06x}", manufacturer=flash_id & 0xFF, device=device, size=part.size, times=part.times,
        quad=part.quad, has_sfdp=part.has_sfdp, protect_bits=part.protect_bits,
    )  # fmt: skip


def with_costs(part: NorPart, costs: Costs) -> Times:
    """The part's own times, with what the parameters replace."""

    def seconds(value_us: float | None, own: float) -> float:
        return own if value_us is None else value_us * 1e-6

    own = part.times
    return Times(
        seconds(costs.pp_us, own.page_program_s), seconds(costs.se_us, own.sector_erase_s), own.block32_erase_s,
        seconds(costs.be_us, own.block64_erase_s), seconds(costs.ce_us, own.chip_erase_s),
    )  # fmt: skip
