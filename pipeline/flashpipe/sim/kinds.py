"""The table of virtual boards, keyed by the names of the shipped profiles.

Facts: esp8266 §1.2 (modules), flash-timing §6.1 (parts seen on them).
"""

from __future__ import annotations

import hashlib
from typing import Final

from flashpipe.errors import BadValueError
from flashpipe.sim.chip.parts import part_by_name
from flashpipe.values import dataclass

ALL_MODES: Final = frozenset({0, 1, 2, 3})
DUAL: Final = frozenset({2, 3})
DOUT: Final = frozenset({3})
"""Header mode codes: 0 qio, 1 qout, 2 dio, 3 dout."""
KINDS: Final = ("ESP8266EX", "ESP8285N08", "ESP8285H08", "ESP8285N16", "ESP8285H16")


@dataclass(frozen=True, slots=True)
class BoardKind:
    """One kind of board."""

    name: str
    about: str
    part: str
    """Name of its flash part."""
    chip: str = "ESP8266EX"
    """As esptool names it."""
    modes: frozenset[int] = ALL_MODES
    """Header modes that chip and wiring can do."""
    usb: str = ""
    """VID:PID of its USB bridge; empty where it has none."""
    persistent: bool = False
    """Whether its flash is kept in the state folder unless another file is named."""
    time: str = "fast"
    crystal_mhz: int = 26

    @property
    def size(self) -> int:
        """Bytes of flash."""
        return part_by_name(self.part).size


BOARDS: Final = {
    board.name: board
    for board in (
        BoardKind("esp01", "ESP-01, blue, 512 KB, in a programmer", "GD25Q40B"),
        BoardKind("esp01-1m", "ESP-01, black, 1 MB, in a programmer", "GD25Q80B"),
        BoardKind("esp07", "ESP-07, early, 512 KB, in a programmer", "BG25Q40"),
        BoardKind("esp07-1m", "ESP-07, later, 1 MB, in a programmer", "BG25Q80"),
        BoardKind("esp12", "ESP-12E/F on a board with automatic reset, 4 MB", "W25Q32", usb="1a86:7523"),
        BoardKind("esp8285", "ESP8285 module, 1 MB inside", "P25Q80H", "ESP8285N08", DOUT, usb="10c4:ea60"),
        BoardKind("esp8285-2m", "ESP8285 module, 2 MB inside", "P25Q16H", "ESP8285N16", DOUT, usb="10c4:ea60"),
        BoardKind("nodemcu-devkit", "NodeMCU devkit 1.0, 4 MB", "W25Q32", modes=DUAL, usb="10c4:ea60"),
        BoardKind("d1-mini", "Wemos D1 mini, 4 MB", "XM25QH32C", usb="1a86:7523"),
        BoardKind("d1-mini-clone", "D1 mini clone, 4 MB", "BG25Q32", modes=DOUT, usb="1a86:7523"),
        BoardKind("d1-mini-lite", "Wemos D1 mini Lite, ESP8285", "P25Q80H", "ESP8285N08", DOUT, usb="1a86:7523"),
        BoardKind("d1-mini-pro", "Wemos D1 mini Pro, 16 MB", "W25Q128", usb="10c4:ea60"),
        BoardKind("wroom-02", "ESP-WROOM-02, 2 MB", "W25Q16", usb="10c4:ea60"),
        BoardKind(
            "demo", "NodeMCU devkit whose flash is kept", "W25Q32", usb="10c4:ea60", persistent=True, time="0.25"
        ),
    )
}
"""The kinds of board, by name. Bare modules are wired as on the adapter they are mostly used with."""


def board_kind(name: str) -> BoardKind:
    """The kind of board of that name.

    Raises:
        BadValueError: no such board.
    """
    kind = BOARDS.get(name)
    if kind is None:
        raise BadValueError(f"{name!r} is no virtual board", "these are: " + ", ".join(BOARDS))
    return kind


def default_mac(name: str, number: int = 0) -> str:
    """A MAC that the same board always has, from one of Espressif's blocks."""
    digest = hashlib.sha256(f"{name}#{number}".encode()).digest()
    return "5c:cf:7f:" + ":".join(f"{byte:02x}" for byte in digest[:3])
