"""A monitor that a program has started: what ends it, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from flashpipe.board.boot.follower import RateFollower
from flashpipe.board.boot.verdict import Verdict, conclude
from flashpipe.errors import BadValueError, MonitorFailedError
from flashpipe.jobs import monitor_watch
from flashpipe.jobs.board_job import BoardRun
from flashpipe.jobs.monitor_watch import Watch
from flashpipe.jobs.variables import Variables
from flashpipe.tasks.actions import look

from tests.harness import Project

CRASH = (
    "Fatal exception (28):\nepc1=0x40201234, epc2=0x00000000, epc3=0x00000000, excvaddr=0x00000003, depc=0x00000000\n"
)


def watch(**given: str) -> Watch:
    clock = iter(range(100))
    return Watch(Variables(given, {}), now=lambda: float(next(clock)))


def test_a_person_ends_a_plain_monitor() -> None:
    plain = watch()
    plain.hear(CRASH)
    assert not plain.machine
    assert not plain.ended()


@pytest.mark.parametrize("until", ["ready", "/rea.y$/", "/READY/i"])
def test_what_is_waited_for_may_come_in_pieces(until: str) -> None:
    found = watch(until=until)
    for piece in ("not yet\nre", "ad", "y\n"):
        assert not found.ended()
        found.hear(piece)
    assert found.ended()
    assert (found.seen, found.error) == ("ready", None)


def test_what_must_not_come_is_a_failure_of_its_own() -> None:
    found = watch(until="ready", fail="/E[0-9]+/")
    found.hear("E42 ready\n")
    assert found.ended()
    assert found.error is not None
    assert found.error.code == "monitor-failed"


def test_a_crash_that_comes_letter_by_letter_is_one_and_without_a_sign_of_it_nothing_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, judged = watch(until="ready"), list[str]()

    def judge(text: str) -> Verdict | None:
        judged.append(text)
        return conclude(text)

    monkeypatch.setattr(monitor_watch, "conclude", judge)
    for line in range(400):
        found.hear(f"temperature {line}\n")
    assert not judged
    for letter in CRASH:
        found.hear(letter)
    assert found.error is not None
    assert found.error.code == "boot-exception"


def test_time_is_a_failure_only_where_something_was_waited_for() -> None:
    found = watch(until="ready", timeout="3s")
    while not found.ended():
        found.hear("x")
    assert found.error is not None
    assert found.error.code == "monitor-timeout"
    idle = watch(timeout="3s")
    while not idle.ended():
        idle.hear("x")
    assert idle.error is None


def test_a_crash_is_its_verdict() -> None:
    found = watch(until="ready")
    found.hear(CRASH)
    assert found.ended()
    assert found.error is not None
    assert found.error.code == "boot-exception"


@pytest.mark.parametrize("given", [{"until": "/(/"}, {"timeout": "soon"}])
def test_what_cannot_be_read_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(BadValueError):
        watch(**given)


def test_after_a_flash_it_waits_for_its_text_and_keeps_a_log(project: Project, firmware: Path) -> None:
    words = ("profile=esp12", "port=sim://esp12", f"image={firmware}", "log=serial.log", "stamp=1", "timeout=20s")
    done = project.flashpipe("flash", "monitor", *words, "until=/SDK.*/").ok()
    assert "OK  esp12 on sim://esp12" in done.out
    lines = (project.folder / "serial.log").read_text(encoding="utf-8").splitlines()
    assert any("SDK" in line for line in lines)
    assert all(line.startswith("[") for line in lines)


def test_what_does_not_come_has_a_status(project: Project) -> None:
    done = project.flashpipe("monitor", "sim://esp12", "until=never", "timeout=300ms").failed("monitor-timeout")
    assert done.status == 39
    project.flashpipe("monitor", "sim://esp12", "until=/(/").failed("bad-value")
    project.flashpipe("monitor", "sim://esp12", "log=no/such/log", "timeout=1s").failed("bad-value")


@pytest.mark.parametrize("given", ["fail=nothing", "until=ready"])
def test_a_crash_that_is_told_at_the_rate_of_the_rom_is_its_verdict_too(project: Project, given: str) -> None:
    board = "sim://nodemcu-devkit?app.trouble=exception&app.crash-s=0.1"
    done = project.flashpipe("monitor", f"port={board}", given, "timeout=60s").failed("boot-exception")
    assert any(line.startswith("FAILED") for line in done.text.splitlines())
    assert "\N{REPLACEMENT CHARACTER}" not in done.err


def test_what_is_no_text_at_any_rate_does_not_end_well(project: Project) -> None:
    board = "sim://nodemcu-devkit?app.trouble=chatter&app.baud=57600"
    project.flashpipe("monitor", f"port={board}", "fail=nothing", "timeout=2s").failed("boot-unreadable")


@pytest.mark.parametrize("said", ["> ", "text\n"])
def test_a_verdict_begins_a_line(
    said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def monitor(_board: object, show: Callable[[str], None], *_: object, **__: object) -> RateFollower:
        show(said)
        return RateFollower(115200)

    command = SimpleNamespace(variables=Variables({"fail": said.strip()}, {}), caller=tmp_path)
    board = SimpleNamespace(command=command, inputs=None, notify=None)
    monkeypatch.setattr(look, "explainer", lambda *_: lambda _line: [])
    monkeypatch.setattr("flashpipe.jobs.monitor.monitor", monitor)
    with pytest.raises(MonitorFailedError):
        look.monitor(cast("BoardRun", board))
    assert capsys.readouterr().out.removeprefix(said) == "\n" * (not said.endswith("\n"))
