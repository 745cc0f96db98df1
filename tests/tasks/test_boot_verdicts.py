"""What follows from a verdict: another mode, the way back, the exit status. What the board says is scripted here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from flashpipe.board.boot.kinds import KINDS, Verdict
from flashpipe.board.boot.verdict import classify
from flashpipe.flasher import boot_check
from flashpipe.flasher.mode_retry import KINDS as RETRIED

from tests.harness import Done, Project
from tests.images import Builder
from tests.simboard import SimBoard

ROM: Final = " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\n"
EBOOT: Final = "load 0x4010f000, len 3460, room 16 \ntail 4\nchksum 0xcc\ncsum 0xcc\nv0005d900\n~ld\n"
REGISTERS: Final = "epc1={} epc2=0x00000000 epc3=0x00000000 excvaddr={} depc=0x00000000\n"
WELL: Final = f"{ROM}{EBOOT}\nNodeMCU 3.0.0.0 \n> "
NOTHING_FOUND: Final = f"{ROM}{EBOOT}@cp:0\nld\ne:2\n"
POINTER: Final = f"{ROM}{EBOOT}\nException (2):\n{REGISTERS.format('0x3fff470c', '0x3fff470c')}"
SPOKE: Final = f"{ROM}{EBOOT}\nweather station\n\nException (0):\n{REGISTERS.format('0x40210080', '0x00000000')}"
BARE: Final = f"{ROM}{EBOOT}\nException (0):\n{REGISTERS.format('0x40210080', '0x00000000')}"
IMPOSSIBLE: Final = f"{ROM}load 0x44004400, len 1145324612, room 4 \n"

Flash = Callable[..., Done]


@pytest.fixture
def flash(project: Project, command: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flash:
    """Flash a NodeMCU whose boots say these logs, one after the other."""
    build = Builder()
    (project.folder / "fw.bin").write_bytes(build.combine(build.pair_3x()))
    (project.folder / "kitchen.yaml").write_text(
        "extends: esp12\nfirmware: {image: fw.bin}\nmode_retry: true\nrollback: true\nflash: {mode: qio}\n"
    )
    board = SimBoard(tmp_path / "board.flash", name="esp12")

    def run(*logs: str) -> Done:
        boots = iter(logs)

        def scripted(_session: object, **_options: object) -> Verdict:
            return classify(next(boots))

        monkeypatch.setattr(boot_check, "boot_check", scripted)
        done = command("flash", "profile=kitchen", board.port)
        assert next(boots, None) is None, "every boot was looked at"
        return done

    return run


@pytest.mark.parametrize(
    ("log", "code"),
    [(NOTHING_FOUND, "boot-nothing-found"), (POINTER, "boot-exception"), (SPOKE, "boot-exception")],
    ids=["nothing found", "a bad pointer", "it spoke"],
)
def test_what_is_not_the_mode_is_tried_in_no_other_and_rolled_back(log: str, code: str, flash: Flash) -> None:
    done = flash(log, WELL).failed("rolled-back")
    assert f"[{code}]" in done.err
    assert "header only" not in done.err
    assert done.status == 37


@pytest.mark.parametrize("log", [BARE, IMPOSSIBLE], ids=["a crash before any word", "impossible loads"])
def test_what_may_be_the_mode_is_tried_in_safer_ones(log: str, flash: Flash) -> None:
    done = flash(log, log, WELL).ok()
    assert "it starts in dout, not in qio" in done.text


def test_only_what_the_rom_could_not_read_or_run_is_tried_in_another_mode() -> None:
    assert set(KINDS) >= RETRIED
    assert "nothing-found" not in RETRIED


def test_a_board_that_found_nothing_ends_with_the_status_of_that(flash: Flash, project: Project) -> None:
    profile = project.folder / "kitchen.yaml"
    profile.write_text(profile.read_text().replace("rollback: true\n", ""))
    done = flash(NOTHING_FOUND).failed("boot-nothing-found")
    assert done.status == 64
    assert "[eboot-copy]" in done.err
