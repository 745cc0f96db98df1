"""What a person sees while a run goes on, and at its end."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from flashpipe import folding, terminal
from flashpipe.errors import FlashSizeError
from flashpipe.events import BoardDone, Listener, Message, Progress, StepFinished, StepStarted
from flashpipe.text import last_line, lines, panel
from flashpipe.text.pace import Pace

PORT, OTHER = "/dev/ttyUSB0", "sim://esp12?mac=5c:cf:7f:00:00:02&flash=cells"
DONE = BoardDone(PORT, "flash", "esp12", "5c:cf:7f:00:00:01", False, "flashed", "NodeMCU 3.0.0.0 boots", 2.0)  # noqa: FBT003


class Screen(io.StringIO):
    """A terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    def width(_stream: object) -> int:
        return 80

    for module in (lines, last_line):
        monkeypatch.setattr(module, "width_of", width)
    monkeypatch.setenv("COLUMNS", "80")
    return Screen()


def shown(screen: Screen) -> list[str]:
    return [piece for piece in screen.getvalue().replace("\r", "\n").split("\n") if piece.strip()]


def run(show: Listener, port: str) -> None:
    show(StepStarted(port, "write", "492 KB in 1 run(s), and some words more about what will be done, and why it will"))
    for done in (0, 100_000, 503_808):
        show(Progress(port, "write", done, 503_808))
    show(
        StepFinished(
            port, "write", 1.0, "503,808 bytes written, and all that is to be said of it, which is a lot more than that"
        )
    )
    show(Message(port, "receipt  .pipeline/receipts/20261129T214425866-5ccf7f000012-flashed.json"))


def test_a_bar_has_bytes_rate_and_time_left() -> None:
    pace = Pace()
    assert pace.told(Progress(PORT, "write", 0, 1_048_576), 10.0) == "0 of 1,024 KB"
    assert pace.told(Progress(PORT, "write", 262_144, 1_048_576), 14.0) == "256 of 1,024 KB  64 KB/s  12 s left"
    assert Pace().told(Progress(PORT, "send", 512, 1023), 10.0) == "512 of 1023 B"
    assert pace.told(Progress(PORT, "write", 1_048_576, 1_048_576), 26.0) == "1,024 of 1,024 KB  64 KB/s"
    assert pace.told(Progress(PORT, "boot", 3, 60), 14.0) == "3 s, 60 s at most"


def test_what_a_bar_counts_begins_anew_with_each_step() -> None:
    pace = Pace()
    pace.told(Progress(PORT, "write", 500_000, 1_048_576), 10.0)
    pace.begin(PORT, "write")
    pace.told(Progress(PORT, "write", 0, 1_048_576), 20.0)
    assert "64 KB/s" in pace.told(Progress(PORT, "write", 65_536, 1_048_576), 21.0)


def test_the_row_of_a_step_that_never_ended_does_not_stay(screen: Screen) -> None:
    show = lines.ConsoleLines(screen)
    show(Progress(PORT, "send", 10, 100))
    show.close()
    assert screen.getvalue().endswith("\r"), "the cursor stands at its beginning"
    assert screen.getvalue().split("\r")[-2].strip() == ""


def test_nothing_is_longer_than_the_terminal_is_wide(screen: Screen) -> None:
    run(lines.ConsoleLines(screen), PORT)
    assert max(map(len, shown(screen))) <= 80
    assert "         more than that  (1.0 s)" in shown(screen)


def test_in_a_log_each_step_is_one_line() -> None:
    log = io.StringIO()
    run(lines.ConsoleLines(log, prefix=True), PORT)
    assert [line.split()[1] for line in log.getvalue().splitlines()] == ["write", "receipt"]


def test_several_boards_have_a_row_each_once_a_run_takes_longer(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel, "LATE_S", -1.0)
    show = lines.ConsoleLines(screen, prefix=True)
    try:
        for port in (PORT, OTHER):
            run(show, port)
            assert show._panel is not None
            assert show._panel._live is not None
            show._panel._live.refresh()  # it does so itself eight times a second
        text = screen.getvalue()
        assert f"{PORT}: write    ████████ 100%" in text
        assert folding.short_port(OTHER, lines.PORT_WIDTH) in text
        for port in (PORT, OTHER):
            show(replace(DONE, port=port))
        assert screen.getvalue().count("\x1b[?25h") == 1  # the cursor is back
    finally:
        show.close()


def test_quiet_is_quiet(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "quiet", True)
    run(lines.ConsoleLines(screen), PORT)
    assert screen.getvalue() == ""


def test_quiet_leaves_one_line_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "quiet", True)
    error = FlashSizeError(f"{PORT}: profile says 4MB, the chip 1 MB", "take esp01-1m")
    bad = replace(DONE, error=error, outcome=error.code, summary=error.message)
    alone = last_line.failure(error, [bad])
    assert alone.count("\n") == 0
    assert f"[code: {error.code}]" in alone
    assert last_line.last_lines([bad], io.StringIO()) == ""
    several = FlashSizeError("a.yaml:1: one\na.yaml:2: two")
    assert last_line.failure(several).endswith(f"one (and 1 more) [code: {error.code}]")
    # Of several the last line says which; of one among them that alone had its turn it says what failed.
    assert last_line.failure(error, [bad], several=True) == ""
    told = last_line.last_lines([bad, replace(DONE, port=OTHER)], io.StringIO(), several=True)
    assert told.count("\n") == 0
    assert f"{PORT} [code: {error.code}]" in told
    assert last_line.last_lines([bad], io.StringIO(), several=True) == alone


def test_a_failure_is_told_once_and_names_the_port_in_each_line() -> None:
    error = FlashSizeError(f"{PORT}: profile says 4MB, the chip 1 MB", "take esp01-1m")
    bad = replace(DONE, error=error, outcome=error.code, summary=error.message)
    told = last_line.failure(error, [bad], several=True).splitlines()
    assert len(told) == 2
    assert all(PORT in line for line in told)
    table = last_line.last_lines([bad, replace(DONE, port=OTHER)], io.StringIO())
    assert "profile says" not in table
    assert f"[code: {error.code}]" in table


def test_a_table_of_boards_fits_on_the_terminal(screen: Screen) -> None:
    table = last_line.last_lines([DONE, replace(DONE, port=OTHER)], screen)
    assert [line for line in re.sub(r"\x1b\[\d+m", "", terminal.visible(table)).splitlines() if len(line) > 80] == []
