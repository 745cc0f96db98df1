from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flashpipe.board.boot import progress, watch, watcher
from flashpipe.board.boot.kinds import ALIVE, ERRORS, FAILED, Verdict
from flashpipe.board.boot.verdict import classify, of_verified_flash
from flashpipe.board.boot.watch import boot_check
from flashpipe.board.session.session import Session
from flashpipe.cli.topics import TOPICS
from flashpipe.errors import BootError, BootUnexpectedError, ConnectError
from flashpipe.events import Event, Message, Progress
from flashpipe.flasher.boot_check import BootCheck, boot_error, withdraw
from flashpipe.flasher.model import BootExpectation, verdict_of
from flashpipe.sim.simulation import build_flash

from tests.images import Builder


def test_every_class_of_failure_has_a_code_and_a_status_of_its_own() -> None:
    assert set(FAILED) <= set(ERRORS)
    assert set(ERRORS) - set(FAILED) == {"formatting"}, "the one sign of life that can be too little by itself"
    kinds: list[type[BootError]] = [*ERRORS.values(), BootUnexpectedError]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert len({kind.status for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", sorted(FAILED))
def test_a_failure_is_named_with_its_proof_and_what_to_do(kind: str) -> None:
    error = boot_error("COM3", Verdict(kind, "it failed", ("first", "csum err ")), BootExpectation())
    assert error.code == ERRORS[kind].code
    assert error.message == 'COM3: it failed; last line: "csum err"'
    assert error.hint == type(error).remedy
    verdict = verdict_of(error)
    assert verdict is not None
    assert verdict.kind == kind


@pytest.mark.parametrize("kind", sorted(set(ALIVE) - {"formatting"}))
def test_a_board_that_runs_something_else_is_told_what_was_expected(kind: str) -> None:
    error = boot_error("COM3", Verdict(kind, "it runs"), BootExpectation(expect="sensor ready"))
    assert error.code == "boot-unexpected"
    assert 'expected "sensor ready"' in error.message


@pytest.mark.parametrize(
    ("kind", "expect", "ran_lua", "passes"),
    [
        ("firmware", "auto", False, False),
        ("firmware", "auto", True, True),
        ("alive", "nodemcu", True, True),
        ("panic", "auto", True, False),
        ("formatting", "auto", True, False),
        ("firmware", "sensor ready", True, False),
    ],
)
def test_a_nodemcu_that_has_just_answered_is_one_though_its_program_hides_banner_and_prompt(
    url: str, monkeypatch: pytest.MonkeyPatch, kind: str, expect: str, *, ran_lua: bool, passes: bool
) -> None:
    monkeypatch.setattr("flashpipe.flasher.boot_check.boot_check", lambda *_, **__: Verdict(kind, "what was seen"))
    with closing(Session(url)) as session:
        check = BootCheck(session, BootExpectation(expect=expect), is_nodemcu=True, ran_lua=ran_lua)
        if passes:
            assert check.run().kind == kind
            return
        with pytest.raises(BootError) as caught:
            check.run()
    assert caught.value.verdict is not None
    assert caught.value.verdict.kind == kind


@pytest.mark.parametrize("kind", ["no-image", "bad-checksum"])
def test_verified_bytes_that_the_rom_cannot_read_are_a_wrong_flash_mode(kind: str) -> None:
    seen = Verdict(kind, "what the ROM says", ("csum err",), log="csum err\n")
    assert of_verified_flash(seen, "").kind == kind, "nothing is known of what the flash holds"
    explained = of_verified_flash(seen, "qio")
    assert (explained.kind, explained.evidence, explained.log) == ("wrong-mode", seen.evidence, seen.log)
    assert "qio" in explained.summary
    assert of_verified_flash(seen, "dout").kind == kind, "every part can be read in dout"
    assert of_verified_flash(Verdict("panic", ""), "qio").kind == "panic"


@pytest.mark.parametrize("mode", ["dio", "dout"])
@pytest.mark.parametrize(
    ("log", "code"),
    [
        (" ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\nets_main.c \r\n", "boot-no-image"),
        (
            " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\ncsum 0x5a\r\ncsum err\r\nets_main.c \r\n",
            "boot-bad-checksum",
        ),
    ],
)
def test_a_flash_that_changed_since_it_was_verified_is_not_said_to_hold_the_image(
    mode: str, log: str, code: str
) -> None:
    error = boot_error("sim://b", of_verified_flash(classify(log), mode), BootExpectation())
    assert "holds the image" in error.message
    read = withdraw(error, "sim://b")
    assert (error.code, error.verdict, error.hint) == (code, read, error.remedy)
    assert read == classify(log)
    assert error.message.startswith(f"sim://b: {read.summary}")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("kind", [*ALIVE, *FAILED])
def test_the_code_of_a_verdict_is_the_one_that_the_help_names(kind: str) -> None:
    error = boot_error("COM3", Verdict(kind, ""), BootExpectation())
    assert f"(`{error.code}`, {error.status})" in TOPICS["verdicts"].markdown()


# --- on the virtual board --------------------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A board that holds a NodeMCU 3.x, and never ran it."""
    build = Builder()
    flash = tmp_path / "board.bin"
    flash.write_bytes(build.combine(build.pair_3x()).ljust(0x400000, b"\xff"))
    return f"sim://esp12?execute=off&flash={flash}"


@pytest.fixture
def executed(tmp_path: Path, firmware: Path) -> str:
    """A board that holds a real NodeMCU, as flashing it leaves it, and never ran it."""
    flash, image = tmp_path / "real.bin", firmware.read_bytes()
    flash.write_bytes(build_flash({0: image[:2] + b"\x02" + image[3:]}, 0x400000))
    return f"sim://esp12?flash={flash}"


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("", "prompt"),
        ("fault=dout-only", "no-image"),
        ("fault=dout-only&app.bad-mode=csum", "wrong-mode"),
        ("gpio0=low", "download-mode"),
    ],
)
def test_an_executed_board_is_judged_by_what_ails_it(executed: str, more: str, kind: str) -> None:
    with closing(Session(f"{executed}&{more}".rstrip("&"))) as session:
        verdict = boot_check(session, timeout_s=60.0, patient=True)  # 4 MB are formatted in 35 s of the board's time
    assert verdict.kind == kind
    assert verdict.firmware.startswith("NodeMCU") is (kind == "prompt")
    assert session.execution.record["from"] == "boot"


def test_a_running_board_that_is_executed_is_judged_without_a_reset(executed: str) -> None:
    with closing(Session(executed, reset="none")) as session:
        wait_for_prompt(session)
        verdict = boot_check(session, timeout_s=30.0, passive=True)
    assert (verdict.kind, verdict.baud) == ("prompt", 115200)


def wait_for_prompt(session: Session) -> None:
    """Let a first start come to its end, however long its board needs to format its flash."""
    session.tune(115200)
    heard, end_s = b"", session.clock() + 60.0
    while b"\n> " not in heard and session.clock() < end_s:
        heard += session.receive(1.0)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("", "prompt"),
        ("crystal=24", "prompt"),
        ("crystal=40", "prompt"),
        ("app.baud=9600", "prompt"),
        ("app.trouble=exception", "exception"),
        ("app.trouble=panic", "panic"),
        ("app.trouble=watchdog", "watchdog"),
        ("app.trouble=brown-out", "brown-out"),
        ("app.trouble=system-params", "system-params"),
        ("fault=dout-only", "no-image"),
        ("fault=dout-only&app.bad_mode=csum", "wrong-mode"),
        ("gpio0=low", "download-mode"),
    ],
)
def test_a_virtual_board_is_judged_by_what_ails_it(url: str, more: str, kind: str) -> None:
    with closing(Session(f"{url}&{more}".rstrip("&"))) as session:
        verdict = boot_check(session, timeout_s=30.0, patient=True)
    assert verdict.kind == kind
    # At a rate that has to be found first, its banner has passed.
    assert verdict.firmware.startswith("NodeMCU 3.0.0") is (kind == "prompt" and "baud" not in more)


def test_the_addresses_of_a_crash_are_data(url: str) -> None:
    with closing(Session(f"{url}&app.trouble=exception")) as session:
        crash = boot_check(session, timeout_s=30.0).crash
    assert crash is not None
    assert (crash.number, crash.name, crash.excvaddr) == (29, "StoreProhibited", 0)
    assert crash.epc1 is not None


@pytest.mark.parametrize(("rate", "baud"), [("", 115200), ("&app.baud=9600", 9600)])
def test_a_running_board_is_judged_without_a_reset(url: str, rate: str, baud: int) -> None:
    with closing(Session(url + rate, reset="none")) as session:
        verdict = boot_check(session, timeout_s=30.0, passive=True)
    assert (verdict.kind, verdict.baud) == ("prompt", baud)
    assert verdict.summary.endswith("it was not reset")


def test_a_loader_that_nobody_resets_is_seen(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SWEEP_S", 1.0)
    with closing(Session(f"{url}&start=rom", reset="none")) as session:
        assert boot_check(session, timeout_s=30.0, passive=True).kind == "download-mode"


def test_without_a_wire_and_a_person_a_flashed_board_is_not_just_looked_at(url: str) -> None:
    with closing(Session(url, reset="manual")) as session, pytest.raises(ConnectError):
        boot_check(session, timeout_s=30.0)


class Formatting:
    """A session on a board that formats its file system for half a minute, and then starts."""

    port = "port"

    def __init__(self, listener: Callable[[Event], None]) -> None:
        self.listener = listener
        self._now, self._rate = 0.0, 0
        self._rom = (
            b"\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\nload 0x40100000, len 4, room 16 \r\ntail 4\r\n"
        )
        self._rom += b"chksum 0x14\r\ncsum 0x14\r\n"
        self._says = [b"Formatting file system. Please wait...\r\n", *[b"."] * 60, b"\r\nNodeMCU 3.0.0.0 \r\n> "]

    def clock(self) -> float:
        return self._now

    def check_stop(self) -> None:
        """Nobody stops it."""

    def send(self, _data: bytes) -> None:
        """It does not listen before it is at its prompt."""
        if not self._says:
            self._says.append(b"\r\n> ")

    def tune(self, baud: int) -> None:
        self._rate = baud

    def receive(self, limit_s: float) -> bytes:
        rom, self._rom = self._rom, b""
        if rom or self._rate != 115200 or not self._says:
            self._now += limit_s
            return rom
        self._now += 0.5
        return self._says.pop(0)


def test_formatting_is_told_and_has_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", -1.0)  # people's time: there is none
    events: list[Event] = []
    session: Any = Formatting(events.append)
    verdict = watch.watch(session, watcher.BootWatcher(now=0.0, timeout_s=5.0), 5.0)
    assert verdict.kind == "prompt", "longer than the limit for anything else"
    assert next(event.text for event in events if isinstance(event, Message)).startswith("the firmware is formatting")
    assert {event.step for event in events if isinstance(event, Progress)} >= {"format"}


def test_what_was_said_before_the_reset_does_not_count(url: str) -> None:
    with closing(Session(f"{url}&time=real&crystal=40&app.trouble=exception")) as session:
        session.open()
        time.sleep(0.5)  # it has started by itself, and crashed
        log = boot_check(session, timeout_s=20.0).log
    assert "rst cause:1" not in log
