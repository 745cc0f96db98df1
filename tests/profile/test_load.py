"""Profiles: what is read, what is refused, and that one report names every mistake."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import flashpipe
import pytest
from flashpipe.errors import BadValueError, PipelineError, ProfileError, UnknownProfileError
from flashpipe.flash import FREQUENCY_CODES, SIZE_CODES
from flashpipe.profile.keys import ALL_KEYS, CHECKS, WANT
from flashpipe.profile.load import available_profiles, load_profile, serial_from
from flashpipe.profile.model import BootProfile, ImageSource, PortMatch, Profile, SerialProfile
from flashpipe.profile.search import find_profile, own_profiles, profile_names, shipped_folder
from flashpipe.sources.build import Build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

Write = Callable[..., Path]
Lines = Callable[..., list[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path.resolve()


@pytest.fixture
def write(project: Path) -> Write:
    """Write `kitchen.yaml`, or another file, into the project."""

    def writer(text: str | bytes, name: str = "kitchen.yaml") -> Path:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return writer


@pytest.fixture
def mistakes(project: Path, write: Write) -> Lines:
    """The lines of the report about `kitchen.yaml` with this text."""

    def load(text: str | bytes, overrides: Mapping[str, str] | None = None) -> list[str]:
        write(text)
        with pytest.raises(ProfileError) as caught:
            load_profile("kitchen", project, overrides or {})
        return caught.value.message.splitlines()

    return load


# --- reading ---------------------------------------------------------------------------------------------------------


def test_every_key_arrives(project: Path, write: Write) -> None:
    path = write(
        """
about: Kitchen sensor
chip: esp8285
flash: {size: 2MB, mode: dout, frequency: 26m}
gpio9_10: free
serial:
  port: {usb: "1A86:7523", location: 1-1.2}
  baud: 921600
  reset: D0|R1|W0.1|D1|R0|W0.05|D0
firmware:
  split: {0x10000: b.bin, 0x00000: a.bin}
lock: yes
erase: as-needed
keep: [wifi, spiffs]
verify: read-back
boot: {expect: "ready.", timeout: 2m}
mode_retry: yes
rollback: true
boards: [5C-CF-7F-D7-1C-89, 5ccf7f000001]
"""
    )
    assert load_profile("kitchen", project) == Profile(
        name="kitchen",
        path=path,
        about="Kitchen sensor",
        chip="esp8285",
        flash_size="2MB",
        flash_mode="dout",
        flash_frequency="26m",
        gpio9_10="free",
        serial=SerialProfile(PortMatch(usb="1a86:7523", location="1-1.2"), 921600, "D0|R1|W0.1|D1|R0|W0.05|D0"),
        sources=(ImageSource(0, "a.bin", project), ImageSource(0x10000, "b.bin", project)),
        lock=True,
        erase="as-needed",
        keep=("spiffs", "wifi"),
        keep_stated=True,
        verify="read-back",
        boot=BootProfile(check=True, expect="ready.", timeout_s=120.0),
        mode_retry=True,
        rollback=True,
        boards=("5c:cf:7f:00:00:01", "5c:cf:7f:d7:1c:89"),
        lineage=(path,),
    )


def test_defaults_are_those_of_the_table(project: Path, write: Write) -> None:
    write("flash: {size: auto, mode: dio}\n")
    profile = load_profile("kitchen", project)
    assert profile.chip == "esp8266"
    assert profile.flash_frequency == "40m"
    assert profile.serial == SerialProfile("auto", 460800, "auto")
    assert (profile.erase, profile.verify, profile.gpio9_10) == ("as-needed", "md5", "flash")
    assert (profile.keep, profile.keep_stated) == (("spiffs", "lfs", "wifi", "rf"), False)
    assert profile.boot == BootProfile(check=True, expect="auto", timeout_s=60.0)
    assert (profile.sources, profile.boards, profile.rollback, profile.mode_retry) == ((), (), False, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", BootProfile(check=False)),
        ("false", BootProfile(check=False)),
        ("No", BootProfile(check=False)),
        ("on", BootProfile()),
        ("any", BootProfile(expect="any")),
        ("{expect: NodeMCU}", BootProfile(expect="nodemcu")),
        ("{timeout: 500ms}", BootProfile(timeout_s=0.5)),
        ("{expect: 'MicroPython v1'}", BootProfile(expect="MicroPython v1")),
    ],
)
def test_boot_in_all_its_shapes(project: Path, write: Write, text: str, expected: BootProfile) -> None:
    write(f"extends: esp12\nboot: {text}\n")
    assert load_profile("kitchen", project).boot == expected


@pytest.mark.parametrize("text", ["4MB", "4 MB", "4mb", "'4MB'", "4194304", "0x400000", "4096k"])
def test_a_size_is_recognised_however_it_is_written(project: Path, write: Write, text: str) -> None:
    write(f"flash: {{size: {text}, mode: dio}}\n")
    assert load_profile("kitchen", project).flash_size == "4MB"


@pytest.mark.parametrize(
    "text", ["11-22-33-44-55-66", "10:20:30:40:50:59", "10:20:30:40:50:60", "102030405060", "1020304050e6", "'1c:2:'"]
)
def test_macs_never_turn_into_numbers(project: Path, write: Write, text: str) -> None:
    write(f"extends: esp12\nboards:\n  - {text}\n")
    if text.startswith("10"):
        (mac,) = load_profile("kitchen", project).boards
        assert mac.replace(":", "") == text.replace(":", "")
    else:  # a group address, and a torn one
        with pytest.raises(ProfileError, match=r"kitchen\.yaml:3: boards: got"):
            load_profile("kitchen", project)


@pytest.mark.parametrize("text", ["flash: {size: 1MB, mode: dout}\r\n", "\ufeffflash: {size: 1MB, mode: dout}"])
def test_windows_line_ends_and_byte_order_marks_are_read(project: Path, write: Write, text: str) -> None:
    write(text)
    assert load_profile("kitchen", project).flash_size == "1MB"


def test_windows_paths_arrive_unchanged(project: Path, write: Write) -> None:
    write("extends: esp12\nfirmware: {image: C:\\fw\\new.bin}\nserial: {port: COM3}\n")
    profile = load_profile("kitchen", project)
    assert profile.sources == (ImageSource(0, "C:\\fw\\new.bin", project),)
    assert profile.serial.port == "COM3"


# --- extends ---------------------------------------------------------------------------------------------------------


def test_the_nearer_file_wins_key_by_key(project: Path, write: Write) -> None:
    write("extends: esp12\nserial: {baud: 115200, reset: manual}\nboot: {expect: any, timeout: 90s}\n", "base.yaml")
    write("extends: base\nserial: {reset: none}\nboot: {timeout: 5s}\nboards: [5c:cf:7f:00:00:01]\n")
    profile = load_profile("kitchen", project)
    assert profile.serial == SerialProfile("auto", 115200, "none")
    assert profile.boot == BootProfile(expect="any", timeout_s=5.0)
    assert profile.flash_size == "4MB"
    assert profile.about.startswith("ESP-12"), "inherited until the profile says its own"
    assert [path.stem for path in profile.lineage] == ["kitchen", "base", "esp12"]


def test_a_boot_that_is_described_is_judged_even_if_the_extended_profile_says_off(project: Path, write: Write) -> None:
    write("extends: esp12\nboot: off\n", "base.yaml")
    write("extends: base\nboot: {expect: any}\n")
    assert load_profile("kitchen", project).boot == BootProfile(check=True, expect="any")
    assert not load_profile("base", project).boot.check


def test_firmware_and_port_are_replaced_as_a_whole(project: Path, write: Write) -> None:
    write(
        "extends: esp12\nserial: {port: {usb: 10c4:ea60, serial: '0001'}}\n"
        "firmware: {split: {0x00000: a.bin, 0x10000: b.bin}}\n",
        "base.yaml",
    )
    write("extends: base\nserial: {port: {usb: 1a86:7523}}\nfirmware: {image: c.bin}\n")
    profile = load_profile("kitchen", project)
    assert profile.serial.port == PortMatch(usb="1a86:7523")
    assert profile.sources == (ImageSource(0, "c.bin", project),)
    write("extends: base\nserial: {port: /dev/ttyUSB0}\n")
    assert load_profile("kitchen", project).serial.port == "/dev/ttyUSB0"


def test_an_inherited_source_starts_from_the_file_that_states_it(project: Path, write: Write) -> None:
    base = write("extends: esp12\nfirmware: {image: fw.bin}\n", "common/base.yaml")
    write("extends: common/base.yaml\n")
    profile = load_profile("kitchen", project)
    assert profile.sources == (ImageSource(0, "fw.bin", project / "common"),)
    assert profile.lineage[1] == base


def test_a_project_may_refine_a_shipped_profile_under_its_own_name(project: Path, write: Write) -> None:
    own = write("extends: esp12\nserial: {baud: 115200}\n", "esp12.yaml")
    profile = load_profile("esp12", project)
    assert profile.lineage == (own, shipped_folder() / "esp12.yaml")
    assert profile.serial.baud == 115200
    devkit = load_profile("nodemcu-devkit", project)
    assert devkit.serial.baud == 460800, "a shipped profile extends shipped ones only"


def test_extending_itself_is_a_mistake(mistakes: Lines) -> None:
    assert mistakes("extends: kitchen\n") == [
        "kitchen.yaml:1: extends: got 'kitchen', want a profile other than itself"
    ]


def test_a_circle_is_named(mistakes: Lines, write: Write) -> None:
    write("extends: c\n", "b.yaml")
    write("extends: kitchen\n", "c.yaml")
    assert mistakes("extends: b\n") == ["c.yaml:1: extends: goes in a circle: kitchen -> b -> c -> kitchen"]


def test_a_chain_has_an_end(mistakes: Lines, write: Write) -> None:
    for number in range(12):
        write(f"extends: c{number + 1}\n", f"c{number}.yaml")
    assert mistakes("extends: c0\n") == ["c6.yaml:1: extends: is the 8th of a chain; 8 profiles are the most"]


def test_a_circle_that_leaves_the_first_file_out_is_named(mistakes: Lines, write: Write) -> None:
    write("extends: c\n", "b.yaml")
    write("extends: ./b.yaml\n", "c.yaml")
    assert mistakes("extends: b\n") == ["c.yaml:1: extends: goes in a circle: b -> c -> b"]


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("esp21", "want the name of a profile such as esp12; did you mean 'esp12'?"),
        ("ESP12", "want the name of a profile such as esp12; did you mean 'esp12'?"),
        ("zzz", "want the name of a profile such as esp12"),
        ("./no.yaml", "want the file of a profile, which is not there"),
    ],
)
def test_a_missing_base_is_named_with_what_is_near(mistakes: Lines, name: str, end: str) -> None:
    assert mistakes(f"about: x\nextends: {name}\n") == [f"kitchen.yaml:2: extends: got {name!r}, {end}"]


def test_mistakes_in_an_extended_file_are_named_there(mistakes: Lines, write: Write) -> None:
    write("extends: esp12\n\nflash: {mode: dioo}\n", "base.yaml")
    assert mistakes("extends: base\nflash: {mode: dio}\nverify: md4\n") == [
        "kitchen.yaml:3: verify: got 'md4', want one of md5, read-back; did you mean 'md5'?",
        "base.yaml:3: flash.mode: got 'dioo', want one of qio, qout, dio, dout; did you mean 'dio'?",
    ]


# --- mistakes --------------------------------------------------------------------------------------------------------


def test_one_report_names_every_mistake(mistakes: Lines) -> None:
    assert mistakes(
        """extends: esp12
flsh: {size: 4MB}
flash:
  mode: dioo
  size: 5MB
  mode: dio
size: 4MB
serial: {baud: true, reset: automatic, prot: COM3}
firmware: [a.bin]
keep: [spifs, wifi]
boards: ["5c:cf:7f:d7:1c", 7]
boot: {timeout: soon, expect: off}
rollback: perhaps
lock: maybe
about:
chip: esp32
"""
    ) == [
        "kitchen.yaml:2: flsh: unknown key; did you mean 'flash'?",
        "kitchen.yaml:4: flash.mode: got 'dioo', want one of qio, qout, dio, dout; did you mean 'dio'?",
        (
            "kitchen.yaml:5: flash.size: got '5MB', want one of auto, 256KB, 512KB, 1MB, 2MB, 2MB-c1, 4MB, 4MB-c1, 8MB,"
            " 16MB"
        ),
        "kitchen.yaml:6: flash.mode: stated twice, first at kitchen.yaml:4",
        "kitchen.yaml:7: size: unknown key; did you mean 'flash.size'?",
        "kitchen.yaml:8: serial.baud: got 'true', want a whole number from 300 to 6000000, or auto",
        (
            "kitchen.yaml:8: serial.reset: got 'automatic', want one of auto, manual, none, or esptool's steps such as"
            " D0|R1|W0.1|D1|R0|W0.05|D0; did you mean 'auto'?"
        ),
        "kitchen.yaml:8: serial.prot: unknown key; did you mean 'serial.port'?",
        "kitchen.yaml:9: firmware: got [a.bin], want a mapping such as {image: FILE}",
        "kitchen.yaml:10: keep: got 'spifs', want one of spiffs, lfs, wifi, rf; did you mean 'spiffs'?",
        (
            "kitchen.yaml:11: boards: got '5c:cf:7f:d7:1c', want a board's MAC such as 5c:cf:7f:d7:1c:89"
            " (`flashpipe identify` shows it)"
        ),
        (
            "kitchen.yaml:11: boards: got '7', want a board's MAC such as 5c:cf:7f:d7:1c:89 (`flashpipe"
            " identify` shows it)"
        ),
        "kitchen.yaml:12: boot.timeout: got 'soon', want a duration such as 60s or 2m, at most an hour",
        (
            "kitchen.yaml:12: boot.expect: got 'off', want auto, nodemcu, any, or the text to wait for;"
            " `boot: off` skips the check"
        ),
        (
            "kitchen.yaml:13: rollback: got 'perhaps', want true or false: whether to put back what the board held if"
            " the new firmware does not boot"
        ),
        "kitchen.yaml:14: lock: got 'maybe', want true or false: whether local files and build outputs are pinned too",
        "kitchen.yaml:15: about: got nothing, want a line of text",
        "kitchen.yaml:16: chip: got 'esp32', want one of esp8266, esp8285",
    ]


def test_the_report_carries_its_code_and_status(project: Path, write: Write) -> None:
    write("extends: esp12\nflash: {mode: dioo}\n")
    with pytest.raises(ProfileError) as caught:
        load_profile("kitchen", project)
    assert (caught.value.code, caught.value.status) == ("profile", 10)
    assert caught.value.hint


@pytest.mark.parametrize("key", sorted(CHECKS))
@pytest.mark.parametrize("value", ["", "~", "null", "[]", "[[1]]", "{}", "{x: 1}", "''", '"\\f"'])
def test_no_key_takes_nonsense(project: Path, write: Write, key: str, value: str) -> None:
    text = value
    for name in reversed(key.split(".")):
        text = f"{{{name}: {text}}}"
    write(text)
    accepted = {("boards", "[]"), ("keep", "[]"), ("about", "''"), ("about", '"\\f"')} | {
        (key, "{x: 1}") for key in ("files", "values")
    }
    report = ""
    try:
        load_profile("kitchen", project)
    except ProfileError as error:
        report = error.message
    named = [line for line in report.splitlines() if line.startswith("kitchen.yaml:1: " + key)]
    assert bool(named) is ((key, value) not in accepted), report


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "kitchen.yaml: is empty, want keys and values such as `extends: esp12`"),
        ("# nothing yet\n", "kitchen.yaml: is empty, want keys and values such as `extends: esp12`"),
        ("- a\n- b\n", "kitchen.yaml:1: got [a, b], want keys and values such as `extends: esp12`"),
        ("esp12\n", "kitchen.yaml:1: got 'esp12', want keys and values such as `extends: esp12`"),
        ("flash:\n\tmode: dio\n", "kitchen.yaml:2: a tab where YAML wants spaces"),
        ("a: b: c\n", "kitchen.yaml:1: not YAML: mapping values are not allowed here"),
        (
            "extends: esp12\n<<<<<<< HEAD\nabout: a\n=======\nabout: b\n>>>>>>> theirs\n",
            "kitchen.yaml:2: the mark of a merge that is not done (`<<<<<<<`): keep one of both versions",
        ),
        ("extends: esp12\n---\nb: 1\n", "kitchen.yaml:2: a second document (`---`) begins here; a profile is one"),
        ("about: x\nchip: \0\n", "kitchen.yaml:2: a control character that YAML does not allow"),
        (b"about: x\nchip: K\xfcche\n", "kitchen.yaml:2: byte 0xfc is not UTF-8; save the file as UTF-8"),
        ("extends: esp12\n".encode("utf-16"), "kitchen.yaml: is UTF-16; save it as UTF-8"),
        (b"\xe9" + bytes(300_000), "kitchen.yaml: larger than 256 KB: this is not a profile"),
        ("[" * 5000, "kitchen.yaml: is nested too deeply for a profile"),
    ],
)
def test_a_file_that_is_no_profile_is_named_as_what_it_is(mistakes: Lines, text: str | bytes, line: str) -> None:
    assert mistakes(text) == [line]


def test_backslashes_in_double_quotes_are_explained(mistakes: Lines) -> None:
    (unknown,) = mistakes('extends: esp12\nfirmware: {image: "C:\\Users\\x.bin"}\n')
    assert unknown.startswith("kitchen.yaml:2: ")
    assert unknown.endswith("; write backslashes without quotes or in single quotes")
    (swallowed,) = mistakes('extends: esp12\nfirmware: {image: "C:\\fw.bin"}\n')
    assert swallowed.startswith("kitchen.yaml:2: firmware.image: got 'C:\\x0cw.bin'")
    assert swallowed.endswith("; write backslashes without quotes or in single quotes")


def test_anchors_are_read_and_loops_among_them_do_no_harm(project: Path, write: Write, mistakes: Lines) -> None:
    write("flash: {size: 1MB, mode: &m dout}\nabout: *m\n")
    assert load_profile("kitchen", project).about == "dout"
    write("extends: esp12\nabout: &m one\nflash: {mode: &m dout}\n")  # a later one replaces it: no warning is shown
    assert load_profile("kitchen", project).about == "one"
    assert mistakes("extends: esp12\nboards: &a [*a]\n")[0].startswith("kitchen.yaml:2: boards: got […], want")
    assert mistakes("&a\n? *a\n: *a\n")[0].startswith("kitchen.yaml:")


def test_missing_hardware_is_asked_for(mistakes: Lines) -> None:
    assert mistakes("about: bare\n") == [
        (
            "kitchen.yaml: flash.size: is missing, want a flash size such as 4MB, or auto; `extends: esp12` would"
            " bring it along"
        ),
        "kitchen.yaml: flash.mode: is missing, want one of qio, qout, dio, dout; `extends: esp12` would bring it along",
    ]


def test_modes_that_the_chip_cannot_do_are_refused(mistakes: Lines) -> None:
    assert mistakes("extends: esp8285\nflash: {mode: dio}\n") == [
        (
            "kitchen.yaml:2: flash.mode: got 'dio', want dout: the ESP8285's flash is inside the chip and wired for"
            " nothing else"
        )
    ]
    assert mistakes("extends: esp12\nflash: {mode: qout}\ngpio9_10: free\n") == [
        (
            "kitchen.yaml:2: flash.mode: got 'qout', want dio or dout: `gpio9_10: free` takes two of the four lines of"
            " q* modes"
        )
    ]


def test_erasing_all_and_keeping_some_cannot_both_be_wished(mistakes: Lines, project: Path, write: Write) -> None:
    assert mistakes("extends: esp12\nerase: all\nkeep: [wifi, lfs]\n") == [
        "kitchen.yaml:2: erase: got 'all', want as-needed: erasing all would not keep lfs, wifi"
    ]
    write("extends: esp12\nerase: all\nkeep: []\n")
    assert load_profile("kitchen", project).erase == "all"


def test_a_chip_change_is_judged_with_the_inherited_mode(mistakes: Lines) -> None:
    (line,) = mistakes("extends: esp12\nchip: esp8285\n")
    assert "esp12.yaml:" in line
    assert "flash.mode: got 'dio', want dout" in line


def test_split_addresses(project: Path, write: Write, mistakes: Lines) -> None:
    write("extends: esp12\nfirmware:\n  split:\n    0: a.bin\n    65536: b.bin\n    '0x3FC000': init.bin\n")
    assert [source.address for source in load_profile("kitchen", project).sources] == [0, 0x10000, 0x3FC000]
    assert mistakes(
        "extends: esp12\nfirmware:\n  split:\n    0x10000: a.bin\n    65536: b.bin\n    ten: c.bin\n    0: [d]\n"
    ) == [
        "kitchen.yaml:5: firmware.split: 0x10000 is stated twice",
        "kitchen.yaml:6: firmware.split: got 'ten' as a key, want a flash address such as 0x10000",
        "kitchen.yaml:7: firmware.split.0: got [d], want text",
    ]


BUILD = "extends: esp12\nfirmware:\n  build:\n    command: make -j2\n    outputs: bin/nodemcu.bin\n"


def test_a_build(project: Path, write: Write) -> None:
    write(BUILD)
    build = load_profile("kitchen", project).build
    assert build == Build("make -j2", project, ((0, "bin/nodemcu.bin"),))
    assert load_profile("kitchen", project).sources == ()
    write(
        "extends: esp12\nfirmware: {build: {command: [docker, run, '--rm', 80], folder: ../nodemcu,"
        " outputs: {0x10000: b.bin, 0: a.bin}, inputs: [app/**/*.c, Makefile]}}\n"
    )
    assert load_profile("kitchen", project).build == Build(
        ("docker", "run", "--rm", "80"),
        project / ".." / "nodemcu",
        ((0, "a.bin"), (0x10000, "b.bin")),
        ("app/**/*.c", "Makefile"),
    )


def test_an_heir_replaces_a_build_as_a_whole(project: Path, write: Write) -> None:
    write(BUILD, "base.yaml")
    write("extends: base\nfirmware: {image: a.bin}\n")
    assert load_profile("kitchen", project).build is None
    write("extends: base\n")
    build = load_profile("kitchen", project).build
    assert build is not None
    assert build.folder == project


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("{command: make}", ".outputs", "is missing, want a file"),
        ("{outputs: a.bin}", ".command", "is missing, want a command"),
        ("{command: [make, [x]], outputs: a.bin}", ".command", "want a command"),
        ("{command: make, outputs: {ten: a.bin}}", ".outputs", "want a flash address"),
        ("{command: make, outputs: a.bin, inputs: [/abs/*.c]}", ".inputs", "relative to the folder"),
        ("{command: make, outputs: a.bin, input: a.c}", ".input", "did you mean 'firmware.build.inputs'"),
        ("make", "", "want a mapping such as {command: make"),
    ],
)
def test_what_is_no_build(mistakes: Lines, text: str, key: str, words: str) -> None:
    (line,) = mistakes(f"extends: esp12\nfirmware: {{build: {text}}}\n")
    assert line.startswith(f"kitchen.yaml:2: firmware.build{key}: ")
    assert words in line


def test_two_kinds_of_firmware_at_once_are_refused(mistakes: Lines) -> None:
    assert mistakes("extends: esp12\nfirmware: {image: a.bin, split: {0: a.bin}}\n") == [
        "kitchen.yaml:2: firmware: has both image and split, want one of them"
    ]
    (line,) = mistakes("extends: esp12\nfirmware: {image: a.bin, build: {command: make, outputs: a.bin}}\n")
    assert line.endswith("firmware: has both image and build, want one of them")


def test_no_escape_code_reaches_the_terminal(mistakes: Lines) -> None:
    lines = mistakes('extends: esp12\nabout: "\\e[2J"\nverify: "\\e[2J"\n"\\e[2J": 1\n')
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_long_values_are_cut_in_messages(mistakes: Lines) -> None:
    (line,) = mistakes(f"extends: esp12\nverify: {'9' * 5000}\n")
    assert len(line) < 200
    (line,) = mistakes(f"extends: esp12\nflash: {{size: {'9' * 5000}}}\n")
    assert len(line) < 300


# --- the command line ------------------------------------------------------------------------------------------------


def test_overrides_win_and_are_checked_like_the_file(project: Path, write: Write) -> None:
    write("extends: esp12\nserial: {port: {usb: 1a86:7523}}\nboot: {expect: any}\n")
    profile = load_profile(
        "kitchen",
        project,
        {
            "flash.mode": "DOUT",
            "serial.port": "sim://x",
            "serial.baud": "115200",
            "serial.reset": "none",
            "boot": "off",
        },
    )
    assert profile.flash_mode == "dout"
    assert profile.serial == SerialProfile("sim://x", 115200, "none")
    assert profile.boot == BootProfile(check=False, expect="any")


def test_a_wrong_override_is_named_by_its_variable(project: Path) -> None:
    with pytest.raises(BadValueError) as caught:
        load_profile("esp12", project, {"flash.mode": "dioo", "serial.baud": "fast", "boot": "of", "serial.port": ""})
    assert caught.value.message.splitlines() == [
        "mode=dioo: flash.mode: want one of qio, qout, dio, dout; did you mean 'dio'?",
        "baud=fast: serial.baud: want a whole number from 300 to 6000000, or auto",
        "boot=of: boot: want off, on, auto, nodemcu, any, or {expect: …, timeout: 60s}; did you mean 'off'?",
        "port=: serial.port: want auto, a port such as /dev/ttyUSB0 or COM3, a URL, or {usb: 1a86:7523}",
    ]
    assert caught.value.status == 3


def test_a_typed_mode_that_the_chip_cannot_do_is_left_to_the_gate(project: Path) -> None:
    assert load_profile("esp8285", project, {"flash.mode": "dio"}).flash_mode == "dio"


def test_serial_settings_need_no_profile() -> None:
    assert serial_from({}) == SerialProfile()
    assert serial_from({"serial.baud": "115200", "serial.port": "COM3"}) == SerialProfile("COM3", 115200)
    with pytest.raises(BadValueError, match="reset=aut: "):
        serial_from({"serial.reset": "aut"})


def test_only_a_simulated_port_makes_a_profile_virtual(project: Path) -> None:
    assert load_profile("demo", project).is_virtual
    assert load_profile("esp12", project, {"serial.port": "sim://esp12"}).is_virtual
    assert not load_profile("esp12", project).is_virtual


def test_mistakes_of_both_kinds_come_together(mistakes: Lines) -> None:
    lines = mistakes("extends: esp12\nverify: md4\n", {"flash.mode": "dioo"})
    assert [line.split(":")[0] for line in lines] == ["kitchen.yaml", "mode=dioo"]


# --- finding ---------------------------------------------------------------------------------------------------------


def test_the_project_comes_before_its_profiles_folder_and_the_shipped_ones(project: Path, write: Write) -> None:
    assert find_profile("esp12", project) == shipped_folder() / "esp12.yaml"
    folder = write("extends: esp01\n", "profiles/esp12.yaml")
    assert find_profile("esp12", project) == folder
    own = write("extends: esp01\n", "esp12.yaml")
    assert find_profile("esp12", project) == own


def test_names_are_exact_and_suggestions_are_not(project: Path) -> None:
    for name in ("ESP12", "esp-12", "esp21"):
        with pytest.raises(UnknownProfileError) as caught:
            find_profile(name, project)
        assert "did you mean 'esp12'?" in caught.value.message
        assert "d1-mini, d1-mini-clone" in caught.value.hint
    with pytest.raises(UnknownProfileError) as caught:
        find_profile("greenhouse", project)
    assert "did you mean" not in caught.value.message


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "esp12\0", "\0/x.yaml", "no/such.yaml", "~nobody-here/x.yaml", "x" * 5000, "x/" + "y" * 5000],
)
def test_odd_names_are_unknown_and_nothing_worse(project: Path, name: str) -> None:
    with pytest.raises(UnknownProfileError):
        find_profile(name, project)


def test_a_profile_may_be_named_by_its_file(project: Path, write: Write) -> None:
    path = write("extends: esp12\n", "elsewhere/lamp.yaml")
    assert load_profile(str(path), project).name == "lamp"
    assert load_profile("lamp.yaml", project, caller=project / "elsewhere").path == path
    assert load_profile("elsewhere/lamp.yaml", project / "other", caller=project).path == path


def test_the_other_suffix_is_pointed_out(project: Path, write: Write) -> None:
    write("extends: esp12\n", "lamp.yml")
    with pytest.raises(UnknownProfileError, match=r"lamp\.yml is there, but a profile's name ends in \.yaml"):
        load_profile("lamp", project)


def test_listing_shows_own_before_shipped_and_leaves_other_yaml_out(project: Path, write: Write) -> None:
    write("extends: esp12\nabout: Lamp\n", "lamp.yaml")
    write("flash: {mode: dioo}\nabout: Broken\n", "broken.yaml")
    write("extends: esp12\nabout: Ours\n", "esp12.yaml")
    write("version: 1\nimages: {}\n", "images.lock.yaml")
    write("services:\n  firmware: x\n", "compose.yaml")
    write("extends: default\n", ".yamllint.yaml")
    entries = available_profiles(project)
    own = [entry for entry in entries if not entry.shipped]
    assert [entry.name for entry in own] == ["broken", "esp12", "lamp"]
    assert [entry.about for entry in own] == ["", "Ours", "Lamp"]
    assert [bool(entry.error) for entry in own] == [True, False, False]
    assert own[0].error.startswith("broken.yaml:1: flash.mode: got 'dioo'")
    assert len({entry.name for entry in entries}) == len(entries) == len(profile_names(project))


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few users make symbolic links")
def test_listing_survives_what_only_looks_like_a_file(project: Path) -> None:
    folder = project / "profiles"
    folder.mkdir()
    (folder / "folder.yaml").mkdir()
    (folder / "dangling.yaml").symlink_to(project / "nothing")
    (folder / "loop.yaml").symlink_to(folder / "loop.yaml")
    assert all(entry.shipped for entry in available_profiles(project))
    with pytest.raises(UnknownProfileError, match="which is not there"):
        load_profile("dangling", project)


@pytest.mark.skipif(os.name == "nt", reason="Windows lets few users make symbolic links")
def test_a_link_is_a_profile_of_its_own_name(project: Path) -> None:
    (project / "real").mkdir()
    (project / "real" / "k.yaml").write_text("extends: esp12\nfirmware: {image: fw.bin}\n")
    (project / "l.yaml").symlink_to("real/k.yaml")
    (project / "ours.yaml").symlink_to(shipped_folder() / "esp12.yaml")
    assert own_profiles(project) == ["l", "ours"]
    assert {"l", "ours"} < {*profile_names(project)}
    assert "k" not in profile_names(project)
    (entry,) = (entry for entry in available_profiles(project) if entry.name == "l")
    assert isinstance(entry.profile, Profile)
    for profile in (entry.profile, load_profile("l", project), load_profile("l.yaml", project, caller=project)):
        assert (profile.name, profile.sources[0].base) == ("l", (project / "real").resolve())


def test_shipped_profiles_are_found_wherever_the_program_is_installed(project: Path) -> None:
    site = project / "site"
    package = site / "flashpipe"  # as a wheel lays it out
    shutil.copytree(Path(flashpipe.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(shipped_folder(), package / "profiles", ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere = project / "elsewhere"
    (elsewhere / "profiles").mkdir(parents=True)
    (elsewhere / "profiles" / "__init__.py").touch()  # a user's folder of the same name, importable and in front
    script = (
        "from pathlib import Path\nfrom flashpipe.profile.load import load_profile\n"
        "print(load_profile('demo', Path()).path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert Path(done.stdout.strip()) == package / "profiles" / "demo.yaml"


def test_in_the_repository_itself_shipped_profiles_are_listed_once(project: Path) -> None:
    ours = available_profiles(shipped_folder().parent)
    assert [entry.name for entry in ours] == [entry.name for entry in available_profiles(project)]
    assert all(entry.shipped for entry in ours)


def test_a_project_folder_that_is_not_there_lists_the_shipped_ones(project: Path) -> None:
    assert profile_names(project / "nowhere") == profile_names(project)


def test_names_cost_no_yaml_parser(project: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from flashpipe.profile.load import available_profiles, profile_names\n"
        f"names = [entry.name for entry in available_profiles(Path({str(project)!r}))]\n"
        "assert 'esp12' in names\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('ruamel', 'esptool', 'doit', 'serial')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- laws ------------------------------------------------------------------------------------------------------------

_hex_octet = st.integers(0, 255).map("{:02x}".format)
_macs = st.builds(
    lambda first, rest: ":".join([f"{first & 0xFC | 0x04:02x}", *rest]),
    st.integers(0, 255),
    st.lists(_hex_octet, min_size=5, max_size=5),
)
_words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20).filter(
    lambda text: text.isprintable()
)
_profiles = st.fixed_dictionaries(
    {
        "flash": st.fixed_dictionaries(
            {"size": st.sampled_from([*SIZE_CODES, "auto"]), "mode": st.sampled_from(["dout", "dio"])},
            optional={"frequency": st.sampled_from(sorted(FREQUENCY_CODES))},
        )
    },
    optional={
        "about": _words,
        "serial": st.fixed_dictionaries(
            {},
            optional={
                "port": st.one_of(_words, st.fixed_dictionaries({"usb": st.just("1a86:7523"), "serial": _words})),
                "baud": st.integers(300, 6_000_000),
                "reset": st.sampled_from(["auto", "manual", "none", "D0|R1|W0.1|D1"]),
            },
        ).filter(bool),
        "firmware": st.one_of(
            st.fixed_dictionaries({"image": _words}),
            st.fixed_dictionaries({"split": st.dictionaries(st.integers(0, 0xFFFFFF), _words, min_size=1, max_size=3)}),
        ),
        "keep": st.lists(st.sampled_from(["spiffs", "lfs", "wifi", "rf"]), unique=True),
        "verify": st.sampled_from(["md5", "read-back"]),
        "boot": st.fixed_dictionaries({"timeout": st.integers(1, 3600)}),
        "boards": st.lists(_macs, max_size=3),
    },
)
_any_yaml = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=10) | st.sampled_from([key.rpartition(".")[2] for key in ALL_KEYS]), inner, max_size=5
        )
    ),
    max_leaves=12,
)
_mutants = st.builds(
    lambda data, keys, value: {**data, **dict.fromkeys(keys, value)},
    _profiles,
    st.lists(st.sampled_from(sorted({key.partition(".")[0] for key in ALL_KEYS} - {"extends"})), max_size=3),
    _any_yaml,
)
_relaxed = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)


def as_yaml(data: object) -> bytes:
    stream = io.BytesIO()
    YAML(typ="safe", pure=True).dump(data, stream)
    return stream.getvalue()


def load_or_report(path: Path) -> Profile | None:
    try:
        return load_profile(str(path), path.parent)
    except ProfileError as error:
        report = error.message
    assert report
    assert all(line.startswith("kitchen.yaml") and line.isprintable() for line in report.splitlines())
    return None


@_relaxed
@given(_mutants | _any_yaml)
def test_any_yaml_gives_a_profile_or_a_report(write: Write, data: object) -> None:
    load_or_report(write(as_yaml(data)))


@_relaxed
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_a_profile_or_a_report(write: Write, data: bytes) -> None:
    load_or_report(write(data))


@_relaxed
@given(_profiles)
def test_what_a_valid_file_says_is_what_the_profile_says(project: Path, write: Write, data: dict[str, Any]) -> None:
    profile = load_profile(str(write(json.dumps(data, ensure_ascii=False))), project)
    flash, serial, firmware = data["flash"], data.get("serial", {}), data.get("firmware", {})
    assert (profile.flash_size, profile.flash_mode) == (flash["size"], flash["mode"])
    assert profile.about == data.get("about", "")
    port = serial.get("port", "auto")
    assert profile.serial.port == (PortMatch(**port) if isinstance(port, dict) else port)
    assert profile.serial.baud == serial.get("baud", 460800)
    parts = firmware.get("split") or dict.fromkeys([0] * len(firmware), firmware.get("image"))
    assert {source.address: source.text for source in profile.sources} == parts
    assert profile.boards == tuple(sorted(set(data.get("boards", []))))
    assert set(profile.keep) == set(data.get("keep", profile.keep))
    assert profile.boot.timeout_s == data.get("boot", {}).get("timeout", 60)


@_relaxed
@given(_profiles)
def test_an_empty_heir_is_its_parent_but_for_its_name(project: Path, write: Write, data: dict[str, Any]) -> None:
    parent = load_profile(str(write(json.dumps(data, ensure_ascii=False), "parent.yaml")), project)
    child = load_profile(str(write("extends: parent\n")), project)
    assert child == replace(parent, name="kitchen", path=child.path, lineage=(child.path, parent.path))


@_relaxed
@given(
    st.dictionaries(st.sampled_from(["flash.mode", "serial.port", "serial.baud", "serial.reset", "boot"]), st.text())
)
def test_any_override_gives_a_profile_or_a_usage_error(project: Path, overrides: dict[str, str]) -> None:
    try:
        load_profile("esp8285", project, overrides)
    except PipelineError as error:
        assert isinstance(error, BadValueError)  # noqa: PT017  only the class matters


def test_every_key_says_what_it_wants() -> None:
    assert set(WANT) >= set(CHECKS) - {"firmware.split.0"}


@pytest.mark.parametrize(
    ("text", "is_profile"),
    [
        (b"# mine\n\nextends: esp12\n", True),
        (b"\textends: esp12\n", True),
        (b"  about: x\n  flash: {mode: dio}\n", True),
        (b'"extends": esp12\n', True),
        (b"{extends: esp12}\n", True),
        (b"\xef\xbb\xbfextends: esp12\n", True),
        ("extends: esp12\n".encode("utf-16"), True),
        (b"---\nchip: esp8266\n", True),
        (b"services:\n  web:\n    serial: x\n", False),
        (b"about: x\n  flash: y\n", False),
        (b"# extends: esp12\nname: x\n", False),
        (b"", False),
    ],
)
def test_a_file_is_a_profile_by_its_keys_also_where_it_is_no_good_yaml(
    tmp_path: Path, text: bytes, *, is_profile: bool
) -> None:
    (tmp_path / "mine.yaml").write_bytes(text)
    assert own_profiles(tmp_path) == ["mine"] * is_profile
