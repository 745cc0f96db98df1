"""What was found on a port."""

from __future__ import annotations

from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """What was found on the port."""

    port: str
    chip: str
    """As efuses name it, such as ESP8266EX or ESP8285N08."""
    family: str
    """`esp8266` or `esp8285`, as profiles say."""
    features: tuple[str, ...]
    mac: str
    crystal_mhz: int
    flash_id: int
    flash_size: int | None
    """Bytes, None where the ID is unknown."""
    flash_part: str
    virtual: bool
    sfdp_size: int | None = None
    """Bytes by the part's own tables; only `identify` reads them."""
