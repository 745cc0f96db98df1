"""The rules: each names its cause, none speaks where another does, and every complaint of users has an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from flashpipe import errors
from flashpipe.board.boot.crash import Crash
from flashpipe.board.boot.kinds import ALIVE, FAILED
from flashpipe.board.boot.verdict import classify
from flashpipe.board.diagnosis.evidence import (
    INTO_APPLICATION,
    INTO_LOADER,
    KNOCKED,
    UNTOUCHED,
    Evidence,
    Findings,
    LineSounds,
)
from flashpipe.board.diagnosis.judge import EVIDENT, RULES, UNKNOWN, fit, judge
from flashpipe.board.ports import doctor
from flashpipe.board.ports.adapters import HostFacts
from flashpipe.errors import WireDamage
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.board.diagnosis.complaints import COMPLAINTS

BY_NAME: Final = {rule.name: rule for rule in RULES}


def banner(cause: int, mode: int) -> str:
    return f"\n ets Jan  8 2013,rst cause:{cause}, boot mode:({mode},6)\n\n"


def heard(when: str, text: str = "", baud: int = 74880) -> LineSounds:
    return LineSounds(when, baud, len(text), text)


QUIET: Final = (heard(UNTOUCHED), heard(KNOCKED, baud=115200))
LOADER: Final = (*QUIET, heard(INTO_LOADER, banner(2, 1)))
UNREACHED: Final = Evidence("no-answer", "p: the chip does not answer", "connect", "p", 460800, sent=100)
BROKEN: Final = Evidence("write-failed", "p: failed to write", "write", "p", 460800, chip="ESP8266EX", written=True)
VERIFY: Final = Evidence(
    "verify-failed", "sector 0x1000..0x2000 is blank", "verify", "p", chip="ESP8266EX", written=True
)
CLEAN: Final = Findings(loader_answers=True, asked=20, answered=20, flash_status=0, blocks=8)
BOOT: Final = Evidence("boot-loop", "p: it starts again", "boot", "p", chip="ESP8266EX", mode="dio", verified=True)
LOST: Final = Evidence("port-lost", "p: the port went away", "write", "p", usb="1a86:7523", chip="ESP8266EX")


def unreached(*lines: LineSounds, **findings: object) -> Evidence:
    return replace(UNREACHED, findings=Findings(sounds=lines, **findings))  # type: ignore[arg-type]


def broken(*lines: LineSounds, garbage: int = 0, **findings: object) -> Evidence:
    return replace(BROKEN, garbage=garbage, findings=Findings(sounds=lines, **findings))  # type: ignore[arg-type]


def booted(verdict: str, log: str = "", **more: object) -> Evidence:
    return replace(BOOT, verdict=verdict, log=log, crash=classify(log).crash, **more)  # type: ignore[arg-type]


CRASH: Final = "Fatal exception {}:\nepc1={}, epc2=0x00000000, epc3=0x00000000, excvaddr={}, depc=0x00000000\n"
EBOOT: Final = "csum 0xad\nv09f0c112\n~ld\n"
USER1: Final = "2nd boot version : 1.6\nSPI Flash Size & Map: 32Mbit(512KB+512KB)\njump to run user1 @ 1000\n"
RTOS: Final = "I (34) boot: ESP-IDF v3.4 2nd stage bootloader\n"
NODEMCU: Final = "NodeMCU 3.0.0.0 built on nodemcu-build.com\n powered by Lua 5.1.4 on SDK 3.0.1\nhello\n> \n"
FACTS: Final = {
    "supply-collapses": broken(heard(INTO_LOADER, banner(1, 3) * 3), loader_answers=False, rom_answers=False),
    "gpio0-high": unreached(*QUIET, heard(INTO_LOADER, banner(2, 3)), rom_answers=False),
    "gpio15-high": unreached(*QUIET, heard(INTO_LOADER, banner(2, 7) + "waiting for host\n"), rom_answers=False),
    "gpio2-low": unreached(*QUIET, heard(INTO_LOADER, banner(2, 0)), rom_answers=False),
    "rx-dead": unreached(*LOADER, rom_answers=False, answers_slowly=False),
    "rate-garbled": unreached(*LOADER, rom_answers=False, answers_slowly=True),
    "loop-back": unreached(*QUIET, heard(INTO_LOADER), rom_answers=False, echoes=True, echoes_always=True, reply=b"U"),
    "adapter-echo": broken(loader_answers=True, echoes=True, asked=20, answered=20),
    "line-dead": unreached(*QUIET, heard(INTO_LOADER), rom_answers=False, answers_slowly=False),
    "no-reset-line": unreached(heard(UNTOUCHED), heard(KNOCKED, "\n> ", 115200), heard(INTO_LOADER), rom_answers=False),
    "nobody-there": replace(unreached(*QUIET), reset="none"),
    "unknown-rate": unreached(*QUIET[:1], LineSounds(KNOCKED, 115200, 40, ""), heard(INTO_LOADER), rom_answers=False),
    "slow-reset": unreached(*LOADER, rom_answers=True, asked=20, answered=20),
    "line-noise": broken(loader_answers=True, asked=20, answered=17),
    "loader-hiccup": broken(loader_answers=True, asked=20, answered=20),
    "chip-reset-itself": broken(*LOADER, loader_answers=False, rom_answers=True, asked=20, answered=20, garbage=90),
    "loader-hangs": broken(*LOADER, loader_answers=False, rom_answers=True, asked=20, answered=20),
    "stub-dead": replace(
        unreached(*LOADER, rom_answers=True, asked=20, answered=20),
        code="wire",
        message="p: failed to start the stub: no answer",
        stub_silent=True,
    ),
    "rx-lost": broken(*LOADER, loader_answers=False, rom_answers=False),
    "power-gone": broken(*QUIET, heard(INTO_LOADER), loader_answers=False, rom_answers=False),
    "rom-size": Evidence("flash-reach", "p: the loader does not reach the flash beyond 4 MB", "backup", "p"),
    "size-lie": replace(VERIFY, findings=replace(CLEAN, wraps_at=0x40000, bad="other", bad_blocks=3)),
    "flash-refuses": booted("flash-refuses", "ota2 not set\n" + "sec 3fd error\n" * 3),
    "write-protected": replace(VERIFY, findings=replace(CLEAN, flash_status=0x1C, bad="blank", bad_blocks=8)),
    "reads-unstable": replace(VERIFY, findings=replace(CLEAN, bad="unstable", bad_blocks=1)),
    "bad-cells": replace(VERIFY, findings=replace(CLEAN, bad="other", flipped=3, bad_blocks=1)),
    "not-written": replace(VERIFY, findings=replace(CLEAN, bad="blank", bad_blocks=4)),
    "flash-absent": Evidence("flash-unknown", "p: no ID", "connect", "p", flash_silent=True),
    "flash-mode": booted("wrong-mode", banner(2, 3) + "ets_main.c\n"),
    "program-restarts": booted("boot-loop", (banner(2, 3) + "system param error\n" + NODEMCU) * 3 + banner(2, 3)),
    "program-crashes": booted(
        "boot-loop", banner(2, 3) + "[E][safe_mode:112]: Boot loop detected. Proceed to safe mode.\n"
    ),
    "changed-at-boot": booted("wrong-mode", "ets_main.c\n", findings=Findings(bad="other", bad_blocks=2, blocks=8)),
    "read-wrong-at-boot": booted("no-image", banner(2, 3) + "ets_main.c\n", mode="dout"),
    "nothing-bootable": booted("no-image", banner(2, 3) + "ets_main.c\n", verified=False),
    "empty-flash": booted(
        "no-image", banner(2, 3) + "ets_main.c\n", verified=False, findings=Findings(starts_blank=True)
    ),
    "other-chip": booted("other-chip", "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n"),
    "init-data": booted("rf-cal", "rf_cal[0] !=0x05,is 0xFF\n"),
    "partitions-unread": booted("rf-cal", "rf_cal[0] !=0x05,is 0xE9\n"),
    "system-params": booted("system-params", "system param error, use last saved param!\n"),
    "table-cut-off": booted(
        "bad-partitions",
        "please check partition type 106 addr:ffffffff len:ffffffff\nInvalid system partition table\n",
    ),
    "layout-refused": booted("wrong-size", "Flash size (524288) too small to support NodeMCU\n"),
    "header-size": booted("rf-cal", "rf_cal[0] !=0x05,is 0x2C\n", size="16MB", right_size="4MB"),
    "firmware-crashes": booted("exception", CRASH.format(29, "0x40100f2c", "0x00000000")),
    "crash-at-start": booted("exception", EBOOT + CRASH.format(0, "0x40201a24", "0x00000000")),
    "image-hole": booted("exception", banner(2, 3) + CRASH.format(0, "0x40220674", "0x00000000"), hole=0x20674),
    "other-half": booted("exception", USER1 + CRASH.format(0, "0x40281c04", "0x00000000")),
    "partition-table": booted("nothing-found", RTOS + "E (63) flash_parts: partition 0 invalid magic number 0x0\n"),
    "no-application": booted("nothing-found", RTOS + "E (110) boot: No bootable app partitions in the table\n"),
    "eboot-copy": booted("nothing-found", "@cp:B0\nld\ne:3\n"),
    "loader-alone": booted("nothing-found", USER1 + "error magic!\nbackup boot failed.\n"),
    "large-header": booted("rf-cal", "rf_cal[0] !=0x05,is 0xFF\n", size="16MB"),
    "lua-panic": booted("panic", "PANIC: unprotected error in call to Lua API (init.lua:1: x)\n"),
    "watchdog-loop": booted("watchdog", banner(4, 3) * 3),
    "supply-at-boot": booted("brown-out", banner(2, 3) + banner(1, 3)),
    "restart-loop": booted("boot-loop", banner(2, 3) * 3),
    "gpio0-held": booted("download-mode", banner(2, 1)),
    "strapping": booted("strapping", banner(2, 7)),
    "no-reset-wire": booted("download-mode"),
    "power-lost-at-boot": booted("silence", findings=Findings(sounds=(heard(INTO_APPLICATION),))),
    "firmware-mute": booted("alive", "csum 0x9b\n", findings=Findings(sounds=(heard(INTO_APPLICATION, banner(2, 3)),))),
    "console-rate": booted("alive", "csum 0x9b\n", garbled_rates=3),
    "still-formatting": booted("formatting", "Formatting file system. Please wait...\n"),
    "nodemcu-unwell": booted("firmware", "zzzzzz\n", code="boot-unexpected", family="nodemcu"),
    "other-firmware": booted("firmware", "ready\n", code="boot-unexpected"),
    "boot-line-dead": booted("silence", chip="", verified=False),
    "brltty": replace(LOST, findings=Findings(reopened="missing"), host=HostFacts("linux", brltty=True)),
    "wsl-detached": replace(LOST, findings=Findings(reopened="missing"), host=HostFacts("linux", wsl=True)),
    "unplugged": replace(LOST, findings=Findings(reopened="missing")),
    "host-lost": replace(LOST, port="labgrid://p1", findings=Findings(reopened="missing")),
    "connection-cut": replace(LOST, port="rfc2217://h:7101", findings=Findings(reopened="there")),
    "port-shared": replace(LOST, findings=Findings(reopened="busy", holders=("pid 7 (screen)",))),
    "adapter-glitch": replace(LOST, findings=Findings(reopened="there")),
}
"""One example of each cause."""


def test_every_rule_has_its_example() -> None:
    assert set(FACTS) == set(BY_NAME)


@pytest.mark.parametrize("name", FACTS)
def test_the_right_cause_is_named_and_no_other(name: str) -> None:
    assert [rule.name for rule, _ in fit(FACTS[name])] == [name]
    found = judge(FACTS[name])
    assert found.rule == name
    assert found.proof
    assert all(found.proof)
    assert found.action
    assert not found.told
    assert all("\n" not in text for text in (found.cause, found.action, *found.proof))


UNREADABLE: Final = {"bad-checksum", "no-image", "wrong-mode", "nothing-found"}


@pytest.mark.parametrize("kind", [kind for kind in FAILED if kind not in UNREADABLE])
def test_every_class_of_a_failed_boot_has_a_cause(kind: str) -> None:
    assert judge(booted(kind)).rule != UNKNOWN


@pytest.mark.parametrize("kind", ALIVE)
def test_a_boot_that_lives_but_is_not_what_was_wished_for_has_one_too(kind: str) -> None:
    assert judge(booted(kind, code="boot-unexpected")).rule != UNKNOWN


# --- the law: no two rules fit ---------------------------------------------------------------------------------------

texts = st.sampled_from(
    [
        "", "\n> ", "hello sensor 23\n", "ets_main.c\n", USER1, RTOS, EBOOT, "user code done\n", "@cp:B0\nld\ne:3\n",
        NODEMCU, (banner(2, 3) + NODEMCU) * 3,
        "E (63) flash_parts: partition 0 invalid magic number 0x0\nE (74) boot: load partition table error!\n",
        "E (110) boot: No bootable app partitions in the partition table\n", "Abort called\n",
        "mismatch map 2,spi_size_map 4\nsystem_partition_table_regist fail\n",
        *(banner(c, m) for c in (1, 2, 4) for m in (0, 1, 3, 7)),
    ]
)  # fmt: skip
crashes = st.builds(
    Crash,
    st.sampled_from([None, 0, 2, 9, 28]),
    st.just(""),
    st.sampled_from([None, 0x3FFF470C, 0x4000DCE5, 0x40201A24, 0x40281C04]),
    excvaddr=st.sampled_from([None, 0, 0x3FFF470C, 0x40201A24]),
)
sounds = st.lists(
    st.builds(
        lambda when, text, extra: LineSounds(when, 74880, len(text) + extra, text),
        st.sampled_from([UNTOUCHED, KNOCKED, INTO_LOADER, INTO_APPLICATION]),
        texts,
        st.sampled_from([0, 0, 30]),
    ),
    max_size=4,
).map(tuple)
perhaps = st.sampled_from([None, True, False])
findings = st.builds(
    Findings,
    sounds=sounds,
    loader_answers=perhaps,
    rom_answers=perhaps,
    answers_slowly=perhaps,
    reply=st.sampled_from([b"", b"\x80\xff", b"U" * 20]),
    echoes=st.booleans(),
    echoes_always=st.booleans(),
    asked=st.just(20),
    answered=st.sampled_from([20, 20, 15, 0]),
    flash_answers=perhaps,
    flash_status=st.sampled_from([None, 0, 0x1C]),
    bad=st.sampled_from(["", "blank", "other", "unstable", "right"]),
    bad_blocks=st.integers(0, 8),
    wraps_at=st.sampled_from([None, 0x40000]),
    reopened=st.sampled_from(["", "missing", "busy", "there", "refused"]),
)
codes = st.sampled_from([*sorted(EVIDENT), "boot-loop", "boot-unexpected", "image-format", "port-busy"])
evidences = st.builds(
    Evidence,
    code=codes,
    message=st.just("p: x"),
    port=st.sampled_from(["p", "labgrid://p1", "rfc2217://h:7101"]),
    damage=st.sampled_from(WireDamage),
    damaged=st.integers(0, 3),
    stub_silent=st.booleans(),
    flash_silent=st.booleans(),
    unknown_rate=st.booleans(),
    reset=st.sampled_from(["auto", "none", "manual"]),
    usb=st.sampled_from(["", "1a86:7523", "0403:6001"]),
    talk=texts,
    garbage=st.sampled_from([0, 60]),
    garbled_rates=st.integers(0, 4),
    chip=st.sampled_from(["", "ESP8266EX"]),
    mode=st.sampled_from(["", "qio", "dio", "dout"]),
    written=st.booleans(),
    verified=st.booleans(),
    verdict=st.sampled_from(["", *ALIVE, *FAILED]),
    log=st.lists(texts, max_size=3).map("".join),
    size=st.sampled_from(["", "4MB", "16MB"]),
    right_size=st.sampled_from(["", "4MB"]),
    fitted=st.sampled_from(["", "1MB", "16MB"]),
    crash=st.one_of(st.none(), crashes),
    findings=findings,
    host=st.sampled_from([HostFacts("linux"), HostFacts("linux", wsl=True), HostFacts("linux", brltty=True)]),
)


@pytest.mark.parametrize(("count", "rule"), [(0, "nobody-there"), (1, "nobody-there"), (40, "unknown-rate")])
def test_a_stray_byte_is_no_rate(count: int, rule: str) -> None:
    told = judge(replace(unreached(*QUIET[:1], LineSounds(KNOCKED, 115200, count, "")), reset="none"))
    assert told.rule == rule
    assert ("download mode" in told.action) == (rule == "nobody-there")


@settings(max_examples=400, deadline=None)
@given(evidences)
def test_of_any_evidence_one_rule_fits_or_none(evidence: Evidence) -> None:
    if evidence.verdict and not evidence.code.startswith("boot"):
        evidence = replace(evidence, verdict="")
    assert [rule.name for rule, _ in fit(evidence)][1:] == []
    assert judge(evidence).cause


# --- what is not known -----------------------------------------------------------------------------------------------


def test_what_talks_where_the_flash_holds_nodemcu_is_no_other_firmware() -> None:
    unwell = replace(FACTS["nodemcu-unwell"], log="z" * 1000)
    found = judge(unwell)
    assert "boot=any" not in str(found.action)
    assert all(len(line) < 150 for line in found.proof)
    for other in (
        replace(unwell, expect="hello"),
        replace(unwell, verified=False),
        replace(unwell, family="arduino"),
        replace(unwell, verdict="prompt"),
    ):
        assert judge(other).rule == "other-firmware"


@pytest.mark.parametrize("code", sorted(EVIDENT - {"flash-unknown"}))
def test_without_evidence_no_cause_is_claimed(code: str) -> None:
    found = judge(Evidence(code, "p: x", "write", "p", chip="ESP8266EX", written=True))
    assert found.rule == UNKNOWN
    assert "no cause" in found.cause


def test_a_board_that_holds_something_else_is_no_fault() -> None:
    assert judge(replace(FACTS["not-written"], written=False)).told


# --- the complaints --------------------------------------------------------------------------------------------------


def test_every_complaint_has_an_answer() -> None:
    assert sorted(COMPLAINTS) == list(range(1, 26))
    for number, complaint in COMPLAINTS.items():
        assert complaint.rules or complaint.codes or complaint.checks or complaint.out_of_reach, number
        assert set(complaint.rules) <= set(BY_NAME), number
        assert set(complaint.codes) <= errors.all_codes(), number
        assert set(complaint.checks) <= set(doctor.NAMES), number


def test_every_rule_answers_a_complaint() -> None:
    assert set(BY_NAME) - {name for complaint in COMPLAINTS.values() for name in complaint.rules} == {"other-firmware"}


def test_a_loader_that_says_what_it_missed_proves_a_bad_line() -> None:
    spoke = replace(FACTS["chip-reset-itself"], damage=WireDamage.BYTES)
    assert judge(spoke).rule == "line-noise"
    half = replace(FACTS["stub-dead"], damage=WireDamage.BYTES)
    assert judge(half).rule == "line-noise"


def test_bytes_that_came_wrong_again_and_again_are_the_lines_doing_whatever_the_last_failure_was() -> None:
    for name in ("loader-hiccup", "not-written", "bad-cells", "reads-unstable"):
        assert judge(replace(FACTS[name], damaged=1)).rule == name
        often = judge(replace(FACTS[name], damaged=2))
        assert often.rule == "line-noise", name
        assert "115200" not in str(often.action), "slower rates have been tried"
    assert judge(replace(FACTS["size-lie"], damaged=2)).rule == "size-lie"


def test_the_line_that_proves_a_boot_mode_tells_that_mode() -> None:
    looping = unreached(
        heard(UNTOUCHED, banner(4, 3) * 2), heard(INTO_LOADER, banner(2, 1)), rom_answers=False, answers_slowly=False
    )
    found = judge(looping)
    assert found.rule == "rx-dead"
    assert "boot mode:(1," in found.proof[0]


def test_a_chip_that_restarts_by_itself_was_not_reset_by_us() -> None:
    looping = unreached(heard(UNTOUCHED, banner(4, 3)), heard(INTO_LOADER, banner(4, 3) * 2), rom_answers=False)
    assert judge(looping).rule == "no-reset-line"
    ours = unreached(heard(UNTOUCHED, banner(4, 3)), heard(INTO_LOADER, banner(2, 3) + banner(4, 3)), rom_answers=False)
    assert judge(ours).rule == "gpio0-high"


def test_an_ftdi_adapter_is_named_where_the_supply_is_weak() -> None:
    weak = FACTS["chip-reset-itself"]
    assert "FTDI" in judge(replace(weak, usb="0403:6001")).action
    assert "FTDI" not in judge(replace(weak, usb="1a86:7523")).action


def test_the_words_of_a_firmware_are_part_of_the_proof() -> None:
    talk = replace(FACTS["gpio0-high"], talk="temperature 21.5\n")
    assert any("temperature 21.5" in line for line in judge(talk).proof)


def test_a_hole_in_the_image_is_the_cause_whatever_was_said_before() -> None:
    """As executed NodeMCU 3.0 has it: what is left of the exception's own line reads like words of the firmware."""
    log = banner(2, 3) + "SDK ver: 3.0.1\nhello there\n" + CRASH.format(0, "0x4022078c", "0x00000000")
    assert judge(booted("exception", log, hole=0x2078C)).rule == "image-hole"
    assert judge(booted("exception", log)).rule == "firmware-crashes"


def test_a_flash_that_begins_anew_is_the_cause_where_the_firmware_has_written_over_itself() -> None:
    evidence = replace(
        FACTS["changed-at-boot"], findings=Findings(wraps_at=0x100000, bad="other", bad_blocks=2, blocks=8)
    )
    assert judge(evidence).rule == "size-lie"
    assert judge(replace(evidence, findings=Findings(bad="right", blocks=8))).rule == "flash-mode"


def test_a_flash_that_cannot_be_erased_is_protected_and_one_that_was_only_compared_is_another() -> None:
    protected = FACTS["write-protected"]
    assert judge(replace(protected, written=False, erased=True)).rule == "write-protected"
    assert judge(replace(protected, written=False)).told


def test_a_hole_in_the_image_of_a_silent_firmware_may_be_the_cause() -> None:
    diagnosis = judge(booted("alive", "csum 0x9b\n", hole=0x2078C))
    assert (diagnosis.rule, diagnosis.certain) == ("image-hole", False)
    for kind, reset in (("boot-loop", banner(2, 3)), ("watchdog", banner(4, 3))):
        (rule,) = (rule for rule, _ in fit(booted(kind, reset * 3, hole=0x2078C)))
        assert (rule.name, rule.certain) == ("image-hole", False)
    assert judge(booted("watchdog", "Soft WDT reset\n", hole=0x2078C)).rule == "watchdog-loop"
    assert judge(booted("boot-loop", (banner(2, 3) + "system param error\n") * 3, hole=0x2078C)).rule == "system-params"
    assert "0x02078c" in diagnosis.proof[0]
