"""What a bench has measured: a table fit for an issue, and the same for programs."""

from __future__ import annotations

from typing import Final

from flashpipe.flasher.bench_figures import AMOUNT, Figures
from flashpipe.units import format_size

_FAST: Final = (
    "the virtual board's (time=fast): no measurement; `?time=real` behind its name takes the time of its line"
)


def table(figures: Figures, about: str) -> str:
    """The figures as Markdown; neither MAC nor port are in it, so that it can be shown to anybody.

    about: which program measured on which system.
    """
    device, amount = figures.device, format_size(AMOUNT)
    capacity = format_size(device.flash_size) if device.flash_size else "size unknown"
    rows = [
        ("board", f"{device.chip}, {device.flash_part}, {capacity}" + (", virtual" if device.virtual else "")),
        *([("time", _FAST)] if figures.time == "fast" else []),
        ("adapter", figures.adapter or "unknown"),
        ("connect", f"{figures.connect_s:.2f} s"),
        *(
            (f"{rate.baud} baud", f"holds, {rate.bytes_per_s / 1000:.1f} kB/s read" if rate.holds else rate.why)
            for rate in figures.rates
        ),
        *(
            (
                f"flash clock {clock.mhz} MHz",
                f"holds, digest of {amount} {clock.digest_s:.2f} s" if clock.holds else "the flash is not read rightly",
            )
            for clock in figures.clocks
        ),
        *(
            (
                f"write {amount} at {written.baud}" + (f", flash at {written.flash_mhz} MHz" * bool(written.flash_mhz)),
                f"{written.write_s:.2f} s, verify {written.verify_s:.2f} s",
            )
            for written in figures.written
        ),
        *((f"esptool write-flash at {baud}", f"{seconds:.2f} s, all of it") for baud, seconds in figures.esptool),
        *([("boot", f"{figures.boot}, {figures.boot_s:.1f} s")] if figures.boot else []),
        *((one.what, f"not measured: {one.why}") for one in figures.left_out),
    ]
    lines = [about, "", "| what | measured |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {text.replace('|', '/')} |" for name, text in rows)])


def facts(figures: Figures) -> dict[str, object]:
    """The same for programs; seconds and bytes."""
    device = figures.device
    return {
        "chip": device.chip,
        "flash_id": device.flash_id,
        "flash_size": device.flash_size,
        "virtual": device.virtual,
        "time": figures.time,
        "adapter": figures.adapter,
        "region": {"start": figures.region.start, "end": figures.region.end},
        "connect_s": round(figures.connect_s, 3),
        "rates": [
            {"baud": rate.baud, "holds": rate.holds, "bytes_per_s": rate.bytes_per_s, "why": rate.why}
            for rate in figures.rates
        ],
        "write": [
            {
                "baud": one.baud,
                "bytes": AMOUNT,
                "write_s": one.write_s,
                "verify_s": one.verify_s,
                "flash_mhz": one.flash_mhz,
            }
            for one in figures.written
        ],
        "flash_clocks": [
            {"mhz": one.mhz, "holds": one.holds, "bytes": AMOUNT, "digest_s": round(one.digest_s, 3)}
            for one in figures.clocks
        ],
        "esptool": [{"baud": baud, "bytes": AMOUNT, "seconds": round(seconds, 3)} for baud, seconds in figures.esptool],
        "boot": figures.boot,
        "boot_s": round(figures.boot_s, 3),
        "left_out": [{"what": one.what, "why": one.why} for one in figures.left_out],
    }
