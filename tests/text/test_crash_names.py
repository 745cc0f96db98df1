"""The names of a crash's addresses, however the text comes."""

from __future__ import annotations

from pathlib import Path

from flashpipe.firmware.elf import read_elf
from flashpipe.text.crash_names import CrashAnnotator

from tests.elfs import make_elf


def test_places_follow_their_line_however_the_text_comes(tmp_path: Path) -> None:
    (tmp_path / "app.elf").write_bytes(make_elf())
    places = CrashAnnotator(read_elf(tmp_path / "app.elf").explain)
    text = "Fatal exception 28:\nepc1=0x40210003, epc2=0x00000000, depc=0x0\nrst cause:2\n> "
    shown = "".join(places.show(text[at : at + 7]) for at in range(0, len(text), 7))
    want = text.replace("depc=0x0\n", "depc=0x0\n  0x40210003 is in user_init+0x3 (user_main.c:12)\n")
    assert shown == want
