"""What registers and IDs say about a chip: name, MAC, features, crystal, flash part and size. Tables and arithmetic.

Sources of the flash table (facts: flash-timing §6.1): flashrom `include/flashchips.h` and `flashchips/*.c` at b946ca1
where `confirmed`, else issue threads or memory.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from flashpipe.errors import DeviceError
from flashpipe.next_steps import Advice, repeat
from flashpipe.units import format_size
from flashpipe.values import dataclass

# --- flash -----------------------------------------------------------------------------------------------------------

MANUFACTURERS: Final[dict[int, str]] = {
    0x0B: "XTX",
    0x0E: "Zbit",
    0x1C: "EON",
    0x1F: "Adesto",
    0x20: "XMC",
    0x37: "AMIC",
    0x4A: "ESI",
    0x5E: "Zbit",
    0x68: "Boya",
    0x85: "Puya",
    0x8C: "ESMT",
    0x9D: "ISSI",
    0xA1: "Fudan",
    0xBA: "Zetta",
    0xC2: "Macronix",
    0xC8: "GigaDevice",
    0xE0: "BergMicro",
    0xEF: "Winbond",
}
"""JEDEC manufacturer byte to the name people know (facts: flash-timing §6.1). One byte does not tell JEDEC's banks
apart: 0x20 is Micron's on old boards (M25P80 below), XMC's on every newer one."""

DEAD_IDS: Final = frozenset({0xFFFFFF, 0x000000, 0xFFFF3F})
"""What an absent or unpowered flash chip answers (facts: flash-timing §6.2)."""
ADESTO: Final = 0x1F
_ADESTO_SIZES: Final = {4: 0x80000, 5: 0x100000, 6: 0x200000, 7: 0x400000, 8: 0x800000, 9: 0x1000000}

_CAPACITIES: Final[dict[int, int]] = {
    **{code: 1 << code for code in range(0x12, 0x1D)},  # 256 KB to 256 MB: log2 of the bytes
    **{code: 1 << code - 6 for code in range(0x20, 0x23)},  # 64 to 256 MB, counted on from 0x19 in BCD
    **{code: 1 << code - 0x20 for code in range(0x32, 0x3B)},  # ESMT and others set bit 5
}
"""Third byte of the ID to bytes (facts: flash-timing §6.2)."""


@dataclass(frozen=True, slots=True)
class _Row:
    part: str
    quad: bool | None = True
    confirmed: bool = True


def _rows(text: str) -> dict[tuple[int, int, int], _Row]:
    """Read the table: manufacturer, type and capacity in hex; quad `q`, dual only `d`, unknown `?`; `*` unconfirmed."""
    rows = {}
    for line in text.strip().splitlines():
        maker, kind, flags, part = line.split(None, 3)
        quad = {"q": True, "d": False, "?": None}[flags[0]]
        device, capacity = bytes.fromhex(kind)
        rows[int(maker, 16), device, capacity] = _Row(part, quad, "*" not in flags)
    return rows


PARTS: Final = _rows("""
    ef 4013 q  W25Q40
    ef 4014 q  W25Q80
    ef 4015 q  W25Q16
    ef 4016 q  W25Q32
    ef 4017 q  W25Q64
    ef 4018 q  W25Q128
    ef 3013 d  W25X40
    ef 3014 d  W25X80
    ef 7016 q  W25Q32JV-M
    c8 4013 q  GD25Q40
    c8 4014 q  GD25Q80
    c8 4015 q  GD25Q16
    c8 4016 q  GD25Q32
    c8 4017 q  GD25Q64
    c8 6016 q  GD25LQ32 (1.8 V)
    c8 6514 q  GD25WQ80E
    20 4014 q* XM25QH80
    20 4015 q  XM25QH16
    20 4016 q  XM25QH32
    20 4017 q  XM25QH64
    20 2014 d  M25P80
    e0 4013 ?* BG25Q40
    e0 4014 ?* BG25Q80
    e0 4016 ?* BG25Q32
    85 6013 ?* P25Q40H
    85 6014 ?  P25D80H or P25Q80H
    85 6015 ?* P25Q16H
    85 6016 ?  P25D32SH or P25Q32SH
    1c 3013 q  EN25Q40
    1c 3014 q  EN25Q80
    1c 3015 q  EN25Q16
    1c 3016 q  EN25Q32
    1c 7016 q  EN25QH32
    c2 2013 ?  MX25L4005
    c2 2014 ?  MX25L8005
    c2 2015 ?  MX25L1605
    c2 2016 ?  MX25L3205
    c2 2314 q  MX25V8035F
    c2 2315 q  MX25V1635F
    8c 2014 d  F25L008A
    8c 2534 q  F25D08QA
    8c 4015 q  F25L16QA
    8c 4016 q  F25L32QA
    8c 4116 q  F25L32QA-2S
    68 4013 d  B.25D40
    68 4014 d  B.25D80A
    68 4015 d  B.25D16A
    68 4016 ?* BY25Q32
    68 4017 q  B.25Q64AS
    a1 4014 q  FM25Q08
    a1 4015 q  FM25Q16
    a1 4016 q  FM25Q32
    0b 4014 q* XT25F08
    0b 4015 q* XT25F16
    0b 4016 q* XT25F32
    0b 4017 q  XT25F64
    0e 4015 q  ZB25VQ16
    5e 4014 q* ZB25VQ80
    5e 4015 q* ZB25VQ16
    5e 4016 q* ZB25VQ32
    ba 2013 ?  ZD25D40
    ba 6015 ?* ZD25WQ16
    ba 6016 ?* ZD25WQ32
    37 3013 d  A25L040
    37 3014 d  A25L080
    37 3016 d  A25L032
    1f 8401 q  AT25SF041
    1f 8501 q  AT25SF081
    1f 8601 q  AT25SF161
    1f 8701 q  AT25SF321
    9d 6015 q  IS25LP016
    9d 6016 q  IS25LP032
    4a 2013 d  ES25P40
    4a 2014 d  ES25P80
    4a 2015 d  ES25P16
""")
"""Flash parts met on ESP8266 modules, by manufacturer, type and capacity byte (facts: flash-timing §6.1)."""


@dataclass(frozen=True, slots=True)
class FlashPart:
    """What a JEDEC ID says about the flash chip."""

    manufacturer: str
    """Name, or `unknown manufacturer 0xNN`."""
    part: str
    """Part family, empty where the ID is not in the table."""
    size: int | None
    """Capacity in bytes, None where the ID does not say."""
    flash_id: int
    """As `node.flashid()` gives it: capacity, type, manufacturer from high to low byte."""
    quad: bool | None = None
    """Whether the part knows the quad commands, None where unknown. The module must be wired for it too."""
    confirmed: bool = False
    """Whether the part's name has a source other than memory."""

    @property
    def answers(self) -> bool:
        """False if the ID is what an absent chip gives."""
        return self.flash_id not in DEAD_IDS

    @property
    def jedec(self) -> str:
        """As esptool prints them, manufacturer and device: `ef/4016`."""
        return f"{self.flash_id & 0xFF:02x}/{self.flash_id >> 8 & 0xFF:02x}{self.flash_id >> 16 & 0xFF:02x}"

    def title(self) -> str:
        """One line for people."""
        if not self.answers:
            return f"no flash chip answers (ID {self.jedec})"
        size = format_size(self.size) if self.size else "unknown size"
        return f"{self.manufacturer} {self.part or 'unknown part'} ({self.jedec}), {size}"


def describe_flash(flash_id: int) -> FlashPart:
    """Decode a flash ID (RDID 0x9F; manufacturer in the low byte, capacity in the third)."""
    flash_id &= 0xFFFFFF
    maker, kind, capacity = flash_id & 0xFF, flash_id >> 8 & 0xFF, flash_id >> 16
    row = PARTS.get((maker, kind, capacity), _Row("", None, confirmed=False))
    name = MANUFACTURERS.get(maker, f"unknown manufacturer {maker:#04x}")
    if (maker, kind) == (0x20, 0x20):
        name = "Micron/ST"
    return FlashPart(name, row.part, decode_flash_size(flash_id), flash_id, row.quad, row.confirmed)


def decode_flash_size(flash_id: int) -> int | None:
    """Capacity in bytes by the rules of facts flash-timing §6.2, None where they give none."""
    maker, kind, capacity = flash_id & 0xFF, flash_id >> 8 & 0xFF, flash_id >> 16 & 0xFF
    if flash_id in DEAD_IDS:
        return None
    if maker == ADESTO:  # its third byte counts variants; the size stands in the type byte
        return _ADESTO_SIZES.get(kind & 0x1F)
    return _CAPACITIES.get(capacity)


SFDP_SIGNATURE: Final = b"SFDP"
_BASIC_TABLE: Final = 0xFF00
"""ID of the basic flash parameter table, MSB and LSB (JESD216)."""


def sfdp_size(data: bytes) -> int | None:
    """Capacity in bytes from an SFDP read-out that begins at SFDP address 0, None where there is none.

    The parameter header names the basic table; its second word is the density: bits minus one, or, with bit 31 set, the
    power of two of the bits (JESD216 §6.4.5). Parts without SFDP answer FF (facts: flash-timing §6.2).
    """
    if data[:4] != SFDP_SIGNATURE or len(data) < 16:  # noqa: PLR2004  header and first parameter header
        return None
    for index in range(data[6] + 1):
        header = data[8 + 8 * index : 16 + 8 * index]
        if len(header) < 8:  # noqa: PLR2004
            return None
        table = int.from_bytes(header[4:7], "little")
        words = header[3]
        # the original JESD216 leaves the MSB of the ID unused, so both 00 and FF are met
        if header[0] == _BASIC_TABLE & 0xFF and header[7] in {_BASIC_TABLE >> 8, 0} and words >= 2:  # noqa: PLR2004
            return _density(data[table + 4 : table + 8])
    return None


def _density(word: bytes) -> int | None:
    if len(word) < 4 or word == b"\xff" * 4:  # noqa: PLR2004
        return None
    (value,) = struct.unpack("<I", word)
    if value >> 31:
        power = value & 0x7FFFFFFF
        return 1 << power - 3 if 15 <= power <= 40 else None  # noqa: PLR2004  4 KB to 128 GB: else nonsense
    return (value + 1) // 8 or None


# --- efuse -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChipIdentity:
    """What the efuses say about the chip itself."""

    name: str
    """`ESP8266EX`, `ESP8285N08` …"""
    family: str
    """`esp8266` or `esp8285`, as in a profile's `chip`."""
    features: tuple[str, ...]
    embedded_flash_size: int | None
    """Bytes of flash inside the package, None where there is none or the efuses do not say."""


_EMBEDDED: Final = {
    # W0 bit 4, W3 bits 25, 26, 27 (facts: esp8266 §1.1)
    (1, 0, 0, 0): 0x100000,
    (1, 0, 1, 0): 0x200000,
    (0, 1, 0, 0): 0x200000,
    (0, 1, 1, 0): 0x400000,
}
_ESP8285_NAMES: Final = {0x100000: "08", 0x200000: "16"}


def _bit(word: int, bit: int) -> int:
    return word >> bit & 1


def identify_chip(words: Sequence[int]) -> ChipIdentity:
    """The chip behind efuse words W0 to W3, read from 0x3FF00050 to 0x3FF0005C (facts: esp8266 §1.1)."""
    w0, _, w2, w3 = words
    if not (_bit(w0, 4) or _bit(w2, 16)):
        return ChipIdentity("ESP8266EX", "esp8266", ("Wi-Fi", "160MHz"), None)
    size = _EMBEDDED.get((_bit(w0, 4), _bit(w3, 25), _bit(w3, 26), _bit(w3, 27)))
    suffix = _ESP8285_NAMES.get(size or 0)
    name = f"ESP8285{'H' if _bit(w0, 5) else 'N'}{suffix}" if suffix else "ESP8285"
    return ChipIdentity(name, "esp8285", ("Wi-Fi", "160MHz", "Embedded Flash"), size)


def decode_mac(words: Sequence[int]) -> str:
    """The station MAC in efuse words W0 to W3, lower case with colons (facts: esp8266 §1.1).

    Raises:
        DeviceError: the efuses hold no known manufacturer prefix.
    """
    w0, w1, _, w3 = words
    if w3 & 0xFFFFFF:
        prefix = (w3 & 0xFFFFFF).to_bytes(3, "big")
    elif w1 >> 16 & 0xFF == 0:
        prefix = b"\x18\xfe\x34"
    elif w1 >> 16 & 0xFF == 1:
        prefix = b"\xac\xd0\x74"
    else:
        raise DeviceError(
            f"efuse word 1 is {w1:#010x}: no known MAC prefix",
            Advice("reset the board and ", repeat("try again"), "; if it stays, the chip's efuses are damaged"),
        )
    return (prefix + bytes((w1 >> 8 & 0xFF, w1 & 0xFF, w0 >> 24 & 0xFF))).hex(":")


def chip_id(mac: str) -> int:
    """What `node.chipid()` gives on the board with this MAC: its low 24 bits (facts: esp8266 §1.1)."""
    return int(mac.replace(":", "")[-6:], 16)


# --- crystal ---------------------------------------------------------------------------------------------------------

CRYSTALS_MHZ: Final = (24, 26, 40)
"""Crystals the chip is built with; 26 is by far the most common (facts: esp8266 §2.4, users: 24 and 40 exist)."""


def crystal_mhz(baud: int, divider: int) -> int:
    """The crystal, in MHz, that explains a UART divider (0x60000014, low 20 bits) at the baud rate the host uses.

    The loader's UART runs from twice the crystal's clock (esptool 5.6 `ESP8266ROM.XTAL_CLK_DIVIDER`), and the ROM
    measured the host's bit time, so the estimate is off by the rounding of the host's adapter: the nearest one wins.
    """
    estimate = baud * (divider & 0xFFFFF) / 2e6
    return min(CRYSTALS_MHZ, key=lambda crystal: abs(crystal - estimate))


def rate_to_tell(divider: int, before: int, baud: int) -> int:
    """The rate that a stub which is at 115200 by its own belief has to be told, so that it takes the best divider.

    It makes the new divider of the one in force, rounded down (facts: stub-executed §4): from 112, which is 460800,
    it would make 25 of 2000000, 4 % too fast; 26 is right.

    >>> 112 * 115200 // (2000000 * 115200 // 460800), 112 * 115200 // rate_to_tell(112, 460800, 2000000)
    (25, 26)
    """
    wanted = max(1, round(crystal_mhz(before, divider) * 2e6 / baud))
    return max(1, divider * 115_200 // wanted)
