"""The shop's own test jig: its status decides, its JSON is kept, limits hold, and it leaves nothing behind."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import AcceptanceCommandError, AcceptanceLimitError, StoppedError
from flashpipe.flasher.jig import measure
from flashpipe.flasher.jig_model import Jig
from flashpipe.flasher.model import Outcome, RunRecord

from tests.running import is_gone

MAC = "5c:cf:7f:00:00:01"


class Session:
    """The part of a session that a jig is given."""

    port = address = "COM3"
    device = type("Device", (), {"mac": MAC})()

    def __init__(self) -> None:
        self.closed = False
        self.stop = threading.Event()

    @contextmanager
    def step(self, name: str, detail: str = "") -> Any:
        del name, detail
        yield []

    def leave(self) -> None: ...

    def close(self) -> None:
        self.closed = True

    def check_stop(self) -> None:
        if self.stop.is_set():
            raise StoppedError("stopped")


def run(folder: Path, text: str, **more: Any) -> tuple[Outcome, Session]:
    """What a jig that is a Python program leaves in the record."""
    (folder / "jig.py").write_text(text)
    session, record = Session(), RunRecord(Outcome("flashed", None))
    measure(session, Jig(("python3", "jig.py"), folder, **{"timeout_s": 30.0, **more}), record)  # type: ignore[arg-type]
    return record.outcome, session


def test_it_knows_the_board_has_the_port_to_itself_and_its_values_are_kept(tmp_path: Path) -> None:
    text = (
        "import os, json\nprint('hello')\n"
        "print(json.dumps({k: os.environ['FLASHPIPE_' + k] for k in ('PORT', 'MAC', 'UNIT_serial')}))"
    )
    outcome, session = run(tmp_path, text, unit={"serial": "A1"})
    assert outcome.measured == {"PORT": "COM3", "MAC": MAC, "UNIT_serial": "A1"}
    assert session.closed
    assert [(finding.demand, finding.passed) for finding in outcome.acceptance] == [("jig.py", True)]


def test_one_that_prints_nothing_and_is_content_is_enough(tmp_path: Path) -> None:
    assert run(tmp_path, "")[0].measured == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import sys\nprint('no light', file=sys.stderr)\nsys.exit(2)", 'status 2: "no light"'),
        ("import os\nos.kill(os.getpid(), 9)", "was killed by SIGKILL, and said nothing"),
        ("print('T=21')", 'no JSON object of names and values: "T=21"'),
        ("print('[1]')", "no JSON object"),
        ("print('{\"a\": [1]}')", "no JSON object"),
        ("print('{\"a\": NaN}')", "no JSON object"),
        ("print('[' * 100000)", "no JSON object"),
    ],
)
def test_what_it_says_no_to_and_what_is_no_answer_is_a_failure(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(AcceptanceCommandError) as caught:
        run(tmp_path, text)
    assert words in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('print(\'{"temp": 31, "n": 2}\')\nsys.exit(1)', "jig.py ended with status 1: temp 31, n 2"),
        ("print('too hot')\nprint('{\"temp\": 31, \"n\": 2}')\nsys.exit(1)", 'status 1: "too hot"'),
        ("print('{\"temp\": 31, \"n\": 2}')\nsys.exit('the light is out')", 'status 1: "the light is out"'),
        ('print(\'{"temp": 31, "n": 2}\', flush=True)\ntime.sleep(600)', "did not end within 5 s: temp 31, n 2"),
    ],
)
def test_what_was_measured_is_kept_also_of_a_board_that_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "jig.py").write_text(f"import sys, time\n{text}")
    record = RunRecord(Outcome("flashed", None, measured={"volts": 3.3}))
    with pytest.raises(AcceptanceCommandError) as caught:
        measure(Session(), Jig(("python3", "jig.py"), tmp_path, timeout_s=5.0), record)  # type: ignore[arg-type]
    assert words in caught.value.message
    assert record.outcome.measured == {"volts": 3.3, "temp": 31, "n": 2}
    assert [str(finding) for finding in record.outcome.acceptance] == ["jig.py: says no"]


def test_what_counts_is_its_end_however_much_it_has_said_before(tmp_path: Path) -> None:
    text = "print('raw 12\\n' * 50_000)\nprint('{\"temp\": 21.5}')"
    assert run(tmp_path, text)[0].measured == {"temp": 21.5}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("31", "temp: 31, want 15 to 30"),
        ("1234567.25", "temp: 1234567.25,"),
        ("14.9", "14.9"),
        ("null", "not measured"),
        ('"hot"', "'hot' is no number"),
    ],
)
def test_a_value_out_of_its_limits_is_a_failure_that_names_it(tmp_path: Path, value: str, words: str) -> None:
    with pytest.raises(AcceptanceLimitError, match=words):
        run(tmp_path, f"print('{{\"temp\": {value}}}')", limits={"temp": (15.0, 30.0)})


def test_what_was_not_measured_is_not_within_limits(tmp_path: Path) -> None:
    with pytest.raises(AcceptanceLimitError, match="volts: was not measured"):
        run(tmp_path, "", limits={"volts": (3.0, 4.0)})
    assert run(tmp_path, "print('{\"volts\": 3}')", limits={"volts": (3.0, 3.0)})[0].measured == {"volts": 3}


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AcceptanceCommandError, match="cannot be started"):
        measure(Session(), Jig(("./none",), tmp_path), RunRecord())  # type: ignore[arg-type]


@pytest.mark.skipif(os.name != "posix", reason="processes in sessions")
def test_one_that_takes_too_long_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('child', 'w').write(str(child.pid))\nprint('measuring', file=sys.stderr, flush=True)\ntime.sleep(600)"
    )
    with pytest.raises(AcceptanceCommandError, match="did not end") as caught:
        run(tmp_path, text, timeout_s=2.0)
    assert "acceptance: {timeout" in caught.value.hint
    if (tmp_path / "child").exists():
        pid = int((tmp_path / "child").read_text())
        assert is_gone(pid)


def test_a_stop_ends_it(tmp_path: Path) -> None:
    (tmp_path / "jig.py").write_text("import time\ntime.sleep(600)")
    session = Session()
    session.stop.set()
    with pytest.raises(StoppedError):
        measure(session, Jig((sys.executable, "jig.py"), tmp_path, 600.0), RunRecord())  # type: ignore[arg-type]


def test_what_cannot_be_started_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "jig.sh").write_text("#!/bin/sh\n")
    (tmp_path / "there").mkdir()
    for word, why in (
        ("./gone.py", "there is no such file"),
        ("no-such-program", "it is no program of PATH"),
        ("./there", "is a folder"),
        *([("./jig.sh", "it may not be executed")] if os.name == "posix" else []),
    ):
        assert Jig((word,), tmp_path).problem().startswith(f"{word} cannot be started: {why}")
    (tmp_path / "jig.sh").chmod(0o755)
    for word in ("./jig.sh", "jig.sh", "python3", sys.executable):
        assert Jig((word, "x"), tmp_path).problem() == ""
    assert Jig().problem() == ""
