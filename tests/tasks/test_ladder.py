"""A board that cannot be reached or written as declared: what is tried, what wins, what is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard


@pytest.fixture
def flash(project: Project, tmp_path: Path) -> Callable[..., Done]:
    """`doit flash` of a small image on a board with `more` options; its boot is not judged."""
    image = tmp_path / "small.bin"
    image.write_bytes(Builder().boot([(0x40100000, Random(1).randbytes(10000))]))
    board = SimBoard(tmp_path / "flash")

    def run(more: str, *words: str) -> Done:
        done = project.doit(
            "flash", "profile=nodemcu-devkit", f"image={image}", board.but(more).port, "boot=off", *words
        )
        if not done.status:
            assert board.holds(image)
        return done

    return run


def tried(done: Done) -> list[str]:
    """What was tried, in order."""
    lines = [line.split(": ", 1)[0] for line in done.text.splitlines()]
    return [line.removeprefix("trying ") for line in lines if line.startswith("trying ")]


WAYS = {
    "&wiring=exchanged": ["DTR and RTS exchanged"],
    "&fault=bad-baud:300000": ["230400 baud"],
    "&fault=bad-baud:200000": ["230400 baud", "115200 baud from the first byte on"],
    "&fault=long-writes:8000": ["230400 baud", "115200 baud from the first byte on", "blocks of 1024 bytes"],
    "&fault=stub-silent": [
        "230400 baud",
        "115200 baud from the first byte on",
        "the ROM loader alone, without the stub; what it writes is read back through registers, slowly",
    ],
}


@pytest.mark.parametrize("more", WAYS)
def test_the_rung_that_helps_wins_and_comes_first_the_next_time(flash: Callable[..., Done], more: str) -> None:
    done = flash(more).ok()
    assert tried(done) == WAYS[more]
    assert done.text.count("remembered for this adapter and board") == 1
    again = flash(more, "force=1").ok()
    assert tried(again) == []
    assert "that worked the last time on this adapter" in again.text
    assert again.wrote


def test_a_board_that_nothing_helps_fails_as_it_failed_first(flash: Callable[..., Done]) -> None:
    done = flash("&fault=deaf").failed("no-answer")
    assert tried(done) == ["DTR and RTS exchanged"]
    assert "also tried, without success: other-reset" in done.text


def test_a_sector_that_stays_bad_is_not_blamed_on_the_line(flash: Callable[..., Done]) -> None:
    done = flash("&fault=weak-page:0x2400&fill=ff").failed("verify-failed")
    assert "0x002000" in done.text
    assert tried(done) == ["230400 baud"]


GONE_BAD = "&fault=bad-baud:300000@command:"
"""The adapter garbles higher rates from this command on, so that connecting goes well."""


def test_reading_too_is_begun_anew_in_another_way(flash: Callable[..., Done], project: Project, tmp_path: Path) -> None:
    flash("").ok()
    board, image = SimBoard(tmp_path / "flash"), tmp_path / "small.bin"
    before = board.cells()
    runs = (
        ("0x13", "verify", "profile=nodemcu-devkit", f"image={image}"),
        ("0xd2", "backup"),
        ("0xd2", "backup", "regions=rf"),
        ("0x13", "audit"),
        ("0x13", "restore", "yes=1", "boot=off"),
    )
    for command, *words in runs:
        done = project.flashpipe(*words, board.but(GONE_BAD + command).port).ok()
        assert tried(done) == ["230400 baud"], words
        (project.state / "ways.json").unlink(missing_ok=True)
    assert board.cells() == before


def test_a_difference_is_not_blamed_on_the_line(flash: Callable[..., Done], project: Project, tmp_path: Path) -> None:
    flash("").ok()
    board = SimBoard(tmp_path / "flash")
    with board.flash.open("r+b") as stream:
        stream.seek(0x2004)
        stream.write(b"other")
    words = ("profile=nodemcu-devkit", f"image={tmp_path / 'small.bin'}", board.port)
    done = project.flashpipe("verify", *words).failed("verify-failed")
    assert "0x002000" in done.text
    assert tried(done) == []


def test_a_rate_that_failed_is_tried_again_after_a_month_and_not_before(project: Project, tmp_path: Path) -> None:
    image, rates = tmp_path / "image.bin", project.state / "rates.json"
    image.write_bytes(Builder().boot([(0x40100000, Random(1).randbytes(60000))]))
    board = SimBoard(tmp_path / "flash").but("&fault=bad-baud:460800")

    def tries() -> list[str]:
        done = project.doit(
            "flash", "profile=nodemcu-devkit", f"image={image}", board.port, "boot=off", "baud=auto", "force=1"
        )
        assert board.holds(image), done.text
        return tried(done.ok())

    def age(days: float) -> None:
        record = json.loads(rates.read_text())
        ((_, adapter),) = record["adapters"].items()
        ((_, noted),) = adapter["boards"].items()
        assert noted["failed"] == 921600
        noted["at"] -= days * 24 * 3600
        rates.write_text(json.dumps(record))

    assert tries() == ["460800 baud"]
    age(days=29.9)
    assert tries() == []
    age(days=0.2)
    assert tries() == ["460800 baud"], "the adapter may be another one by now"
