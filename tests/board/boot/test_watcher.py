from __future__ import annotations

import random
from typing import Any

import pytest
from flashpipe.board.boot.expectations import accepts
from flashpipe.board.boot.rates import COMMON_BAUDS, rom_baud
from flashpipe.board.boot.verdict import classify
from flashpipe.board.boot.watcher import FORMAT_S, BootWatcher, ListenAt, Verdict

ROM = 74880
FAST = 115200
LOG = (
    b"\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\nload 0x40100000, len 28740, room 16 \r\ntail 4\r\n"
    b"chksum 0xe7\r\nload 0x3ffe8000, len 2888, room 4 \r\ntail 4\r\nchksum 0xd6\r\ncsum 0xd6\r\n"
)
SDK = (
    b"rf cal sector: 1019\r\nfreq trace enable 0\r\nrf[112] : 00\r\nrf[113] : 00\r\nrf[114] : 01\r\n\r\n"
    b"SDK ver: 2.2.1(cfd48f3) compiled @ Jun  8 2018 19:22:06\r\nphy ver: 1136_0, pp ver: 10.2\r\n\r\n"
)
BANNER = (
    b"\r\n\r\nNodeMCU 3.0.0.0 \r\n\tbranch: release\r\n\tSSL: false\r\n\tmodules: file,gpio,net,node,tmr,uart,wifi\r\n"
    b" build 2024-03-01 12:00 powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\r\n"
)
INFO = b"3\t0\t0\t11736506\t1458415\t4096\t2\t40000000\r\n"
PROMPT = b"cannot open init.lua: \r\n> "
NOISE = random.Random(8266).randbytes(40)
OLD_BANNER = b"\r\n\r\nNodeMCU 0.9.6 build 20150704  powered by Lua 5.1.4\r\nlua: cannot open init.lua\r\n> "


def prompt_at(baud: int, ready_s: float = 0.0) -> Any:
    return lambda now, at: b"\r\n> " if at == baud and now >= ready_s else b""


def every(period_s: float, baud: int, data: bytes, first_s: float = 0.01) -> list[tuple[float, int, bytes]]:
    return [(first_s + count * period_s, baud, data) for count in range(int(110 / period_s))]


# --- boards that are well --------------------------------------------------------------------------------------------


def test_a_nodemcu_is_at_its_prompt_within_three_seconds(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (0.1, ROM, SDK), (0.25, FAST, BANNER + PROMPT)])
    assert watched.verdict.kind == "prompt"
    assert watched.verdict.firmware == "NodeMCU 3.0.0.0"
    assert watched.verdict.seconds < 2.5
    assert watched.rates == [ROM, FAST]
    assert [rate for _, rate in watched.knocks] == [FAST]


def test_the_log_holds_both_rates_and_no_garbage(watch: Any) -> None:
    log = watch([(0.01, ROM, LOG), (0.1, ROM, SDK), (0.25, FAST, BANNER + PROMPT)]).verdict.log
    assert "csum 0xd6\n" in log
    assert "branch: release\n" in log
    assert log.isascii()
    assert all(line.isprintable() for line in log.replace("\t", " ").splitlines())


def test_first_boot_of_3x_starts_twice_and_formats(watch: Any) -> None:
    formatting = b"Formatting file system. Please wait...\r\n....."
    script = [(0.01, ROM, LOG), (0.1, ROM, LOG + SDK), (0.5, FAST, formatting), (20, FAST, BANNER + PROMPT)]
    watched = watch(script)
    assert watched.verdict.kind == "prompt"
    assert 20 < watched.verdict.seconds < 21
    assert not [time for time, _ in watched.knocks if 0.6 < time < 20], "input while formatting would be lost"


def test_words_lost_behind_the_sdks_may_have_been_those_of_formatting(watch: Any) -> None:
    """As executed NodeMCU 2.1 and 2.2 have it: 6 ms behind the SDK's lines, at another rate, and nothing after it."""
    behind_s = 0.01 + len(LOG + SDK) * 10 / ROM + 0.006
    start = [(0.01, ROM, LOG + SDK), (behind_s, FAST, b"Formatting file system. Please wait...\r\n")]
    watched = watch([*start, (13, FAST, b"\r\n" + BANNER + PROMPT)])
    assert (watched.verdict.kind, watched.verdict.firmware) == ("prompt", "NodeMCU 3.0.0.0")
    assert watch(start).verdict.kind == "alive"
    assert watch(start).verdict.seconds <= 60.1
    silent = watch([(0.01, ROM, LOG + SDK)]).verdict
    assert silent.kind == "alive"
    assert silent.seconds < 15, "nothing was lost: nothing is waited for"


def test_what_goes_on_behind_bad_parameters_may_be_formatting(watch: Any) -> None:
    """As executed 1.4.0 and 1.5.4.1 have it: their words behind the SDK's are lost, and the prompt comes 13 s later."""
    start = LOG + b"system param error\r\n" + b"00 " * 32 + b"\r\n" + SDK
    behind_s = 0.01 + len(start) * 10 / ROM + 0.006
    script = [(0.01, ROM, start), (behind_s, FAST, b"Formatting file system. Please wait...\r\n")]
    assert watch([*script, (13, FAST, b"\r\n" + BANNER + PROMPT)]).verdict.kind == "prompt"
    assert watch(script).verdict.kind == "system-params"
    silent = watch([(0.01, ROM, start)]).verdict
    assert (silent.kind, silent.seconds < 8) == ("system-params", True)


def test_dots_are_formatting_too_where_the_words_before_them_were_lost(watch: Any) -> None:
    """As executed NodeMCU 3.0 has it, on a machine that is slow to change its rate."""
    start = LOG + b"system SPI FI size:4, Flash size: 4194304\r\nrf[114] : 01\r\nw_flash\r\n" + SDK
    dots = [(0.5 + count * 0.2, FAST, b"...") for count in range(60)]
    watched = watch([(0.01, ROM, start), *dots, (13, FAST, b"\r\n" + BANNER + PROMPT)])
    assert (watched.verdict.kind, watched.verdict.firmware) == ("prompt", "NodeMCU 3.0.0.0")
    assert not [time for time, _ in watched.knocks if 1.0 < time < 13]


def test_a_python_is_knocked_at_behind_its_first_setup(watch: Any) -> None:
    """CircuitPython waits for a key then, as executed 3.0.0 does."""
    setup = b"#4 ets_task(40100394, 3, 3fff83f0, 4)\r\nPerforming initial setup\r\n"

    def answer(now: float, at: int) -> bytes:
        banner = b"\r\nAdafruit CircuitPython 3.0.0 on 2018-06-02; ESP module with ESP8266\r\n>>> "
        return banner if at == FAST and now > 1 else b""

    watched = watch([(0.01, ROM, LOG), (0.1, ROM, SDK), (0.3, FAST, setup)], answer)
    assert (watched.verdict.kind, watched.verdict.firmware) == ("python-prompt", "CircuitPython 3.0.0")


def test_formatting_has_a_time_limit_of_its_own(watch: Any) -> None:
    script = [(0.01, ROM, LOG), (0.5, FAST, b"Formatting file system. Please wait...\r\n")]
    watched = watch(script, timeout_s=5.0)
    assert (watched.verdict.kind, watched.verdict.seconds) == ("formatting", pytest.approx(0.5 + FORMAT_S, abs=0.2))


def test_a_banner_that_is_off_is_no_failure(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG + SDK)], prompt_at(FAST, 0.3), INFO)
    assert (watched.verdict.kind, watched.verdict.firmware) == ("prompt", "NodeMCU 3.0.0")
    assert watched.verdict.seconds < 3


@pytest.mark.parametrize(("baud", "limit_s"), [(FAST, 1.2), (9600, 3.0)])
def test_a_running_board_is_found_without_a_reset(watch: Any, baud: int, limit_s: float) -> None:
    watched = watch([], prompt_at(baud), INFO)
    assert (watched.verdict.kind, watched.verdict.firmware) == ("prompt", "NodeMCU 3.0.0")
    assert watched.verdict.baud == baud
    assert watched.verdict.seconds < limit_s


def test_a_declared_firmware_rate_is_tried_first(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (0.3, 9600, OLD_BANNER)], firmware_bauds=(9600,))
    assert watched.verdict.firmware == "NodeMCU 0.9.6"
    assert watched.rates == [ROM, 9600]


def test_an_undeclared_firmware_rate_is_found(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (0.3, 9600, OLD_BANNER)], prompt_at(9600, 0.5))
    assert watched.verdict.kind == "prompt"
    assert watched.verdict.seconds < 10


@pytest.mark.parametrize(("before", "kind"), [(b"", "prompt"), (b"rf cal sector: 1019\r\n", "alive"), (SDK, "alive")])
def test_what_talks_at_once_has_a_rate_of_its_own(watch: Any, before: bytes, kind: str) -> None:
    """As an executed 0.9.2 of 2014-12-19 has it: no word of its SDK, and no answer at another rate than its own."""
    behind_s = 0.01 + len(LOG + before) * 10 / ROM + 0.006
    watched = watch([(0.01, ROM, LOG + before), (behind_s, 9600, OLD_BANNER)], prompt_at(9600, 0.5))
    assert watched.verdict.kind == kind
    assert {9600} <= set(watched.rates) or kind == "alive", "that one may be formatting, and takes the rate of a knock"


@pytest.mark.parametrize(("sdk", "kind"), [(b"0.9.4", "prompt"), (b"1.1.0", "prompt"), (b"2.2.1(cfd48f3)", "alive")])
def test_an_old_nodemcu_makes_no_sound_where_it_is_knocked_at_another_rate(watch: Any, sdk: bytes, kind: str) -> None:
    """As an executed 0.9.4 of 2014-12-26 has it: the banner is garbage right behind the SDK's lines."""
    start = LOG + b"SDK ver: " + sdk + b" compiled @ Dec 19 2014 17:50:26\r\nphy ver: 273, pp ver: 6\r\n\r\n"
    behind_s = 0.01 + len(start) * 10 / ROM + 0.006
    watched = watch([(0.01, ROM, start), (behind_s, 9600, OLD_BANNER)], prompt_at(9600, 0.5))
    assert watched.verdict.kind == kind
    assert {9600} <= set(watched.rates) or kind == "alive", "that one may be formatting, and takes the rate of a knock"


@pytest.mark.parametrize("baud", COMMON_BAUDS)
def test_any_usual_rate_of_a_console_is_found(watch: Any, baud: int) -> None:
    watched = watch([(0.01, ROM, LOG), (0.3, baud, BANNER + PROMPT)], prompt_at(baud, 0.5), INFO)
    assert watched.verdict.kind == "prompt"
    assert watched.verdict.firmware.startswith("NodeMCU 3.0.0")
    assert watched.verdict.baud == baud
    assert watched.verdict.seconds < (18 if baud == COMMON_BAUDS[-1] else 16)


@pytest.mark.parametrize("baud", COMMON_BAUDS)
def test_any_usual_rate_of_a_running_console_is_found(watch: Any, baud: int) -> None:
    watched = watch([], prompt_at(baud), INFO, silence_s=20.0)
    assert (watched.verdict.firmware, watched.verdict.baud) == ("NodeMCU 3.0.0", baud)


@pytest.mark.parametrize("baud", COMMON_BAUDS)
def test_a_firmware_that_talks_at_any_usual_rate_is_understood(watch: Any, baud: int) -> None:
    watched = watch([(0.01, ROM, LOG), *every(0.5, baud, b"temperature 21.5\r\n", 0.4)])
    assert (watched.verdict.kind, watched.verdict.baud) == ("firmware", baud)
    assert "temperature 21.5" in watched.verdict.log


@pytest.mark.parametrize("crystal", [24, 40])
def test_a_crystal_that_nobody_told_is_found(watch: Any, crystal: int) -> None:
    rate = rom_baud(crystal)
    watched = watch(every(1.0, rate, LOG + b"rf_cal[0] !=0x05,is 0xFF\r\n"))
    assert watched.verdict.kind == "rf-cal"
    watched = watch([(0.01, rate, LOG), (0.1, rate, SDK), (0.3, FAST, BANNER + PROMPT)], prompt_at(FAST, 0.5), INFO)
    assert watched.verdict.kind == "prompt"
    assert watched.verdict.firmware.startswith("NodeMCU")


def test_a_lua_prompt_that_does_not_say_what_it_is_stays_one(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG)], prompt_at(FAST, 0.3))
    assert (watched.verdict.kind, watched.verdict.firmware) == ("prompt", "")
    assert watched.verdict.seconds < 3


def test_rom_rates_are_those_of_the_facts() -> None:
    """115200 for a crystal of 40 MHz, in proportion for the others (facts: esp8266 §2.4)."""
    assert [rom_baud(crystal) for crystal in (24, 26, 40)] == [69120, 74880, 115200]


@pytest.mark.parametrize("crystal", [24, 26, 40])
def test_the_rom_rate_follows_the_crystal(watch: Any, crystal: int) -> None:
    rate = rom_baud(crystal)
    script = [(0.01, rate, LOG), (0.1, rate, SDK), (0.3, FAST, BANNER + PROMPT)]
    watched = watch(script, crystal_mhz=crystal)
    assert watched.verdict.firmware == "NodeMCU 3.0.0.0"
    assert watched.verdict.seconds < 2.5
    assert "csum 0xd6" in watched.verdict.log


def test_a_busy_init_lua_is_a_banner_without_a_prompt(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (0.3, FAST, BANNER)])
    assert watched.verdict.kind == "banner"
    assert watched.verdict.seconds < 3


def nobody(_now: float, _at: int) -> bytes:
    return b""


@pytest.mark.parametrize("echo", [b"", b"\r\n"])
def test_a_prompt_that_was_shown_and_does_not_answer_is_none(watch: Any, echo: bytes) -> None:
    """As executed NodeMCU 3.0 has it, whose init.lua says `uart.on("data", 0, function() end, 0)`; others echo."""
    watched = watch([(0.01, ROM, LOG), (0.3, FAST, BANNER + b"> ")], lambda _now, _at: echo)
    assert watched.verdict.kind == "banner"
    assert "at its prompt" not in watched.verdict.summary
    assert watched.verdict.firmware == "NodeMCU 3.0.0.0"
    assert watched.verdict.seconds < 3


def test_a_prompt_is_asked_again_where_a_program_is_busy(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (0.3, FAST, BANNER + b"> ")], prompt_at(FAST, 0.9))
    assert watched.verdict.kind == "prompt"
    assert watched.verdict.summary == "NodeMCU 3.0.0.0 at its prompt"


def test_a_prompt_below_what_a_timer_prints_without_end_is_asked_as_well(watch: Any) -> None:
    ticks = every(0.1, FAST, b"tick\r\n", 0.6)
    script = [(0.01, ROM, LOG), (0.3, FAST, BANNER + b"> "), *ticks]
    assert watch(script, prompt_at(FAST)).verdict.kind == "prompt"
    assert watch(script, nobody).verdict.kind == "banner"


def test_init_lua_that_talks_before_the_prompt(watch: Any) -> None:
    script = [(0.01, ROM, LOG), (0.3, FAST, BANNER + b"starting\r\n"), (1.0, FAST, b"got ip\r\n> ")]
    assert watch(script).verdict.kind == "prompt"


def test_other_firmware_that_talks(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), *every(0.5, FAST, b"temperature 21.5\r\n", 0.4)])
    assert watched.verdict.kind == "firmware"
    assert watched.verdict.seconds < 3


def test_other_firmware_at_a_rate_nobody_declared(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), *every(0.5, 9600, b"temperature 21.5\r\n", 0.4)])
    assert watched.verdict.kind == "firmware"
    assert "temperature 21.5" in watched.verdict.log


def test_a_known_firmware_is_concluded_at_once(watch: Any) -> None:
    banner = b"\r\nMicroPython v1.19.1 on 2022-06-18; ESP module with ESP8266\r\n>>> "
    watched = watch([(0.01, ROM, LOG), (0.4, FAST, banner)])
    assert (watched.verdict.kind, watched.verdict.firmware) == ("python-prompt", "MicroPython 1.19.1")
    assert watched.verdict.seconds < 1


def test_a_silent_firmware_is_alive(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG)], quiet_s=4.0)
    assert watched.verdict.kind == "alive"
    assert 4 <= watched.verdict.seconds < 5


def test_a_firmware_that_formats_without_a_word_is_asked_at_no_other_rate(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG + SDK), (46.0, FAST, BANNER + PROMPT)], quiet_s=60.0)
    assert watched.verdict.kind == "prompt"
    assert {rate for _, rate in watched.knocks} == {FAST}


def test_a_firmware_that_only_echoes_is_alive_and_silent(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG)], lambda _now, at: b"\r\n" if at == FAST else b"", quiet_s=4.0)
    assert watched.verdict.kind == "alive"
    assert watched.verdict.seconds < 5


def test_text_right_after_garbage_keeps_its_first_letters(watch: Any) -> None:
    said = b"Formatting file system. Please wait...\r\n"
    watched = watch([(0.01, ROM, LOG), (0.1, ROM, SDK), (0.3, FAST, said)], timeout_s=2.0)
    assert watched.verdict.kind == "formatting"
    assert "\nFormatting" in watched.verdict.log


def test_a_log_says_where_something_came_at_another_rate(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (0.05, FAST, BANNER[:60]), (0.3, FAST, BANNER[60:] + PROMPT)])
    (gap,) = watched.verdict.gaps
    lines = watched.verdict.log.splitlines()
    assert lines[gap.line - 1].endswith("csum 0xd6")
    assert "powered by Lua" in "".join(lines[gap.line :])
    assert "no text" not in watched.verdict.log
    assert "csum 0xd6\n[bytes left out that make no text at this rate: " in watched.verdict.log_for_people()
    few = watch([(0.01, ROM, LOG), (0.05, FAST, BANNER[:3]), (0.3, FAST, BANNER[3:] + PROMPT)])
    assert [gap.line for gap in few.verdict.gaps] == [gap.line]
    whole = watch([(0.01, ROM, LOG + SDK + BANNER + PROMPT)]).verdict
    assert whole.gaps == ()
    assert whole.log_for_people() == whole.log
    assert classify(watched.verdict.log).kind == watched.verdict.kind == "prompt"
    assert not accepts("bytes left out", watched.verdict, image_is_nodemcu=False)


def test_all_at_one_rate_works_too(watch: Any) -> None:
    assert watch([(0.01, ROM, LOG + SDK + BANNER + PROMPT)]).verdict.kind == "prompt"


def test_rest_of_an_earlier_conversation_does_not_hide_the_rom_log(watch: Any) -> None:
    watched = watch([(0.0, 460800, b"\xc0\x01\x08" * 30), (0.03, ROM, LOG), (0.3, FAST, BANNER + PROMPT)])
    assert watched.verdict.firmware == "NodeMCU 3.0.0.0"
    assert "csum 0xd6" in watched.verdict.log


# --- boards that are not ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (LOG + b"csum err\r\nets_main.c \r\n", "bad-checksum"),
        (LOG[:50] + b"\r\nets_main.c \r\n", "no-image"),
        (LOG[:50].replace(b"(3,6)", b"(1,7)"), "download-mode"),
        (LOG + b"rf_cal[0] !=0x05,is 0xFF\r\n", "rf-cal"),
    ],
)
def test_what_the_rom_says_is_concluded_at_once(watch: Any, said: bytes, kind: str) -> None:
    watched = watch([(0.01, ROM, said)])
    assert watched.verdict.kind == kind
    assert watched.verdict.seconds < 0.5


def test_a_late_csum_err_is_not_missed(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (0.07, ROM, b"csum err\r\nets_main.c \r\n")])
    assert watched.verdict.kind == "bad-checksum"


def test_missing_init_data_is_found_in_the_second_round(watch: Any) -> None:
    script = every(0.5, ROM, LOG) + every(0.5, ROM, b"rf_cal[0] !=0x05,is 0xFF\r\n", 0.1)
    watched = watch(script)
    assert watched.verdict.kind == "rf-cal"
    assert watched.verdict.seconds < 5


@pytest.mark.parametrize(("period_s", "limit_s"), [(0.4, 5.0), (1.0, 10.0), (3.0, 20.0), (8.0, 45.0)])
def test_a_board_that_starts_again_and_again_is_a_loop(watch: Any, period_s: float, limit_s: float) -> None:
    watched = watch(every(period_s, ROM, LOG))
    assert watched.verdict.kind == "boot-loop"
    assert watched.verdict.seconds < limit_s


LOADER = b"\r\n2nd boot version : 1.6\r\n  SPI Speed      : 40MHz\r\n  SPI Flash Size & Map: 8Mbit(512KB+512KB)\r\n"
JUMP = b"jump to run user1 @ 1000\r\n\r\n"
"""As executed boot_v1.6 has them: at its first start it erases a sector in between."""


def test_what_the_sdk_says_behind_a_boot_loader_that_pauses_is_heard(watch: Any) -> None:
    halts = b"mismatch map 2,spi_size_map 4\r\nsystem_partition_table_regist fail\r\n"
    watched = watch([(0.01, ROM, LOG + LOADER), (0.7, ROM, JUMP + halts)])
    assert watched.verdict.kind == "wrong-size"
    started = watch([(0.01, ROM, LOG + LOADER + JUMP), (0.2, FAST, BANNER + PROMPT)])
    assert started.verdict.kind == "prompt"
    assert started.verdict.seconds < 2.5


def test_a_firmware_that_starts_again_and_again_behind_a_word_is_a_loop(watch: Any) -> None:
    """As an executed user image has it, whose first start says a line that the later ones do not."""
    start = LOG + LOADER + JUMP
    script = [(0.01, ROM, start + b"Backup default -1\r\n"), *every(0.12, ROM, start, 0.25)]
    assert watch(script).verdict.kind == "boot-loop"


def test_a_firmware_whose_later_words_cannot_be_read_is_one_that_talks(watch: Any) -> None:
    script = [(0.01, ROM, LOG + b"hello world\r\n"), *every(0.3, 250_000, NOISE * 3, 0.3)]
    watched = watch(script)
    assert watched.verdict.kind == "firmware"
    assert watched.verdict.seconds < 8


def test_a_crash_brings_its_addresses(watch: Any) -> None:
    crash = [b"Fatal exception 28(LoadProhibitedCause):\r\n", b"epc1=0x40243016, excvaddr=0x000000eb\r\n"]
    watched = watch([(0.01, ROM, LOG), (0.3, FAST, crash[0]), (0.35, FAST, crash[1])])
    assert watched.verdict.kind == "exception"
    assert "epc1=0x40243016" in watched.verdict.log


def test_a_lua_panic(watch: Any) -> None:
    panic = b"PANIC: unprotected error in call to Lua API (init.lua:1: boom)\r\n"
    watched = watch([(0.01, ROM, LOG), (0.3, FAST, BANNER + panic), *every(1, ROM, LOG, 1.0)])
    assert watched.verdict.kind == "panic"
    assert "boom" in watched.verdict.summary


def test_a_dead_line_is_silence(watch: Any) -> None:
    watched = watch([], silence_s=3.0)
    assert (watched.verdict.kind, watched.verdict.seconds) == ("silence", pytest.approx(3, abs=0.1))


def test_a_person_may_take_long_to_press_reset(watch: Any) -> None:
    watched = watch([(30.0, ROM, LOG), (30.3, FAST, BANNER + PROMPT)], silence_s=60.0)
    assert watched.verdict.kind == "prompt"


def test_bytes_that_make_no_text_are_not_silence(watch: Any) -> None:
    watched = watch(every(0.2, 1_000_000, NOISE * 3))
    assert watched.verdict.kind == "unreadable"
    assert watched.verdict.log.strip() == ""


# --- options ---------------------------------------------------------------------------------------------------------


def test_no_knock_where_it_is_not_wanted(watch: Any) -> None:
    assert not watch([(0.01, ROM, LOG)], probe_prompt=False, quiet_s=2.0).knocks


def test_a_text_is_waited_for(watch: Any) -> None:
    script = [(0.01, ROM, LOG), (0.3, FAST, BANNER + PROMPT), (5, FAST, b"\r\ngot ip 192.168.4.2\r\n")]
    watched = watch(script, wait_for="got ip")
    assert watched.verdict.seconds >= 5
    assert "got ip" in watched.verdict.log


def test_a_text_that_never_comes_ends_with_the_time_limit(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (0.3, FAST, BANNER + PROMPT)], wait_for="got ip", timeout_s=8.0)
    assert (watched.verdict.kind, watched.verdict.seconds) == ("prompt", pytest.approx(8, abs=0.1))


def test_the_time_limit_holds_whatever_comes(watch: Any) -> None:
    watched = watch(every(0.01, 1_000_000, NOISE), timeout_s=4.0, silence_s=60.0)
    assert watched.verdict.seconds == pytest.approx(4, abs=0.1)


def test_bytes_one_by_one_give_the_same_verdict() -> None:
    watcher, now = BootWatcher(now=0.0), 0.0
    wish: object = None
    for byte in LOG + BANNER + PROMPT:
        wish = watcher.next(now)
        assert isinstance(wish, ListenAt)
        now += 10 / FAST
        watcher.feed(bytes([byte]), now)
    while not isinstance(wish := watcher.next(now), Verdict):
        if isinstance(wish, ListenAt):
            now = wish.until_s
        else:
            watcher.feed(b"\r\n> ", now)
    assert wish.kind == "prompt"


# --- time to fail ----------------------------------------------------------------------------------------------------

TASMOTA = b"\r\n00:00:00 Project tasmota Tasmota Version 9.5.0(tasmota)-2_7_4_9(2021-06-17T08:26:28)\r\n"
CRASH = (
    b"\r\nException (28):\r\nepc1=0x4022c1f4 epc2=0x00000000 epc3=0x00000000 excvaddr=0x00000000 depc=0x00000000\r\n"
)
PANIC = b"PANIC: unprotected error in call to Lua API (init.lua:5: x)\r\n"


@pytest.mark.parametrize(
    ("banner", "after_s", "failure", "kind"),
    [
        (TASMOTA, 0.1, CRASH, "exception"),
        (TASMOTA, 0.45, CRASH, "exception"),
        (b"MicroPython v1.19.1 on 2022-06-18; ESP module\r\n>>> ", 0.4, CRASH, "exception"),
        (BANNER + PROMPT, 0.1, PANIC, "panic"),
        (BANNER + PROMPT, 1.2, PANIC, "panic"),
    ],
)
def test_a_firmware_that_says_its_name_has_time_to_fail(
    watch: Any, banner: bytes, after_s: float, failure: bytes, kind: str
) -> None:
    assert watch([(0.01, ROM, LOG), (0.3, FAST, banner), (0.31 + after_s, FAST, failure)]).verdict.kind == kind


def test_a_firmware_that_runs_well_costs_half_a_second_for_that(watch: Any) -> None:
    assert watch([(0.01, ROM, LOG), (0.3, FAST, TASMOTA)]).verdict.seconds < 0.9


def test_a_lua_that_came_late_is_not_waited_for_much_longer(watch: Any) -> None:
    watched = watch([(0.01, ROM, LOG), (2.2, FAST, BANNER + PROMPT)])
    assert watched.verdict.kind == "prompt"
    assert watched.verdict.seconds < 3


def test_a_text_that_was_waited_for_proves_nothing_where_a_crash_follows(watch: Any) -> None:
    script = [(0.01, ROM, LOG), (0.3, FAST, b"hello world\r\n"), (0.5, FAST, CRASH)]
    assert watch(script, wait_for="hello").verdict.kind == "exception"


# --- noise -----------------------------------------------------------------------------------------------------------


def listen_to(make: Any, rate: float) -> Verdict:
    """A line on which bytes come all the time, whatever rate is listened at: `make` gives so many of them."""
    watcher, now, due = BootWatcher(now=0.0), 0.0, 0.0
    while not isinstance(request := watcher.next(now), Verdict):
        if not isinstance(request, ListenAt):
            continue  # nobody answers a knock
        if due > request.until_s:
            now = request.until_s + 0.0005
            continue
        count = max(1, int(rate / 200))
        now, due = max(now, due), max(now, due) + count / rate
        watcher.feed(make(count), now)
    return request


@pytest.mark.parametrize("rate", [8, 20, 35, 50, 100, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_noise_is_no_firmware_however_slowly_it_comes(rate: int, seed: int) -> None:
    assert listen_to(random.Random(seed).randbytes, rate).kind == "unreadable"


@pytest.mark.parametrize("rate", [8, 20, 50])
def test_a_flood_of_prompts_is_none(rate: int) -> None:
    assert listen_to(lambda count: b"> " * count, rate).kind == "unreadable"


def test_a_line_that_is_a_little_disturbed_still_carries_a_firmware(watch: Any) -> None:
    noise = random.Random(7)
    words = b"temperature 21.5 humidity 40\r\n" * 8
    damaged = bytes(byte ^ 0x80 if noise.random() < 0.02 else byte for byte in words)
    assert watch([(0.01, ROM, LOG), *every(0.5, FAST, damaged, 0.4)]).verdict.kind == "firmware"


def test_a_prompt_behind_the_garbage_of_another_rate_is_one(watch: Any) -> None:
    watched = watch([(0.0, 69120, LOG + SDK), (0.35, FAST, b"\r\n> ")], prompt_at(FAST, 0.3), INFO)
    assert watched.verdict.kind == "prompt"
