"""Logs as people pass them on: the same verdict as of what the board said."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import pytest
from flashpipe.board.boot.pasted import KEPT, clean, read_log
from flashpipe.board.boot.verdict import classify

ROM: Final = " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\n"
CRASH: Final = "Exception (28):\nepc1=0x40201abc epc2=0x00000000 epc3=0x00000000 excvaddr=0x00000008 depc=0x00000000\n"


def stamped(pattern: str) -> Callable[[str], str]:
    return lambda text: "".join(f"{pattern}{line}\n" for line in text.splitlines())


WAYS: Final[dict[str, Callable[[str], str]]] = {
    "as it is": lambda text: text,
    "CR LF": lambda text: text.replace("\n", "\r\n"),
    "Arduino": stamped("12:00:01.123 -> "),
    "PlatformIO": stamped("12:00:01.123 > "),
    "esptool-like": stamped("[12:00:01]"),
    "with a date": stamped("2024-05-06 12:00:01,123 "),
    "ISO": stamped("2024-05-06T12:00:01.123Z "),
    "ts": stamped("May 06 12:00:01 "),
    "Tera Term": stamped("[Mon May  6 12:00:01.123 2024] "),
    "with dots": stamped("2024.05.06, 12:00:01.123, "),
    "code by the line": lambda text: "".join(f"`{line}`\n" if line.strip() else "\n" for line in text.splitlines()),
    "bullets": stamped("- "),
    "numbers": lambda text: "".join(f"{number}: {line}\n" for number, line in enumerate(text.splitlines(), 1)),
    "bare numbers": lambda text: "".join(f"{at:4} {line}\n" for at, line in enumerate(text.splitlines(), 1)),
    "a port's name": stamped("COM3: "),
    "a time of twelve hours": stamped("[10:34:12 PM] "),
    "quoted twice": stamped("> > "),
    "ends spelt out": lambda text: text.replace("\n", "\\r\\n\n"),
    "HTML breaks": lambda text: text.replace("\n", "<br>\n"),
    "PuTTY": lambda text: f"=~=~=~=~=~= PuTTY log 2024.05.06 12:00:01 =~=~=~=~=~=\n{text}",
    "seconds": stamped("[   12.345678] "),
    "quoted": stamped("> "),
    "indented": stamped("    "),
    "fenced": lambda text: f"```\n{text}```\n",
    "HTML": lambda text: text.replace(">", "&gt;").replace("<", "&lt;"),
    "miniterm": lambda text: (
        f"--- Miniterm on /dev/ttyUSB0  74880,8,N,1 ---\n--- Quit: Ctrl+] | Menu: Ctrl+T ---\n{text}"
    ),
    "coloured": lambda text: "".join(f"\x1b[0;32m{line}\x1b[0m\n" for line in text.splitlines()),
    "colours torn": lambda text: "".join(f"[0;32m{line}[0m\n" for line in text.splitlines()),
    "colours spelt out": lambda text: "".join(f"^[[0;32m{line}^[[0m\n" for line in text.splitlines()),
    "with a head": lambda text: f"# source: somebody\n# want: an answer\n{text}",
}


BY_LINE: Final = {
    *("Arduino", "PlatformIO", "esptool-like", "with a date", "ISO", "ts", "seconds"),
    *(
        "Tera Term",
        "with dots",
        "code by the line",
        "bullets",
        "numbers",
        "bare numbers",
        "a port's name",
        "a time of twelve hours",
    ),
}


def test_what_monitors_and_pages_add_changes_no_verdict(capture: Any) -> None:
    plain = classify(capture.text).kind
    # A line's time stands before its end, a prompt's does not.
    ways = {way: made for way, made in WAYS.items() if plain != "prompt" or way not in BY_LINE}
    judged = {way: classify(read_log(made(capture.text).encode())).kind for way, made in ways.items()}
    assert judged == dict.fromkeys(ways, plain)


def test_the_lines_of_esptool_are_no_firmware() -> None:
    upload = (
        "esptool.py v3.0\nSerial port COM3\nConnecting....\nChip is ESP8266EX\nHash of data verified.\n\nLeaving...\n"
    )
    assert classify(clean(upload)).kind == "silence"
    assert classify(clean(f"{upload}{ROM}csum 0xd6\n\n{CRASH}")).kind == "exception"
    assert classify(clean(f"{ROM}csum 0xd6\nConnecting......\nConnected\n")).kind == "firmware", (
        "its own word for Wi-Fi"
    )


def test_a_log_that_a_shell_wrote_in_utf16_is_read() -> None:
    for codec in ("utf-16", "utf-8-sig"):
        assert classify(read_log(f"{ROM}csum 0xd6\n\n{CRASH}".encode(codec))).kind == "exception"


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_firmware(seed: int) -> None:
    assert classify(read_log(random.Random(seed).randbytes(20_000))).kind == "silence"


def test_of_a_long_log_the_end_counts() -> None:
    assert classify(read_log(b"temperature 21.5\r\n" * (KEPT // 16) + f"\n{CRASH}".encode())).kind == "exception"


def test_a_prefix_is_taken_off_where_enough_lines_show_it() -> None:
    log = f"{ROM}load 0x40100000, len 4, room 16 \ntail 4\nchksum 0xe7\ncsum 0xe7\n{CRASH}"
    plain = classify(log)
    named = clean(stamped("COM3, 115200 baud | ")(log))
    assert (classify(named).kind, classify(named).crash) == (plain.kind, plain.crash)
    assert clean("COM3 | hello\nCOM3 | world\n") == "COM3 | hello\nCOM3 | world\n", "its own words, perhaps"
