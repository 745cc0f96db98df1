"""Logs alone: what they prove and why. Published ones stand in tests/board/data; these are variants of each kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from flashpipe.board.boot.kinds import FAILED
from flashpipe.board.boot.verdict import classify, conclude
from flashpipe.board.diagnosis.evidence import of_boot
from flashpipe.board.diagnosis.explanation import Explanation, Known, explain_log
from flashpipe.board.diagnosis.judge import judge

ROM: Final = " ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\n"
LOADED: Final = (
    "load 0x40100000, len 28740, room 16 \ntail 4\nchksum 0xe7\nload 0x3ffe8000, len 2888, room 4 \ntail 4\n"
    "chksum 0xd6\ncsum 0xd6\n"
)
EBOOT: Final = "load 0x4010f000, len 3460, room 16 \ntail 4\nchksum 0xcc\ncsum 0xcc\nv0005d900\n~ld\n"
NODEMCU: Final = "\n\nNodeMCU 3.0.0.0 \n build 2024-03-01 12:00 powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\n"
BOOT_17: Final = (
    "\n2nd boot version : 1.7(5d6f877)\n  SPI Speed      : 40MHz\n  SPI Mode       : QIO\n"
    "  SPI Flash Size & Map: 8Mbit(512KB+512KB)\njump to run user1 @ 1000\n"
)
IDF: Final = (
    "I (29) boot: ESP-IDF v4.4 2nd stage bootloader\nI (33) boot: SPI Speed      : 40MHz\n"
    "I (37) boot: SPI Mode       : DIO\nI (41) boot: SPI Flash Size : 4MB\n"
)
STARTED: Final = "I (250) boot: Loaded app from partition at offset 0x10000\n"
RBOOT: Final = (
    "\nrBoot v1.4.2 - richardaburton@gmail.com\nFlash Size:   32 Mbit\nFlash Mode:   DIO\nFlash Speed:  40 MHz\n\n"
)
MICROPYTHON: Final = 'MicroPython v1.19.1 on 2022-06-18; ESP module with ESP8266\nType "help()" for more information.\n'
NO_MAGIC: Final = "E (44) esp_image: image at 0x10000 has invalid magic byte\n"


def crash(number: int, epc1: str, excvaddr: str = "0x00000000") -> str:
    return f"\nException ({number}):\nepc1={epc1} epc2=0x00000000 epc3=0x00000000 excvaddr={excvaddr} depc=0x00000000\n"


@dataclass(frozen=True)
class Variant:
    log: str
    verdict: str
    rule: str = ""
    certain: bool = True


VARIANTS: Final = {
    # a fault behind a prompt, which has no line end
    "prompt, fatal exception": Variant(
        f"{ROM}{LOADED}{NODEMCU}> Fatal exception 29(StoreProhibitedCause):\nepc1=0x40100f2c, excvaddr=0x00000004\n",
        "exception",
        "firmware-crashes",
        certain=False,
    ),
    "prompt, soft watchdog": Variant(f"{ROM}{LOADED}{NODEMCU}> Soft WDT reset\n", "watchdog", "watchdog-loop"),
    "two prompts, panic": Variant(f"{ROM}{LOADED}{NODEMCU}> > PANIC: not enough memory\n", "panic", "lua-panic"),
    "prompt, abort": Variant(
        f"{ROM}{LOADED}{NODEMCU}> abort() was called at PC 0x40213c21\n", "exception", "firmware-crashes"
    ),
    "python prompt, fatal exception": Variant(
        f"{ROM}{LOADED}{MICROPYTHON}>>> Fatal exception 28(LoadProhibitedCause):\n"
        "epc1=0x40201234, excvaddr=0x00000000\n",
        "exception",
        "firmware-crashes",
        certain=False,
    ),
    # a boot loader proves nothing but itself
    "loader of IDF 4.4": Variant(
        f"{ROM}{LOADED}{IDF}I (84) esp_image: segment 0: paddr=00010010 vaddr=40210010 size=6f8c4h (456900) map\n",
        "alive",
        "firmware-mute",
        certain=False,
    ),
    "its application": Variant(
        f"{ROM}{LOADED}{IDF}{STARTED}I (300) system_api: Base MAC address is not set\n", "firmware"
    ),
    "loader that falls back to another slot": Variant(
        f"{ROM}{LOADED}{IDF}{NO_MAGIC}E (66) boot: OTA app partition slot 1 is not bootable\n"
        f"{STARTED}I (300) main: hello\n",
        "firmware",
    ),
    "rBoot with one good rom": Variant(
        f"{ROM}{LOADED}{RBOOT}Rom 1 is bad.\nBooting rom 0.\nsensor station ready\n", "firmware"
    ),
    "a loader after a firmware's words": Variant(f"Hello there\n{BOOT_17}", "alive", "firmware-mute", certain=False),
    "the end of a loader's words after a prompt": Variant(
        f"{NODEMCU}> \njump to run user1 @ 1000\n", "alive", "firmware-mute", certain=False
    ),
    "a restart after a prompt": Variant(
        f"{ROM}{LOADED}{NODEMCU}> \n{ROM}{LOADED}", "alive", "firmware-mute", certain=False
    ),
    # loops of loaders
    "boot 1.7 again and again, the ROM unheard": Variant(BOOT_17 * 4, "boot-loop", "restart-loop", certain=False),
    "rBoot again and again": Variant(f"{RBOOT}Booting rom 0.\n" * 4, "boot-loop", "restart-loop", certain=False),
    "starts alike but for their clocks": Variant(
        "".join(ROM + LOADED + IDF.replace("(29)", f"(00:00:00.0{29 + count})") for count in range(3)),
        "boot-loop",
        "restart-loop",
        certain=False,
    ),
    # the loader ran and found nothing
    "no magic": Variant(
        f"{ROM}{LOADED}{IDF}{NO_MAGIC}E (48) boot: No bootable app partitions in the partition table\nuser code done\n",
        "nothing-found",
        "no-application",
    ),
    "no slot is bootable": Variant(
        f"{ROM}{LOADED}{IDF}E (650) boot: OTA app partition slot 0 is not bootable\n", "nothing-found", "no-application"
    ),
    "rBoot finds nothing": Variant(
        f"{ROM}{LOADED}{RBOOT}Rom 0 is bad.\nRom 1 is bad.\nNo good rom available.\n", "nothing-found", "loader-alone"
    ),
    "eboot cannot load": Variant(f"{ROM}{EBOOT[:-4]}@cp:0\nld\ne:2\n", "nothing-found", "eboot-copy"),
    "both halves are empty": Variant(
        f"{ROM}{LOADED}{BOOT_17}error magic!\nbackup boot failed.\n", "nothing-found", "loader-alone"
    ),
    "a table that is missing, in torn colours": Variant(
        f"{ROM}{LOADED[:-1]}[0;32mI (34) boot: ESP-IDF v3.4 2nd stage bootloader\n"
        "[0;31mE (60) boot: load partition table error!\n",
        "nothing-found",
        "partition-table",
    ),
    # crashes that explain themselves; a damaged image crashes in any way, so that it may be one
    "bytes out of code": Variant(
        ROM + EBOOT + crash(3, "0x402016b1", "0x4024c2b8"), "exception", "firmware-crashes", certain=False
    ),
    "division by zero": Variant(ROM + EBOOT + crash(0, "0x4000dce5"), "exception", "firmware-crashes", certain=False),
    "a call through a null pointer": Variant(
        ROM + EBOOT + crash(20, "0x00000000"), "exception", "firmware-crashes", certain=False
    ),
    "after words of its own": Variant(
        f"{ROM}{EBOOT}\nStarting my weather station\n{crash(0, '0x40206a3c')}",
        "exception",
        "firmware-crashes",
        certain=False,
    ),
    "before any word": Variant(ROM + LOADED + crash(0, "0x40210080"), "exception", "crash-at-start", certain=False),
    "in the other half": Variant(
        ROM + LOADED + BOOT_17 + crash(0, "0x40290010"), "exception", "other-half", certain=False
    ),
    # last words that are failures
    "stack smashing": Variant(
        f"{ROM}{EBOOT}\nStack smashing detected at 0x40201abc\n", "exception", "firmware-crashes"
    ),
    "panic of a library": Variant(
        f"{ROM}{EBOOT}\nPanic core_esp8266_main.cpp:133 __yield\n\n>>>stack>>>\n", "exception", "firmware-crashes"
    ),
    "abort": Variant(f"{ROM}{EBOOT}\nAbort called\n\n>>>stack>>>\n\nctx: cont\n", "exception", "firmware-crashes"),
    "generic reset": Variant(f"{ROM}{EBOOT}\nGeneric Reset\n\n>>>stack>>>\n", "exception", "firmware-crashes"),
    "nothing but the cut line": Variant(
        f"{ROM}{EBOOT}\n--------------- CUT HERE FOR EXCEPTION DECODER ---------------\n",
        "exception",
        "firmware-crashes",
    ),
    "nothing but a stack": Variant(
        f"{ROM}{EBOOT}\n>>>stack>>>\n\nctx: sys\n<<<stack<<<\n", "exception", "firmware-crashes"
    ),
    "a watchdog and its stack": Variant(f"{ROM}{EBOOT}\nSoft WDT reset\n\n>>>stack>>>\n", "watchdog", "watchdog-loop"),
    "stack of a task": Variant(
        f"{ROM}{LOADED}{IDF}***ERROR*** A stack overflow in task main has been detected.\n",
        "exception",
        "firmware-crashes",
    ),
    "assertion": Variant(
        f'{ROM}{LOADED}{IDF}I (400) main: start\nassertion "p->ref > 0" failed: file "pbuf.c", line 753\n',
        "exception",
        "firmware-crashes",
    ),
    "a loader that finds no address": Variant(
        f"{ROM}{LOADED}2nd boot version : 1.2\nget flash_addr error!\n", "nothing-found", "loader-alone"
    ),
    "a loader in test mode": Variant(
        f"{ROM}{LOADED}2nd boot version : 1.6\ninto test mode , gpio 12 is low\ntest bin is not pass!\n",
        "nothing-found",
        "loader-alone",
    ),
    "another chip": Variant(
        "ets Jul 29 2019 12:21:46\n\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n"
        "load:0x3fff0030,len:1184\nMicroPython v1.19.1 on 2022-06-18; ESP32 module with ESP32\n>>> ",
        "other-chip",
        "other-chip",
    ),
    "trap": Variant(
        f"Trap 28: pc=0x40221d8c va=0x00000010\nrebooting\n{ROM}{LOADED}",
        "exception",
        "firmware-crashes",
        certain=False,
    ),
    "a named firmware that dies": Variant(
        f"{ROM}{EBOOT}00:00:00 Project tasmota Tasmota Version 9.5.0(tasmota)-2_7_4_9\n{crash(28, '0x4022c1f4')}",
        "exception",
        "firmware-crashes",
        certain=False,
    ),
    # impossible loads
    "a segment for where nothing is": Variant(
        f"{ROM}load 0x44004400, len 1145324612, room 4 \n", "wrong-mode", "flash-mode", certain=False
    ),
    "a segment of 272 MB": Variant(
        f"{ROM}load 0x40100000, len 285212672, room 16 \n", "wrong-mode", "flash-mode", certain=False
    ),
    "a segment of a negative length": Variant(
        f"{ROM}load 0x3ffe8000, len -2004318072, room 4 \n", "wrong-mode", "flash-mode", certain=False
    ),
    # no proof of life
    "a flood of prompts": Variant("> " * 300, "unreadable", "console-rate", certain=False),
    "a flood of prompts in lines": Variant("> \n" * 300, "unreadable", "console-rate", certain=False),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_each_kind_is_recognised_in_other_words(name: str) -> None:
    variant = VARIANTS[name]
    explanation = explain_log(variant.log, Known())
    told = (explanation.verdict.kind, explanation.diagnosis.rule, explanation.diagnosis.certain)
    assert told == (variant.verdict, variant.rule, variant.certain)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_not_certain_says_so_and_names_a_test(name: str) -> None:
    explanation = explain_log(VARIANTS[name].log, Known())
    if not explanation.diagnosis.certain:
        assert any(word in explanation.diagnosis.cause for word in ("may be", "by design, or"))
        assert explanation.action


def test_every_published_failure_has_a_cause_with_its_proof(capture: Any) -> None:
    explanation = explain_log(capture.text, Known())
    if capture.verdict in FAILED:
        assert explanation.diagnosis.rule not in {"", "unknown"}
        assert explanation.proof
        assert explanation.action
        assert explanation.code == f"boot-{capture.verdict}".replace("boot-boot-", "boot-")
        assert not any(explanation.passes.values())


def test_words_of_any_start_show_that_the_flash_was_read_right() -> None:
    head = "--------------- CUT HERE FOR EXCEPTION DECODER ---------------\n\n"  # the end of the crash before
    spoke = explain_log(f'{head}{ROM}{EBOOT}{{"network":{{"dhcp":true}}}}\n{crash(0, "0x40202e89")}', QIO)
    assert (spoke.diagnosis.rule, spoke.diagnosis.certain) == ("firmware-crashes", True)
    assert any("network" in line for line in spoke.proof)


def test_a_log_that_begins_with_the_crash_does_not_show_what_was_said_before() -> None:
    alone = explain_log(crash(0, "0x40210080") + ROM + LOADED, Known())
    assert "before its first word" not in alone.diagnosis.cause
    assert "before its first word" in explain_log(MUTE_CRASH, Known()).diagnosis.cause


def test_nothing_is_said_of_a_rom_that_is_not_in_the_log() -> None:
    tail = explain_log("mode : sta(84:f3:eb:00:00:00)\nadd if0\nscandone\n", Known())
    assert (tail.verdict.kind, tail.passes["any"], tail.code) == ("alive", True, "")
    assert "ROM" not in " ".join((tail.diagnosis.cause, *tail.proof))


def test_of_a_log_that_ends_with_another_start_only_what_came_before_is_judged() -> None:
    ran = f"{ROM}{LOADED}{MICROPYTHON}>>> \n"
    again = explain_log(f"{ran}\n{ROM}", Known())
    assert (again.verdict.kind, again.code, again.verdict.firmware) == ("alive", "", "MicroPython 1.19.1")
    crashed = explain_log(f"{ROM}{LOADED}{crash(28, '0x40201abc')}\n{ROM}", Known())
    assert crashed.verdict.kind == "exception"
    assert explain_log(f"{ROM}\n{ROM}", Known()).verdict.kind == "no-image"
    assert explain_log(f"{ran}FATAL: uncaught exception 3fff1234\n\n{ROM}", Known()).verdict.kind == "exception"


def test_a_log_of_another_program_with_its_own_prompts_is_no_python() -> None:
    log = f"{ROM}{LOADED}HAA > setup\n>>> wifi_config: Initializing WiFi config\n>>> wifi_config: Starting AP mode\n"
    assert explain_log(log, Known()).verdict.kind == "firmware"
    assert explain_log(f"{ROM}{LOADED}\n>>> ", Known()).verdict.kind == "python-prompt"


# --- the flash mode --------------------------------------------------------------------------------------------------

MUTE_CRASH: Final = ROM + LOADED + crash(0, "0x40210080")
QIO: Final = Known(mode="qio", verified=True)


def rule(log: str, known: Known) -> tuple[str, bool]:
    found = explain_log(log, known).diagnosis
    return found.rule, found.certain


def test_the_flash_mode_is_asserted_where_nothing_else_can_be() -> None:
    assert rule(MUTE_CRASH, QIO) == ("flash-mode", False), "the build may be bad"
    found = explain_log(MUTE_CRASH, QIO)
    assert "may be" in found.diagnosis.cause
    assert "take another build" in found.action
    assert rule(f"{ROM}ets_main.c \n", QIO) == ("flash-mode", True)


@pytest.mark.parametrize(
    "log",
    [
        MUTE_CRASH,
        ROM + EBOOT + crash(3, "0x402016b1", "0x4024c2b8"),
        f"{ROM}{EBOOT}Hello\n{ROM}".replace("cause:2", "cause:4"),
    ],
)
def test_where_nobody_has_compared_the_flash_that_comes_first(log: str) -> None:
    found = explain_log(log, Known(mode="dio"))
    assert found.action.startswith(
        "`flashpipe verify profile=NAME` says whether the flash holds the image; if it does, "
    )
    assert found.diagnosis.cause.count("may be") == 1
    known = explain_log(log, Known(mode="dio", verified=True))
    assert "verify" not in known.action
    assert "damaged" not in known.diagnosis.cause


@pytest.mark.parametrize(
    ("log", "known"),
    [
        (MUTE_CRASH, Known(mode="qio")),
        (MUTE_CRASH, Known(verified=True)),
        (MUTE_CRASH, Known(mode="dout", verified=True)),
        (ROM + EBOOT + crash(0, "0x40210080"), QIO),
        (f"{ROM}{LOADED}Hello from a sketch\n{crash(0, '0x40210080')}", QIO),
        (ROM + LOADED + crash(2, "0x3fff470c", "0x3fff470c"), QIO),
        (ROM + LOADED + crash(0, "0x4000dce5"), QIO),
        (ROM + LOADED + crash(28, "0x40210080"), QIO),
    ],
    ids=["bytes unknown", "mode unknown", "dout", "a loader ran", "it spoke", "data RAM", "division", "a pointer"],
)
def test_it_is_not_asserted_where_the_evidence_leaves_another_cause(log: str, known: Known) -> None:
    assert rule(log, known)[0] != "flash-mode"


def test_a_chip_with_one_mode_proves_it_alone() -> None:
    zeros = f"{ROM}load 0x00000000, len 0, room 16 \n"
    assert rule(zeros, Known()) == ("flash-mode", False)
    found = explain_log(zeros, Known(mode="dio", chip="esp8285")).diagnosis
    assert (found.rule, found.certain) == ("flash-mode", True)
    assert "mode=dout" in found.action


@pytest.mark.parametrize(("size", "cause"), [("", "init-data"), ("4MB", "init-data"), ("16MB", "large-header")])
def test_missing_init_data_may_be_a_header_that_the_sdk_does_not_know(size: str, cause: str) -> None:
    found = explain_log(f"{ROM}{LOADED}rf_cal[0] !=0x05,is 0xFF\n", Known(size=size)).diagnosis
    assert (found.rule, found.certain) == (cause, size == "4MB")
    assert size != "16MB" or "16MB" in found.cause


MAPS: Final = "mismatch map 2,spi_size_map 4\nsystem param partition error\nsystem_partition_table_regist fail\n"


@pytest.mark.parametrize(
    ("words", "known", "named"),
    [
        ("rf_cal[0] !=0x05,is 0x00\n", Known(size="16MB", right_size="4MB"), ("16MB", "4MB")),
        ("rf_cal[0] !=0x05,is 0x2C\n", Known(size="8MB", right_size="4MB"), ("8MB", "4MB")),
        (MAPS, Known(), ("4MB", "1MB")),
        (MAPS + "Mh\nCe\nrf_cal[0] !=0x05,is 0xFF\n\n", Known(size="4MB"), ("4MB", "1MB")),
        (MAPS.replace("2,", "5,").replace("map 4", "map 6"), Known(), ("4MB-c1", "2MB-c1")),
    ],
)
def test_a_header_that_the_build_cannot_live_with_is_named_with_the_right_one(
    words: str, known: Known, named: tuple[str, str]
) -> None:
    found = explain_log(ROM + LOADED + words, known)
    assert (found.diagnosis.rule, found.diagnosis.certain) == ("header-size", True)
    assert all(name in found.diagnosis.cause for name in named)
    assert (f" {named[1]} " in found.action) == bool(known.right_size), "flashing writes what its plan knows"
    assert (f"size: {named[1]}" in found.action) != bool(known.right_size)


def test_a_map_that_does_not_match_and_is_taken_all_the_same_is_no_cause() -> None:
    log = "mismatch map 2,spi_size_map 4\nsystem_partition_table_regist 4 success!!\nrf_cal[0] !=0x05,is 0x00\n"
    assert rule(ROM + LOADED + log, Known())[0] == "init-data"


def test_nodemcu_on_a_header_that_is_too_small_is_told_the_fitted_size() -> None:
    log = ROM + LOADED + "Flash size (524288) too small to support NodeMCU\n"
    assert rule(log, Known())[0] == "layout-refused"
    found = judge(replace(of_boot(classify(log)), fitted="4MB"))
    assert (found.rule, "512KB" in found.cause, "4MB" in found.action) == ("header-size", True, True)
    assert judge(replace(of_boot(classify(log)), fitted="512KB")).rule == "layout-refused"


def test_a_build_for_more_flash_than_there_is_needs_another_build() -> None:
    maps = MAPS.replace("2,", "3,").replace("map 4", "map 2")
    found = judge(replace(of_boot(classify(ROM + LOADED + maps)), fitted="1MB"))
    assert found.rule == "header-size"
    assert "a board with 2MB" in found.action


def test_what_a_prompt_was_told_is_no_script() -> None:
    typed = explain_log("NodeMCU 0.9.5 build 20150213\n\n> PANIC: unprotected error (stdin:1: x)\n", Known())
    assert "typed" in typed.diagnosis.cause
    assert "erase" not in typed.action


def test_what_runs_has_no_cause_and_what_is_mute_proves_nothing() -> None:
    well = explain_log(f"{ROM}{LOADED}{NODEMCU}> ", Known())
    assert (well.passes, well.code, well.diagnosis.cause) == ({"nodemcu": True, "any": True}, "", "")
    mute = explain_log(ROM + LOADED, Known())
    assert (mute.passes, mute.code) == ({"nodemcu": False, "any": True}, "")
    assert not mute.diagnosis.certain
    assert "not proven" in mute.verdict.summary


def test_addresses_are_named_once() -> None:
    known = Known(places=lambda line: ["0x40201abc = setup()"] if "epc1" in line else [])
    found: Explanation = explain_log((ROM + LOADED + crash(28, "0x40201abc")) * 2, known)
    assert found.places == ("0x40201abc = setup()",)


BOOT_AGAIN: Final = (
    "\nerror magic!\nfirst boot failed 0, reboot to try this bin again\n\n\n"
    " ets Jan  8 2013,rst cause:4, boot mode:(3,6)\n\nwdt reset\n"
)


def test_a_loader_that_resets_the_chip_to_try_on_is_no_loop() -> None:
    """As boot_v1.7 does, executed: it tries its first image three times, and then the other."""
    tried = f"{ROM}{LOADED}{BOOT_17}" + f"{BOOT_AGAIN}{LOADED}{BOOT_17}" * 3
    runs = explain_log(tried.removesuffix("user1 @ 1000\n") + "user2 @ 101000\n\nMh\nCe\n\nready\n", Known())
    assert (runs.verdict.kind, runs.code) == ("firmware", "")
    gone = explain_log(f"{tried}\nerror magic!\nbackup boot failed.\n", Known())
    assert (gone.verdict.kind, gone.diagnosis.rule) == ("nothing-found", "loader-alone")
    assert any("error magic" in line for line in gone.proof)
    assert conclude(tried) is None


@pytest.mark.parametrize(
    ("words", "empty"), [("ets_main.c\n", True), ("load 0x40100000, len 26, room 16 \ncsum 0xef\ncsum err\n", False)]
)
def test_an_empty_flash_is_blamed_only_where_nothing_was_loaded(words: str, *, empty: bool) -> None:
    found = explain_log(f"{ROM}\n{words}", Known())
    assert found.diagnosis.rule == "nothing-bootable"
    assert ("empty" in found.diagnosis.cause) is empty


SDK: Final = "\nrf cal sector: 1019\nfreq trace enable 0\n\nSDK ver: 2.2.1(6ab97e9) compiled @ Jun  7 2018 13:59:14\n"


@pytest.mark.parametrize("tries", [0, 4])
def test_what_a_loader_has_found_is_known_by_its_sdk_though_it_says_no_more(tries: int) -> None:
    """As the AT firmware of a socket behind boot_v1.7, executed: nothing but its SDK is heard of it."""
    log = f"{ROM}{LOADED}{BOOT_17}" + f"{BOOT_AGAIN}{LOADED}{BOOT_17}" * tries
    runs = explain_log(log + SDK + "phy ver: 1136_0, pp ver: 10.2\n", Known())
    assert runs.verdict.kind == "alive"
    assert "whose SDK spoke" in runs.verdict.summary
    assert explain_log(log, Known()).verdict.kind == "alive", "it is not known yet"
    assert explain_log(f"{log}\nerror magic!\n", Known()).verdict.kind == "nothing-found"
