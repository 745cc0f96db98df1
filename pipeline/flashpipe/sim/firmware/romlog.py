"""Texts of the mask ROM, token by token (facts: esp8266 §2.1, §2.4)."""

from __future__ import annotations

from typing import Final

from flashpipe.sim.chip.chip import RESET_WATCHDOG, Strap
from flashpipe.sim.chip.image import MAGIC, Load, Walk

LINE_END: Final = "\r\n"
STOPPED: Final = "ets_main.c "
SDIO_MODES: Final = range(4, 8)


def banner(strap: Strap, cause: int, mode_b: int = 6) -> bytes:
    """First lines after a reset, for every strapping; alone on the line in UART download mode."""
    lines = ["", f" ets Jan  8 2013,rst cause:{cause}, boot mode:({strap.boot_mode},{mode_b})", ""]
    if cause == RESET_WATCHDOG:
        lines.append("wdt reset")
    if strap.boot_mode in SDIO_MODES:
        lines.append("waiting for host")
    return (LINE_END.join(lines) + LINE_END).encode()


def _load(load: Load) -> list[str]:
    lines = []
    if load.held_over:
        lines.append("ho {} tail {} room {}".format(*load.held_over))
    signed = load.length - (1 << 32) if load.length >> 31 else load.length  # an erased header reads as -1
    lines.append(f"load 0x{load.address:08x}, len {signed}, room {load.room} ")
    if load.whole:
        lines += [f"tail {load.tail}", f"chksum 0x{load.checksum:02x}"]
    return lines


def loading(walk: Walk) -> bytes:
    """Everything the ROM prints about the image at address 0, after its banner.

    `csum` repeats the computed value, not the byte in flash: captures of all-zero segments show `csum 0xef` followed
    by `csum err`, which a stored 0xef could not give (github.com/esp8266/Arduino#8890, #8240).
    """
    lines: list[str] = []
    for load in walk.loads:
        lines += _load(load)
    if walk.header.magic != MAGIC:
        lines.append(STOPPED)
    elif walk.stored is not None:
        lines.append(f"csum 0x{walk.computed:02x}")
        if not walk.good:
            lines += ["csum err", STOPPED]
    return (LINE_END.join(lines) + LINE_END).encode()
