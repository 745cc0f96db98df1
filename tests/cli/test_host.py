"""`flashpipe host` on the command line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from flashpipe.cli.main import main
from flashpipe.errors import BadValueError, HostCheckError, HostFileError, UnknownVariableError
from flashpipe.lab import systemd
from flashpipe.lab.host_file import file_text
from flashpipe.lab.systemd import PROGRAM

from tests.lab.hosting import plan, serving, virtual


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_is_written_once_and_then_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["host", "init", "port=sim://esp12,sim://d1-mini"]) == 0
    assert main(["host", "exporter"]) == 0
    assert "port: 7102" in capsys.readouterr().out
    assert main(["host", "init", "port=sim://esp12"]) == HostFileError.status
    assert main(["host", "exporter", "port=sim://esp12"]) == 0
    assert "port: 7102" not in capsys.readouterr().out


def test_files_for_systemd_and_labgrid_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "PROGRAM", PROGRAM.with_name("labgrid-exporter-that-nobody-has"))
    main(["host", "init", "port=sim://esp12"])
    assert main(["host", "systemd", "coordinator=lab:20408", "to=units"]) == 0
    assert sorted(path.name for path in (tmp_path / "units").iterdir()) == [
        "exporter.yaml",
        "flashpipe-host.service",
        "labgrid-exporter.service",
    ]
    told = capsys.readouterr()
    assert "systemctl enable" in told.out
    assert str(PROGRAM) in told.err
    assert main(["host", "systemd"]) == 0
    assert "ExecStart=" in capsys.readouterr().out
    assert main(["host", "exporter", "to=exporter.yaml"]) == 0
    assert (tmp_path / "exporter.yaml").is_file()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["prot=sim://esp12"], UnknownVariableError.status),
        (["port"], BadValueError.status),
        (["file=host.yaml", "port=sim://esp12"], BadValueError.status),
        (["file=host.yaml"], HostFileError.status),
        (["check", "port=sim://esp12", "reset=maybe"], BadValueError.status),
        (["port=sim://esp12", "listen=0.0.0.0"], BadValueError.status),
        (["systemd"], HostFileError.status),
    ],
)
def test_what_cannot_be_done_is_refused(words: list[str], status: int) -> None:
    assert main(["host", *words]) == status


def test_a_check_names_boards_that_do_not_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(plan(virtual())) as (host, _):
        text = file_text(plan(virtual(), "/dev/none"))
        text = text.replace("tcp: 0", f"tcp: {host.ports[0].tcp}", 1).replace("tcp: 0", "tcp: 1")
        (tmp_path / "host.yaml").write_text(text)
        assert main(["host", "check", "reset=0"]) == HostCheckError.status
    out = capsys.readouterr().out
    assert re.search(r"ok +b0 .*opens", out)
    assert re.search(r"FAIL +b1 ", out)


def test_where_no_host_runs_a_check_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = file_text(plan(virtual(), virtual()))
    (tmp_path / "host.yaml").write_text(text.replace("tcp: 0", "tcp: 1", 1).replace("tcp: 0", "tcp: 2"))
    assert main(["host", "check", "reset=0"]) == HostCheckError.status
    assert "next: nothing listens there: start `flashpipe host`" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_host_serves_until_it_is_told_to_end() -> None:
    words = [sys.executable, "-m", "flashpipe", "host", f"port={virtual()}", "listen=127.0.0.1:0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        url = line.split()[-1]
        assert main(["identify", f"port={url}"]) == 0
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "has it" in said
