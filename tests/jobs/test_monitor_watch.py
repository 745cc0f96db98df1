"""A monitor that a program has started: what ends it, and how."""

from __future__ import annotations

from pathlib import Path

import pytest
from flashpipe.errors import BadValueError
from flashpipe.jobs.monitor_watch import Watch
from flashpipe.jobs.variables import Variables

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
