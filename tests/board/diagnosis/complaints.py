"""What users complain of most, and what answers it: rules, refusals by their codes, or why it is out of reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Complaint:
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


COMPLAINTS: Final[dict[int, Complaint]] = {
    1: Complaint(
        "failed to connect: timed out waiting for packet header",
        (
            "gpio0-high", "gpio15-high", "gpio2-low", "rx-dead", "loop-back", "adapter-echo", "line-dead",
            "boot-line-dead", "no-reset-line", "slow-reset", "strapping",
        ),
        ("port-missing",),
    ),
    2: Complaint(
        "hash of data verified, then a boot loop",
        (
            "flash-mode", "read-wrong-at-boot", "changed-at-boot", "nothing-bootable", "empty-flash",
            "firmware-crashes", "crash-at-start", "other-half", "image-hole", "partition-table", "no-application",
            "eboot-copy", "loader-alone", "watchdog-loop", "restart-loop", "program-restarts", "program-crashes",
        ),
    ),
    3: Complaint("rf_cal[0] != 0x05", ("init-data", "partitions-unread", "system-params"), ("init-data",)),
    4: Complaint(
        "the wrong flash size",
        ("layout-refused", "table-cut-off", "size-lie", "large-header", "header-size", "rom-size"),
        ("wrong-flash-size",),
    ),
    5: Complaint(
        "MD5 of file does not match data in flash",
        ("bad-cells", "not-written", "write-protected", "size-lie", "reads-unstable", "flash-absent", "flash-refuses",
         "loader-hangs"),
    ),
    6: Complaint("permission denied: /dev/ttyUSB0", (), ("port-denied",), ("rights",)),
    7: Complaint(
        "the wrong port or board was flashed", ("line-dead", "boot-line-dead"), ("wrong-board", "port-ambiguous")
    ),
    8: Complaint(
        "the chip stopped responding part-way",
        (
            "line-noise", "loader-hiccup", "chip-reset-itself", "loader-hangs", "power-gone", "rx-lost", "stub-dead",
            "unplugged",
            "adapter-glitch", "host-lost", "connection-cut",
        ),
    ),
    9: Complaint(
        "the 3.3 V of a USB adapter is too weak",
        ("supply-collapses", "supply-at-boot", "chip-reset-itself", "power-gone", "power-lost-at-boot", "not-written"),
    ),
    10: Complaint("a high baud rate fails on CH340", ("rate-garbled", "line-noise"), (), ("baud",)),
    11: Complaint("invalid head of packet, noise", ("gpio0-high", "no-reset-line", "line-noise", "unknown-rate")),
    12: Complaint("port busy, a monitor was left open", ("port-shared",), ("port-busy",), ("holders",)),
    13: Complaint("brltty or ModemManager takes the port", ("brltty", "wsl-detached"), (), ("brltty", "modem-manager")),
    14: Complaint(
        "a corrupt download is flashed and verified",
        ("nothing-bootable",),
        (
            "image-format", "image-truncated", "image-checksum", "image-line-endings", "fetch-content",
            "fetch-mismatch", "lock-mismatch",
        ),
    ),
    15: Complaint("an image for another chip", ("other-chip",), ("image-other-chip", "wrong-chip")),
    16: Complaint(
        "no reset wires; stays in the boot loader",
        ("no-reset-line", "nobody-there", "gpio0-held", "no-reset-wire", "strapping"),
    ),
    17: Complaint("garbage on the console", ("console-rate", "unknown-rate", "firmware-mute", "nodemcu-unwell")),
    18: Complaint("the file system is lost after a reflash", (), ("would-lose-data",)),
    19: Complaint("init.lua panics, no way in", ("lua-panic",)),
    20: Complaint("uploading Lua fails right after the flash", ("still-formatting",)),
    21: Complaint("where is the .bin, float or integer?", (), ("no-image",)),
    22: Complaint(
        "many boards at once",
        out_of_reach="no failure of one board shows it; every board has a session, a record and a diagnosis of its own",
    ),
    23: Complaint("no backup, a read-back is corrupt", ("reads-unstable", "line-noise")),
    24: Complaint(
        "it hangs without an error",
        out_of_reach="what hangs reports nothing: every step has a time limit instead, and ends in one of the rules",
    ),
    25: Complaint(
        "tools drift: names, paths, versions",
        checks=("versions", "pyserial"),
        out_of_reach="a program without its libraries fails before any board is looked at; doctor compares them",
    ),
}  # fmt: skip
