"""What an audit tells people."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flashpipe.digests import md5
from flashpipe.errors import DriftError
from flashpipe.firmware.flash_map import HEADER_SIZE_BYTE
from flashpipe.flash import Region
from flashpipe.flasher.audit import AuditFinding, audit, lines, outcome
from flashpipe.flasher.probe import probe
from flashpipe.flasher.verified_regions import of_plan
from flashpipe.records.history import HistoryRow

from tests.flasher.runs import QUIET, adjusting


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


@pytest.mark.parametrize(("named", "now"), [(0x40, 0x40), (0x20, 0x40), (0x40, 0x4F), (0x40, 0x90)])
def test_size_and_clock_in_the_header_are_as_written_or_as_the_firmware_sets_them(
    named: int, now: int, bed: Any
) -> None:
    board, wanted = bed(), adjusting(named)
    (segment,) = wanted.segments
    with board.session() as session:
        session.connected()
        board.put(0, segment.data)
        said = of_plan(probe(session, wanted, QUIET))
        rows = [HistoryRow(row.region, row.kind, row.what, row.md5, "one") for row in said if row.kind == "firmware"]
        digest = md5(bytes([named])).hex()
        assert HistoryRow(HEADER_SIZE_BYTE, "firmware", segment.name, digest, "one") in rows
        board.put(3, bytes([now]))
        findings = audit(session, rows)
        if now == 0x40:
            assert outcome(session, findings).outcome == "audited"
            assert len(lines(findings, ())) == 1, "one stretch to whoever reads it"
        else:
            with pytest.raises(DriftError, match="at 0x000003"):
                outcome(session, findings)
