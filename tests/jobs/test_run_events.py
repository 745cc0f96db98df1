"""The stream of events, as programs get it: by whole commands, each line held against the committed schema."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import PortLostError
from flashpipe.events import BoardDone, Progress
from flashpipe.jobs import audience, run_events
from flashpipe.jobs.event_lines import EventLines

from tests import schema
from tests.harness import Done, Project
from tests.running import Running

DEVKIT = "port=sim://nodemcu-devkit"


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="not run: there is no full disk here")


def end(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return dict(lines[-1]["data"])


def events(project: Project, name: str = "ev.jsonl") -> list[dict[str, Any]]:
    return schema.checked_events((project.folder / name).read_text(encoding="utf-8"))


def of(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == kind]


def info(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in of(lines, "info") if line["data"]["kind"] == kind]


@pytest.mark.parametrize("module", ["flashpipe.cli.main", "doit"])
def test_a_flash_is_told_from_start_to_end(project: Project, firmware: Path, module: str) -> None:
    done = project.run(module, "flash", "profile=esp12", DEVKIT, f"image={firmware}", "events=ev.jsonl").ok()
    lines = events(project)
    assert lines[0]["data"]["profile"] == "esp12"
    assert lines[0]["data"]["command"][0] == "flash"
    steps = [line["data"]["task"]["name"] for line in of(lines, "task_end")]
    assert [step for step in steps if step in {"connect", "probe", "write", "verify", "boot"}] == [
        "connect",
        "probe",
        "write",
        "verify",
        "boot",
    ]
    (plan,) = info(lines, "plan")
    assert plan["data"]["segments"][0]["address"] == 0
    (board,) = info(lines, "board")
    assert board["mac"] == board["data"]["mac"]
    (result,) = info(lines, "result")
    assert (result["data"]["outcome"], result["virtual"], result["executed"]) == ("flashed", True, True)
    assert result["data"]["execution"]["from"] == "boot"
    assert result["data"]["verdict"] == "prompt"
    assert end(lines)["status"] == 0
    assert Path(end(lines)["receipt"]).is_file()
    assert end(lines)["next"].startswith("flashpipe flash node profile=esp12")
    assert end(lines)["next_steps"] == [], "two tasks are no command"
    assert "OK  esp12 on sim://nodemcu-devkit" in done.out


def test_the_receipt_is_that_of_the_board_whose_failure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = PortLostError("gone")
    good = BoardDone(
        "a", "flash", "", "", virtual=True, outcome="flashed", summary="", seconds=1.0, receipt="good.json"
    )
    failed = replace(good, port="b", error=bad, receipt="bad.json")
    monkeypatch.setattr(audience, "failures", [bad])
    for results in ([good, failed], [failed, good]):
        monkeypatch.setattr(audience, "results", results)
        ending = run_events._ending(bad.status)
        assert (ending["code"], ending["receipt"]) == (bad.code, "bad.json")
        assert sorted(ending["receipts"]) == ["bad.json", "good.json"]  # type: ignore[call-overload]


@pytest.mark.parametrize("module", ["flashpipe.cli.main", "doit"])
def test_on_standard_output_nothing_else_stands(project: Project, module: str) -> None:
    done = project.run(module, "identify", DEVKIT, "events=-").ok()
    lines = schema.checked_events(done.out)
    assert end(lines)["status"] == 0
    assert "ESP8266EX" in done.err


def test_doits_own_option_does_the_same(project: Project) -> None:
    done = project.doit("-r", "events", "identify", DEVKIT).ok()
    assert end(schema.checked_events(done.out))["status"] == 0


@pytest.mark.parametrize("module", ["flashpipe.cli.main", "doit"])
def test_the_first_line_names_the_profile_of_the_dodo_file(project: Project, module: str) -> None:
    (project.folder / "dodo.py").write_text(
        "from flashpipe.tasks import *\nDOIT_CONFIG = flashpipe_config(profile='demo')\n"
    )
    project.run(module, "doctor", "events=ev.jsonl")
    lines = events(project)
    assert (lines[0]["type"], lines[0]["data"]["profile"]) == ("run_start", "demo")
    assert [line["ts"] for line in lines] == sorted(line["ts"] for line in lines)


def test_a_wait_is_told_once_a_second() -> None:
    written = list[bytes]()
    tell = EventLines(written.append)
    for done in (0, 0, 1, 1, 1, 60):
        tell(Progress("/dev/ttyUSB0", "boot", done, 60))
    assert [b'"task_progress"' in line for line in written] == [False, True, *[True] * (len(written) - 2)]
    assert sum(b'"done":0' in line for line in written) == 1
    assert b'"done":60' in written[-1]


def test_the_environment_collects_the_runs_of_a_job(project: Project) -> None:
    more = {"FLASHPIPE_EVENTS": str(project.folder / "all.jsonl")}
    for _ in range(2):
        project.python("-m", "flashpipe.cli.main", "profiles", more=more)
    lines = [json.loads(line) for line in (project.folder / "all.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines].count("run_end") == 2


@pytest.mark.parametrize("module", ["flashpipe.cli.main", "doit"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("flash", "profil=esp12"), "unknown-variable"),
        (("flash", "profile=esp12", "profile=esp12"), "bad-value"),
        (("flash", "profile=nix"), "unknown-profile"),
        (("flash", "profile=esp12", "port=sim://esp12?nix=1", "image=nix.bin"), "image-missing"),
    ],
)
def test_a_refusal_is_the_end(project: Project, module: str, words: tuple[str, ...], code: str) -> None:
    done = project.run(module, *words, "events=ev.jsonl")
    last = end(events(project))
    assert (last["code"], last["status"]) == (code, done.status)
    assert last["status"] == done.status
    assert last["cause"]
    assert last["next"]


def test_a_word_that_nobody_knows_is_the_end_too(project: Project) -> None:
    project.flashpipe("flsh", "events=ev.jsonl").failed("usage")
    assert end(events(project))["code"] == "usage"
    done = project.doit("flsh", "events=ev.jsonl")
    assert end(events(project))["status"] == done.status == 3


def test_both_on_standard_output_are_refused(project: Project) -> None:
    done = project.flashpipe("report", "format=json", "events=-").failed("usage")
    assert end(schema.checked_events(done.out))["code"] == "usage"


def test_a_file_that_cannot_be_written_ends_the_run(project: Project) -> None:
    for run in (project.flashpipe, project.doit):
        done: Done = run("profiles", "events=no/such/folder/ev")
        assert done.status == 3
        assert "[code: bad-value]" in done.err


def test_several_boards_tell_their_own(project: Project, firmware: Path) -> None:
    ports = "port=sim://esp12?mac=5c:cf:7f:00:00:01,sim://esp12?fault=silent"
    project.flashpipe("flash", "profile=esp12", ports, f"image={firmware}", "events=ev.jsonl")
    lines = events(project)
    results = {line["port"]: line["data"] for line in info(lines, "result")}
    assert [data["status"] == 0 for data in results.values()].count(True) == 1
    (bad,) = (data for data in results.values() if data["error"])
    assert bad["error"]["proof"] or bad["error"]["message"]
    assert end(lines)["status"] == bad["status"]
    assert end(lines)["receipts"]


def test_a_stop_is_told(project: Project, firmware: Path) -> None:
    words = ("flash", "profile=esp12", f"{DEVKIT}?time=0.15", f"image={firmware}", "events=ev.jsonl")
    with Running(project, "flashpipe.cli.main", *words) as run:
        run.until("write ")
        run.signal(signal.SIGTERM)
        assert run.end() == 143
    last = end(events(project))
    assert (last["status"], last["code"], last["next"]) == (143, "stopped", "run the same command again: it continues")


def test_a_pulled_cable_is_a_failed_task(project: Project, firmware: Path) -> None:
    port = "port=sim://nodemcu-devkit?fault=unplug:90000"
    project.flashpipe("flash", "profile=esp12", port, f"image={firmware}", "events=ev.jsonl")
    lines = events(project)
    assert [line["data"]["result"] for line in of(lines, "task_end")][-1] == "failed"
    assert end(lines)["code"] == "port-lost"


@FULL
@pytest.mark.parametrize(("module", "status"), [("flashpipe.cli.main", 40), ("doit", 2)])
def test_a_disk_that_is_full_ends_the_events_and_not_the_run(project: Project, module: str, status: int) -> None:
    done = project.run(module, "profiles", "events=/dev/full").failed("record")
    assert done.status == status
    assert "esp12" in done.out
    assert done.err.count("no more of them can be written") == 1


@FULL
@pytest.mark.parametrize("words", [("profiles",), ("plan", "profile=demo", "offline=1")])
@pytest.mark.parametrize(("module", "status"), [("flashpipe.cli.main", 40), ("doit", 2)])
def test_what_standard_output_did_not_take_fails_the_run(
    project: Project, module: str, status: int, words: tuple[str, ...], firmware: Path
) -> None:
    (project.folder / "demo.yaml").write_text(f"extends: esp12\nfirmware: {{image: {firmware}}}\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", module, *words, "events=ev.jsonl"],
            cwd=project.folder,
            env=project.environment(),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr.count("standard output cannot be written: No space left")) == (status, 1)
    assert (end(events(project))["status"], end(events(project))["code"]) == (status, "record")


@pytest.mark.parametrize(
    ("uptodate", "status"), [("raise ValueError", 3), ("raise KeyboardInterrupt", 130), ("return False", 0)]
)
def test_plain_doit_is_told_of_however_it_ends(project: Project, uptodate: str, status: int) -> None:
    with (project.folder / "dodo.py").open("a") as dodo:
        dodo.write(f"def due():\n    {uptodate}\n\ndef task_mine():\n    return {{'actions': [], 'uptodate': [due]}}\n")
    done = project.python("-m", "doit", "mine", "events=ev.jsonl")
    assert end(events(project))["status"] == status
    assert done.status in {status, -signal.SIGINT}
