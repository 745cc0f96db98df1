"""What an audit tells people."""

from __future__ import annotations

import re

from flashpipe.flash import Region
from flashpipe.flasher.audit import AuditFinding, lines
from flashpipe.records.history import HistoryRow


def test_columns_stay_apart_however_long_their_texts_are() -> None:
    long = "SDK parameters with Wi-Fi settings; the end of the file system lies over them"
    rows = [
        HistoryRow(Region(0, 0x1000), "firmware", "boot.bin", "aa", "one.json"),
        HistoryRow(Region(0x3FD000, 0x400000), "parameters", long, "", "one.json"),
    ]
    told = lines([AuditFinding(row, "aa") for row in rows], ())
    assert [re.split(" {2,}", line) for line in told] == [
        ["firmware", "0x000000..0x001000", "boot.bin", "as recorded (one.json)"],
        ["parameters", "0x3fd000..0x400000", long, "not on record before: noted now"],
    ]
    assert len({line.index(word) for line, word in zip(told, ("as rec", "not on"), strict=True)}) == 1
    assert lines([], ()) == []
