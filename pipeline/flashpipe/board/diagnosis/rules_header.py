"""The firmware finds the flash larger, smaller or otherwise divided than it was built for, or its init data not there.

The size in the header of the image decides where an SDK looks for them; which sizes a build can live with is part of
the evidence, or stands in the log (facts: image-flashmap §4.3, §5.1).
"""

from __future__ import annotations

import re
from typing import Final

from flashpipe.board.diagnosis.evidence import Evidence
from flashpipe.board.diagnosis.rule import Proof, Rule
from flashpipe.board.diagnosis.rules_line import ended_as
from flashpipe.flash import SIZE_BYTES, decode_size
from flashpipe.next_steps import Advice, command, setting

LAYOUT: Final = ("wrong-size", "bad-partitions")
LARGE: Final = frozenset({"8MB", "16MB"})
"""Header sizes that SDKs before 2.1 do not know."""
_MAPS: Final = re.compile(r"mismatch map (?P<built>\d{1,9}), ?spi_size_map (?P<named>\d{1,9})")
"""Size codes: of the map that the build was compiled for, and of the header (seen in executed AT firmware 1.7.6). Some
builds go on all the same (`regist 4 success`): it proves something only where that failed."""
_TOO_SMALL: Final = re.compile(r"Flash size \(?(?P<size>\d{1,9})\)? too small")
_RF_WORDS: Final = r"rf_cal\[0\]"
_IMAGE_BYTE: Final = r"rf_cal\[0\] *!=0x05, *is 0x[eE][9aA]"
"""It found the first byte of an image instead (seen in executed NodeMCU 3.0 whose partition table is damaged)."""
_BLANK_ITEM: Final = r"^please check partition type \S+ .*:ffffffff"
"""What the SDK does not take of a table (seen in executed NodeMCU 3.0 whose power had failed as it wrote its own)."""
_REFUSED: Final = r"too small to support|partition_table_regist|Invalid system partition|invalid alignment"


def _sizes(evidence: Evidence) -> tuple[str, str]:
    """What the header names, and what it should name for this build; empty where that is not known."""
    maps = _MAPS.search(evidence.log) if evidence.verdict == "wrong-size" else None
    if maps is not None:
        return decode_size(int(maps["named"])) or "", decode_size(int(maps["built"])) or ""
    too_small = _TOO_SMALL.search(evidence.log)
    if too_small is not None:
        names = {size: name for name, size in reversed(SIZE_BYTES.items())}
        named = names.get(int(too_small["size"]), "")
        return named, evidence.fitted if named != evidence.fitted else ""
    return evidence.size, evidence.right_size


def _header_size(evidence: Evidence) -> Proof:
    """The header names a size, and the build another."""
    named, right = _sizes(evidence)
    if not ended_as(evidence, "wrong-size", "rf-cal") or not named or not right or named == right:
        return None
    words = evidence.quote(_MAPS.pattern) or evidence.quote(f"{_REFUSED}|{_RF_WORDS}") or [evidence.message]
    return [*words, f"the header names {named}"]


def _fits(evidence: Evidence) -> bool:
    """Whether the flash has room for the size that the build wants in its header."""
    right = _sizes(evidence)[1]
    return not evidence.fitted or SIZE_BYTES[right] <= SIZE_BYTES[evidence.fitted]


def _header_action(evidence: Evidence) -> str:
    right = _sizes(evidence)[1]
    if not _fits(evidence):
        return f"this flash has {evidence.fitted}: take a build for it, or a board with {right}"
    if evidence.right_size != right and _MAPS.search(evidence.log):  # only its words tell, which no plan knows
        return Advice(
            f"name that size in a profile of your own: `flash: {{size: {right}}}`, with ",
            setting(allow="wrong-flash-size"),
            " where the flash is larger",
        )
    return Advice(
        command("flash"), f" writes {right} into the header of this build; with another tool, name that size yourself"
    )


def _looks_at_image(evidence: Evidence) -> Proof:
    """The SDK looks for its data where the image begins: nothing has told it a better place."""
    if not ended_as(evidence, "rf-cal") or _header_size(evidence) is not None:
        return None
    return evidence.quote(_IMAGE_BYTE) or None


def _init_data(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "rf-cal") or evidence.size in LARGE or _header_size(evidence) is not None:
        return None
    if _looks_at_image(evidence):
        return None
    return evidence.quote(_RF_WORDS) or [evidence.message]


def _large_header(evidence: Evidence) -> Proof:
    if not ended_as(evidence, "rf-cal") or evidence.size not in LARGE or _header_size(evidence) is not None:
        return None
    if _looks_at_image(evidence):
        return None
    return [*(evidence.quote(_RF_WORDS) or [evidence.message]), f"the header names {evidence.size}"]


def _cut_off(evidence: Evidence) -> Proof:
    """The table ends in cells that nothing was written to."""
    return (evidence.quote(_BLANK_ITEM) or None) if ended_as(evidence, "bad-partitions") else None


def _refused(evidence: Evidence) -> Proof:
    if not ended_as(evidence, *LAYOUT) or _header_size(evidence) is not None or _cut_off(evidence) is not None:
        return None
    return evidence.quote(_REFUSED) or [evidence.message]


RULES: Final = (
    Rule(
        "header-size",
        _header_size,
        lambda evidence: (
            "the image's header names a flash of {}, with which this build does not work; it should name {}".format(
                *_sizes(evidence)
            )
        ),
        _header_action,
    ),
    Rule(
        "partitions-unread",
        _looks_at_image,
        lambda _: (
            "the SDK looks for its init data where the image begins: its partition table, in the first sector at"
            " 0x10000, is missing or damaged, or it does not take the size in the header"
        ),
        Advice(
            "flash it again with ",
            setting(force="1"),
            " and the profile of the board's real size: ",
            command("identify"),
            " names it",
        ),
        certain=False,
    ),
    Rule(
        "init-data",
        _init_data,
        lambda evidence: (
            "the SDK's init data is missing or damaged, and this firmware does not write it itself"
            if evidence.size
            else "the SDK finds no init data where it looks: it may be missing or damaged, or the header names another "
            "flash size than the build knows"
        ),
        "flash again with init_data: auto, which mends it where the firmware is known, or with init_data: FILE "
        "(esp_init_data_default_v05.bin of the SDK)",
        certain=lambda evidence: bool(evidence.size),
    ),
    Rule(
        "large-header",
        _large_header,
        lambda evidence: (
            f"the header names {evidence.size}, which an SDK before 2.1 does not know:"
            " it may look for its init data at a wrong place"
        ),
        "a build with SDK 2.1 or later, which knows that size; else init_data: auto",
        certain=False,
    ),
    Rule(
        "table-cut-off",
        _cut_off,
        "the firmware's partition table is not complete: its power failed while it wrote it, mostly at its first start",
        Advice(command("flash"), " writes it again, where the profile names that firmware"),
    ),
    Rule(
        "layout-refused",
        _refused,
        lambda evidence: (
            "the firmware refuses the flash size or partition table that it finds"
            + (f"; the header names {evidence.size}" if evidence.size else "")
        ),
        Advice("flash it with the profile of the board's real size: ", command("identify"), " names it"),
    ),
)
