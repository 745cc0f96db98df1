from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from flashpipe.board.boot.crash import Crash
from flashpipe.board.boot.expectations import accepts
from flashpipe.board.boot.verdict import HEALTHY, NOT_CHECKED, Verdict, classify, conclude
from flashpipe.board.diagnosis.evidence import of_boot
from flashpipe.board.diagnosis.judge import judge

CONCLUSIVE = {"prompt", "bad-checksum", "no-image", "rf-cal", "exception", "panic", "download-mode"}


def test_published_capture_is_judged_rightly(capture: Any) -> None:
    verdict = classify(capture.text)
    assert (verdict.kind, verdict.firmware) == (capture.verdict, capture.firmware)


def test_line_ends_make_no_difference(capture: Any) -> None:
    text = classify(capture.text.replace("\n", "\r\n"))
    assert replace(text, log="") == replace(classify(capture.text), log="")


def test_conclusions_are_what_the_whole_log_says(capture: Any) -> None:
    if capture.verdict in CONCLUSIVE:
        assert conclude(capture.text + ("" if capture.verdict == "prompt" else "\n")) is not None
    concluded = conclude(capture.text)
    assert concluded is None or concluded.kind == capture.verdict


def test_evidence_stands_in_the_log(capture: Any) -> None:
    verdict = classify(capture.text)
    assert verdict.evidence
    for line in verdict.evidence:
        assert line.strip() in verdict.log


def test_a_version_is_not_cut_short() -> None:
    assert conclude("MicroPython v1.1") is None
    assert conclude("MicroPython v1.19.1 on 2022-06-18; ESP module with ESP8266\n") is None, "the prompt may follow"
    found = conclude("MicroPython v1.19.1 on 2022-06-18; ESP module with ESP8266\n>>> ")
    assert found is not None
    assert found.firmware == "MicroPython 1.19.1"


@pytest.mark.parametrize("noise", ["", "\n\n", "...\n", "ab\n"])
def test_nothing_is_silence(noise: str) -> None:
    assert classify(noise).kind == "silence"


START = (
    " ets Jan  8 2013,rst cause:{cause}, boot mode:(3,6)\n\n"
    "load 0x40100000, len 4, room 16 \ntail 4\nchksum 0xd6\ncsum 0xd6\n"
)


SDK = "csum 0x2b\nrf cal sector: 1020\nSDK ver: 2.2.2-dev(38a443e) compiled @ Jul  3 2019 15:53:05\n\n"


def test_a_line_that_never_ends_is_the_firmwares_own() -> None:
    """As a sketch that waits for its network prints it."""
    verdict = classify(SDK + "Connecting to Wi-Fi" + "." * 20)
    assert (verdict.kind, verdict.evidence) == ("firmware", ("Connecting to Wi-Fi" + "." * 20,))


@pytest.mark.parametrize("line", ["mode : sta(5c:cf:7f:00:00:01)\n", "WPA2 ENTERPRISE VERSION: [v2.0] enable\n"])
def test_a_line_of_the_sdk_that_is_cut_anywhere_is_still_the_sdks(line: str) -> None:
    assert {classify(SDK + line[:cut]).kind for cut in range(len(line))} == {"alive"}


@pytest.mark.parametrize(
    "words", ["Panic button pressed\nAbort: no", "assertion checks failed: 0", "Asserting that nothing failed"]
)
def test_words_of_a_healthy_firmware_are_not_its_end(words: str) -> None:
    assert classify(f"{SDK}{words}\nserver started\n").kind == "firmware"


def test_two_different_starts_are_no_loop() -> None:
    first = START.format(cause=2) + "system SPI FI size:4, Flash size: 4194304\n"
    assert classify(first + START.format(cause=2)).kind == "alive"
    assert conclude(first * 2 + "system SPI") is None


def test_three_starts_alike_are_a_loop_at_once() -> None:
    found = conclude(START.format(cause=2) * 3)
    assert found is not None
    assert found.kind == "boot-loop"


def test_a_firmware_that_jumps_to_its_start_is_a_loop_without_a_word_of_the_rom() -> None:
    sdk = "rf cal sector: 11\nSDK ver: t compiled @ Apr 16 2019 15:02:05\nphy ver: 1145_0, pp ver: 10.2\n"
    assert conclude(START.format(cause=2) + sdk * 3) is None
    found = conclude(START.format(cause=2) + sdk * 4)
    assert (found and found.kind, "4 times" in (found.summary if found else "")) == ("boot-loop", True)
    assert classify(START.format(cause=2) + sdk * 4 + "NodeMCU 3.0.0.0 \n> ").kind == "prompt"


def test_power_on_again_and_again_blames_the_supply() -> None:
    assert "supply" in classify(START.format(cause=1) * 4).summary


def test_a_failure_that_was_overcome_is_no_failure() -> None:
    log = (
        "Fatal exception 28(LoadProhibitedCause):\nepc1=0x1, depc=0x0\n" + START.format(cause=2) + "\nNodeMCU 2.2.1\n> "
    )
    assert classify(log).kind == "prompt"


def test_a_failure_that_recurs_is_not_overcome() -> None:
    crash = "Fatal exception 28(LoadProhibitedCause):\nepc1=0x1, depc=0x0\n"
    for banners in ("\nNodeMCU 2.2.1\n", "\nNodeMCU 2.2.1\n> "):
        assert classify((crash + START.format(cause=2) + banners) * 2).kind == "exception"


def test_a_board_reset_after_its_prompt_is_not_at_its_prompt() -> None:
    assert classify("NodeMCU 3.0.0.0 \n> \n" + START.format(cause=2)).kind == "alive"


def test_formatting_goes_on_until_something_else_comes() -> None:
    log = START.format(cause=2) + "Formatting file system. Please wait...\n....."
    assert classify(log).kind == "formatting"
    assert conclude(log) is None
    assert classify(log + "\nNodeMCU 3.0.0.0 \ncannot open init.lua: \n> ").kind == "prompt"
    dots = START.format(cause=2) + "system SPI FI size:4, Flash size: 4194304\n" + "." * 40
    assert classify(dots).kind == "formatting"
    assert classify(f"{dots}\nsomething else\n").kind == "firmware"
    debug = START.format(cause=2) + "system SPI FI size:4, Flash size: 4194304\n"
    debug += "".join(f".flash_erase_sector({at})\n" for at in range(136, 140))
    for cut in ("", ".", ".flash_er", ".flash_erase_sector(140)"):
        assert classify(debug + cut).kind == "formatting", cut
    assert classify(f"{debug}something else\n").kind == "firmware"
    assert classify(f"{debug}\nNodeMCU 3.0.0.0 \n> flash_erase_sector(7)\n").kind == "prompt"
    assert classify(START.format(cause=2) + "connecting\n......").kind == "firmware"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Flash size (524288) too small to support NodeMCU\n", "wrong-size"),
        ("Invalid system partition table\n", "bad-partitions"),
        ("load 0xffffffff, len -1, room 12 \n", "bad-checksum"),
        ("flash read err, 1000\n", "no-image"),
        ("User exception (panic/abort/assert)\n", "exception"),
    ],
)
def test_less_common_failures(line: str, kind: str) -> None:
    assert classify(START.format(cause=2) + line).kind == kind


def test_micropython_and_lua_prompts_are_told_apart() -> None:
    assert classify("\n>>> ").firmware == "MicroPython"
    assert classify("\n> ").kind == "prompt"
    assert classify("\n>> ").kind == "silence"


@pytest.mark.parametrize(
    ("expect", "kind", "nodemcu", "accepted"),
    [
        ("auto", "prompt", True, True),
        ("auto", "banner", True, True),
        ("auto", "firmware", True, False),
        ("auto", "alive", True, False),
        ("auto", "formatting", True, False),
        ("auto", "firmware", False, True),
        ("auto", "alive", False, True),
        ("nodemcu", "prompt", False, True),
        ("nodemcu", "firmware", False, False),
        ("any", "alive", True, True),
        ("any", "formatting", True, True),
        ("any", "silence", True, False),
        ("any", "unexpected", True, False),
        ("hello", "firmware", False, True),
        ("good bye", "firmware", False, False),
        ("hello", "panic", False, False),
    ],
)
def test_what_a_profile_may_expect(expect: str, kind: str, nodemcu: bool, accepted: bool) -> None:  # noqa: FBT001
    verdict = Verdict(kind, "", log="hello world")
    assert accepts(expect, verdict, image_is_nodemcu=nodemcu) is accepted


def test_no_failure_ever_passes() -> None:
    for kind in ("boot-loop", "bad-checksum", "no-image", "rf-cal", "exception", "panic", "silence", "download-mode"):
        assert kind not in HEALTHY
        for expect in ("auto", "nodemcu", "any", "x"):
            assert not accepts(expect, Verdict(kind, "", log="x"), image_is_nodemcu=False)


def test_a_check_that_was_not_made_passes() -> None:
    assert accepts("nodemcu", NOT_CHECKED, image_is_nodemcu=True)


def test_a_crash_is_told_with_its_addresses() -> None:
    """Half of them make another cause of it, and they come at the ROM's rate."""
    heading = START.format(cause=2) + "Fatal exception 9(LoadStoreAlignmentCause):\n"
    addresses = "epc1=0x4022823a, epc2=0x00000000, epc3=0x00000000, excvaddr=0x40f7b22d, depc=0x00000000\n"
    assert conclude(heading) is None
    assert conclude(heading + addresses[:40]) is None
    verdict = conclude(heading + addresses)
    assert verdict is not None
    assert verdict.crash is not None
    assert verdict.crash.excvaddr == 0x40F7B22D


@pytest.mark.parametrize(
    "line", ["w_flash", "#0 ets_task(40209c04, 31, 3ffe9110, 4)", "force slp enable,type: 2", "E:M -1"]
)
def test_what_an_sdk_says_is_no_application(line: str) -> None:
    """Seen in executed firmware, the first where the sector for the RF calibration is blank."""
    assert classify(START.format(cause=2) + line + "\n").kind == "alive"


@pytest.mark.parametrize(
    ("causes", "kind"),
    [((2, 1, 1), "brown-out"), ((2, 1, 2, 1), "brown-out"), ((1, 1, 1, 1), "boot-loop"), ((4, 4), "watchdog")],
)
def test_only_a_supply_that_comes_back_is_a_brown_out(causes: tuple[int, ...], kind: str) -> None:
    verdict = classify("".join(START.format(cause=cause) for cause in causes))
    assert (verdict.kind, verdict.causes) == (kind, causes)


def test_a_rom_log_that_is_cut_in_two_by_a_power_on_is_a_brown_out() -> None:
    half = START.format(cause=1).partition("tail")[0]
    assert classify(half * 2 + START.format(cause=1)).kind == "brown-out"


def test_two_resets_from_outside_are_no_loop() -> None:
    assert classify(START.format(cause=1) + START.format(cause=2)).kind == "alive"


def test_a_warning_of_the_sdk_is_a_failure_only_where_nothing_comes_after_it() -> None:
    start = START.format(cause=2) + "system param error, use last saved param!\n"
    assert classify(start).kind == "system-params"
    assert conclude(start) is None
    assert conclude(start * 2) is not None
    assert classify(start + "\nNodeMCU 2.2.1\n> ").kind == "prompt"
    assert classify(start + "\ntemperature 21.5\n").kind == "firmware"


def test_what_was_said_once_and_is_followed_by_start_after_start_is_the_failure() -> None:
    """As an executed 2.2.1 has it: the words of its later starts are lost, for they follow at once."""
    start = START.format(cause=2)
    log = start + "system param error, use last saved param!\n" + start * 5
    assert classify(log).kind == "system-params"
    assert conclude(log) is None
    assert conclude(log + start * 5) is not None


@pytest.mark.parametrize("last", ["", "00 00 00 00", "00 a5 ff 0"])
def test_what_the_sdk_found_in_place_of_its_parameters_are_no_words_of_a_firmware(last: str) -> None:
    """As an executed 1.4.0 has it on a flash that held zeros there."""
    dump = "".join(f"{'00 ' * 32}\n" for _ in range(3)) + last
    start = START.format(cause=2) + "system param error\n" + dump + "\nSDK ver: 1.4.0 compiled @ Sep 18 2015\n"
    assert classify(start).kind == "system-params"
    assert classify(start + "\ntemperature 21.5\n").kind == "firmware"


def test_a_crash_is_told_with_number_name_and_addresses() -> None:
    registers = "epc1=0x40243016, epc2=0x00000001, epc3=0x00000002, excvaddr=0x000000eb, depc=0x00000003\n"
    for heading in ("Fatal exception 28(LoadProhibitedCause):\n", "Fatal exception (28): \n", "Exception (28):\n"):
        verdict = classify(START.format(cause=2) + heading + registers)
        assert verdict.crash == Crash(28, "LoadProhibited", 0x40243016, 1, 2, 0xEB, 3)
        assert "epc1=0x40243016, excvaddr=0x000000eb" in verdict.summary


def test_a_python_that_makes_its_file_system_is_waited_for() -> None:
    setup = (
        START.format(cause=2) + "csum 0xd6\n#2 ets_task(4020edb4, 29, 3fff9160, 10)\nPerforming initial setup\nbcn 0\n"
    )
    assert (classify(setup).kind, classify(setup).firmware) == ("formatting", "MicroPython")
    assert conclude(setup) is None
    done = f"{setup}could not open file 'main.py' for reading\n\nMicroPython v1.9.4 on 2018-05-11; ESP module\n>>> "
    assert classify(done).kind == "python-prompt"
    assert classify(f"{setup}Fatal exception 28(LoadProhibitedCause):\nepc1=0x40201234\n").kind == "exception"


def test_a_number_of_any_length_is_a_number(capture: Any) -> None:
    long = re.sub(r"(?<=[ :(=])\d+", lambda found: found[0] + "9" * 4400, capture.text[-2000:], count=6)
    verdict = classify(long)
    conclude(long)
    if verdict.kind not in HEALTHY:
        judge(of_boot(verdict))


@pytest.mark.parametrize(
    ("words", "kind", "name"),
    [
        ("LuaOS beta 0.1 powered by Lua 5.3.2\n\n/ > ", "firmware", "LuaOS 0.1"),
        ("Lua RTOS beta 0.1 powered by Lua 5.3.4\n/ > ", "firmware", "Lua RTOS 0.1"),
        ("my own thing, powered by Lua 5.3.2\n", "firmware", ""),
        (
            "mein Haus build unspecified powered by Lua 5.3.5 on SDK 3.0.1-dev(fce080e)\n",
            "banner",
            "NodeMCU (SDK 3.0.1-dev)",
        ),
        (
            "my house\n\tmodules: adc\n build created on 2018-07-11 14:43\n powered by Lua 5.1.4\n> ",
            "prompt",
            "NodeMCU",
        ),
        ("specified powered by Lua 5.1.4 on SDK 2.2.1(cfd48f3)\n> ", "prompt", "NodeMCU (SDK 2.2.1)"),
        ("20150318  powered by Lua 5.1.4\n> ", "prompt", "NodeMCU"),
    ],
)
def test_not_everything_that_is_powered_by_lua_is_nodemcu(words: str, kind: str, name: str) -> None:
    verdict = classify(f"{START.format(cause=2)}csum 0x5d\n\n{words}")
    assert (verdict.kind, verdict.firmware) == (kind, name)


@pytest.mark.parametrize("prompt", ["> ", "> \n", "", "what it says\n"])
@pytest.mark.parametrize("rest", ["\n\nwdt reset\n", "\n", "\n\nwdt reset\nload 0x40100000, len 4, room 16 \n"])
def test_a_log_that_ends_with_a_bite_of_the_watchdog_had_run(prompt: str, rest: str) -> None:
    log = f"{START.format(cause=2)}\nNodeMCU 2.2.1 build x powered by Lua 5.1.4 on SDK 2.2.1\n{prompt}"
    assert classify(f"{log} ets Jan  8 2013,rst cause:4, boot mode:(3,6){rest}").kind == "watchdog"


def test_a_rom_that_never_loaded_anything_is_not_the_firmwares_fault() -> None:
    assert classify(" ets Jan  8 2013,rst cause:4, boot mode:(3,6)\n\nwdt reset\n").kind == "no-image"


SAFE_MODE = "~ld\n[I][logger:243]: Log initialized\n[E][{}:112]: Boot loop detected. {} to safe mode.\n"


@pytest.mark.parametrize(("component", "verb"), [("ota", "Proceeding"), ("safe_mode", "Proceed")])
@pytest.mark.parametrize("more", ["", "[C][wifi:600]: WiFi:\n[W][safe_mode:120]: SAFE MODE IS ACTIVE\n"])
def test_esphome_in_its_safe_mode_does_not_run(component: str, verb: str, more: str) -> None:
    log = START.format(cause=2) + SAFE_MODE.format(component, verb) + more
    assert classify(log).kind == "boot-loop"
    assert conclude(log) is not None
    assert classify(log + START.format(cause=2) + "~ld\n[I][app:029]: Running through setup()...\n").kind == "firmware"


@pytest.mark.parametrize(
    ("words", "remark"),
    [
        ("Adafruit CircuitPython 3.1.2 on 2019-01-07\nRunning in safe mode! Auto-reload is off.\n>>> ", "its program"),
        (
            "0:00 APP: Some settings have been reset (2)\n0:00 Project tasmota Tasmota Version 8.1.0\n",
            "put settings back",
        ),
    ],
)
def test_a_firmware_that_has_put_its_program_aside_says_so(words: str, remark: str) -> None:
    verdict = classify(START.format(cause=2) + words)
    assert verdict.kind in HEALTHY
    assert remark in verdict.summary
