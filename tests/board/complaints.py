"""What users complain of most, and what answers it: rules, refusals by their codes, or why it is out of reach."""

from __future__ import annotations

from typing import Final

from flashpipe.values import dataclass


@dataclass(frozen=True, slots=True)
class Pain:
    """One complaint."""

    words: str
    """As users say it."""
    rules: tuple[str, ...] = ()
    """Rules that name its causes."""
    codes: tuple[str, ...] = ()
    """Refusals whose message names it before anything is harmed."""
    checks: tuple[str, ...] = ()
    """Checks of `doctor` that find it."""
    out_of_reach: str = ""
    """Why no diagnosis of a failed run can see it."""


PAINS: Final[dict[int, Pain]] = {
    1: Pain(
        "failed to connect: timed out waiting for packet header",
        (
            "gpio0-high", "gpio15-high", "gpio2-low", "rx-dead", "loop-back", "adapter-echo", "line-dead",
            "boot-line-dead", "no-reset-line", "slow-reset", "strapping",
        ),
        ("port-missing",),
    ),
    2: Pain(
        "hash of data verified, then a boot loop",
        ("flash-mode", "read-wrong-at-boot", "nothing-bootable", "firmware-crashes", "watchdog-loop", "restart-loop"),
    ),
    3: Pain("rf_cal[0] != 0x05", ("init-data", "system-params"), ("init-data",)),
    4: Pain("the wrong flash size", ("layout-refused", "size-lie"), ("wrong-flash-size",)),
    5: Pain(
        "MD5 of file does not match data in flash",
        ("bad-cells", "not-written", "write-protected", "size-lie", "reads-unstable", "flash-absent", "loader-hangs"),
    ),
    6: Pain("permission denied: /dev/ttyUSB0", (), ("port-denied",), ("rights",)),
    7: Pain("the wrong port or board was flashed", ("line-dead", "boot-line-dead"), ("wrong-board", "port-ambiguous")),
    8: Pain(
        "the chip stopped responding part-way",
        (
            "line-noise", "loader-hiccup", "chip-reset-itself", "loader-hangs", "power-gone", "rx-lost", "stub-dead",
            "unplugged",
            "adapter-glitch",
        ),
    ),
    9: Pain(
        "the 3.3 V of a USB adapter is too weak",
        ("supply-collapses", "supply-at-boot", "chip-reset-itself", "power-gone", "power-lost-at-boot", "not-written"),
    ),
    10: Pain("a high baud rate fails on CH340", ("rate-garbled", "line-noise"), (), ("baud",)),
    11: Pain("invalid head of packet, noise", ("gpio0-high", "no-reset-line", "line-noise", "unknown-rate")),
    12: Pain("port busy, a monitor was left open", ("port-shared",), ("port-busy",), ("holders",)),
    13: Pain("brltty or ModemManager takes the port", ("brltty", "wsl-detached"), (), ("brltty", "modem-manager")),
    14: Pain(
        "a corrupt download is flashed and verified",
        ("nothing-bootable",),
        (
            "image-format", "image-truncated", "image-checksum", "image-line-endings", "fetch-content",
            "fetch-mismatch", "lock-mismatch",
        ),
    ),
    15: Pain("an image for another chip", (), ("image-other-chip", "wrong-chip")),
    16: Pain(
        "no reset wires; stays in the boot loader",
        ("no-reset-line", "nobody-there", "gpio0-held", "no-reset-wire", "strapping"),
    ),
    17: Pain("garbage on the console", ("console-rate", "unknown-rate", "firmware-mute")),
    18: Pain("the file system is lost after a reflash", (), ("would-lose-data",)),
    19: Pain("init.lua panics, no way in", ("lua-panic",)),
    20: Pain("uploading Lua fails right after the flash", ("still-formatting",)),
    21: Pain("where is the .bin, float or integer?", (), ("no-image",)),
    22: Pain(
        "many boards at once",
        out_of_reach="no failure of one board shows it; every board has a session, a record and a diagnosis of its own",
    ),
    23: Pain("no backup, a read-back is corrupt", ("reads-unstable", "line-noise")),
    24: Pain(
        "it hangs without an error",
        out_of_reach="what hangs reports nothing: every step has a time limit instead, and ends in one of the rules",
    ),
    25: Pain(
        "tools drift: names, paths, versions",
        checks=("versions", "pyserial"),
        out_of_reach="a program without its libraries fails before any board is looked at; doctor compares them",
    ),
}  # fmt: skip
