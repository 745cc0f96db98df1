"""`flashpipe explain`, as a user types it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from flashpipe.cli.main import main

from tests.elfs import make_elf
from tests.images import Builder

LOG = (
    " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\nload 0x40100000, len 28740, room 16 \ntail 4\nchksum 0xe7\n"
    "csum 0xe7\n\nException (0):\nepc1=0x40210080 epc2=0x00000000 epc3=0x00000000 excvaddr=0x00000000 depc=0x00000000\n"
)
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boot.txt").write_text(LOG)
    return "boot.txt"


def told(capsys: Capture) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_log_is_judged_in_a_few_lines(log: str, capsys: Capture) -> None:
    assert main(["explain", log]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["verdict", "passes", "cause", "proof", "proof", "next"]
    assert "boot-exception" in lines[1]


def test_programs_get_one_object(log: str, capsys: Capture) -> None:
    assert main(["explain", log, "--json", "mode=qio", "verified=1"]) == 0
    found = told(capsys)
    assert {**found, "proof": 0, "next": 0, "cause": 0, "summary": 0, "crash": 0} == {
        "verdict": "exception", "summary": 0, "firmware": "", "passes": {"nodemcu": False, "any": False},
        "code": "boot-exception", "cause": 0, "rule": "flash-mode", "certain": False, "proof": 0, "next": 0,
        "next_steps": [{"command": None, "variables": {"mode": mode}} for mode in ("dio", "dout")],
        "crash": 0, "addresses": [],
    }  # fmt: skip
    assert found["crash"]["epc1"] == 0x40210080
    assert "mode=dio" in found["next"]


def test_what_is_piped_in_is_judged_too(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    assert main(["explain", "-", "--json"]) == 0
    assert told(capsys)["verdict"] == "exception"


def test_the_image_tells_mode_and_size(log: str, tmp_path: Path, capsys: Capture) -> None:
    build = Builder()
    (tmp_path / "fw.bin").write_bytes(build.combine(build.pair_3x()))
    assert main(["explain", log, "image=fw.bin", "verified=1", "--json"]) == 0
    assert "flash mode dio" in told(capsys)["cause"]


def test_an_elf_of_another_image_is_told_where_the_image_is_there(log: str, tmp_path: Path, capsys: Capture) -> None:
    build = Builder()
    (tmp_path / "fw.bin").write_bytes(build.combine(build.pair_3x()))
    (tmp_path / "app.elf").write_bytes(make_elf(code=((0x40220000, bytes(16)),)))
    assert main(["explain", log, "elf=app.elf"]) == 0
    assert "not of this image" not in capsys.readouterr().err
    assert main(["explain", log, "elf=app.elf", "image=fw.bin"]) == 0
    assert "app.elf is not of this image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        (["none.txt"], "image-missing", 11),
        (["boot.txt", "colour=red"], "unknown-variable", 3),
        (["boot.txt", "mode=fast"], "bad-value", 3),
        (["boot.txt", "chip=esp32"], "bad-value", 3),
        (["boot.txt", "verified=perhaps"], "bad-value", 3),
        (["boot.txt", "elf=boot.txt"], "image-format", 12),
        (["boot.txt", "image=none.bin"], "image-missing", 11),
        ([], "usage", 3),
    ],
)
def test_what_cannot_be_understood_is_one_line(
    words: list[str], code: str, status: int, log: str, capsys: Capture
) -> None:
    assert log
    assert main(["explain", *words]) == status
    said = capsys.readouterr()
    assert f"[code: {code}]" in said.err
    assert said.out == ""


def test_a_firmware_is_no_log_whatever_texts_are_in_it(log: str, tmp_path: Path, capsys: Capture) -> None:
    build = Builder()
    start, code = build.pair_2x()
    for name, data in {
        "all.bin": build.combine((start, code)),
        "code.bin": code,
        "all.zip": b"PK\x03\x04" + code,
    }.items():
        (tmp_path / name).write_bytes(data)
        assert main(["explain", name]) == 3
        said = capsys.readouterr()
        assert f"explain: {name} is a" in said.err
        assert said.out == ""
    noise = bytes(range(0x80, 0xC0)) * 8
    (tmp_path / log).write_bytes(b"\xe9" + noise + LOG.encode())
    assert main(["explain", log]) == 0, "noise of another rate that begins as an image does"
    (tmp_path / log).write_bytes(b"\xff" + noise)
    assert main(["explain", log]) == 0, "noise alone"


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_without_a_log_it_says_what_it_wants(words: list[str], capsys: Capture) -> None:
    assert main(["explain", *words]) == 3
    shown = capsys.readouterr().err
    assert "flashpipe explain FILE" in shown
    assert "NAME=VALUE" not in shown
